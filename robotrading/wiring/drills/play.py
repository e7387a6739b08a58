"""A story becomes what happened: episode after episode, then a quiet end in which everything must settle.

Entry points: `play`, `Outcome`.
Invariants: the same story gives the same event log, byte for byte, in every process; the law is checked after each
episode, and the first breach ends the story.
"""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import TypeVar

from robotrading.domain.claims import Occurrence
from robotrading.session.lease import Held
from robotrading.wiring.drills import invariants
from robotrading.wiring.drills.facts import Facts
from robotrading.wiring.drills.loop import run_alone
from robotrading.wiring.drills.market import CALENDAR, INSTRUMENTS
from robotrading.wiring.drills.mortal import Killed
from robotrading.wiring.drills.person import resolve_all
from robotrading.wiring.drills.process import Order, conclude_for
from robotrading.wiring.drills.service import Copy, child, have, under_lease
from robotrading.wiring.drills.story import SYMBOLS, Act, Episode, Life, Story
from robotrading.wiring.drills.world import Desk, DrillWorld

D = Decimal
T = TypeVar("T")
_BEAT = 5.0
_QUIET_HOUR = time(15, 0)
_CALM = (1.0,) * len(SYMBOLS)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one story. `breach` is '' when the law held; `log` is its whole event log."""

    seed: int
    breach: str
    log: tuple[str, ...]
    counts: Counter[str]


def play(story: Story, desk: Desk | None = None) -> Outcome:
    """Play it to its end, or to the first breach of the law. Many stories share a desk."""
    if desk is None:
        with closing(Desk()) as own:
            return play(story, own)
    with closing(DrillWorld(story.setting, desk)) as world:
        breach = _Player(world).play(story)
        _count(world)
        return Outcome(story.seed, breach, tuple(world.log), world.counts)


def _count(world: DrillWorld) -> None:
    world.counts["runs"] += len(world.runs)
    world.counts["orders"] += len(world.tape.placements)
    world.counts["executions"] += sum(strike.ours for strike in world.tape.strikes)


class _Player:
    def __init__(self, world: DrillWorld) -> None:
        self._world = world
        self._number = 0

    def play(self, story: Story) -> str:
        """The first breach of the law, '' when there is none."""
        for number, episode in enumerate(story.episodes, start=1):
            self._world.tell(f"== {number}. {episode}")
            breach = self._judged(lambda e=episode: self._perform(e))  # type: ignore[misc]
            if breach:
                return f"after episode {number}: {breach}"
        self._world.tell("== the quiet end")
        breach = self._judged(self._calm_down) or self._judged(self._quiet_day)
        if not breach and self._world.facts().open_references:  # a thawed gateway has sent it only now
            breach = self._judged(self._quiet_day)
        breach = breach or self._settled(invariants.left_open)
        if not breach and self._world.ledger.open_tickets():
            breach = self._judged(self._person_speaks) or self._judged(self._quiet_day)
        breach = breach or self._settled(invariants.at_the_end)
        return f"in the quiet end: {breach}" if breach else ""

    def _settled(self, law: Callable[[Facts], list[invariants.Breach]]) -> str:
        return "; ".join(map(str, law(self._world.facts())))

    def _judged(self, work: Callable[[], None]) -> str:
        """Do it, then look at the law; an accident of the simulation itself counts as a breach."""
        try:
            work()
        except Exception:  # noqa: BLE001  whatever it is, the seed must be told
            return f"the simulation broke: {traceback.format_exc()}"
        found = invariants.breaches(self._world.facts())
        for breach in found:
            self._world.tell(f"BREACH {breach}")
        return "; ".join(map(str, found))

    # Episodes ------------------------------------------------------------------------------------------------------

    def _perform(self, episode: Episode) -> None:
        self._world.counts[f"episode {episode.act}"] += 1
        match episode.act:
            case Act.RUN:
                self._run([episode.lives[0]], episode)
            case Act.SIDE_BY_SIDE:
                self._run(list(episode.lives), episode)
            case Act.PLAN:
                self._plan(episode)
            case Act.OCCURRENCE:
                self._alone(self._race(episode), episode)
            case _:
                self._at_once(lambda: self._happen(episode))

    def _at_once(self, work: Callable[[], None]) -> None:
        """Something that happens between two runs; then the exchange matches."""

        async def happen() -> None:
            work()
            self._world.beat()

        run_alone(happen(), self._world.clock, self._trouble)

    def _happen(self, episode: Episode) -> None:
        """What takes no time, and may come in the middle of a run."""
        world, amount = self._world, episode.amount or D(0)
        match episode.act:
            case Act.TIME:
                world.clock.advance(episode.seconds)
            case Act.DAYS:
                self._days(int(amount), episode.seconds)
            case Act.PRICE:
                for symbol in [episode.symbol] if episode.symbol else SYMBOLS:
                    world.market.move(INSTRUMENTS[symbol], amount)
            case Act.LIQUIDITY:
                world.set_liquidity(episode.amount)
            case Act.ROLLBACK:
                world.exchange.supervision.forget_order_ids()
            case Act.SOURCE:
                world.ways[episode.symbol] = episode.word
            case _:
                self._somebody(episode, amount)

    def _somebody(self, episode: Episode, amount: Decimal) -> None:
        """What a person does."""
        world = self._world
        match episode.act:
            case Act.PERSON:
                world.trade_as_person(INSTRUMENTS[episode.symbol], amount)
            case Act.HALT:
                world.ledger.halt("a person said so", world.clock.now(), "person")
            case Act.RESUME:
                world.ledger.resume(world.clock.now(), "person")
            case Act.RESOLVE:
                resolve_all(world)

    def _days(self, days: int, seconds: float) -> None:
        for _ in range(days):
            self._world.beat()
            day = self._world.clock.now().date() + timedelta(days=1)
            self._world.clock.set(datetime.combine(day, time(0), UTC) + timedelta(seconds=1))
            self._world.market.end_day()
        self._world.clock.advance(seconds)

    def _run(self, lives: list[Life], episode: Episode) -> None:
        self._number += 1
        orders = [Order(f"run-{self._number:02d}-{life.kind}") for life in lives]
        self._alone(self._command(lives, orders), episode)

    async def _command(self, lives: list[Life], orders: list[Order]) -> None:
        """A person's command: claims the account, runs sessions side by side, and reports what became of them."""
        copy = Copy(self._world, "command")

        async def sessions(held: Held) -> None:
            leased = [replace(order, lease=held.lease, holds=copy.holds) for order in orders]
            await asyncio.gather(*(child(copy, life, one, held) for life, one in zip(lives, leased, strict=True)))

        if await under_lease(copy, sessions):
            for order in orders:
                conclude_for(self._world, order.run_id)

    def _plan(self, episode: Episode) -> None:
        self._number += 1
        life = episode.lives[0]
        run_id = f"run-{self._number:02d}-{life.kind}"
        plan_id = run_alone(self._beating(self._shown(life, f"{run_id}-plan")), self._world.clock, self._trouble)
        if plan_id:
            self._alone(self._command([life], [Order(run_id, plan_id=plan_id)]), episode)

    async def _shown(self, life: Life, run_id: str) -> str:
        """A plan needs no lease, and nothing goes wrong with it; its name, '' where there is nothing to do."""
        calm = Life(kind=life.kind, strengths=life.strengths)
        await child(Copy(self._world, "command"), calm, Order(run_id, trade=False), None)
        report = conclude_for(self._world, run_id)
        return report.plan.plan_id if report.plan is not None and report.plan.intents else ""

    async def _race(self, episode: Episode) -> None:
        now, kind = self._world.clock.now(), episode.lives[0].kind
        occurrence = Occurrence(kind, CALENDAR.trading_day(kind, now), now.replace(microsecond=0))
        if occurrence.key in self._world.occurrences:
            return  # two episodes at one and the same second
        copies = [Copy(self._world, f"service-{name}") for name in "ab"]

        async def late(copy: Copy, life: Life, seconds: float) -> None:
            await asyncio.sleep(seconds)
            await have(copy, occurrence, life)

        await asyncio.gather(late(copies[0], episode.lives[0], 0.0), late(copies[1], episode.lives[1], episode.seconds))
        if all(copy.fate.dead for copy in copies):
            await have(Copy(self._world, "service-c"), occurrence, Life(kind=kind, strengths=_CALM))

    # Time ----------------------------------------------------------------------------------------------------------

    def _alone(self, program: Awaitable[None], episode: Episode) -> None:
        async def with_shows() -> None:
            loop = asyncio.get_running_loop()
            for show in episode.meanwhile:
                loop.call_later(show.seconds, self._show, show)
            await program

        run_alone(self._beating(with_shows()), self._world.clock, self._trouble)

    def _show(self, episode: Episode) -> None:
        self._world.tell(f"-- meanwhile {episode}")
        self._happen(episode)

    async def _beating(self, program: Awaitable[T]) -> T:
        """The exchange goes on while something else is done."""

        async def beat() -> None:
            while True:
                await asyncio.sleep(_BEAT)
                self._world.beat()

        beating = asyncio.create_task(beat())
        try:
            return await program
        finally:
            beating.cancel()

    def _trouble(self, error: BaseException) -> None:
        if not isinstance(error, (Killed, asyncio.CancelledError, BaseExceptionGroup)):
            self._world.surprises.add(f"nobody has heard of {type(error).__name__}: {error}")

    # The end -------------------------------------------------------------------------------------------------------

    def _calm_down(self) -> None:
        """No more misfortune, no halt, a market that fills; each session runs once more on that very day."""
        world = self._world
        world.ways.clear()
        world.set_liquidity(None)
        world.ledger.resume(world.clock.now(), "person")
        for order in world.exchange.open_orders():
            world.exchange.supervision.allow(order.perm_id, None)
        self._at_once(lambda: None)
        self._calm_runs(trade=False)

    def _quiet_day(self) -> None:
        self._at_once(self._next_weekday)
        self._calm_runs(trade=True)

    def _next_weekday(self) -> None:
        self._days(1, 3600.0 * _QUIET_HOUR.hour)
        while self._world.clock.now().weekday() > 4:
            self._days(1, 3600.0 * _QUIET_HOUR.hour)

    def _calm_runs(self, *, trade: bool) -> None:
        self._number += 1

        async def one_after_the_other() -> None:
            for kind in sorted({run.kind for run in self._world.runs}):  # the others have nothing to settle
                life = Life(kind=kind, strengths=_CALM)
                order = Order(f"run-{self._number:02d}-{kind}-calm", trade=trade)
                await self._command([life], [order])

        run_alone(self._beating(one_after_the_other()), self._world.clock, self._trouble)

    def _person_speaks(self) -> None:
        self._world.counts["left to a person"] += resolve_all(self._world)
