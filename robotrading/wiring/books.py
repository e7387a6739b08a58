"""Which configuration, which book, which clock."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from robotrading.adapters.clock import FixedClock, SystemClock
from robotrading.adapters.ledger.alert_book import SqlAlertBook
from robotrading.adapters.ledger.claims import ACCOUNT, SqlClaims
from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.config.demo import DEMO_DAY, demo_config
from robotrading.config.load import load
from robotrading.config.model import Config, GatewayKind
from robotrading.config.source import find_file
from robotrading.domain.claims import Lease
from robotrading.domain.errors import ConfigError, LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import Calendar, Clock, Ledger
from robotrading.session.lease import LeaseTerms
from robotrading.session.lock import held
from robotrading.session.state import State, state_of

_NEW_YORK = ZoneInfo("America/New_York")
_BEFORE_CLOSE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Orders:
    """What a person asked for: which configuration, for real or as a rehearsal, to trade or only to plan."""

    config: Path | None = None
    demo: bool = False
    as_of: date | None = None
    trade: bool = True
    plan_id: str = ""

    @property
    def file(self) -> Path | None:
        """The configuration file in force, None for the built-in defaults."""
        return None if self.demo else self.config or find_file(Path())

    @property
    def day(self) -> date | None:
        """The day that is rehearsed, None for now."""
        return DEMO_DAY if self.demo else self.as_of


@dataclass(frozen=True, slots=True)
class Book:
    """One account's own folder: ledger, runs, locks, and the embedded gateway's memory. Never shared between modes.

    `url` is the ledger's database where it is not a file in the folder, so that copies on several hosts share it.
    """

    root: Path
    mode: str
    url: str = field(default="", repr=False)

    @property
    def gateway_state(self) -> Path:
        return self.root / "gateway.json"

    @property
    def account(self) -> str:
        """The name of the lease under which this account is traded, the same for all copies."""
        return ACCOUNT + self.root.name

    @property
    def database(self) -> str:
        return self.url or f"sqlite:///{self.root / 'ledger.db'}"

    def run_folder(self, run_id: str) -> Path:
        """A run's own files: job, log and reports."""
        return self.root / "runs" / run_id

    @property
    def service_lock(self) -> Path:
        """Held by the service that runs for this book on this machine; beside the folder, as the other lock."""
        return self.root.parent / f"{self.root.name}.service.lock"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other command works in this book while the block runs. Raises `AlreadyRunning`.

        The lock lies beside the folder, which a demo throws away. The kernel frees it at the holder's very death, so
        that nobody has to wait, but it is this machine's alone; the account's lease holds over hosts and takes its
        time. Both are needed: this for the folder and the pretend gateway in it, the lease for the account.
        """
        with held(self.root.with_suffix(".lock"), f"another robotrading command works with the {self.mode} account"):
            yield

    @contextmanager
    def ledger(self, lease: Lease | None = None) -> Iterator[Ledger]:
        """The book's ledger while the block runs; with a lease, intents are recorded under it only.

        Raises `LedgerError`, also where the database is another account's.
        """
        with self._opened() as database:
            yield SqlLedger(database, lease, SystemClock(), LeaseTerms().margin)

    @contextmanager
    def claims(self, *, to_hold: bool = True) -> Iterator[SqlClaims]:
        """Who may trade the account, while the block runs; `to_hold` a lease the host's clock must be right.

        Raises `LedgerError`.
        """
        with self._opened() as database:
            claims = SqlClaims(database)
            if to_hold:
                _require_right_time(claims.clock_offset(SystemClock().now()))
            yield claims

    @contextmanager
    def post(self) -> Iterator[tuple[SqlOutbox, SqlAlertBook]]:
        """What is to be told to people, and which alerts are open, while the block runs. Raises `LedgerError`."""
        with self._opened() as database:
            yield SqlOutbox(database), SqlAlertBook(database)

    @contextmanager
    def service(self) -> Iterator[tuple[Database, SqlLedger, SqlClaims]]:
        """Ledger and claims over one set of connections, for who keeps them open. Raises `LedgerError`."""
        with self._opened() as database:
            claims = SqlClaims(database)
            _require_right_time(claims.clock_offset(SystemClock().now()))
            yield database, SqlLedger(database), claims

    @contextmanager
    def _opened(self) -> Iterator[Database]:
        database = open_database(self.database)
        try:
            if self.url:
                SqlClaims(database).dedicate(self.account, SystemClock().now())
            yield database
        finally:
            database.close()


def holder_name() -> str:
    """Who holds a lease, for people: host and process, and something by chance, since both come again."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


def _require_right_time(offset: float) -> None:
    """All copies go by their hosts' clocks, which may differ by less than a lease's grace: half of it for each."""
    most = LeaseTerms().grace / 2
    if abs(offset) > most:
        direction = "ahead of" if offset > 0 else "behind"
        raise LedgerError(
            f"this host's clock is {abs(offset):.0f} s {direction} the database server's, more than {most:g} s: leases "
            "cannot be trusted; set both clocks by a time service (NTP)"
        )


def load_config(orders: Orders) -> Config:
    """The configuration in force, the built-in sample market's for a demo. Raises `ConfigError`."""
    found = load(orders.file, os.environ)
    return demo_config(found) if orders.demo else found


def is_embedded(config: Config, orders: Orders) -> bool:
    """Whether orders go to the embedded gateway: always in a rehearsal, and where the configuration says so."""
    return orders.day is not None or config.broker.gateway is GatewayKind.EMBEDDED


def book_for(config: Config, orders: Orders) -> Book:
    """Where this mode keeps its state."""
    books = config.state_dir / "books"
    if orders.demo:
        return Book(books / "demo", "demo")
    if orders.day is not None:
        return Book(books / "rehearsal", "rehearsal")
    if config.broker.gateway is GatewayKind.EMBEDDED:
        return Book(books / "embedded", "embedded")
    name = f"{config.broker.mode}-{config.broker.account or 'only-account'}"
    return Book(books / name, config.broker.mode.value, config.database_url)


def elsewhere(orders: Orders) -> str:
    """Which other books have runs, for where this one has none: `; of the demo: add --demo`, or ''."""
    books = load_config(orders).state_dir / "books"
    found = []
    if not orders.demo and (books / "demo" / "ledger.db").exists():
        found.append("; of the demo: add --demo")
    if orders.day is None and (books / "rehearsal" / "ledger.db").exists():
        found.append("; of rehearsals: add --as-of DATE")
    return "".join(found)


def clock_for(day: date | None, calendar: Calendar) -> Clock:
    """The wall clock, or one that stands still on a past day. Raises `ConfigError` for a day to come."""
    if day is None:
        return SystemClock()
    moment = rehearsal_moment(day, calendar)
    if moment > SystemClock().now():
        raise ConfigError(f"--as-of {day}: that moment ({moment:%Y-%m-%d %H:%M} UTC) has not come; name a past day")
    return FixedClock(moment)


def rehearsal_moment(day: date, calendar: Calendar) -> datetime:
    """A quarter of an hour before the close; at 15:45 New York time on a day without one."""
    hours = calendar.hours(AssetClass.EQUITIES, day)
    if hours is not None:
        return hours[1] - _BEFORE_CLOSE
    return datetime.combine(day, time(15, 45), _NEW_YORK)


def status_of(orders: Orders) -> State:
    """What the ledger of this mode knows."""
    book = book_for(load_config(orders), orders)
    with book.ledger() as ledger, book.claims(to_hold=False) as claims, book.post() as (_, alerts):
        place = claims.place if book.url else str(book.root / "ledger.db")
        found = state_of(ledger, book.mode, place)
        return replace(found, lease=_lease(claims, book), alerts=tuple(alerts.open()))


def _lease(claims: SqlClaims, book: Book) -> Lease | None:
    """The account's lease while it is valid."""
    lease = claims.holder(book.account)
    valid = lease is not None and lease.holder and lease.expires_at > SystemClock().now()
    return lease if valid else None
