"""The last lines of a command: where its files are, what went wrong, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robotrading.cli.out import printable
from robotrading.cli.place import same_place, short
from robotrading.domain.report import Outcome, SessionReport
from robotrading.wiring.books import Orders


@dataclass(frozen=True, slots=True)
class Ran:
    """What was asked for and what came of it. `root` is the book's folder; `notes` are lines for the person."""

    orders: Orders
    reports: Sequence[SessionReport]
    root: Path
    notes: Sequence[str] = ()

    def folder(self, report: SessionReport) -> Path:
        """The run's own folder: job.json, log.txt, report.json, and the readable reports."""
        return self.root / "runs" / report.run_id


def closing(ran: Ran) -> list[str]:
    """Lines to print under the sessions; paths are never broken."""
    lines = ["", "Files", *(f"  {report.kind.value:<9} {_file(ran.folder(report))}" for report in ran.reports)]
    lines += [line for report in ran.reports for line in _trouble(report, ran.folder(report))]
    lines += [printable(note) for note in ran.notes]
    return [*lines, "", *_next(ran)]


def _file(folder: Path) -> str:
    page = folder / "report.html"
    return short(page) if page.exists() else f"{short(folder)}/"


def _trouble(report: SessionReport, folder: Path) -> list[str]:
    if report.outcome is not Outcome.FAILED:
        return []
    return [f"  {report.kind.value} failed; details: {short(folder / 'log.txt')}"]


def _next(ran: Ran) -> list[str]:
    place = same_place(ran.orders)
    if ran.orders.demo:
        return [
            "The market was synthetic: no price above says anything about a real one.",
            "Look at what the bot owns now:         robotrading status --demo",
            "For real prices, edit config.yaml and: robotrading plan all",
        ]
    failed = [report.kind.value for report in ran.reports if report.outcome is Outcome.FAILED]
    if failed:
        which = failed[0] if len(failed) == 1 else "all"
        first = f"Next: mend what is named above, then: robotrading plan {which}{place}"
        return [first, f"What is known now: robotrading status{place}"]
    if not ran.orders.trade:
        which = ran.reports[0].kind.value if len(ran.reports) == 1 else "all"
        return ["Nothing was ordered. To plan anew and order:", f"  robotrading run {which}{place}"]
    return [f"What the bot owns, and open orders: robotrading status{place}"]
