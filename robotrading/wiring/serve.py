"""The service, put together from a configuration.

Entry points: `serve_config` (the daemon), `serve_gateway` (the embedded gateway as a program of its own),
`deliver_run` (reports for people, in a process of its own).
Nothing here loads what only a session needs: that is for the children.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from secrets import randbelow

from robotrading import __version__
from robotrading.adapters.clock import SystemClock
from robotrading.adapters.ledger.alert_book import SqlAlertBook
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.adapters.ledger.positions import SqlPositionBook
from robotrading.config.environment import VARIABLES
from robotrading.config.model import Config
from robotrading.domain.claims import Claim
from robotrading.domain.errors import ConfigError, RobotradingError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import Broker, Ledger
from robotrading.domain.report import SessionReport
from robotrading.execution.quiet import QuietTimes
from robotrading.service.alerts.lives import Life
from robotrading.service.calendar import current_calendar
from robotrading.service.daemon import GAVE_UP, serve
from robotrading.service.lookout import Place, Reader, Shelves
from robotrading.service.manager import manager_from
from robotrading.service.occasions import Helpers, Trade
from robotrading.service.recent import Recent
from robotrading.service.scheduler import Entry
from robotrading.service.setup import Hooks, Opened, Setup
from robotrading.service.supervisor import Program
from robotrading.session.bereaved import Occasion, conclude, conclude_claim
from robotrading.session.job import Job
from robotrading.session.lease import Post
from robotrading.session.lock import held, session_lock
from robotrading.session.processes import Child, Ways, command, run_children
from robotrading.session.schedule import parse_schedule, zone_of
from robotrading.wiring.books import Book, Orders, book_for, holder_name, is_embedded, load_config
from robotrading.wiring.logs import log_command, log_program, log_service
from robotrading.wiring.pace import share_pace
from robotrading.wiring.people import People, speech_for
from robotrading.wiring.post import untold_reports
from robotrading.wiring.stored_pages import StoredPages, summaries_of
from robotrading.wiring.timetable import TABLE

log = logging.getLogger(__name__)

GATEWAY_PROGRAM = "gateway"
BACKUPS = "backups"
"""Below the state folder: where an upgrade copies the ledgers to, and a person may."""
ONLY = "this machine"
"""Who holds a book that has the pretend gateway inside: nobody else can."""
PRICES, MAIL = ("ALPHA_VANTAGE_KEY",), ("GMAIL_APP_PASSWORD", "ROBOTRADING_PUSH_URLS")
DATABASE = "ROBOTRADING_DATABASE_URL"
"""Which secrets a child may need."""
_EMBEDDED_ACCOUNT = "DU1000001"  # as in wiring/gateway.py, which brings the pretend exchange along
_ORPHAN_SECONDS = 30.0
_GATEWAY_STOP_SECONDS = 10.0
_THREAD_SECONDS = 5.0
_CLIENT_IDS_FROM, _CLIENT_IDS = 1_000, 99_000
"""Above the base id: where a copy takes the id of its look at the broker by chance."""


def serve_config(file: Path | None) -> int:
    """Serve until told to stop; the exit code. Raises `RobotradingError` when it cannot start."""
    orders = Orders(config=file)
    config = load_config(orders)
    log_service(config)
    secrets = _withheld()
    if not config.enabled:
        raise ConfigError("no session is enabled; set sessions.<name>.enabled to true")
    book = book_for(config, orders)
    with ExitStack() as stack:
        stack.enter_context(_alone(book, embedded=is_embedded(config, orders)))
        holder, now = holder_name(), SystemClock().now()
        life = Life.begin(config.state_dir / "lives" / book.root.name, holder, now)
        if is_embedded(config, orders):
            holder = ONLY
        code = asyncio.run(serve_to_the_end(_Parts(orders, config, book, holder, now, life.last_end, secrets).setup()))
        if code != GAVE_UP:
            life.goodbye()
        return code


async def serve_to_the_end(setup: Setup, seconds: float = _THREAD_SECONDS) -> int:
    """The daemon's exit code; `seconds` after its end the process ends too.

    A thread that waits for a disk or a database cannot be cancelled, and would be waited for without end.
    """
    code = await serve(setup)
    last = threading.Timer(seconds, os._exit, [code])
    last.daemon = True
    last.start()
    return code


def _withheld() -> dict[str, str]:
    """Take the secrets out of the environment: each child gets those that it needs, and the others none."""
    names = [variable.name for variable in VARIABLES if variable.secret]
    return {name: os.environ.pop(name) for name in names if name in os.environ}


@contextmanager
def _alone(book: Book, *, embedded: bool) -> Iterator[None]:
    """One service for each book on a host; with the pretend gateway inside, no other command either.

    Where the ledger is a server's, copies may be many, in the same state folder too: who works is decided there.
    """
    with ExitStack() as stack:
        if book.url:
            yield
            return
        taken = f"the service runs already for the {book.mode} account"
        stack.enter_context(held(book.service_lock, taken))
        if embedded:
            stack.enter_context(book.alone())
        yield


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the daemon is made of; `secrets` are by the names of their variables, `last_end` is of the life before."""

    orders: Orders
    config: Config
    book: Book
    holder: str
    started_at: datetime
    last_end: str
    secrets: Mapping[str, str] = field(repr=False)

    def given(self, *names: str) -> dict[str, str]:
        """These secrets, for a child's environment."""
        return {name: self.secrets[name] for name in names if name in self.secrets}

    @property
    def people(self) -> People:
        """Those who tell people."""
        return People(self.orders.file, self.given(*MAIL, DATABASE))

    @property
    def embedded(self) -> bool:
        return is_embedded(self.config, self.orders)

    def setup(self) -> Setup:
        """Everything but the ledger, which the daemon opens itself."""
        config, book = self.config, self.book
        port = _gateway_port(book) if self.embedded else 0
        service = config.service
        return Setup(
            settings=service,
            clock=SystemClock(),
            place=self.place,
            entries=[
                Entry(kind, parse_schedule(config.sessions[kind].schedule, kind), service.catch_up)
                for kind in config.enabled
            ],
            programs=[self._gateway(port)] if port else [],
            quiet=QuietTimes() if self.embedded else config.quiet,
            broker=lambda: self._broker(port),
            calendar=lambda today: current_calendar(config.state_dir / TABLE, today),
            open=self._open,
            staff=lambda opened, hooks: self._staff(opened, hooks, port),
            speech=speech_for(config, self.people, book.root.name.replace("-", " ", 1)),
            manager=manager_from(os.environ),
            pages=StoredPages(book),
        )

    @property
    def place(self) -> Place:
        """What does not change while the service runs."""
        config, book = self.config, self.book
        sessions = {kind: (one.enabled, one.schedule, one.deadline) for kind, one in config.sessions.items()}
        return Place(
            version=__version__,
            mode=book.mode,
            place="PostgreSQL" if book.url else str(book.root / "ledger.db"),
            holder=self.holder,
            lease=book.account,
            folder=config.state_dir,
            path=None if book.url else book.root / "ledger.db",
            account_id=_EMBEDDED_ACCOUNT if self.embedded else config.broker.account,
            currency=config.capital.currency,
            started_at=self.started_at,
            sessions=sessions,
            last_end=self.last_end,
            backups=config.state_dir / BACKUPS,
            summaries=summaries_of(book),
        )

    def _gateway(self, port: int) -> Program:
        """The pretend exchange as a child; it ends when its standard input does."""
        words = ["serve-gateway", "--port", str(port)]
        if self.orders.file:
            words += ["--config", str(self.orders.file.absolute())]
        return Program(
            GATEWAY_PROGRAM,
            tuple(command(*words)),
            self.config.state_dir / "logs" / "gateway.log",
            stop_seconds=_GATEWAY_STOP_SECONDS,
            max_megabytes=self.config.log.max_megabytes,
            environment=self.given(*PRICES),
        )

    def _broker(self, port: int) -> Broker:
        """Under an id of its own: the base id is for people's commands, each session has another.

        Copies that share a ledger may share the gateway too, which lets nobody in under an id that is in use: each has
        one by chance.
        """
        from robotrading.adapters.ibkr.broker import IbkrBroker  # noqa: PLC0415  brings the broker's library along

        settings = self.config.gateway(prices=True)
        if self.book.url:
            by_chance = _CLIENT_IDS_FROM + randbelow(_CLIENT_IDS)
            settings = replace(settings, client_id=self.config.broker.client_id + by_chance)
        if port:
            settings = replace(settings, host="127.0.0.1", port=port, account=_EMBEDDED_ACCOUNT, paper=True)
        return IbkrBroker(settings, SystemClock())

    @contextmanager
    def _open(self) -> Iterator[Opened]:
        with self.book.service() as (database, ledger, claims):
            post = Post(claims, SystemClock(), self.book.account, self.holder)
            outbox, alerts = SqlOutbox(database), SqlAlertBook(database)
            recent = Recent(ledger)
            shelves = Shelves(outbox, alerts, recent.trades, recent.flows)
            reader = Reader(self.place, SystemClock(), ledger, SqlPositionBook(database), claims, shelves)
            yield Opened(post, reader, ledger, outbox, alerts)

    def _staff(self, opened: Opened, hooks: Hooks, port: int) -> Helpers:
        ledger, people = opened.ledger, self.people
        sessions = _Sessions(self, ledger, hooks, port)

        def epitaph(claim: Claim) -> SessionReport:
            return conclude_claim(claim, ledger, self.book.mode, SystemClock().now())

        def untold(ended: Sequence[Claim]) -> Sequence[SessionReport]:
            return untold_reports(self.config, opened.outbox, ledger, ended)

        return Helpers(sessions.run, sessions.settled, ledger.report, epitaph, people.deliver, people.missed, untold)


@dataclass(frozen=True, slots=True)
class _Sessions:
    """Sessions as child processes, as `robotrading run` makes them."""

    parts: _Parts
    ledger: Ledger
    hooks: Hooks
    port: int

    async def run(self, trade: Trade) -> SessionReport:
        """One run to its report; it is let go when the lease is lost."""
        clock, config, kind = SystemClock(), self.parts.config, trade.kind
        began = clock.now()
        ways = replace(self.hooks.ways, let_go=asyncio.Event(), environment=self.parts.given(*PRICES, DATABASE))
        letting_go = asyncio.create_task(_follow(trade, ways))
        try:
            child = Child(self._job(trade), config.sessions[kind].deadline)
            (end,) = await run_children([child], clock, lambda _job, step, *_: self.hooks.stepped(kind, step), ways)
        finally:
            letting_go.cancel()
        day = began.astimezone(zone_of(kind)).date()
        occasion = Occasion(day, self.parts.book.mode, clock.now())
        return await asyncio.to_thread(conclude, end, self.ledger, occasion)

    async def settled(self, kind: AssetClass) -> None:
        """Until no process of an earlier daemon holds the session's lock; one that cannot be taken counts as held.

        Nothing is raised: what is dead is concluded all the same, and a session that is started again says what is
        wrong with the lock.
        """
        end = SystemClock().monotonic() + _ORPHAN_SECONDS
        while SystemClock().monotonic() < end:
            try:
                with session_lock(self.parts.book.root / "locks", kind):
                    return
            except RobotradingError:
                await asyncio.sleep(0.5)

    def _job(self, trade: Trade) -> Job:
        config, file = self.parts.config, self.parts.orders.file
        return Job(
            run_id=trade.run_id,
            kind=trade.kind,
            folder=str(self.parts.book.run_folder(trade.run_id).absolute()),
            config=str(file.absolute()) if file else "",
            gateway_port=self.port,
            messages_per_second=share_pace(config, config.enabled)[trade.kind],
            lease=trade.held.lease,
        )


async def _follow(trade: Trade, ways: Ways) -> None:
    await trade.held.lost.wait()
    ways.let_go.set()


def deliver_run(file: Path | None, run_id: str) -> Sequence[str]:
    """Draw and mail the report of a run that is in the ledger; notes. Raises `RobotradingError`."""
    from robotrading.wiring.runs import deliver_reports  # noqa: PLC0415  brings what draws

    orders = Orders(config=file)
    config = load_config(orders)
    log_command(config)
    with book_for(config, orders).ledger() as ledger:
        report = ledger.report(run_id)
    if report is None:
        raise RobotradingError(f"run {run_id} has no report in the ledger; `robotrading status` shows the newest runs")
    return deliver_reports(config, orders, [report]).notes


async def serve_gateway(file: Path | None, port: int) -> None:
    """Serve the sessions' instruments on loopback until standard input ends, or a signal comes.

    Until it listens nobody is connected and nothing can be lost, but prices may be asked for in calls that nobody can
    interrupt: a signal ends the process then and there. Raises `RobotradingError`, and OSError when the port is taken.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as it is for SIGTERM; Python's own would wait for the loop
    _end_with_parent()
    from robotrading.adapters.calendar import ExchangeCalendar  # noqa: PLC0415
    from robotrading.wiring.gateway import embedded_gateway  # noqa: PLC0415  brings the pretend exchange along

    orders = Orders(config=file)
    config = load_config(orders)
    log_program(config)
    clock, stop = SystemClock(), asyncio.Event()
    serving = embedded_gateway(config, book_for(config, orders), config.enabled, clock, ExchangeCalendar(), port=port)
    async with serving as bound:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        log.info("the embedded gateway serves on 127.0.0.1:%d", bound)
        await stop.wait()


def _end_with_parent() -> None:
    """Who started us holds the other end of standard input; its end counts as SIGTERM.

    From a thread, since the loop may be busy; not for a file or nothing at all, which end at once.
    """
    mode = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(0)):
        return

    def watch() -> None:
        with suppress(OSError):
            while os.read(0, 1024):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _gateway_port(book: Book) -> int:
    """The same port as ever, while it is free: what looks at the gateway finds it again after a restart."""
    path = book.root / "gateway.port"
    known = _read_port(path)
    if known and _is_free(known):
        return known
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        port = int(any_port.getsockname()[1])
    book.root.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{port}\n", encoding="ascii")
    return port


def _read_port(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
