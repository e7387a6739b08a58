"""Two copies of the command, one account: one trades, the other says who does; when that one dies, the other takes over.

Real commands over the real wire, with the gateway in a process of its own. The first copy stops in the middle of its
orders by a `sitecustomize` of the test's, which also shortens the lease; nothing in the product knows of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import pytest

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ibkr.broker import IbkrBroker
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.adapters.ledger.claims import SqlClaims
from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import TicketStatus
from robotrading.domain.report import Outcome
from robotrading.session.job import Job
from robotrading.session.processes import Child, Ways, run_children
from tests.wire.test_session_deaths import is_gone, pid_in, spoil

pytestmark = [pytest.mark.nightly, pytest.mark.wire, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
ACCOUNT = "DU1000001"
LEASE = f"account:paper-{ACCOUNT}"
CONFIG = """
capital: {{amount: 200000}}
broker: {{gateway: external, mode: paper, account: {account}, port: {port}, quiet_times: []}}
sessions:
  equities: {{enabled: false}}
  bonds: {{enabled: false}}
  crypto:
    share: 1.0
    universe: {{symbols: [SYNCA-USD, SYNCB-USD, SYNCC-USD], tick: 0.01}}
    sources: [ibkr]
    history_days: 400
    signal: {{chain: [moving_average, hold], hmm: {{lookback_days: 300}}}}
    construct: {{scheme: equal, scale_min: 1}}
"""
SITE = """
import os, sys

class _Finder:
    # Loads a module as usual and then does what the test wants.
    def __init__(self, deeds):
        self._deeds = deeds
    def find_spec(self, name, path=None, target=None):
        if name not in self._deeds:
            return None
        deed = self._deeds.pop(name)
        import importlib.util
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            deed(module)
        spec.loader.exec_module = exec_module
        return spec

def short_lease(module):
    module.LeaseTerms.__init__.__defaults__ = (9.0, 2.0, 2.0, 0.1)
    module.Post.__init__.__defaults__ = (module.LeaseTerms(),)

def short_parting(module):
    module.follow.__defaults__ = (2.0,)

def stop_in_the_middle(module):
    real = module.IbkrBroker.submit
    async def submit(self, intent):
        await real(self, intent)
        import asyncio, threading
        with open(os.environ["TEST_MARK"], "w") as file:
            file.write(str(os.getpid()))
        if os.environ["TEST_STOP"] == "stuck":
            threading.Event().wait(600)
        await asyncio.sleep(600)
    module.IbkrBroker.submit = submit

deeds = {"robotrading.session.lease": short_lease, "robotrading.session.leash": short_parting}
if "TEST_STOP" in os.environ and "session" in sys.orig_argv:
    deeds["robotrading.adapters.ibkr.broker"] = stop_in_the_middle
sys.meta_path.insert(0, _Finder(deeds))
"""


class Copies:
    """Two hosts with a state of their own and one PostgreSQL, or two commands on one book in a file."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self.mark = url, folder, folder / "mark"
        self.shared = url.startswith("postgresql")
        self.port = 0
        self._children: list[asyncio.subprocess.Process] = []
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(dedent(SITE), encoding="utf-8")

    def _environment(self, name: str, stop: str) -> dict[str, str]:
        own = {"ROBOTRADING_STATE_DIR": str(self.folder / (name if self.shared else "state"))}
        if self.shared:
            own["ROBOTRADING_DATABASE_URL"] = self.url
        if stop:
            own |= {"TEST_STOP": stop, "TEST_MARK": str(self.mark)}
        path = os.pathsep.join([str(self.folder / "site"), str(ROOT)])
        return {**os.environ, "PYTHONPATH": path, "NO_COLOR": "1", "COLUMNS": "200", **own}

    async def command(self, name: str, *words: str, stop: str = "") -> asyncio.subprocess.Process:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "robotrading", *words),
            cwd=self.folder,
            env=self._environment(name, stop),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._children.append(child)
        return child

    async def done(self, name: str, *words: str) -> tuple[int, str]:
        """Exit code, and all that it said."""
        child = await self.command(name, *words)
        async with asyncio.timeout(100):
            out, err = await child.communicate()
        assert child.returncode is not None
        return child.returncode, " ".join((out + err).decode().split())

    async def open(self) -> None:
        gateway = await self.command("gateway", "gateway", "--port", "0", "--always-open")
        assert gateway.stdout is not None
        async with asyncio.timeout(60):
            said = (await gateway.stdout.readline()).decode()
        self.port = int(said.partition("127.0.0.1:")[2].partition(",")[0])
        (self.folder / "config.yaml").write_text(CONFIG.format(account=ACCOUNT, port=self.port), encoding="utf-8")

    async def marked(self) -> int:
        """The process that stands in the middle of its orders."""
        async with asyncio.timeout(60):
            while not pid_in(self.mark):  # noqa: ASYNC110  a file has no events
                await asyncio.sleep(0.05)
        return pid_in(self.mark)

    @property
    def database(self) -> str:
        return self.url if self.shared else f"sqlite:///{self.folder}/state/books/paper-{ACCOUNT}/ledger.db"

    async def assert_ledger_is_broker(self) -> None:
        """Nothing doubled, nothing lost: what the bot owns is what the account holds, each symbol ordered once."""
        broker = IbkrBroker(GatewaySettings(port=self.port, client_id=77, account=ACCOUNT), SystemClock())
        await broker.connect()
        try:
            held = {p.instrument.symbol: p.quantity for p in (await broker.account()).positions if p.quantity}
            executed = await broker.executions()
            assert not await broker.open_orders()
        finally:
            await broker.disconnect()
        database = open_database(self.database)
        try:
            ledger = SqlLedger(database)
            owned = {p.instrument.symbol: p.quantity for p in ledger.positions()}
            assert not ledger.open_tickets()
            days = {fill.at.date() for fill in executed}
            tickets = [ticket for day in days for ticket in ledger.tickets_of(day)]
        finally:
            database.close()
        crypto = {symbol: quantity for symbol, quantity in held.items() if symbol in owned}
        assert owned == crypto
        assert len(owned) == 3
        filled = [ticket for ticket in tickets if ticket.status is TicketStatus.FILLED]
        assert Counter(ticket.intent.instrument.symbol for ticket in filled) == dict.fromkeys(owned, 1)
        by_order: Counter[str] = Counter()
        for fill in executed:
            by_order[fill.intent_id] += fill.quantity  # type: ignore[assignment]
        assert by_order == {ticket.intent.intent_id: ticket.filled for ticket in filled}
        assert all(quantity > Decimal(0) for quantity in owned.values())

    async def stop(self) -> None:
        for child in self._children:
            if child.returncode is None:
                child.terminate()
                await child.communicate()


@pytest.fixture
async def copies(database_url: str, tmp_path: Path):
    made = Copies(database_url, tmp_path)
    await made.open()
    yield made
    await made.stop()


async def test_one_trades_the_other_says_who_and_takes_over_when_that_one_is_killed(copies: Copies) -> None:
    stop = "stuck" if copies.shared else "waits"
    first = await copies.command("one", "run", "all", "--quiet", stop=stop)
    session = await copies.marked()

    code, said = await copies.done("two", "run", "all", "--quiet")
    assert code == 5, said
    assert f"{LEASE} is held by " in said
    assert f":{first.pid}:" in said, "host and process of the holder"
    assert "nothing was started" in said
    code, said = await copies.done("two", "status")
    assert code == 0
    assert f":{first.pid}:" in said
    assert "trades this account now" in said
    assert "the-secret" not in said

    first.kill()
    code, said = await copies.done("two", "run", "all", "--quiet", "--wait", "60")
    assert is_gone(session), "the dead one's session did not end"
    assert code == 0, said
    await copies.assert_ledger_is_broker()
    database = open_database(copies.database)
    try:
        reports = SqlLedger(database).last_reports(9)
        lease = SqlClaims(database).holder(LEASE)
    finally:
        database.close()
    assert reports[0].outcome is Outcome.DONE
    settled = any(note.startswith("settled from an earlier run: ") for note in reports[0].notes)
    assert settled is copies.shared, "the fill that the stuck session never read is found by recovery"
    assert lease is not None
    assert (lease.holder, lease.fence) == ("", 2)
    let_go = [report for report in reports if "nothing more is sent" in report.verdict]
    assert len(let_go) == (0 if copies.shared else 1), "one that is not stuck writes its report"


async def test_two_commands_at_the_same_moment_trade_once(copies: Copies) -> None:
    both = [await copies.command(name, "run", "all", "--quiet") for name in ("one", "two")]
    async with asyncio.timeout(100):
        said = [await child.communicate() for child in both]
    codes = sorted(child.returncode or 0 for child in both)
    assert codes == [0, 5], said
    await copies.assert_ledger_is_broker()


async def test_a_child_that_does_not_heed_the_leash_is_ended_by_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is lost while a session hangs before it can listen."""
    monkeypatch.setattr("robotrading.session.processes.PARTING_SECONDS", 0.3)
    monkeypatch.setattr("robotrading.session.processes._STOP_SECONDS", 0.3)
    monkeypatch.setenv("TEST_GRANDCHILD", str(tmp_path / "grandchild"))
    spoil(monkeypatch, tmp_path, "run-crypto-1", "hangs")
    let_go = asyncio.Event()
    child = Child(Job("run-crypto-1", AssetClass.CRYPTO, str(tmp_path / "run-crypto-1")), 60.0)
    running = asyncio.create_task(run_children([child], SystemClock(), lambda *_: None, Ways(let_go)))
    async with asyncio.timeout(30):
        while not pid_in(tmp_path / "grandchild"):  # noqa: ASYNC110  a file has no events
            await asyncio.sleep(0.05)
    assert not running.done()
    let_go.set()
    async with asyncio.timeout(10):
        (end,) = await running
    assert not end.late
    assert end.returncode == -9
