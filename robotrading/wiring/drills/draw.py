"""A story from a seed.

Entry point: `story_for`.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import OrderType
from robotrading.sim.faults.kinds import WHERE, FaultKind, Layer
from robotrading.sim.faults.plan import FaultPlan, plan_for
from robotrading.wiring.drills.dice import Dice
from robotrading.wiring.drills.story import SYMBOLS, Act, Episode, Kill, Life, Setting, Story

D = Decimal
KINDS = (AssetClass.EQUITIES, AssetClass.BONDS, AssetClass.CRYPTO)
PLAYED = tuple(kind for kind in FaultKind if WHERE[kind] & {Layer.BROKER, Layer.LEDGER, Layer.CLOCK})
"""The kinds of faults that an in-process world can play."""
KILLED_AT = (
    *("start_run", "finish_run", "save_plan", "record_intent", "append", "open_tickets", "tickets", "ticket"),
    *("tickets_of", "attempts", "positions", "owned", "save_equity", "day_start_equity", "pin_capital", "halted"),
    *("record_intent", "append", "append", "submit", "submit", "cancel", "cancel"),  # where it is most delicate
    *("connect", "disconnect", "account", "refine", "quotes", "submit", "cancel", "open_orders", "completed_orders"),
    *("executions",),
)
"""Calls at which a process is killed on purpose; the others are met by count."""
_STRENGTHS = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.0)
_ACTS = (
    *((Act.RUN, 34), (Act.PLAN, 6), (Act.SIDE_BY_SIDE, 8), (Act.OCCURRENCE, 9), (Act.PERSON, 7), (Act.PRICE, 9)),
    *((Act.LIQUIDITY, 6), (Act.TIME, 5), (Act.DAYS, 7), (Act.ROLLBACK, 2), (Act.HALT, 2), (Act.RESUME, 3)),
    *((Act.RESOLVE, 3), (Act.SOURCE, 4)),
)
_SIDE_SHOWS = ((Act.PERSON, 3), (Act.PRICE, 5), (Act.LIQUIDITY, 3), (Act.HALT, 1), (Act.ROLLBACK, 1))
_HOURS = (14.6, 15.0, 15.0, 15.0, 17.0, 20.9, 20.99, 22.0, 23.9, 23.999)
"""Times of the day in hours; most within the trading day, some at its end and around midnight."""
WAYS = ("well", "well", "dead", "stale", "broken", "absent")
"""How the source of prices behaves."""


def story_for(seed: int) -> Story:
    """The story of a seed: 4 to 9 episodes, at least one of them a run."""
    dice = Dice(seed)
    setting = _setting(dice)
    count = dice.between(4, 9)
    first = _episode(dice, Act.RUN)
    return Story(
        seed=seed,
        setting=setting,
        episodes=(first, *(_episode(dice, dice.weighted(_ACTS)) for _ in range(count - 1))),
    )


def _setting(dice: Dice) -> Setting:
    return Setting(
        cash=dice.pick((D(3_000), D(20_000), D(100_000), D(100_000))),
        holdings=tuple(D(dice.pick((0, 1, 7, 40))) / (10 if symbol == "COIN-USD" else 1) for symbol in SYMBOLS),
        weights=tuple(dice.pick((D("0.2"), D("0.4"), D("0.6"))) for _ in SYMBOLS),
        max_order_value=dice.pick((D(2_000), D(15_000), D(100_000))),
        max_position_share=dice.pick((D("0.1"), D("0.25"), D(1))),
        max_turnover_share=dice.pick((D("0.5"), D(1), D(2))),
        max_daily_loss_share=dice.pick((D("0.02"), D("0.05"), D(1))),
        order_type=dice.pick((OrderType.LIMIT, OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET)),
    )


def _episode(dice: Dice, act: Act) -> Episode:
    match act:
        case Act.RUN | Act.PLAN:
            return Episode(act=act, lives=(_life(dice, dice.pick(KINDS)),), meanwhile=_meanwhile(dice))
        case Act.SIDE_BY_SIDE:
            first = dice.below(len(KINDS))
            second = (first + 1 + dice.below(len(KINDS) - 1)) % len(KINDS)
            lives = (_life(dice, KINDS[first]), _life(dice, KINDS[second]))
            return Episode(act=act, lives=lives, meanwhile=_meanwhile(dice))
        case Act.OCCURRENCE:
            kind = dice.pick(KINDS)
            lives = (_life(dice, kind, stalls=True), _life(dice, kind, stalls=True))
            return Episode(act=act, lives=lives, seconds=dice.pick((0.0, 0.0, 1.0, 30.0)))
        case _:
            return _happening(dice, act)


def _happening(dice: Dice, act: Act) -> Episode:
    symbol, amount, seconds, word = "", None, 0.0, ""
    match act:
        case Act.PERSON:
            symbol, amount = dice.pick(SYMBOLS), D(dice.pick((-30, -5, -1, 1, 5, 30)))
        case Act.PRICE:
            symbol, amount = dice.pick((*SYMBOLS, *SYMBOLS, "")), D(dice.pick((-30, -10, -5, -1, 1, 5, 30)))
        case Act.LIQUIDITY:
            amount = dice.pick((None, D(0), D(1), D(5), D(50)))
        case Act.TIME:
            seconds = dice.pick((1.0, 60.0, 3600.0, 4 * 3600.0))
        case Act.DAYS:
            amount, seconds = D(dice.pick((1, 1, 1, 2, 3))), 3600 * dice.pick(_HOURS)
        case Act.SOURCE:
            symbol, word = dice.pick(SYMBOLS), dice.pick(WAYS)
    return Episode(act=act, symbol=symbol, amount=amount, seconds=seconds, word=word)


def _meanwhile(dice: Dice) -> tuple[Episode, ...]:
    if not dice.chance(0.25):
        return ()
    shows = (_happening(dice, dice.weighted(_SIDE_SHOWS)) for _ in range(dice.between(1, 2)))
    return tuple(replace(show, seconds=dice.pick((0.0, 0.0, 1.0, 8.0, 31.0, 40.0))) for show in shows)


def _life(dice: Dice, kind: AssetClass, *, stalls: bool = False) -> Life:
    strengths = tuple(dice.pick(_STRENGTHS) for _ in SYMBOLS)
    kill = _kill(dice, stalls=stalls) if dice.chance(0.35) else None
    plan = plan_for(dice.below(2**31), kinds=PLAYED) if dice.chance(0.5) else FaultPlan()
    hidden = dice.pick(("*", "*", *SYMBOLS)) if dice.chance(0.06) else ""
    return Life(kind=kind, strengths=strengths, kill=kill, faults=plan, hidden=hidden)


def _kill(dice: Dice, *, stalls: bool) -> Kill:
    by_name, after, far = dice.chance(0.6), dice.chance(0.5), dice.share()
    call = dice.pick(KILLED_AT)
    stall = dice.pick((20.0, 90.0, 400.0))
    sleeps, service = dice.chance(0.4), dice.chance(0.4)
    return Kill(
        nth=1 + int(far * far * 6) if by_name else 1 + int(far * 80),
        call=call if by_name else "",
        after=after,
        stall=stall if stalls and sleeps else 0.0,
        service=stalls and service,
    )
