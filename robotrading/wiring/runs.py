"""A command becomes session processes, and each of them a report."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack
from dataclasses import dataclass, replace
from functools import partial

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import SystemClock
from robotrading.config.model import Config
from robotrading.domain.claims import Claim, Occurrence
from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import Calendar, Claims, Clock, Ledger
from robotrading.domain.report import SessionReport
from robotrading.session.bereaved import Occasion, conclude, conclude_claim
from robotrading.session.job import Job
from robotrading.session.lease import Held, Post, hold
from robotrading.session.lock import AlreadyRunning, is_held
from robotrading.session.occurrence import Done, run_id_of, run_once
from robotrading.session.processes import Child, End, Progress, Ways, run_children
from robotrading.wiring.books import Book, Orders, book_for, clock_for, holder_name, is_embedded, load_config
from robotrading.wiring.gateway import embedded_gateway
from robotrading.wiring.mail import ByPost, Delivery, deliver
from robotrading.wiring.pace import share_pace
from robotrading.wiring.pages import in_a_child
from robotrading.wiring.post import opened_outbox, postman_for

Gateway = Callable[[Config, Book, Sequence[AssetClass], Clock, Calendar], AbstractAsyncContextManager[int]]
"""Serves the sessions' instruments while its block runs, and yields the port."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a command is about: configuration, book, and the clock that its sessions go by."""

    orders: Orders
    config: Config
    book: Book
    calendar: Calendar
    clock: Clock

    @classmethod
    def of(cls, orders: Orders) -> Errand:
        """Raises `ConfigError`."""
        config, calendar = load_config(orders), ExchangeCalendar()
        return cls(orders, config, book_for(config, orders), calendar, clock_for(orders.day, calendar))

    @property
    def embedded(self) -> bool:
        return is_embedded(self.config, self.orders)

    def post(self, claims: Claims) -> Post:
        """How this command contends for the account.

        Who is alone in a book with the pretend gateway inside takes it at once, even from a holder who died: the
        gateway died with him, and nothing can be on its way there.
        """
        return Post(claims, SystemClock(), self.book.account, "this machine" if self.embedded else holder_name())


async def carry_out(
    orders: Orders,
    kinds: Sequence[AssetClass],
    progress: Progress,
    patience: float = 0.0,
    gateway: Gateway = embedded_gateway,
) -> list[SessionReport]:
    """Run the sessions side by side, each in its process; one report each, whatever becomes of them.

    The embedded gateway is started once for a command, so commands on its accounts come one after the other. To trade,
    the account is claimed first: `AccountBusy` when another copy has it for longer than `patience` seconds. `gateway`
    is what stands in where no other one is configured.
    """
    errand = Errand.of(orders)
    wanted = _enabled(errand.config, kinds)
    async with AsyncExitStack() as stack:
        _enter(stack, errand)
        held = None
        if orders.trade:
            claims = stack.enter_context(errand.book.claims())
            held = await stack.enter_async_context(hold(errand.post(claims), patience))
        return await _sessions(errand, wanted, progress, held, gateway=gateway)


async def run_occurrence(
    orders: Orders, occurrence: Occurrence, progress: Progress, patience: float = 0.0
) -> SessionReport | None:
    """Run a scheduled session, unless any copy has claimed it before (None); its report.

    Raises `AccountBusy` when another copy works with the account; nothing is claimed then.
    """
    errand, reports = Errand.of(orders), []
    _enabled(errand.config, [occurrence.kind])

    async def work(_: Occurrence, held: Held) -> Done:
        reports.extend(await _sessions(errand, [occurrence.kind], progress, held, run_id_of(occurrence)))
        return Done(reports[0].run_id, reports[0].outcome)

    with ExitStack() as stack:
        _enter(stack, errand)
        claims, ledger = stack.enter_context(errand.book.claims()), stack.enter_context(errand.book.ledger())
        await run_once(errand.post(claims), occurrence, work, partial(_epitaph, ledger, errand), patience)
    return reports[0] if reports else None


async def _epitaph(ledger: Ledger, errand: Errand, claim: Claim) -> Done:
    report = conclude_claim(claim, ledger, errand.book.mode, errand.clock.now())
    return Done(report.run_id, report.outcome)


def _enter(stack: ExitStack | AsyncExitStack, errand: Errand) -> None:
    """Alone with the pretend gateway's account; a demo begins afresh."""
    if errand.embedded:
        try:
            stack.enter_context(errand.book.alone())
        except AlreadyRunning as error:
            if is_held(errand.book.service_lock):
                raise AlreadyRunning(_served(errand)) from error
            raise
        if errand.orders.demo:
            shutil.rmtree(errand.book.root, ignore_errors=True)


def _served(errand: Errand) -> str:
    """Why no command works beside the service that has the pretend gateway inside, and what does."""
    service = errand.config.service
    ask = ""
    if service.port:
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(service.host, service.host)  # noqa: S104  compared with
        ask = (
            f"`curl -X POST -H 'Authorization: Bearer '$ROBOTRADING_TOKEN -H 'X-Who: '$USER "
            f"http://{host}:{service.port}/run/{errand.config.enabled[0]}` runs a session inside the service (which "
            "must have been started with ROBOTRADING_TOKEN), "
        )
    return (
        f"the service runs for the {errand.book.mode} account and has its pretend gateway for itself: it runs the "
        f"sessions at their times, and no command can beside it. `robotrading status` shows what it does; {ask}"
        "`--as-of DATE` rehearses a past day on an account of its own; or stop the service first"
    )


async def _sessions(  # noqa: PLR0913  what a run needs, and two that have their defaults
    errand: Errand,
    kinds: Sequence[AssetClass],
    progress: Progress,
    held: Held | None,
    run_id: str = "",
    *,
    gateway: Gateway = embedded_gateway,
) -> list[SessionReport]:
    """One process and one report for each."""
    config, book, calendar, clock = errand.config, errand.book, errand.calendar, errand.clock
    async with AsyncExitStack() as stack:
        port = 0
        if errand.embedded:
            port = await stack.enter_async_context(gateway(config, book, kinds, clock, calendar))
        ledger = stack.enter_context(book.ledger())
        paces = share_pace(config, kinds)
        jobs = [_job(errand, kind, run_id, gateway_port=port, messages_per_second=paces[kind]) for kind in kinds]
        lease = held.lease if held else None
        children = [Child(replace(job, lease=lease), config.sessions[job.kind].deadline) for job in jobs]
        ends = await run_children(children, SystemClock(), progress, Ways(held.lost) if held else None)
        return [_report(end, ledger, book, calendar, clock) for end in ends]


def deliver_reports(config: Config, orders: Orders, reports: Sequence[SessionReport]) -> Delivery:
    """Pages beside each run's files, and mail where it is set up; plans and demos are not mailed.

    The pages are made in a child process, so that nothing that draws is loaded here. Blocks for a bounded time. Mails
    are dated by the wall clock, in a rehearsal too.
    """
    book = book_for(config, orders)
    folders = {report.run_id: book.run_folder(report.run_id) for report in reports}
    mail, clock = orders.trade and not orders.demo, SystemClock()
    ways = ByPost(partial(opened_outbox, book), lambda outbox: postman_for(config, outbox, clock, book), book.root.name)
    draw = partial(in_a_child, orders, config)
    return deliver(config, reports, folders, clock, mail=mail, draw=draw, post=ways)


def _enabled(config: Config, kinds: Sequence[AssetClass]) -> list[AssetClass]:
    wanted = [kind for kind in kinds if config.sessions[kind].enabled]
    if not wanted:
        names = ", ".join(kinds)
        raise ConfigError(f"no session to run: {names} disabled; set sessions.<name>.enabled to true")
    return wanted


def _job(errand: Errand, kind: AssetClass, run_id: str, *, gateway_port: int, messages_per_second: int) -> Job:
    orders, now = errand.orders, errand.clock.now()
    # Runs of a rehearsal start at the same instant: the wall clock in the middle keeps them in their order.
    serial = int(SystemClock().now().timestamp() * 10)
    run_id = run_id or f"{now:%Y%m%d-%H%M%S}-{serial:09x}-{kind}"
    return Job(
        run_id=run_id,
        kind=kind,
        folder=str(errand.book.run_folder(run_id).absolute()),
        config=str(orders.file.absolute()) if orders.file else "",
        demo=orders.demo,
        as_of=orders.as_of,
        trade=orders.trade,
        plan_id=orders.plan_id,
        gateway_port=gateway_port,
        messages_per_second=messages_per_second,
    )


def _report(end: End, ledger: Ledger, book: Book, calendar: Calendar, clock: Clock) -> SessionReport:
    """The run's own report, or one in its memory."""
    now = clock.now()
    return conclude(end, ledger, Occasion(calendar.trading_day(end.job.kind, now), book.mode, now))
