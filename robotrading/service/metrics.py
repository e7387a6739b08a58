"""What Prometheus is told.

Entry points: `Meters` (`saw_report`, `saw_calls`, `saw_facts`, `render`).
Invariants: a report is counted once, whoever ran the session, because it is counted from the ledger; what a session
process counts by itself (calls of outside services) is handed over while it runs; gauges are of the newest `Facts`.
Money is in the currency that the label names, times are seconds since 1970 in UTC, durations seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from robotrading.domain.alerts import Alert
from robotrading.domain.calls import BOUNDS, Calls
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Side, Ticket, TicketStatus
from robotrading.domain.report import Outcome, SessionReport
from robotrading.domain.signals import Stance
from robotrading.service.alerts.catalogue import CATALOGUE
from robotrading.service.facts import Facts, LinkState, SessionFacts
from robotrading.service.health import Health, Level, age_of, is_past_deadline

Labels = TypeVar("Labels", bound=tuple[str, ...])

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SLIPPAGE = (-100.0, -50.0, -20.0, -10.0, -5.0, 0.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_FILL_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0)
_RUN_SECONDS = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0)


class _Durations(Collector):
    """Durations of calls that other processes have counted in buckets."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[list[int], float]] = {}

    def add(self, calls: Calls) -> None:
        buckets, seconds = self._sums.get(calls.service, ([0] * (len(BOUNDS) + 1), 0.0))
        merged = [ours + theirs for ours, theirs in zip(buckets, calls.buckets, strict=True)]
        self._sums[calls.service] = (merged, seconds + calls.seconds)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        family = HistogramMetricFamily(
            "api_call_duration_seconds", "How long calls of outside services took", labels=["service"]
        )
        for service, (buckets, seconds) in sorted(self._sums.items()):
            running, below = [], 0
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
                below += count
                running.append((bound, below))
            family.add_metric([service], running, seconds)
        yield family


class Meters:
    """All of this daemon's metrics, in a registry of their own."""

    def __init__(self, version: str, mode: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._durations = _Durations()
        registry.register(self._durations)
        Info("robotrading_build", "What runs", registry=registry).info({"version": version, "mode": mode})
        self._count_runs(registry)
        self._count_orders(registry)
        self._gauge_account(registry)
        self._gauge_service(registry)
        self._begin_at_nought()
        self._seen: set[str] = set()

    def _begin_at_nought(self) -> None:
        """`increase()` sees no first event of a counter that appears with it; symbols and services are not known."""
        for kind in AssetClass:
            for outcome in Outcome:
                self._runs.labels(kind.value, outcome.value)
            for stance in Stance:
                self._signals.labels(stance.value, kind.value)
            for status in TicketStatus:
                self._orders.labels(kind.value, status.value)
            self._run_seconds.labels(kind.value)
            self._fill_seconds.labels(kind.value)
        for side in Side:
            self._slippage.labels(side.value)

    def _count_runs(self, registry: CollectorRegistry) -> None:
        self._signals = Counter("trade_signals", "Signals of the models", ["action", "asset_class"], registry=registry)
        self._runs = Counter(
            "sessions_completed", "Session runs that left a report", ["session_type", "outcome"], registry=registry
        )
        self._run_seconds = Histogram(
            "robotrading_session_duration_seconds",
            "How long session runs took",
            ["session_type"],
            buckets=_RUN_SECONDS,
            registry=registry,
        )
        self._step_seconds = Counter(
            "robotrading_step_seconds", "Time spent in a step", ["session_type", "step"], registry=registry
        )
        self._skips = Counter(
            "robotrading_skips",
            "What was left out, by step and rule",
            ["session_type", "step", "rule"],
            registry=registry,
        )
        self._calls = Counter("api_calls", "Calls of outside services", ["service", "status_code"], registry=registry)

    def _count_orders(self, registry: CollectorRegistry) -> None:
        self._trades = Counter(
            "trades_executed", "Orders of which something was executed", ["action", "symbol"], registry=registry
        )
        self._orders = Counter(
            "robotrading_orders", "Orders by how they ended", ["session_type", "status"], registry=registry
        )
        self._value = Counter(
            "robotrading_traded_value", "Value bought and sold", ["action", "currency"], registry=registry
        )
        self._commissions = Counter("robotrading_commissions", "Commissions paid", ["currency"], registry=registry)
        self._slippage = Histogram(
            "robotrading_slippage_bps",
            "Cost against the arrival price in hundredths of a percent, positive when worse",
            ["action"],
            buckets=_SLIPPAGE,
            registry=registry,
        )
        self._fill_seconds = Histogram(
            "robotrading_order_fill_seconds",
            "From the order's leaving to its last execution",
            ["session_type"],
            buckets=_FILL_SECONDS,
            registry=registry,
        )

    def _gauge_account(self, registry: CollectorRegistry) -> None:
        self._total = Gauge("portfolio_total_value", "Net liquidation value", ["currency"], registry=registry)
        self._share = Gauge(
            "portfolio_allocation", "Part of a session's budget that is invested", ["asset_class"], registry=registry
        )
        self._weights = Gauge(
            "portfolio_weight", "Weight of an instrument in its session", ["asset_class", "symbol"], registry=registry
        )
        self._positions = Gauge("robotrading_positions", "Positions of the bot", ["asset_class"], registry=registry)
        self._open = Gauge("robotrading_open_orders", "Orders that are not ended", registry=registry)
        self._doubts = Gauge("robotrading_orders_in_doubt", "Orders of which nobody knows the end", registry=registry)
        self._closed = Gauge("robotrading_closed_today", "Instruments closed today", registry=registry)
        self._halted = Gauge("robotrading_halted", "1 while trading is halted", registry=registry)
        self._day_stopped = Gauge("robotrading_day_stopped", "1 after the daily loss limit", registry=registry)

    def _gauge_service(self, registry: CollectorRegistry) -> None:
        self._healthy = Gauge("robotrading_healthy", "1 when able to trade", registry=registry)
        self._check = Gauge(
            "robotrading_check", "Each check: 0 fine, 1 warning, 2 critical", ["check"], registry=registry
        )
        self._link = Gauge("robotrading_broker_connected", "1 when logged in to the right account", registry=registry)
        self._link_at = Gauge("robotrading_broker_seen_timestamp_seconds", "Last answer", registry=registry)
        self._good_at = Gauge(
            "robotrading_last_good_run_timestamp_seconds",
            "End of the last good run",
            ["session_type"],
            registry=registry,
        )
        self._last_at = Gauge(
            "robotrading_last_run_timestamp_seconds", "End of the last run", ["session_type"], registry=registry
        )
        self._next_at = Gauge(
            "robotrading_next_run_timestamp_seconds", "When the next run is due", ["session_type"], registry=registry
        )
        self._running = Gauge("robotrading_session_running", "1 while it runs", ["session_type"], registry=registry)
        self._late = Gauge(
            "robotrading_session_past_deadline", "1 while it runs on after it", ["session_type"], registry=registry
        )
        self._behind = Gauge(
            "robotrading_data_age_days", "Trading days its newest price was late", ["session_type"], registry=registry
        )
        self._missed = Gauge("robotrading_missed_runs", "Runs not made lately", ["session_type"], registry=registry)
        self._breaker = Gauge(
            "robotrading_breaker_open", "1 while a service is not asked", ["service"], registry=registry
        )
        self._program = Gauge("robotrading_program_up", "1 while it runs", ["program"], registry=registry)
        self._restarts = Gauge(
            "robotrading_program_restarts", "Since the service's start", ["program"], registry=registry
        )
        self._ledger = Gauge("robotrading_ledger_bytes", "Size of the ledger", registry=registry)
        self._outbox = Gauge("robotrading_outbox_waiting", "Messages not delivered yet", registry=registry)
        self._given_up = Gauge("robotrading_outbox_given_up", "Messages given up within a day", registry=registry)
        self._alerts = Gauge("robotrading_alerts_open", "Open alerts", ["rule", "urgency"], registry=registry)
        self._free = Gauge("robotrading_free_bytes", "Free space where the ledger is", registry=registry)
        self._age = Gauge("robotrading_facts_age_seconds", "How old the newest facts are", registry=registry)

    def saw_report(self, report: SessionReport) -> None:
        """Count a run's report; a second time it changes nothing."""
        if report.run_id in self._seen:
            return
        self._seen.add(report.run_id)
        kind = report.kind.value
        self._runs.labels(kind, report.outcome.value).inc()
        self._run_seconds.labels(kind).observe((report.finished_at - report.started_at).total_seconds())
        for signal in report.signals:
            self._signals.labels(signal.stance.value, kind).inc()
        for step in report.steps:
            self._step_seconds.labels(kind, step.name).inc(max(step.seconds, 0.0))
        for skip in report.skips:
            self._skips.labels(kind, skip.step, skip.rule).inc()
        for ticket in report.tickets:
            self._saw_ticket(kind, ticket)

    def _saw_ticket(self, kind: str, ticket: Ticket) -> None:
        intent, slippage = ticket.intent, ticket.slippage
        side = intent.side.value
        self._orders.labels(kind, ticket.status.value).inc()
        if not ticket.fills or slippage is None:
            return
        self._trades.labels(side, intent.instrument.symbol).inc()
        value = sum(fill.quantity * fill.price for fill in ticket.fills)
        self._value.labels(side, intent.instrument.currency).inc(float(value))
        self._slippage.labels(side).observe(float(slippage / intent.arrival_price) * 10_000)
        for fill in ticket.fills:
            if fill.commission is not None and fill.commission > 0:
                self._commissions.labels(fill.commission_currency).inc(float(fill.commission))

    def saw_latency(self, kind: str, seconds: float) -> None:
        """From an order's leaving to its last execution."""
        self._fill_seconds.labels(kind).observe(seconds)

    def saw_calls(self, calls: Iterable[Calls]) -> None:
        """Count what a session process has counted since it told last."""
        for one in calls:
            self._calls.labels(one.service, one.status).inc(one.count)
            self._durations.add(one)

    def saw_facts(self, facts: Facts, health: Health) -> None:
        """Set every gauge anew; what is not there any more is not shown any more."""
        self._healthy.set(health.healthy)
        worst: dict[str, int] = {}
        for check in health.checks:
            worst[check.name] = max(worst.get(check.name, 0), list(Level).index(check.level))
        _only(self._check, {(name,): float(level) for name, level in worst.items()})
        self._link.set(facts.broker.state is LinkState.UP)
        self._link_at.set(_seconds(facts.broker.seen_at))
        self._saw_book(facts)
        self._saw_sessions(facts.sessions, health.at)
        _only(self._breaker, {(name,): float(state) for name, state in facts.breakers.items()})
        _only(self._program, {(one.name,): float(one.pid > 0) for one in facts.programs})
        _only(self._restarts, {(one.name,): float(one.restarts) for one in facts.programs})
        self._outbox.set(facts.waiting_mails)
        self._given_up.set(facts.waiting.given_up)
        self._saw_alerts(facts.alerts)
        if facts.free_bytes is not None:
            self._free.set(facts.free_bytes)
        self._age.set(age_of(facts, health.at))

    def _saw_alerts(self, alerts: Iterable[Alert]) -> None:
        """Of every rule there is, so that none appears at its first alert only."""
        counts = {(rule, kind.urgency.value): 0.0 for rule, kind in CATALOGUE.items()}
        for alert in alerts:
            label = (alert.rule, alert.urgency.value)
            counts[label] = counts.get(label, 0.0) + 1
        _only(self._alerts, counts)

    def _saw_book(self, facts: Facts) -> None:
        book = facts.book
        if book.equity:
            _only(self._total, {(book.currency,): float(book.equity[-1].value)})
        kinds = [session.kind.value for session in facts.sessions]
        counts = {(kind,): float(sum(position.owner == kind for position in book.owned)) for kind in kinds}
        _only(self._positions, counts)
        self._open.set(len(book.open_tickets))
        self._doubts.set(len(book.in_doubt))
        self._closed.set(book.closed_today)
        self._halted.set(bool(book.halted))
        self._day_stopped.set(bool(book.day_stopped))
        self._ledger.set(book.size_bytes)

    def _saw_sessions(self, sessions: Iterable[SessionFacts], now: datetime) -> None:
        """Of one that is switched off no age is told, which would grow for ever; what it holds is told."""
        named = {session.kind.value: session for session in sessions}
        last = {kind: session.last for kind, session in named.items() if session.last is not None}
        _only(self._share, {(kind,): sum(pair.now for pair in one.weights) for kind, one in last.items()})
        weights = {(kind, pair.symbol): pair.now for kind, one in last.items() for pair in one.weights}
        _only(self._weights, weights)
        _only(self._running, {(kind,): float(one.running_since is not None) for kind, one in named.items()})
        _only(self._next_at, {(k,): _seconds(s.next_due) for k, s in named.items() if s.next_due})
        self._saw_ages({kind: session for kind, session in named.items() if session.enabled}, now)

    def _saw_ages(self, named: Mapping[str, SessionFacts], now: datetime) -> None:
        ran = {kind: session.last for kind, session in named.items() if session.last is not None}
        _only(self._last_at, {(kind,): _seconds(last.finished_at) for kind, last in ran.items()})
        behind = {(kind,): last.bars_behind for kind, last in ran.items()}
        _only(self._behind, {kind: float(days) for kind, days in behind.items() if days is not None})
        _only(self._good_at, {(k,): _seconds(s.last_good_at) for k, s in named.items() if s.last_good_at})
        _only(self._missed, {(kind,): float(len(one.missed)) for kind, one in named.items()})
        _only(self._late, {(kind,): float(is_past_deadline(one, now)) for kind, one in named.items()})

    def render(self) -> bytes:
        """The text format, version 0.0.4."""
        return generate_latest(self.registry)


def failed(report: SessionReport) -> bool:
    """Whether a run counts as none for the age of the last good one."""
    return report.outcome is Outcome.FAILED


def _only(gauge: Gauge, values: dict[Labels, float]) -> None:
    """Exactly these label sets."""
    gauge.clear()
    for labels, value in values.items():
        gauge.labels(*labels).set(value)


def _seconds(at: datetime | None) -> float:
    return at.timestamp() if at is not None else 0.0
