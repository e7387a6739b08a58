"""A week's figures: everything that its summary tells, as values.

Entry points: `WeekFigures`, `Span`, `KindRuns`.
NaN rule: None is what is not known. Money is in `currency`, the account's base currency, unless another stands by it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from robotrading.adapters.notify.report.backdrop import Benchmark
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import Outcome
from robotrading.execution.trips import PositionGain, Trip, hit_rate
from robotrading.portfolio.flows import Flows
from robotrading.portfolio.performance import Costs, DayValue, Performance, turnover


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of days with what was done in it; `benchmark` is how that changed over the same days."""

    performance: Performance
    costs: Costs = field(default_factory=Costs)
    trips: tuple[Trip, ...] = ()
    benchmark: float | None = None
    turnover: float | None = None
    hit_rate: float | None = None


def span(
    performance: Performance, costs: Costs, trips: tuple[Trip, ...], currency: str, benchmark: float | None = None
) -> Span:
    """With the ratios that follow; trades in other currencies are no part of the turnover, their rate is not known."""
    moved = turnover(costs.traded(currency), performance.average) if currency else None
    return Span(performance, costs, trips, benchmark, moved, hit_rate(trips))


@dataclass(frozen=True, slots=True)
class KindRuns:
    """How a session's runs of the week ended."""

    kind: AssetClass
    outcomes: dict[Outcome, int]
    last: datetime

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())


@dataclass(frozen=True, slots=True)
class WeekFigures:
    """The seven days up to and including `day`, and the three months around them.

    `account_id` is '' and `worth` None where no account was ever reached. `flows` are of the three months. `curve` is
    one value a day, flows included, oldest first. `gains` are what instruments brought in the week, best first, as far
    as that is known; `unpriced` counts those of which it is not.
    """

    day: date
    first: date
    mode: str
    week: Span
    quarter: Span
    account_id: str = ""
    currency: str = ""
    paper: bool = True
    worth: Decimal | None = None
    worth_at: datetime | None = None
    runs: tuple[KindRuns, ...] = ()
    statuses: dict[str, int] = field(default_factory=dict)
    gains: tuple[PositionGain, ...] = ()
    unpriced: int = 0
    flows: Flows = field(default_factory=Flows)
    curve: tuple[DayValue, ...] = ()
    benchmark_name: str = ""
    benchmark: Benchmark | None = None

    @property
    def empty(self) -> bool:
        """Whether no session ran."""
        return not self.runs
