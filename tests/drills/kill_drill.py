"""The kill drill: sessions killed at each point of `points.POINTS`, and what the next run makes of it.

Entry points: `Drill` (`run` a point to its `Finding`), `python -m tests.drills.kill_drill` (the whole list, written to
docs/reliability-kill-points.md).

A drill is the command itself, with real session processes, the real client library and a gateway in a process of its
own that lives on. The first day's run buys; on the second day prices and weights have moved, so that the killed run
sells three symbols and buys three. The next command recovers. What must hold is in `stage.py`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from robotrading.domain.report import Outcome
from tests.drills.kill_table import Finding, write_table
from tests.drills.points import POINTS, Point, point
from tests.drills.pretend_broker import NOTHING, SYMBOLS, PretendBroker
from tests.drills.stage import FIRST, HERE, SECOND, THIRD, NotReached, Stage

USUAL_PATIENCE, SHORT_PATIENCE = 20, 1
_MORE_TRIES = 4
DOCUMENT = HERE / "docs" / "reliability-kill-points.md"


class Drill:
    """Keeps the first day's state and plays points on copies of it. One at a time; `end` when done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._broker = PretendBroker()
        self._first = folder / "first"
        self._serial = 0
        self.reference: dict[str, Decimal] = {}

    def prepare(self) -> None:
        """The first day: the bot buys beside what the person holds. And what the second day comes to undisturbed."""
        stage = Stage(self._first, self._broker)
        stage.configure(FIRST, USUAL_PATIENCE)
        self._broker.open(stage.state, FIRST, 0)
        report = stage.run(FIRST)
        assert report.outcome is Outcome.DONE, report.verdict
        assert len(report.tickets) == len(SYMBOLS)
        self._broker.quiet()
        stage.check_at_end()
        self._broker.close()
        calm = self._stage()
        calm.configure(SECOND, USUAL_PATIENCE)
        self._broker.open(calm.state, SECOND, 0)
        report = calm.run(SECOND)
        assert report.outcome is Outcome.DONE, report.verdict
        sides = Counter(ticket.intent.side[0] for ticket in report.tickets)
        assert sides == {"s": 3, "b": 3}, sides
        calm.check_at_end()
        self.reference = calm.owned()
        self._broker.close()

    def _stage(self) -> Stage:
        """A copy of the first day's end."""
        self._serial += 1
        folder = self._folder / f"{self._serial}"
        shutil.copytree(self._first, folder)
        return Stage(folder, self._broker)

    def run(self, drilled: Point) -> Finding:
        """Never raises for a broken law: it is in the finding."""
        finding, began = Finding(drilled), time.monotonic()
        stage = self._stage()
        try:
            self._play(drilled, stage, finding)
        except (AssertionError, RuntimeError, TimeoutError) as error:
            finding.wrong = f"{type(error).__name__}: {error}"
        finding.seconds = time.monotonic() - began
        if self._broker.alive:
            self._broker.close()
        else:
            self._broker = PretendBroker()
        if not finding.wrong:
            shutil.rmtree(stage.folder)
        return finding

    def _play(self, drilled: Point, stage: Stage, finding: Finding) -> None:
        slow = drilled.liquidity == 1
        stage.configure(SECOND, SHORT_PATIENCE if slow else USUAL_PATIENCE)
        self._broker.open(stage.state, SECOND, drilled.liquidity)
        for number, _ in enumerate(drilled.deaths):
            finding.deaths.append(stage.die(drilled, number))
            stage.check_always()
            if drilled.gateway_dies:
                self._restart_gateway(stage)
            self._broker.rules(NOTHING if drilled.silence else 0)
        finding.open_then = [str(ticket.status) for ticket in stage.open_tickets()]
        dead = stage.ticket_ids()
        before = stage.fills(dead)
        if drilled.silence:
            report = stage.run(SECOND)
            stage.check_always()
            stage.check_told(report)
            assert stage.open_tickets(), "nothing was at work any more: this drill proves nothing"
            self._broker.rules(0)
            self._broker.quiet()
        report = stage.run(SECOND)
        self._broker.quiet()
        stage.check_always()
        stage.check_told(report)
        finding.outcome = str(report.outcome)
        after = stage.fills(dead)
        finding.executions_found = len({fill[0] for fill in after} - {fill[0] for fill in before})
        finding.commissions_found = len(after - before) - finding.executions_found
        finding.unknown = [ticket.intent.intent_id for ticket in stage.open_tickets()]
        if finding.unknown:
            finding.unknown_next_day = self._next_day(stage)
        stage.check_at_end()
        if not finding.unknown:
            assert report.outcome in (Outcome.DONE, Outcome.NOTHING_TO_DO), report.verdict
            assert stage.owned() == self.reference, f"the run came to {stage.owned()}, undisturbed to {self.reference}"
        stage.check_reports()
        finding.runs = len(stage.commands)

    def _restart_gateway(self, stage: Stage) -> None:
        """SIGKILL once its memory is on the disk (the broker's own would be), and up again with its ids begun anew."""
        self._broker.saved()
        self._broker.kill()
        self._broker = stage.broker = PretendBroker()
        self._broker.open(stage.state, SECOND, 0, forget=True)

    def _next_day(self, stage: Stage) -> list[str]:
        """What is still unknown after the run of the next day."""
        self._broker.close()
        self._broker.open(stage.state, THIRD, 0)
        stage.run(THIRD)
        self._broker.quiet()
        stage.check_always()
        return [ticket.intent.intent_id for ticket in stage.open_tickets()]

    def end(self) -> None:
        self._broker.end()


def play(points: Sequence[Point], told: Callable[[Finding], None]) -> None:
    """Drill the points one after the other; `told` hears of each."""
    with tempfile.TemporaryDirectory(prefix="kill-drill-", ignore_cleanup_errors=True) as folder:
        drill = Drill(Path(folder))
        try:
            drill.prepare()
            for one in points:
                told(_reached(drill, one))
        finally:
            drill.end()


def _reached(drill: Drill, one: Point) -> Finding:
    """How many executions are left for recovery is a matter of timing: a point that was not met is played again."""
    finding = drill.run(one)
    for _ in range(_MORE_TRIES):
        if not finding.wrong.startswith(NotReached.__name__):
            break
        finding = drill.run(one)
    return finding


def _say(finding: Finding) -> None:
    print(f"{finding.seconds:5.1f} s  {finding.point.name}: {finding.wrong or finding.outcome}", flush=True)  # noqa: T201


def shard(number: str, of: str, path: str) -> None:
    """One part of the list; each finding becomes a line of the file."""
    with Path(path).open("wb") as file:

        def told(finding: Finding) -> None:
            _say(finding)
            file.write(msgspec.json.encode(finding) + b"\n")
            file.flush()

        play(POINTS[int(number) :: int(of)], told)


def found_in(folder: Path) -> list[Finding]:
    """What the parts have found, in the order of the list."""
    lines = [line for path in sorted(folder.glob("*.findings")) for line in path.read_bytes().splitlines()]
    found = {finding.point.name: finding for finding in (msgspec.json.decode(line, type=Finding) for line in lines)}
    return [found[one.name] for one in POINTS if one.name in found]


def play_all(jobs: int) -> list[Finding]:
    """The whole list in as many processes; what is done of it when one of them fails."""
    with tempfile.TemporaryDirectory(prefix="kill-drill-") as folder:
        code = "import sys; from tests.drills.kill_drill import shard; shard(*sys.argv[1:])"
        parts = [
            subprocess.Popen(
                [sys.executable, "-c", code, str(number), str(jobs), str(Path(folder) / f"{number}.findings")], cwd=HERE
            )
            for number in range(jobs)
        ]
        for part in parts:
            part.wait()
        return found_in(Path(folder))


def main(names: list[str]) -> int:
    """All points, or those named; 1 when a law was broken or a point was not played."""
    findings: list[Finding] = []
    if names:

        def told(finding: Finding) -> None:
            _say(finding)
            findings.append(finding)

        play([point(name) for name in names], told)
        return int(any(finding.wrong for finding in findings))
    began = time.monotonic()
    findings = play_all(os.cpu_count() or 1)
    write_table(findings, time.monotonic() - began, DOCUMENT)
    return int(len(findings) < len(POINTS) or any(finding.wrong for finding in findings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
