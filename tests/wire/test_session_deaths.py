"""What becomes of one session never reaches the others: real processes, ended in every way a process can end.

The children misbehave by a `sitecustomize` of the test's own, which Python loads before the program: nothing in the
product knows of it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from textwrap import dedent

import pytest

from robotrading.adapters.clock import SystemClock
from robotrading.config.demo import DEMO_DAY
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import Outcome
from robotrading.session.job import Job
from robotrading.session.processes import Child, End, run_children
from robotrading.wiring.books import Orders, book_for, load_config
from robotrading.wiring.runs import carry_out
from tests.wire.session_config import write_config

pytestmark = [pytest.mark.wire, pytest.mark.timeout(240)]
EQ, BO, CR = AssetClass.EQUITIES, AssetClass.BONDS, AssetClass.CRYPTO

SITE = """
import os, signal, subprocess, sys, threading

class _Spoiled:
    # Loads a module as usual and then does what the test wants.
    def __init__(self, loader, deed):
        self._loader, self._deed = loader, deed
    def create_module(self, spec):
        return self._loader.create_module(spec)
    def exec_module(self, module):
        self._loader.exec_module(module)
        self._deed(module)

class _Finder:
    def __init__(self, name, deed):
        self._name, self._deed = name, deed
    def find_spec(self, name, path=None, target=None):
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        import importlib.util
        spec = importlib.util.find_spec(name)
        spec.loader = _Spoiled(spec.loader, self._deed)
        return spec

def grandchild():
    # Keeps the pipe of its parent open, as a worker process does.
    child = subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"], env={})
    with open(os.environ["TEST_GRANDCHILD"], "w") as file:
        file.write(str(child.pid))

def spoil(name, deed):
    sys.meta_path.insert(0, _Finder(name, deed))

if any(os.environ["TEST_VICTIM"] in word for word in sys.orig_argv) and "session" in sys.orig_argv:
    DEED
"""

DEEDS = {
    "raises": """
    def deed(module):
        raise ImportError("no such module: the installation is broken")
    spoil("robotrading.session.pipeline", deed)
    """,
    "exits": """
    def deed(module):
        os._exit(7)
    spoil("robotrading.session.pipeline", deed)
    """,
    "is killed": """
    def deed(module):
        grandchild()
        os.kill(os.getpid(), signal.SIGKILL)
    spoil("robotrading.session.pipeline", deed)
    """,
    "hangs": """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild()
    threading.Event().wait()
    """,
    "babbles": """
    def deed(module):
        sys.stdout.write("x" * 300_000 + chr(10) + '{"step": "odd"}' + chr(10))
        sys.stdout.write('{"step": "here", "done": 1, "total": 2}' + chr(10))
        sys.stdout.flush()
        os._exit(0)
    spoil("robotrading.session.pipeline", deed)
    """,
    "grows": """
    def deed(module):
        def daily(self, instruments, first, last):
            return bytearray(3 << 30)
        module.SyntheticFeed.daily = daily
    spoil("robotrading.sim.feed", deed)
    """,
}


@pytest.fixture
def grandchild(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "grandchild"
    monkeypatch.setenv("TEST_GRANDCHILD", str(path))
    monkeypatch.setenv("ROBOTRADING_STATE_DIR", str(tmp_path / "state"))
    return path


def spoil(monkeypatch: pytest.MonkeyPatch, folder: Path, victim: str, deed: str) -> None:
    site = folder / "site"
    site.mkdir()
    body = dedent(DEEDS[deed]).strip().replace("\n", "\n    ")
    (site / "sitecustomize.py").write_text(SITE.replace("DEED", body), encoding="utf-8")
    monkeypatch.setenv("TEST_VICTIM", victim)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(Path(__file__).parents[2])]))


def is_gone(pid: int) -> bool:
    """Dead, or dead and not yet collected by the machine's first process."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def block(path: Path) -> None:
    path.write_text("a file where the folder should be", encoding="utf-8")


def pid_in(path: Path) -> int:
    """The process id that a child has left, 0 as long as there is none."""
    return int(path.read_text(encoding="utf-8") or 0) if path.exists() else 0


async def gone(pid: int) -> bool:
    for _ in range(100):
        if is_gone(pid):
            return True
        await asyncio.sleep(0.05)
    return False


@pytest.mark.parametrize(
    "case",
    [
        (EQ, "raises", "exit code 1 and left no report; its last words: ImportError: no such module"),
        (BO, "exits", "exit code 7 and left no report"),
        (CR, "is killed", "it was killed (signal 9): the machine ran out of memory"),
        (EQ, "grows", "Stopped at step 'prices': out of memory"),
    ],
)
async def test_one_sessions_death_costs_the_others_nothing_and_is_told_in_one_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grandchild: Path, case: tuple[AssetClass, str, str]
) -> None:
    victim, deed, story = case
    spoil(monkeypatch, tmp_path, f"-{victim}/", deed)
    orders = Orders(write_config(tmp_path), as_of=DEMO_DAY)
    reports = await carry_out(orders, tuple(AssetClass), lambda *_: None)
    outcomes = {report.kind: report.outcome for report in reports}
    assert outcomes.pop(victim) is Outcome.FAILED
    assert set(outcomes.values()) == {Outcome.DONE}, [report.verdict for report in reports]
    told = next(report for report in reports if report.kind is victim)
    assert story in told.verdict
    with book_for(load_config(orders), orders).ledger() as ledger:
        stored = [report.run_id for report in ledger.last_reports(9)]
        assert sorted(stored) == sorted(report.run_id for report in reports)
        assert {position.owner for position in ledger.positions()} == set(outcomes)
    if pid_in(grandchild):
        assert await gone(pid_in(grandchild))


# Without a gateway: children alone ------------------------------------------------------------------------------------


def job(folder: Path, kind: AssetClass = EQ) -> Job:
    return Job(run_id=f"run-{kind}-1", kind=kind, folder=str(folder / f"run-{kind}-1"))


async def alone(folder: Path, deadline: float = 60.0) -> tuple[End, list[tuple[str, int, int]]]:
    told: list[tuple[str, int, int]] = []
    child = Child(job(folder), deadline)
    (end,) = await run_children([child], SystemClock(), lambda _job, *what: told.append(what))
    return end, told


async def test_what_hangs_past_its_deadline_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grandchild: Path
) -> None:
    """It ignores the polite request, and a child of its own holds the pipe."""
    monkeypatch.setattr("robotrading.session.processes._STOP_SECONDS", 0.5)
    spoil(monkeypatch, tmp_path, "-equities-", "hangs")
    end, _ = await alone(tmp_path, deadline=6.0)
    assert end.late
    assert end.returncode == -signal.SIGKILL
    assert "did not finish within its deadline" in end.story
    assert end.seconds < 25
    assert await gone(pid_in(grandchild))


async def test_a_killed_child_is_known_at_once_though_its_own_child_holds_the_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grandchild: Path
) -> None:
    spoil(monkeypatch, tmp_path, "-equities-", "is killed")
    began = time.monotonic()
    end, _ = await alone(tmp_path)
    assert time.monotonic() - began < 30, "it was waited for until its deadline"
    assert not end.late
    assert end.story.startswith("it was killed (signal 9)")
    assert await gone(pid_in(grandchild))


async def test_a_child_that_babbles_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grandchild: Path
) -> None:
    spoil(monkeypatch, tmp_path, "-equities-", "babbles")
    end, told = await alone(tmp_path)
    assert told == [("here", 1, 2)]
    assert end.story == "it ended with exit code 0 and left no report"


async def test_children_are_ended_when_the_parent_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grandchild: Path
) -> None:
    monkeypatch.setattr("robotrading.session.processes.PARTING_SECONDS", 0.5)
    spoil(monkeypatch, tmp_path, "-equities-", "hangs")
    task = asyncio.create_task(alone(tmp_path))
    async with asyncio.timeout(30):
        while not pid_in(grandchild):  # noqa: ASYNC110  a file has no events
            await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(pid_in(grandchild))


async def test_a_child_that_cannot_be_started_is_an_end_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grandchild: Path
) -> None:
    """A full disk or an exhausted process table: the other sessions run on."""
    block(tmp_path / "run-equities-1")
    spoil(monkeypatch, tmp_path, "-bonds-", "exits")
    first, second = await run_children(
        [Child(job(tmp_path), 60.0), Child(job(tmp_path, BO), 60.0)], SystemClock(), lambda *_: None
    )
    assert first.story.startswith("its process could not be started: ")
    assert second.returncode == 7


async def test_a_session_that_runs_already_says_so_in_the_second_ones_report(tmp_path: Path, grandchild: Path) -> None:
    from robotrading.session.lock import session_lock

    orders = Orders(write_config(tmp_path), as_of=DEMO_DAY)
    book = book_for(load_config(orders), orders)
    with session_lock(book.root / "locks", BO):
        (report,) = await carry_out(orders, [BO], lambda *_: None)
    assert report.outcome is Outcome.FAILED
    assert "the bonds session is running already" in report.verdict
    with book.ledger() as ledger, pytest.raises(LedgerError, match="finished once"):
        ledger.finish_run(report)
