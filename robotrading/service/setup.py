"""The daemon's parts that know the outside; `wiring/serve.py` makes them.

Entry points: `Setup`, `Opened`, `Hooks`, `Speech`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date

from robotrading.adapters.calendar_table import TableCalendar
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import AlertBook, Broker, Clock, Ledger, Outbox
from robotrading.execution.quiet import QuietTimes
from robotrading.service.alerts.desk import Voice
from robotrading.service.lookout import Place, Reader
from robotrading.service.manager import ServiceManager
from robotrading.service.occasions import Helpers
from robotrading.service.scheduler import Entry
from robotrading.service.settings import ServiceSettings
from robotrading.service.supervisor import Program
from robotrading.service.telling import Couriers, TellingSettings
from robotrading.service.web.stored import NoPages, Pages
from robotrading.session.lease import Post
from robotrading.session.processes import Ways


@dataclass(frozen=True, slots=True)
class Opened:
    """What there is once the ledger is open. `ledger` is for what a person asks for, the rest for what people hear."""

    post: Post
    reader: Reader
    ledger: Ledger
    outbox: Outbox
    alerts: AlertBook


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the daemon gives to those who run the sessions."""

    ways: Ways
    stepped: Callable[[AssetClass, str], None]


@dataclass(frozen=True, slots=True)
class Speech:
    """How the daemon speaks to people who do not look: rules, who speaks to whom, and who carries it."""

    settings: TellingSettings
    voice: Voice
    couriers: Couriers


@dataclass(frozen=True, slots=True)
class Setup:
    """A daemon's parts that know the outside; `wiring/serve.py` fills it in.

    `open` opens and migrates the ledger and blocks while it does. `calendar` is the table of trading days, made anew
    where it must be. `staff` are those who run sessions and tell people, given the ledger. `pages` lie on the disk.
    """

    settings: ServiceSettings
    clock: Clock
    place: Place
    entries: Sequence[Entry]
    programs: Sequence[Program]
    quiet: QuietTimes
    broker: Callable[[], Broker]
    calendar: Callable[[date], Awaitable[TableCalendar]]
    open: Callable[[], AbstractContextManager[Opened]]
    staff: Callable[[Opened, Hooks], Helpers]
    speech: Speech
    manager: ServiceManager = field(default_factory=ServiceManager)
    pages: Pages = field(default_factory=NoPages)
