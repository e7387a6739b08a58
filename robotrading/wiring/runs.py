"""A command becomes session processes, and each of them a report."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import SystemClock
from robotrading.config.model import Config
from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import Calendar, Clock, Ledger
from robotrading.domain.report import SessionReport
from robotrading.session.bereaved import Occasion, conclude
from robotrading.session.job import Job
from robotrading.session.lease import Held, Post, hold
from robotrading.session.processes import Child, End, Progress, run_children
from robotrading.session.settings import UniverseKind, UniverseSettings
from robotrading.wiring.books import Book, Orders, book_for, clock_for, holder_name, is_embedded, load_config
from robotrading.wiring.gateway import embedded_gateway
from robotrading.wiring.mail import Delivery, deliver

_LEAST_PACE = 5
_LARGE_INDEX = 500


async def carry_out(
    orders: Orders, kinds: Sequence[AssetClass], progress: Progress, patience: float = 0.0
) -> list[SessionReport]:
    """Run the sessions side by side, each in its process; one report each, whatever becomes of them.

    The embedded gateway is started once for a command, so commands on its accounts come one after the other. To trade,
    the account is claimed first: `AccountBusy` when another copy has it for longer than `patience` seconds.
    """
    config = load_config(orders)
    book = book_for(config, orders)
    calendar = ExchangeCalendar()
    clock = clock_for(orders.day, calendar)
    wanted = _enabled(config, kinds)
    async with AsyncExitStack() as stack:
        port = 0
        if is_embedded(config, orders):
            stack.enter_context(book.alone())
            if orders.demo:
                shutil.rmtree(book.root, ignore_errors=True)
        held = await _claimed(stack, book, patience, alone=is_embedded(config, orders)) if orders.trade else None
        if is_embedded(config, orders):
            port = await stack.enter_async_context(embedded_gateway(config, book, wanted, clock, calendar))
        ledger = stack.enter_context(book.ledger())
        paces = share_pace(config, wanted)
        children = [_child(config, book, orders, kind, clock, port, paces[kind], held) for kind in wanted]
        ends = await run_children(children, SystemClock(), progress, held.lost if held else None)
        return [_report(end, ledger, book, calendar, clock) for end in ends]


async def _claimed(stack: AsyncExitStack, book: Book, patience: float, *, alone: bool) -> Held:
    """The right to trade the account, given back with the stack.

    Who is `alone` in a book with the pretend gateway inside takes it at once, even from a holder who died: the gateway
    died with him, and nothing can be on its way there.
    """
    claims = stack.enter_context(book.claims())
    holder = "this machine" if alone else holder_name()
    return await stack.enter_async_context(hold(Post(claims, SystemClock(), book.account, holder), patience))


def deliver_reports(config: Config, orders: Orders, reports: Sequence[SessionReport]) -> Delivery:
    """Pages beside each run's files, and mail where it is set up; plans and demos are not mailed.

    Blocks for a bounded time. Mails are dated by the wall clock, in a rehearsal too.
    """
    book = book_for(config, orders)
    folders = {report.run_id: book.run_folder(report.run_id) for report in reports}
    mail = orders.trade and not orders.demo
    return deliver(config, reports, folders, SystemClock(), mail=mail)


def _enabled(config: Config, kinds: Sequence[AssetClass]) -> list[AssetClass]:
    wanted = [kind for kind in kinds if config.sessions[kind].enabled]
    if not wanted:
        names = ", ".join(kinds)
        raise ConfigError(f"no session to run: {names} disabled; set sessions.<name>.enabled to true")
    return wanted


def share_pace(config: Config, kinds: Sequence[AssetClass]) -> dict[AssetClass, int]:
    """Messages a second for each session, by the size of its universe; together no more than the gateway takes.

    Whether the broker counts each connection or all of them is not documented, so all of ours count as one.
    """
    total = config.broker.messages_per_second
    least = min(_LEAST_PACE, total // len(kinds)) or 1
    spare = max(total - least * len(kinds), 0)
    sizes = {kind: _size(config.sessions[kind].universe) for kind in kinds}
    return {kind: least + spare * sizes[kind] // sum(sizes.values()) for kind in kinds}


def _size(universe: UniverseSettings) -> int:
    """How many instruments there may be; a file or an index that is not cut counts as a large index."""
    if universe.kind is UniverseKind.LIST:
        return max(len(universe.symbols), 1)
    return universe.top or _LARGE_INDEX


def _child(  # noqa: PLR0913, PLR0917  the pieces of one job
    config: Config, book: Book, orders: Orders, kind: AssetClass, clock: Clock, port: int, pace: int, held: Held | None
) -> Child:
    # Runs of a rehearsal start at the same instant: the wall clock in the middle keeps them in their order.
    serial = int(SystemClock().now().timestamp() * 10)
    run_id = f"{clock.now():%Y%m%d-%H%M%S}-{serial:09x}-{kind}"
    job = Job(
        run_id=run_id,
        kind=kind,
        folder=str(book.run_folder(run_id).absolute()),
        config=str(orders.file.absolute()) if orders.file else "",
        demo=orders.demo,
        as_of=orders.as_of,
        trade=orders.trade,
        plan_id=orders.plan_id,
        gateway_port=port,
        messages_per_second=pace,
        lease=held.lease if held else None,
    )
    return Child(job, config.sessions[kind].deadline)


def _report(end: End, ledger: Ledger, book: Book, calendar: Calendar, clock: Clock) -> SessionReport:
    """The run's own report, or one in its memory."""
    now = clock.now()
    return conclude(end, ledger, Occasion(calendar.trading_day(end.job.kind, now), book.mode, now))
