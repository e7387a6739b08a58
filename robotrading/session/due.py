"""Which occurrences run now, and which came too late: missed ones are caught up while that is sensible, or named.

Entry points: `due`, `interrupted`, `CatchUp`, `Due`, `Missed`, `latest_start`.
Invariants: what is claimed is neither run nor named again; everything else that is due is either run or named; nothing
runs before it is due, outside the market hours of its own day, or later than `latest_start`; of one session one
occurrence at a time, the newest of its day.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from robotrading.domain.claims import Claim, Occurrence
from robotrading.domain.instrument import AssetClass

if TYPE_CHECKING:
    from robotrading.domain.ports import Calendar

UNWATCHED = "unwatched"
SUPERSEDED = "superseded"
ON_TIME = timedelta(minutes=1)
"""Up to here a start is no catching up: a loaded machine may take that long."""


@dataclass(frozen=True, slots=True)
class CatchUp:
    """How late a missed occurrence may still start.

    `grace` after its time at most, and `before_close` before the market's close of its day at least, so that the
    session has time to trade. A grace of zero means that nothing is caught up.
    """

    grace: timedelta = timedelta(minutes=30)
    before_close: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Missed:
    """An occurrence that will not run, and the sentence that says why; `rule` is its short name, for metrics."""

    occurrence: Occurrence
    rule: str
    reason: str

    @property
    def alarming(self) -> bool:
        """Whether a person should hear of it: not of what nobody could expect, nor of what a newer run makes up for."""
        return self.rule not in {UNWATCHED, SUPERSEDED}


@dataclass(frozen=True, slots=True)
class Due:
    """What `due` decided; both in the order of time."""

    run: tuple[Occurrence, ...] = ()
    missed: tuple[Missed, ...] = ()


@dataclass(slots=True)
class _Sorting:
    run: dict[AssetClass, Occurrence] = field(default_factory=dict)
    missed: list[Missed] = field(default_factory=list)


def due(
    expected: Sequence[Occurrence], claimed: Collection[str], now: datetime, rules: CatchUp, calendar: Calendar
) -> Due:
    """Sort `expected` (any sessions, any days) by what is to be done at `now`; `claimed` holds occurrence keys.

    Those later than `now` are left alone.
    """
    sorting = _Sorting()
    waiting = {one.key: one for one in expected if one.due_at <= now and one.key not in claimed}
    for one in sorted(waiting.values(), key=lambda item: item.due_at, reverse=True):
        if newer := sorting.run.get(one.kind):
            sorting.missed.append(Missed(one, SUPERSEDED, f"the one due at {newer.due_at:%H:%M} UTC runs instead"))
        elif trouble := _too_late(one, now, rules, calendar):
            sorting.missed.append(trouble)
        else:
            sorting.run[one.kind] = one
    run = sorted(sorting.run.values(), key=lambda item: (item.due_at, item.kind))
    return Due(tuple(run), tuple(sorted(sorting.missed, key=lambda item: item.occurrence.due_at)))


def interrupted(claims: Iterable[Claim], now: datetime, rules: CatchUp, calendar: Calendar) -> Due:
    """What is to be done, when a service starts, about the runs that its predecessor was killed in.

    `run`: there is time left to start them once more (a run settles first what the dead one left open); `missed`: not.
    """
    open_claims = [claim.occurrence for claim in claims if claim.finished_at is None]
    again = due(open_claims, (), now, rules, calendar)
    told = [replace(one, rule=f"interrupted_{one.rule}", reason=_killed(one)) for one in again.missed]
    return Due(again.run, tuple(told))


def _killed(one: Missed) -> str:
    return f"its run was cut off when the service ended, and is not started again: {one.reason}"


def latest_start(one: Occurrence, rules: CatchUp, calendar: Calendar) -> datetime:
    """The last instant at which an occurrence may still start; its market is open then.

    Raises ValueError for a day on which the market is shut.
    """
    hours = calendar.hours(one.kind, one.trading_date)
    if hours is None:
        raise ValueError(f"{one.key}: {one.trading_date} is no trading day of {one.kind}")
    on_time = min(one.due_at + ON_TIME, hours[1] - timedelta(microseconds=1))
    return max(on_time, min(one.due_at + rules.grace, hours[1] - rules.before_close))


def _too_late(one: Occurrence, now: datetime, rules: CatchUp, calendar: Calendar) -> Missed | None:
    hours = calendar.hours(one.kind, one.trading_date)
    if hours is None:  # claimed when another table of trading days was in force
        said = f"{one.trading_date} is no trading day of {one.kind}"
        return Missed(one, "closed", f"it was due at {one.due_at:%Y-%m-%d %H:%M} UTC; {said}")
    last = latest_start(one, rules, calendar)
    if now <= last:
        return None
    late = -((one.due_at - now) // timedelta(minutes=1))
    said = f"it was due at {one.due_at:%Y-%m-%d %H:%M} UTC, {_span(late)} ago"
    if now >= hours[1]:
        return Missed(one, "closed", f"{said}; its market has closed for the day")
    if last < one.due_at + rules.grace:
        return Missed(one, "closing", f"{said}; too little time is left before the close")
    return Missed(one, "late", f"{said}; it may start {_span(rules.grace // timedelta(minutes=1))} late at most")


def _span(minutes: int) -> str:
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} days"
