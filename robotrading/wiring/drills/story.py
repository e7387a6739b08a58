"""A story: what happens in a pretend world, one episode after the other. Plain data, drawn from a seed.

Entry points: `Story`, `Episode`, `Life`, `Kill`, `Setting`, `story_for`, `story_to_json`, `story_from_json`.
Invariants: the same seed gives the same story everywhere; each episode holds all of its own draws, so that leaving one
out changes nothing in the others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

import msgspec

from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import OrderType
from robotrading.sim.faults.plan import FaultPlan

SYMBOLS = ("ALPHA", "BRAVO", "FUND", "COIN-USD")
"""All that is traded; BRAVO in two sessions."""


class Act(StrEnum):
    """What an episode is about."""

    RUN = "run"
    """One session."""
    PLAN = "plan"
    """A plan is shown, and run afterwards by its name."""
    SIDE_BY_SIDE = "side_by_side"
    """Two sessions of one command, at the same time."""
    OCCURRENCE = "occurrence"
    """A scheduled run that two copies of the service want to have."""
    PERSON = "person"
    """The account's owner trades `amount` units, negative for a sale."""
    PRICE = "price"
    """A price moves by `amount` percent; all of them where no symbol is named."""
    LIQUIDITY = "liquidity"
    """From now on at most `amount` units are filled at a time; none for no bound."""
    TIME = "time"
    """`seconds` pass."""
    DAYS = "days"
    """It is `amount` days later, at `seconds` after midnight UTC."""
    ROLLBACK = "rollback"
    """The gateway restarts and hands out its order ids anew."""
    HALT = "halt"
    RESUME = "resume"
    RESOLVE = "resolve"
    """A person looks at the broker's statements and says what became of every order in doubt."""
    SOURCE = "source"
    """The source of prices changes its ways for a symbol, to those named in `word`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """The end of a process: before or after the effect of its `nth` call of the ledger or the broker.

    With a `call` only calls of that method count. `stall` puts the process to sleep for so many seconds instead, as a
    machine that is suspended does. `service` takes the service along that has started the process.
    """

    nth: int
    call: str = ""
    after: bool = False
    stall: float = 0.0
    service: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One process: which session it runs, what its model believes (strength per symbol), and what befalls it.

    `hidden` are symbols (`*` for all) that are missing from the account's positions as this process is told them,
    although the broker's adapter should have refused such an answer.
    """

    kind: AssetClass
    strengths: tuple[float, ...]
    kill: Kill | None = None
    faults: FaultPlan = field(default_factory=FaultPlan)
    hidden: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One thing that happens. `meanwhile` happens during it, each `seconds` after its start."""

    act: Act
    lives: tuple[Life, ...] = ()
    symbol: str = ""
    amount: Decimal | None = None
    seconds: float = 0.0
    word: str = ""
    meanwhile: tuple[Episode, ...] = ()

    def __str__(self) -> str:
        words = [str(self.act), self.symbol, self.word, "" if self.amount is None else f"{self.amount}"]
        words += [f"{self.seconds:g} s" if self.seconds else "", *(_told(life) for life in self.lives)]
        words += [f"[meanwhile {one}]" for one in self.meanwhile]
        return " ".join(filter(None, words))


def _told(life: Life) -> str:
    words = [f"<{life.kind}"]
    if life.kill is not None:
        kill = life.kill
        verb = f"stalls {kill.stall:g} s" if kill.stall else "dies"
        words.append(f"{verb} {'after' if kill.after else 'before'} {kill.call or 'call'} no. {kill.nth}")
    words += [f"{fault.kind} at {fault.on} {fault.at:g}" for fault in life.faults.faults]
    words += [f"does not see {life.hidden}"] if life.hidden else []
    return " ".join(words) + ">"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The world at the beginning, and the sessions' settings that the limits are about."""

    cash: Decimal
    holdings: tuple[Decimal, ...]
    """The person's own, in the order of `SYMBOLS`."""
    weights: tuple[Decimal, ...]
    max_order_value: Decimal
    max_position_share: Decimal
    max_turnover_share: Decimal
    max_daily_loss_share: Decimal
    order_type: OrderType = OrderType.LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    seed: int
    setting: Setting
    episodes: tuple[Episode, ...]


def story_to_json(story: Story) -> bytes:
    return msgspec.json.format(msgspec.json.encode(story), indent=1) + b"\n"


def story_from_json(content: bytes) -> Story:
    """ConfigError for what is no story."""
    try:
        return msgspec.json.decode(content, type=Story)
    except msgspec.DecodeError as error:
        raise ConfigError(f"not a story of the simulation: {error}; stories are written by --shrink") from error
