"""What a session process does: build its world and run the pipeline in it."""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.fits import FitFiles
from robotrading.adapters.ibkr.broker import IbkrBroker
from robotrading.adapters.ibkr.rules import RuleBook
from robotrading.config.model import Config, Mode
from robotrading.domain.errors import ConfigError
from robotrading.domain.ports import Calendar, Clock, Ledger
from robotrading.domain.report import Outcome, SessionReport
from robotrading.execution.quiet import QuietTimes
from robotrading.session.bereaved import conclude_begun
from robotrading.session.job import Job
from robotrading.session.leash import Leash, follow, stop_gently
from robotrading.session.lock import session_lock
from robotrading.session.pipeline import run_session
from robotrading.session.world import RunSpec, World
from robotrading.wiring.benchmark import keep_benchmark
from robotrading.wiring.books import Book, Orders, book_for, clock_for, load_config
from robotrading.wiring.counts import Counts
from robotrading.wiring.feeds import feed_for, universe_for
from robotrading.wiring.gateway import EMBEDDED_ACCOUNT
from robotrading.wiring.logs import log_session

Tell = Callable[[str, int, int], None]

log = logging.getLogger(__name__)


async def run_job(job: Job, tell: Tell, counts: Counts | None = None, *, leashed: bool = False) -> SessionReport:
    """One session from its job to its report; `leashed` to standard input, which ends with the parent.

    `counts` hears of every call of an outside service.
    """
    leash = Leash()
    if leashed:
        follow(sys.stdin.fileno(), leash)
        stop_gently(leash)
    orders = Orders(Path(job.config) if job.config else None, job.demo, job.as_of, job.trade, job.plan_id)
    config = load_config(orders)
    log_session(config, job)
    _bound_memory(config.sessions[job.kind].memory_mb)
    book = book_for(config, orders)
    _require_account(job, book)
    calendar = ExchangeCalendar()
    clock = clock_for(orders.day, calendar)
    spec = _spec(config, job, book, calendar.trading_day(job.kind, clock.now()))
    with session_lock(book.root / "locks", job.kind), book.ledger(job.lease) as ledger:
        if job.trade:
            _conclude_dead(spec, ledger, clock.now(), config.sessions[job.kind].deadline)
        world = _world(config, job, book, clock, calendar, ledger, tell, counts or Counts())
        report = await run_session(spec, replace(world, leash=leash))
    if report.outcome is not Outcome.FAILED and not (leash.why or leash.ending):
        heard = (counts or Counts()).heard
        await asyncio.to_thread(keep_benchmark, config, job.kind, calendar, report.trading_date, heard)
    return report


def _require_account(job: Job, book: Book) -> None:
    """Raises ConfigError where the configuration has become another account's since the command was started."""
    if job.lease is not None and job.lease.name != book.account:
        raise ConfigError(
            f"the configuration is {book.account}'s now, and this session was started for {job.lease.name}; nothing "
            "was done. Restart the service: it reads broker.gateway, broker.mode and broker.account at its start only"
        )


def _conclude_dead(spec: RunSpec, ledger: Ledger, now: datetime, deadline: float) -> None:
    """Report the runs of this kind that ended with nobody left to do it. Raises `LedgerError`.

    Who may trade is alone with the pretend gateway. Elsewhere somebody may be making a plan just now, on another host
    even, and is left alone for as long as his process may live.
    """
    for begun in ledger.unreported(spec.kind):
        if begun.mode == spec.mode and (spec.pretend or now - begun.started_at > timedelta(seconds=deadline)):
            log.warning("run %s has no report; it is concluded now", begun.run_id)
            conclude_begun(begun, ledger, now)


def _bound_memory(megabytes: int) -> None:
    """A run that grows past its bound fails by itself instead of taking the machine with it."""
    limit = megabytes * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _spec(config: Config, job: Job, book: Book, trading_date: date) -> RunSpec:
    embedded = job.gateway_port > 0
    return RunSpec(
        run_id=job.run_id,
        mode=book.mode,
        trading_date=trading_date,
        settings=config.sessions[job.kind],
        capital=config.capital,
        account_id=EMBEDDED_ACCOUNT if embedded else config.broker.account,
        paper=embedded or config.broker.mode is Mode.PAPER,
        trade=job.trade,
        plan_id=job.plan_id,
        pretend=embedded,
    )


def _world(  # noqa: PLR0913, PLR0917  the pieces of one world
    config: Config, job: Job, book: Book, clock: Clock, calendar: Calendar, ledger: Ledger, tell: Tell, counts: Counts
) -> World:
    gateway = replace(config.gateway(job.kind), messages_per_second=job.messages_per_second)
    if job.gateway_port:
        gateway = replace(gateway, host="127.0.0.1", port=job.gateway_port, account=EMBEDDED_ACCOUNT, paper=True)
    feed = feed_for(config, job.kind, calendar, counts.heard)
    broker = IbkrBroker(gateway, clock, RuleBook(clock, book.root / "contracts" / f"{job.kind}.json"))
    return World(
        clock=clock,
        calendar=calendar,
        feed=feed,
        feed_notes=lambda: feed.notes,
        feed_forget=feed.forget,
        broker_notes=lambda: broker.others,
        universe=partial(universe_for, config, job.kind, counts.heard),
        broker=broker,
        ledger=ledger,
        fits=FitFiles(config.state_dir / "cache" / "fits"),
        progress=tell,
        quiet=QuietTimes() if job.gateway_port else config.quiet,
    )
