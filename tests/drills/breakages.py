"""The program broken on purpose, one rule at a time: how many stories it takes until a promise is seen to be broken.

Entry points: `BREAKAGES`, `first_breach`, `python -m tests.drills.breakages` (all of them, written to
docs/reliability-breakages.md).

Each breakage edits a copy of the package in a folder of its own; the stories are those of `make simulate`, from seed 0.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[2]
DOCUMENT = HERE / "docs" / "reliability-breakages.md"
MOST_SEEDS = 400
_CHUNK = 20
_FOUND = re.compile(r"^seed (\d+): [^:]*: invariant (\d)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Edit:
    """A piece of a module, which must be there exactly once, and what stands in its place."""

    module: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Breakage:
    """What the broken program does, and the edits that make it do so."""

    words: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """The first seed whose story broke a promise, and which; None where `MOST_SEEDS` stories broke none."""

    breakage: Breakage
    seed: int | None
    promise: int | None


def _one(words: str, module: str, old: str, new: str) -> Breakage:
    return Breakage(words, (Edit(module, old, new),))


BREAKAGES = (
    Breakage(
        "an order is sent before its intent is written",
        (
            Edit(
                "session/door.py",
                "        self._ledger.record_intent(intent, now)\n",
                "        await self._broker.submit(intent)\n        self._ledger.record_intent(intent, now)\n",
            ),
            Edit("session/door.py", "                await self._broker.submit(intent)\n", "                pass\n"),
        ),
    ),
    _one(
        "an execution is booked twice",
        "adapters/ledger/orders.py",
        "    for fill in booking_order(before, after):\n",
        "    for fill in booking_order(before, after) * 2:\n",
    ),
    _one(
        "what happened to ended orders is not looked up after a crash",
        "session/recovery.py",
        "_append(ledger, (*outstanding(ticket, evidence), *_living(ticket, evidence)))",
        "pass",
    ),
    Breakage(
        "the account's holdings are taken for the bot's, in the plan and at the door",
        (
            Edit(
                "session/account.py",
                "    mine = {position.instrument: position.quantity for position in draft.owned}\n",
                "    mine = {position.instrument: account.holding(position.instrument) for position in draft.owned}\n",
            ),
            Edit("portfolio/limits.py", "    (ownership, Scope.SELL),\n", ""),
        ),
    ),
    _one(
        "open orders are sent again after a reconnect",
        "session/reach.py",
        "    for ticket in before:\n",
        "    for ticket in before:\n        if not ticket.status.terminal:\n"
        "            await broker.submit(ticket.intent)\n",
    ),
    Breakage(
        "an order in doubt blocks nothing",
        (
            Edit(
                "session/recovery.py",
                "        return {**self.elsewhere, **self.strange, **self.blocked}\n",
                "        return {}\n",
            ),
            Edit("portfolio/limits.py", "    (open_ticket, Scope.EVERY),\n", ""),
        ),
    ),
    Breakage(
        "what the day has traded is forgotten at a restart",
        (
            Edit(
                "session/door.py",
                "        self._turnover = turnover(self._ledger.tickets_of(self._spec.trading_date, self._spec.kind))\n",
                "",
            ),
            Edit(
                "session/pipeline.py",
                "        turnover_today=turnover(world.ledger.tickets_of(spec.trading_date, spec.kind)),\n",
                "        turnover_today=Decimal(0),\n",
            ),
        ),
    ),
    Breakage(
        "a position's share is judged without what is owned already, in the plan and at the door",
        (
            Edit(
                "portfolio/limits.py",
                "    after = abs(view.owned + view.open_buy_quantity + intent.side.sign * intent.quantity) * price\n",
                "    after = intent.quantity * price\n",
            ),
            Edit(
                "portfolio/consider.py",
                "        there = case.owned + inputs.elsewhere.get(wish.instrument, Decimal(0))\n",
                "        there = Decimal(0)\n",
            ),
        ),
    ),
    _one("a halt is ignored", "portfolio/limits.py", "    (halted, Scope.EVERY),\n", ""),
    _one(
        "the daily loss is judged by the latest equity",
        "session/account.py",
        "        day_start_value=_day_start_value(world, draft, account, now),\n",
        "        day_start_value=account.net_liquidation,\n",
    ),
    _one(
        "the lease is not checked when an intent is written",
        "adapters/ledger/orders.py",
        "                if self._lease is not None:\n",
        "                if self._lease is None:\n",
    ),
    Breakage(
        "an occurrence can be claimed twice",
        (
            Edit(
                "adapters/ledger/claims.py",
                "                return False\n            connection.execute(_TAKE, _taken(occurrence, lease, now))\n",
                "                return True\n            connection.execute(_TAKE, _taken(occurrence, lease, now))\n",
            ),
        ),
    ),
    _one(
        "no report is written for a process that died",
        "session/bereaved.py",
        "        report = report_for(end, ledger, occasion)\n        ledger.finish_run(report)\n",
        "        report = report_for(end, ledger, occasion)\n",
    ),
    _one(
        "prices that the checks refused are used all the same",
        "session/market.py",
        "            refused.append(instrument)\n",
        "            good[instrument] = series\n",
    ),
    Breakage(
        "an account without positions is believed",
        (
            Edit("session/watch.py", "    if doubt:\n", "    if not account:\n"),
            Edit(
                "session/pipeline.py",
                "shortfalls(standing.account, [p for p in owned if p.instrument == instrument])",
                "()",
            ),
            Edit(
                "session/pipeline.py", "{one.instrument.key: one.sentence for one in draft.changed if one.blocks}", "{}"
            ),
        ),
    ),
    _one(
        "a shared fund is compared with this session's own part only",
        "session/pipeline.py",
        "[p for p in owned if p.instrument == instrument]",
        "[p for p in owned if p.instrument == instrument and p.owner == draft.spec.kind]",
    ),
    _one(
        "silence is taken for a rejection",
        "execution/lifecycle.py",
        "    _S.SENT: {\n        _K.ACKNOWLEDGED: _S.WORKING,\n        _K.CANCELLED: _S.CANCELLED,\n"
        "        _K.REJECTED: _S.REJECTED,\n        _K.UNKNOWN: _S.UNKNOWN,\n",
        "    _S.SENT: {\n        _K.ACKNOWLEDGED: _S.WORKING,\n        _K.CANCELLED: _S.CANCELLED,\n"
        "        _K.REJECTED: _S.REJECTED,\n        _K.UNKNOWN: _S.REJECTED,\n",
    ),
    _one(
        "a late order is called cancelled before the broker has confirmed it",
        "session/executor.py",
        "        seconds = self._settings.cancel_timeout\n",
        "        self._note(intent, EventKind.CANCELLED, late)\n        seconds = self._settings.cancel_timeout\n",
    ),
    _one(
        "the broker's price is not held against the source's last close",
        "session/account.py",
        "    quotes = agreed(found.quotes, draft.closes, _gaps(draft))\n",
        "    quotes = dict(found.quotes)\n",
    ),
    _one("an old price is as good as a new one", "portfolio/limits.py", "    (quote_fresh, Scope.EVERY),\n", ""),
)


def broken_copy(breakage: Breakage, folder: Path) -> Path:
    """A copy of the package below `folder` with the edits made. Raises ValueError where one does not fit any more."""
    shutil.copytree(HERE / "robotrading", folder / "robotrading", ignore=shutil.ignore_patterns("__pycache__"))
    for edit in breakage.edits:
        path = folder / "robotrading" / edit.module
        text = path.read_text(encoding="utf-8")
        if text.count(edit.old) != 1:
            raise ValueError(f"{edit.module} has {text.count(edit.old)} times what is to be edited: {edit.old!r}")
        path.write_text(text.replace(edit.old, edit.new), encoding="utf-8")
    return folder


def first_breach(breakage: Breakage, most: int = MOST_SEEDS) -> Finding:
    """Play stories on the broken program until one breaks a promise."""
    with tempfile.TemporaryDirectory(prefix="broken-") as name:
        folder = broken_copy(breakage, Path(name))
        for first in range(0, most, _CHUNK):
            found = _FOUND.search(_told(folder, first, min(first + _CHUNK, most)))
            if found:
                return Finding(breakage, int(found[1]), int(found[2]))
    return Finding(breakage, None, None)


def _told(folder: Path, first: int, end: int) -> str:
    words = [sys.executable, "-m", "robotrading.wiring.drills.simulate", "--seeds", f"{first}:{end}", "--most", "1"]
    env = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode not in (0, 1) or (done.returncode == 1) != bool(_FOUND.search(done.stdout)):
        raise RuntimeError(f"{first}:{end} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def page(findings: Sequence[Finding], seconds: float) -> Iterator[str]:
    """The page of the documentation, line by line."""
    yield "# Broken on purpose"
    yield ""
    yield "Tests are worth what they find. Each line is a change to a copy of the program, and the first story of"
    yield "`make simulate` that broke a promise of [reliability.md](reliability.md). What stands twice, in the plan and at the"
    yield "broker's door, is taken away in both places: with one alone the promise is still kept."
    yield ""
    yield "| The program is changed so that | Found by seed | Promise |"
    yield "| --- | --: | --: |"
    for one in findings:
        yield f"| {one.breakage.words} | {_cell(one.seed)} | {_cell(one.promise)} |"
    yield ""
    missed = [one for one in findings if one.seed is None]
    yield f"{len(findings) - len(missed)} of {len(findings)} were found within {MOST_SEEDS} stories, in {seconds:.0f} s on two cores. This page is written by"
    yield "`make breakages`; the changes are in `tests/drills/breakages.py`. Some need a rare meeting of events: such have stories"
    yield "of their own in `tests/session/test_simulation.py`, played in every run of the tests."


def _cell(number: int | None) -> str:
    return "-" if number is None else str(number)


def main() -> int:
    """Play all, two at a time, and write the page."""
    began = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        findings = list(pool.map(first_breach, BREAKAGES))
    text = "\n".join(page(findings, time.monotonic() - began)) + "\n"
    DOCUMENT.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
