"""Which runs there were and which weeks were summed up, each with the address of its page.

Entry points: `recent` (on the status page), `history` (on a page of its own), `report_address`.
Invariants: an address is made of an id that cannot be anything else in one; where it could, there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from robotrading.adapters.notify.report.words import spoken
from robotrading.domain.report import Ended, Outcome
from robotrading.service.facts import BookFacts, Facts
from robotrading.service.web.status import Hidden
from robotrading.service.web.stored import is_run_id
from robotrading.service.web.words import Mode, from_now, mode_of, span, utc

TONES = {Outcome.DONE: "good", Outcome.NOTHING_TO_DO: "good", Outcome.PARTLY: "warn", Outcome.FAILED: "bad"}
RECENT = 10


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A run that has its report; `address` is '' where it has no page that could be asked for."""

    when: str
    address: str
    session: str
    mode: str
    outcome: str
    tone: str
    length: str


@dataclass(frozen=True, slots=True)
class WeekLine:
    """A week's summary."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class History:
    """Everything the page of reports shows, as text. `trouble` says why it may be of before, '' when it is of now."""

    mode: Mode
    as_of: str
    trouble: str
    runs: tuple[ReportLine, ...]
    weeks: tuple[WeekLine, ...]


def recent(book: BookFacts, now: datetime, hide: Hidden) -> tuple[ReportLine, ...]:
    """The newest few."""
    return _lines(book.ended[:RECENT], now, hide)


def history(facts: Facts, now: datetime) -> History:
    """All that is known."""
    hide, book = Hidden(facts), facts.book
    return History(
        mode=mode_of(facts.mode),
        as_of=f"{utc(facts.at)} ({from_now(facts.at, now)})",
        trouble=_trouble(book, now, hide),
        runs=_lines(book.ended, now, hide),
        weeks=tuple(WeekLine(_day(day), f"/summaries/{day}") for day in book.summaries),
    )


def report_address(run_id: str) -> str:
    """Where a run's page is asked for."""
    return f"/reports/{run_id}" if is_run_id(run_id) else ""


def _lines(ended: Sequence[Ended], now: datetime, hide: Hidden) -> tuple[ReportLine, ...]:
    return tuple(
        ReportLine(
            when=_when(one.finished_at, now),
            address=report_address(one.run_id),
            session=one.kind.value.capitalize() if one.trade else f"{one.kind.value.capitalize()}, plan",
            mode=hide(one.mode),
            outcome=spoken(one.outcome.value).capitalize(),
            tone=TONES[one.outcome],
            length=span((one.finished_at - one.started_at).total_seconds()),
        )
        for one in ended
    )


def _when(at: datetime, now: datetime) -> str:
    """With its year where that is another."""
    return utc(at) if at.year == now.year else f"{at:%Y} {utc(at)}"


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b} {day.year}"


def _trouble(book: BookFacts, now: datetime, hide: Hidden) -> str:
    if book.trouble:
        known = f"this is of {from_now(book.read_at, now)}" if book.read_at else "nothing is known yet"
        return f"The ledger cannot be read, {known}: {hide(book.trouble)}"
    return "" if book.read_at else "The ledger was not read yet."
