"""One session process of a story, from its start to the one report that is left of it.

Entry points: `live`, `conclude_for`, `session_settings`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from robotrading.domain.claims import Lease
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.report import SessionReport
from robotrading.portfolio.bands import BandSettings
from robotrading.portfolio.construct import ConstructSettings, Scheme
from robotrading.portfolio.limits import LimitSettings
from robotrading.session.bereaved import Occasion, conclude
from robotrading.session.job import Job
from robotrading.session.leash import Leash
from robotrading.session.pipeline import run_session
from robotrading.session.processes import End
from robotrading.session.settings import CapitalSettings, ExecutionSettings, SessionSettings, UniverseSettings
from robotrading.session.world import RunSpec, Universe, World
from robotrading.sim.faults.broker import FaultyBroker
from robotrading.sim.faults.clock import JumpingClock
from robotrading.sim.faults.ledger import faulty_ledger
from robotrading.sim.faults.orders import OrderFaults
from robotrading.sim.faults.script import Script
from robotrading.strategy.chain import SignalSettings
from robotrading.strategy.checks import CheckSettings
from robotrading.strategy.classic import MovingAverageSettings
from robotrading.strategy.hmm import FitState
from robotrading.wiring.drills.facts import Run
from robotrading.wiring.drills.market import CALENDAR, HISTORY_DAYS, SHARES, UNIVERSES, Beliefs
from robotrading.wiring.drills.mortal import Fate, Killed, mortal
from robotrading.wiring.drills.story import SYMBOLS, Life, Setting
from robotrading.wiring.drills.watch import Eyes, watched_broker, watched_ledger
from robotrading.wiring.drills.world import ACCOUNT, DrillWorld

_CLIENTS = {kind: 101 + number for number, kind in enumerate(AssetClass)}
MODE = "drill"
_LAST_SECONDS = 20.0
"""How long a dead process may take to fall apart."""


class NoFits:
    """Moving averages have no fits to keep."""

    def load(self, _kind: AssetClass) -> Mapping[str, FitState]:
        return {}

    def save(self, _kind: AssetClass, _states: Mapping[str, FitState]) -> None:
        """Keep nothing."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is told to do."""

    run_id: str
    trade: bool = True
    plan_id: str = ""
    occurrence: str = ""
    lease: Lease | None = None
    holds: Callable[[Lease], bool] = field(default=lambda _lease: True)


def session_settings(kind: AssetClass, setting: Setting) -> SessionSettings:
    """Fixed weights times the moving averages' word, and bounds that the story has drawn."""
    weights = {s: w for s, w in zip(SYMBOLS, setting.weights, strict=True) if s in {i.symbol for i in UNIVERSES[kind]}}
    return SessionSettings(
        kind=kind,
        share=SHARES[kind],
        universe=UniverseSettings(),
        sources=("beliefs",),
        history_days=HISTORY_DAYS,
        deadline=300.0,
        checks=CheckSettings(min_days=20, max_constant_days=1000, min_annual_volatility=0.0, adf_p_value=1.0),
        signal=SignalSettings(("moving_average", "hold"), moving_average=MovingAverageSettings(5, 20)),
        construct=ConstructSettings(Scheme.FIXED, weights, max_weight=Decimal(1)),
        bands=BandSettings(Decimal("0.01"), Decimal("0.05")),
        limits=LimitSettings(
            max_order_value=setting.max_order_value,
            max_position_share=setting.max_position_share,
            max_turnover_share=setting.max_turnover_share,
            max_daily_loss_share=setting.max_daily_loss_share,
        ),
        execution=ExecutionSettings(order_type=setting.order_type, fill_timeout=30.0, cancel_timeout=5.0),
    )


async def live(
    world: DrillWorld,
    life: Life,
    order: Order,
    leash: Leash,
    fell_asleep: Callable[[float], None] = lambda _until: None,
) -> Fate:
    """A process lives, and ends in one way or another. What it leaves is not concluded yet."""
    run = Run(order.run_id, life.kind, world.clock.monotonic(), world.clock.now(), order.occurrence)
    world.runs.append(run)
    fate = Fate(life.kill, lambda text: world.tell(f"{run.run_id} {text}"), fell_asleep)
    script = Script(life.faults, world.clock)
    world.scripts.append(script)
    mishaps = OrderFaults(world.exchange, script)
    world.mishaps.append(mishaps)
    clock = JumpingClock(world.clock, script)
    eyes = _eyes(world, run, order, life.hidden)
    broker = FaultyBroker(mishaps, world.clock, ACCOUNT, _CLIENTS[life.kind])
    own = world.open_ledger(order.lease, clock)
    ports = World(
        clock=clock,
        calendar=CALENDAR,
        feed=Beliefs(clock, life.strengths, dict(world.ways), world.market.close),
        universe=lambda: Universe(UNIVERSES[life.kind]),
        broker=mortal(watched_broker(broker, eyes), "broker", fate),
        ledger=mortal(faulty_ledger(watched_ledger(own, eyes), script), "ledger", fate),
        fits=NoFits(),
        leash=leash,
    )
    spec = RunSpec(
        run_id=order.run_id,
        mode=MODE,
        trading_date=CALENDAR.trading_day(life.kind, clock.now()),
        settings=session_settings(life.kind, world.setting),
        capital=CapitalSettings(),
        account_id=ACCOUNT,
        paper=True,
        trade=order.trade,
        plan_id=order.plan_id,
    )
    world.tell(f"{run.run_id} starts" + (f" with plan {order.plan_id}" if order.plan_id else ""))
    try:
        await _lived(world, run, fate, lambda: run_session(spec, ports), spec.settings.deadline)
    finally:
        broker.lose_connection()
        own.close()
    _note(world, run, fate, script)
    world.counts["positions hidden"] += bool(life.hidden and eyes.sight)
    return fate


async def _lived(world: DrillWorld, run: Run, fate: Fate, work: Callable[[], object], deadline: float) -> None:
    """Until its end, its death, or its deadline, at which the command that has started it would end it."""
    task: asyncio.Task[SessionReport] = asyncio.create_task(work())  # type: ignore[arg-type]
    await asyncio.wait({task, fate.death}, timeout=deadline + 500.0, return_when=asyncio.FIRST_COMPLETED)
    if not task.done() and not fate.dead:
        world.counts["late"] += 1
        fate.die("its deadline has come")
    if fate.dead:
        run.killed = fate.met or "ended by its service"
        task.cancel()
        await asyncio.wait({task}, timeout=_LAST_SECONDS)
        if not task.done():
            world.surprises.add(f"a dead process goes on: {run.run_id}")
    _take(world, run, task)
    run.ended = world.clock.monotonic()


def _take(world: DrillWorld, run: Run, task: asyncio.Task[SessionReport]) -> None:
    if not task.done() or task.cancelled():
        return
    error = task.exception()
    if error is None:
        if not run.killed:
            run.report = task.result()
    elif isinstance(error, LedgerError):
        run.error = str(error)
    elif not _only_killed(error):
        world.surprises.add(f"{run.run_id} ended with {type(error).__name__}: {error}")


def _only_killed(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_only_killed(one) for one in error.exceptions)
    return isinstance(error, (Killed, asyncio.CancelledError, LedgerError))


def _eyes(world: DrillWorld, run: Run, order: Order, hidden: str) -> Eyes:
    return Eyes(
        lambda intent, at, eyes: world.judge(
            run,
            intent,
            at,
            eyes,
            by_plan=bool(order.plan_id),
            lease_valid=order.lease is None or order.holds(order.lease),
        ),
        world.look,
        lambda text: world.tell(f"{run.run_id} {text}"),
        world.commitments,
        world.equities,
        hidden,
    )


def _note(world: DrillWorld, run: Run, fate: Fate, script: Script) -> None:
    """For the log and the table of what was covered."""
    if fate.met:
        world.counts[f"kill {fate.met}"] += 1
    for name in sorted(fate.calls):
        world.counts[f"call {name}"] += 1
    for happening in script.happened:
        world.counts[f"fault {happening.fault.kind}"] += 1
        world.tell(f"{run.run_id} met {happening}")
    if run.report is not None:
        world.tell(f"{run.run_id} {run.report.outcome}: {run.report.verdict}")
        for step in run.report.steps:
            if step.error:
                world.tell(f"{run.run_id} step {step.name}: {step.error}")
            for skip in step.skips:
                world.tell(f"{run.run_id} left out in {step.name}: {skip}")
    else:
        world.tell(f"{run.run_id} left no report: {run.killed or run.error}")


def conclude_for(world: DrillWorld, run_id: str) -> SessionReport:
    """What the command or the service does when a process has ended: its report, or one in its memory."""
    run = next(one for one in world.runs if one.run_id == run_id)
    run.concluded = True
    if run.report is not None:
        return run.report
    job = Job(run.run_id, run.kind, folder="/nonexistent")
    story = End(job, -9 if run.killed else 1, late=False, seconds=world.clock.monotonic() - run.began)
    now = world.clock.now()
    report = conclude(story, world.ledger, Occasion(CALENDAR.trading_day(run.kind, now), MODE, now))
    world.tell(f"{run.run_id} is concluded: {report.outcome}")
    return report
