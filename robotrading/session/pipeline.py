"""One session run, from the first question to the stored report.

Live, paper, rehearsal, demo and tests run these very lines; only the `World` they are given differs. `plan` and `run`
part at `spec.trade`, after the plan is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from robotrading.domain.errors import PlanMoved
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Intent, Side
from robotrading.domain.planning import Plan, Refusal, RefusalRule
from robotrading.domain.report import SessionReport
from robotrading.domain.skip import Skip
from robotrading.execution.ownership import quantities, shortfalls
from robotrading.portfolio.construct import build_targets
from robotrading.portfolio.costs import commission
from robotrading.portfolio.drift import moved
from robotrading.portfolio.limits import CLOSED_TODAY
from robotrading.portfolio.plan import PlanInputs, PlanSettings, make_plan, resize_buys
from robotrading.session import account, market
from robotrading.session.account import Standing
from robotrading.session.door import Door, turnover
from robotrading.session.executor import Executor
from robotrading.session.reach import Reach, ReachSettings, catch_up, patience_for
from robotrading.session.recovery import Recovered, recover
from robotrading.session.steps import Draft, StepFailed
from robotrading.session.tickets import TicketBook
from robotrading.session.world import RunSpec, Universe, World

_GOODBYE_SECONDS = 10.0
_PLAN_SECONDS = 30.0
_DAYS_TO_LOOK_AHEAD = 8


async def run_session(spec: RunSpec, world: World) -> SessionReport:
    """Run one session to its report, which is in the ledger when this returns. Raises `LedgerError` alone."""
    draft = Draft(
        spec, world.clock, world.clock.now(), leash=world.leash, begins=lambda step: world.progress(step, 0, 0)
    )
    world.ledger.start_run(spec.run_id, spec.kind, spec.trading_date, spec.mode, draft.started_at, trade=spec.trade)
    book = TicketBook(world.ledger, spec.kind)
    world.broker.subscribe(book)
    reach = _reach(spec, world, book)
    try:
        await _run(spec, replace(world, reach=reach), draft, book)
    except StepFailed:
        pass
    finally:
        draft.remark(*reach.notes)
        await _leave(world, draft, book)
    report = draft.finish()
    world.ledger.finish_run(report)
    return report


def _reach(spec: RunSpec, world: World, book: TicketBook) -> Reach:
    """The run's way to the broker; a mere plan is not worth a long wait, somebody sits before it."""
    patience = patience_for(spec.settings.deadline)
    settings = ReachSettings(patience if spec.trade else min(patience, _PLAN_SECONDS))
    return Reach(
        world.broker,
        world.clock,
        settings,
        quiet=world.quiet,
        seed=spec.run_id,
        catch_up=lambda: catch_up(world.broker, book, world.clock, spec.kind),
        told=lambda attempt: world.progress("connect", attempt - 1, attempt),
    )


async def _run(spec: RunSpec, world: World, draft: Draft, book: TicketBook) -> None:
    recovered = await draft.step("recover", lambda: _recover(world, draft))
    if spec.plan_id:
        standing = await _stored_plan(world, draft, recovered)
    else:
        standing = await _new_plan(world, draft, recovered)
    if draft.plan is None or not draft.plan.intents:
        return
    closed = _closed(world, spec)
    if not spec.trade:
        draft.remark(*filter(None, [closed]))
    elif closed:
        draft.closed = closed
    else:
        await _trade(world, draft, book, standing)
        await draft.step("compare", lambda: account.compare(world, draft))


def _closed(world: World, spec: RunSpec) -> str:
    """Why no order may leave now and until when, '' while the market is open. The door would stop each order too."""
    now = world.clock.now()
    if world.calendar.is_open(spec.kind, now):
        return ""
    days = (spec.trading_date + timedelta(days=ahead) for ahead in range(_DAYS_TO_LOOK_AHEAD))
    openings = (hours[0] for day in days if (hours := world.calendar.hours(spec.kind, day)) is not None)
    opens = next((f", it opens at {at:%Y-%m-%d %H:%M} UTC" for at in openings if at > now), "")
    return f"the market is closed at {now:%Y-%m-%d %H:%M} UTC{opens}"


async def _recover(world: World, draft: Draft) -> Recovered:
    halted = world.ledger.halted()
    draft.remark(*([f"trading is halted, no order leaves until `robotrading resume`: {halted}"] if halted else []))
    recovered = await world.answer(lambda: recover(draft.spec.kind, world.broker, world.ledger, world.clock))
    if recovered.settled:
        names = ", ".join(f"{ticket.intent.intent_id} ({ticket.status})" for ticket in recovered.settled)
        draft.notes.append(f"settled from an earlier run: {names}")
    draft.skip(*recovered.skips)
    return recovered


async def _new_plan(world: World, draft: Draft, recovered: Recovered) -> Standing:
    wanted = await draft.step("universe", lambda: market.universe(world, draft))
    looking = asyncio.ensure_future(account.glance(world, wanted.instruments))
    try:
        raw = await draft.step("prices", lambda: market.prices(world, draft, wanted))
        bars = await draft.step("checks", lambda: market.checks(world, draft, raw))
        signals = await draft.step("signals", lambda: market.signals(world, draft, bars))
        standing = await draft.step("account", lambda: account.standing(world, draft, wanted.instruments, looking))
    finally:
        looking.cancel()
        await asyncio.wait({looking})
    settings = draft.spec.settings

    async def plan() -> None:
        as_of = world.calendar.last_complete_day(draft.spec.kind, world.clock.now())
        # With the broker's own tick and lot; what is owned and no longer wanted has no target and is sold.
        described = {instrument: instrument for instrument in standing.instruments}
        instruments = [described.get(instrument, instrument) for instrument in wanted.instruments]
        targets = build_targets(draft.spec.kind, instruments, signals, bars, settings.construct, wanted.weights, as_of)
        draft.targets = targets
        blocked = _undescribed(wanted, standing) | recovered.forbidden | _missing(world, draft, standing)
        draft.plan = make_plan(_inputs(world, draft, standing, blocked), _plan_settings(draft.spec))
        world.ledger.save_plan(draft.plan)
        draft.skip(*_not_entered(draft.plan))

    await draft.step("plan", plan)
    return standing


def _undescribed(wanted: Universe, standing: Standing) -> dict[str, str]:
    """What the broker gave no contract rules for: it keeps its share of the budget, so that the others do not swell."""
    described = set(standing.instruments)
    reason = "the broker did not give its contract rules; nothing is ordered in it, and its weight stays reserved"
    return {instrument.key: reason for instrument in wanted.instruments if instrument not in described}


def _missing(world: World, draft: Draft, standing: Standing) -> dict[str, str]:
    """Owned instruments that cannot be judged now: short or changed in the account, or without contract rules."""
    owned = world.ledger.positions()
    blocked = {
        instrument.key: f"{instrument} is owned, but the broker did not give its contract rules; it is kept as it is"
        for instrument in standing.owned
        if instrument not in standing.instruments
    }
    mine = {*standing.owned, *standing.instruments}  # what another session owns of them lies in the same account
    for instrument in dict.fromkeys(p.instrument for p in owned if p.instrument in mine):
        for sentence in shortfalls(standing.account, [p for p in owned if p.instrument == instrument]):
            blocked[instrument.key] = sentence
    return blocked | {one.instrument.key: one.sentence for one in draft.changed if one.blocks}


def _inputs(world: World, draft: Draft, standing: Standing, blocked: dict[str, str]) -> PlanInputs:
    spec = draft.spec
    if draft.targets is None:
        raise ValueError("a plan needs targets")
    return PlanInputs(
        kind=spec.kind,
        session_id=spec.run_id,
        account_id=standing.account.account_id,
        trading_date=spec.trading_date,
        now=world.clock.now(),
        currency=spec.capital.currency,
        budget=standing.budget,
        cash=standing.cash,
        account_cash=standing.account.cash[spec.capital.currency],
        owned=standing.owned,
        targets=draft.targets,
        quotes=standing.quotes,
        attempts=world.ledger.attempts(spec.kind, spec.trading_date),
        blocked=blocked,
        capital=standing.capital,
        turnover_today=turnover(world.ledger.tickets_of(spec.trading_date, spec.kind)),
        day_stopped=world.ledger.day_stopped(standing.account.account_id, spec.trading_date),
        closed_today={
            instrument.key
            for instrument in standing.instruments
            if world.ledger.was_closed(instrument, spec.trading_date)
        },
        elsewhere=quantities([p for p in world.ledger.positions() if p.owner != spec.kind]),
    )


def _plan_settings(spec: RunSpec) -> PlanSettings:
    settings = spec.settings
    return PlanSettings(
        bands=settings.bands,
        costs=settings.costs,
        sizing=settings.sizing,
        limits=settings.limits,
        cash_buffer=settings.construct.cash_buffer,
        order_type=settings.execution.order_type,
        limit_offset=settings.execution.limit_offset,
    )


async def _stored_plan(world: World, draft: Draft, recovered: Recovered) -> Standing:
    """The plan named by its hash, if the world is still the one it was made for."""

    async def load() -> Plan:
        plan = world.ledger.plan(draft.spec.plan_id)
        if plan is None or plan.kind is not draft.spec.kind:
            raise PlanMoved(
                f"there is no {draft.spec.kind} plan {draft.spec.plan_id!r}; "
                f"make one with `robotrading plan {draft.spec.kind}` and use the hash it shows"
            )
        _refuse_used(world, draft.spec, plan)
        return replace(plan, intents=tuple(replace(i, session_id=draft.spec.run_id) for i in plan.intents))

    plan = await draft.step("plan", load)
    instruments = [line.instrument for line in plan.lines]
    standing = await draft.step("account", lambda: account.standing(world, draft, instruments))

    async def compare_world() -> None:
        blocked = recovered.forbidden | _missing(world, draft, standing)
        sentences = [
            *_other_account(plan, standing),
            *(blocked[intent.instrument.key] for intent in plan.intents if intent.instrument.key in blocked),
            *_no_entry(world, draft.spec, plan),
            *moved(plan, standing.quotes, standing.owned, draft.spec.settings.execution.tolerance),
        ]
        if sentences:
            raise PlanMoved(f"the world has moved since plan {plan.plan_id} was made: {'; '.join(sentences)}")
        draft.plan = plan

    await draft.step("drift", compare_world)
    return standing


def _not_entered(plan: Plan) -> list[Skip]:
    """One word for all buys that a stopped day does not make: the run is then not done, though nothing went wrong."""
    stopped = [refusal for refusal in plan.refusals if refusal.rule is RefusalRule.DAY_STOPPED]
    if not stopped:
        return []
    why = stopped[0].reason.rpartition("; ")[2]
    said = "1 buy is" if len(stopped) == 1 else f"{len(stopped)} buys are"
    return [Skip(plan.account_id, "door", f"{said} not made: {why}", RefusalRule.DAY_STOPPED)]


def _no_entry(world: World, spec: RunSpec, plan: Plan) -> list[str]:
    """Why buys of a stored plan are not to be made any more."""
    buys = [intent.instrument for intent in plan.intents if intent.side is Side.BUY]
    stopped = world.ledger.day_stopped(plan.account_id, spec.trading_date) if buys else ""
    closed = [i for i in buys if spec.settings.limits.block_reentry and world.ledger.was_closed(i, spec.trading_date)]
    said = [f"no entry for the rest of the day: {stopped}"] if stopped else []
    return [*said, *(f"{instrument}: {CLOSED_TODAY}" for instrument in closed)]


def _other_account(plan: Plan, standing: Standing) -> list[str]:
    found = standing.account.account_id
    return [] if plan.account_id == found else [f"it is of account {plan.account_id}, the broker's is {found}"]


def _refuse_used(world: World, spec: RunSpec, plan: Plan) -> None:
    if plan.trading_date != spec.trading_date:
        raise PlanMoved(f"plan {plan.plan_id} is of {plan.trading_date}, today is {spec.trading_date}; make a new one")
    for intent in plan.intents:
        if world.ledger.ticket(intent.intent_id) is not None:
            raise PlanMoved(
                f"plan {plan.plan_id} was run already, or another run has traded since ({intent.intent_id} is in the "
                "ledger); make a new one"
            )


async def _trade(world: World, draft: Draft, book: TicketBook, standing: Standing) -> None:
    """Sells, then what cash they really brought, then buys."""
    if draft.plan is None:
        return
    plan = draft.plan
    door = Door(draft.spec, world, book)
    door.look(standing.sight)
    executor = Executor(door, world.broker, book, world.clock, draft.spec.settings.execution, world.reach)
    sells = [intent for intent in plan.intents if intent.side is Side.SELL]
    buys = [intent for intent in plan.intents if intent.side is Side.BUY]
    if sells:
        await draft.step("sells", lambda: _batch(world, draft, executor, "sells", sells), orders=True)
    if sells and buys:
        buys = await draft.step("cash", lambda: _recheck(world, draft, door, buys))
    if buys:
        await draft.step("buys", lambda: _batch(world, draft, executor, "buys", buys), orders=True)


async def _batch(world: World, draft: Draft, executor: Executor, name: str, intents: Sequence[Intent]) -> None:
    executed = await executor.execute(intents, lambda done: world.progress(name, done, len(intents)))
    draft.skip(*executed.skips)


async def _recheck(world: World, draft: Draft, door: Door, buys: Sequence[Intent]) -> list[Intent]:
    """Look again after the sells: buys only with cash that really came in."""
    instruments: list[Instrument] = [line.instrument for line in draft.plan.lines] if draft.plan else []
    standing = await account.standing(world, draft, instruments)
    door.look(standing.sight)
    kept, refusals = resize_buys(buys, standing.cash - _aside(draft.spec, standing, buys), _plan_settings(draft.spec))
    draft.skip(*(_as_skip(refusal) for refusal in refusals))
    return list(kept)


def _aside(spec: RunSpec, standing: Standing, buys: Sequence[Intent]) -> Decimal:
    """The cash buffer, less the part of it that pays for commissions and the way to the limit prices."""
    friction = sum(
        (i.value - i.quantity * i.arrival_price + commission(i.quantity, i.arrival_price, spec.settings.costs))
        for i in buys
    )
    return max(spec.settings.construct.cash_buffer * standing.budget - friction, Decimal(0))


def _as_skip(refusal: Refusal) -> Skip:
    return Skip(refusal.instrument.symbol, "cash", refusal.reason, refusal.rule)


async def _leave(world: World, draft: Draft, book: TicketBook) -> None:
    """Say goodbye. The run is over; what became of its orders is in the report, however it ended."""
    await draft.quietly("the connection did not close cleanly", world.broker.disconnect, _GOODBYE_SECONDS)
    draft.notes.extend(str(skip) for skip in book.foreign)
    if draft.plan is not None:
        draft.add_tickets(book.of(intent.intent_id for intent in draft.plan.intents))
