"""The findings of the kill drill as a page of the documentation.

Entry points: `Finding`, `write_table`, `story` (what was found after the restart, in words).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.drills.points import Point

_HEAD = """# Killed at every step

A session process is ended with SIGKILL at each step below; then the command is run again. The sessions are the
product's own processes with the real client library; the gateway is the pretend one, in a process of its own that
speaks the TWS protocol over a socket and lives on. Where a line says so, the gateway is killed too and comes back with
its order ids begun anew, or the command that had started the session dies with it. Each line begins with a ledger and
an account of its own, in which a first day's run has bought six symbols; the person holds shares of two of them. On the
second day the run that is killed sells three symbols and buys three.

After every death and every run it is checked that no order reference was sent twice, that no more was sold than the
bot had, that the person's shares are unchanged, and that every order at the gateway has its intent in the ledger. After
the last run: every execution at the gateway is in the ledger once, with its price and commission; the positions are
equal; each run has exactly one report; nothing is open but what is called unknown, and that is blocked and named in
the report; and without such a doubt the bot owns what it owns where nobody was killed.

This page is written by `make drill`; the points are `tests/drills/points.py`. A sample of them is part of `make check`.

"""


@dataclass
class Finding:
    """What a drill found.

    `open_then` are the statuses of the orders that were open at the restart, `executions_found` and `commissions_found`
    what the dead run's orders had at the broker and not in the ledger, `unknown` the order references left in doubt
    that day and the next, `runs` the commands, `wrong` the law that was broken.
    """

    point: Point
    deaths: list[str] = field(default_factory=list)
    open_then: list[str] = field(default_factory=list)
    executions_found: int = 0
    commissions_found: int = 0
    unknown: list[str] = field(default_factory=list)
    unknown_next_day: list[str] = field(default_factory=list)
    outcome: str = ""
    runs: int = 0
    seconds: float = 0.0
    wrong: str = ""


def write_table(findings: Sequence[Finding], seconds: float, path: Path) -> None:
    """Replace the page."""
    path.write_text(_HEAD + "\n".join(_lines(findings, seconds)) + "\n", encoding="utf-8")


def _lines(findings: Sequence[Finding], seconds: float) -> list[str]:
    deaths = sum(len(finding.deaths) for finding in findings)
    runs = sum(finding.runs for finding in findings)
    held = sum(not finding.wrong for finding in findings)
    what = (
        f"{len(findings)} points, {deaths} processes killed, {runs} commands in {seconds / 60:.0f} minutes on two cores"
    )
    lines = [
        f"**{what}; at {held} points everything held.**",
        "",
        "| No. | The process dies | After the restart | Outcome | Seconds |",
        "| --: | --- | --- | --- | --: |",
    ]
    for number, finding in enumerate(findings, 1):
        lines.append(
            f"| {number} | {finding.point.name} | {story(finding)} | {finding.outcome.replace('_', ' ')} "
            f"| {finding.seconds:.1f} |"
        )
    return lines


def story(finding: Finding) -> str:
    """What the runs after the death found and made of it."""
    if finding.wrong:
        return f"**{finding.wrong.replace('|', '/')}**"
    parts = [_open_then(finding)]
    if finding.executions_found:
        parts.append(f"{_count(finding.executions_found, 'execution')} booked that the dead process had not")
    if finding.commissions_found:
        parts.append(f"{_count(finding.commissions_found, 'commission')} added")
    if finding.unknown:
        parts.append(f"{_count(len(finding.unknown), 'order')} unknown, blocked and named; {_next_day(finding)}")
    return "; ".join(parts)


def _open_then(finding: Finding) -> str:
    if not finding.open_then:
        return "no order was open"
    states = Counter(finding.open_then)
    return "open: " + ", ".join(f"{count} {state}" for state, count in states.items())


def _next_day(finding: Finding) -> str:
    if not finding.unknown_next_day:
        return "settled by itself the next day"
    return f"{len(finding.unknown_next_day)} still unknown the next day"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
