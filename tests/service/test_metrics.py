"""Metrics: each thing counted once, gauges of the newest facts, in a form that Prometheus reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from robotrading.domain.alerts import Alert
from robotrading.domain.calls import BOUNDS, Tally
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.messages import Urgency, Waiting
from robotrading.domain.orders import Fill, Intent, OrderType, Side, Ticket, TicketStatus
from robotrading.domain.report import Outcome, SessionReport, StepResult
from robotrading.domain.signals import Signal, Stance
from robotrading.domain.skip import Skip
from robotrading.service.facts import EquityPoint, WeightPair
from robotrading.service.health import judge
from robotrading.service.metrics import Meters
from tests.service.test_health import CRITICAL, DAY, LAST, NOW, WELL, last, session

AAPL = Instrument("AAPL", AssetClass.EQUITIES)
INTENT = Intent("rt-1", "r", AssetClass.EQUITIES, DAY, AAPL, Side.BUY, Decimal(10), OrderType.LIMIT, Decimal(100), "")
BOUGHT = Ticket(
    INTENT,
    TicketStatus.FILLED,
    fills=(Fill("f", "rt-1", AAPL, Side.BUY, Decimal(10), Decimal("100.10"), NOW, 1, Decimal("0.35"), "USD"),),
)
NEVER = Ticket(replace(INTENT, intent_id="rt-2"), TicketStatus.REJECTED)
REPORT = SessionReport(
    run_id="r-1",
    kind=AssetClass.EQUITIES,
    mode="paper",
    trading_date=DAY,
    started_at=NOW,
    finished_at=NOW + timedelta(seconds=12),
    outcome=Outcome.DONE,
    verdict="done",
    steps=(StepResult("prices", 2.5, (Skip("XYZ", "prices", "no data", "unknown"),)),),
    signals=(Signal(AAPL, Stance.LONG, 0.5, "hmm", DAY),),
    tickets=(BOUGHT, NEVER),
)


def values(meters: Meters) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(meters.render().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def value(meters: Meters, name: str, **labels: str) -> float | None:
    return values(meters).get((name, tuple(sorted(labels.items()))))


def test_a_report_is_counted_once() -> None:
    meters = Meters("1.0", "paper")
    for _ in range(3):
        meters.saw_report(REPORT)
    meters.saw_report(replace(REPORT, run_id="r-2", outcome=Outcome.FAILED, tickets=(), signals=()))
    kind = {"session_type": "equities"}
    assert value(meters, "sessions_completed_total", **kind, outcome="done") == 1
    assert value(meters, "sessions_completed_total", **kind, outcome="failed") == 1
    assert value(meters, "trade_signals_total", action=Stance.LONG.value, asset_class="equities") == 1
    assert value(meters, "trades_executed_total", action="buy", symbol="AAPL") == 1
    assert value(meters, "robotrading_orders_total", **kind, status="rejected") == 1
    assert value(meters, "robotrading_traded_value_total", action="buy", currency="USD") == 1001
    assert value(meters, "robotrading_commissions_total", currency="USD") == 0.35
    assert value(meters, "robotrading_slippage_bps_bucket", action="buy", le="10.0") == 1
    assert value(meters, "robotrading_slippage_bps_bucket", action="buy", le="5.0") == 0
    assert value(meters, "robotrading_skips_total", **kind, step="prices", rule="unknown") == 2
    assert value(meters, "robotrading_session_duration_seconds_sum", **kind) == 24


def test_a_latency_is_a_histogram() -> None:
    meters = Meters("1.0", "paper")
    meters.saw_latency("equities", 1.5)
    assert value(meters, "robotrading_order_fill_seconds_bucket", session_type="equities", le="2.0") == 1
    assert value(meters, "robotrading_order_fill_seconds_bucket", session_type="equities", le="1.0") == 0


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["200", "500"]), st.floats(0, 100)), max_size=30))
def test_what_other_processes_counted_adds_up(calls: list[tuple[str, str, float]]) -> None:
    meters, tally = Meters("1.0", "paper"), Tally()
    for number, (service, status, seconds) in enumerate(calls):
        tally.add(service, status, seconds)
        if number % 3 == 0:
            meters.saw_calls(tally.take())
    meters.saw_calls(tally.take())
    assert tally.take() == ()
    found = values(meters)
    for service in "ab":
        durations = [seconds for name, _, seconds in calls if name == service]
        label = ("service", service)
        assert found.get(("api_call_duration_seconds_count", (label,)), 0) == len(durations)
        for bound in BOUNDS:
            name = ("api_call_duration_seconds_bucket", (("le", str(bound)), label))
            assert found.get(name, 0) == sum(seconds <= bound for seconds in durations)
        for status in ("200", "500"):
            told = found.get(("api_calls_total", (label, ("status_code", status))), 0)
            assert told == sum((name, code) == (service, status) for name, code, _ in calls)


def test_gauges_are_of_the_newest_facts_and_what_is_gone_is_not_shown() -> None:
    meters = Meters("1.0", "paper")
    weights = (WeightPair("AAPL", 0.4, 0.5), WeightPair("MSFT", 0.2, 0.2))
    full = last(weights=weights)
    full = replace(full, book=replace(full.book, equity=(EquityPoint(NOW, Decimal(1000)),)))
    meters.saw_facts(full, judge(full, NOW))
    assert value(meters, "portfolio_total_value", currency="USD") == 1000
    assert round(value(meters, "portfolio_allocation", asset_class="equities") or 0, 9) == 0.6
    assert value(meters, "portfolio_weight", asset_class="equities", symbol="MSFT") == 0.2
    assert value(meters, "robotrading_healthy") == 1
    assert value(meters, "robotrading_last_run_timestamp_seconds", session_type="equities") == NOW.timestamp()
    meters.saw_facts(WELL, judge(WELL, NOW))
    assert value(meters, "portfolio_weight", asset_class="equities", symbol="MSFT") is None


AGES = {
    "robotrading_last_run_timestamp_seconds",
    "robotrading_last_good_run_timestamp_seconds",
    "robotrading_data_age_days",
    "robotrading_missed_runs",
    "robotrading_session_past_deadline",
}
"""What the alerts on sessions go by: of a session that is off they would sound for ever."""


@pytest.mark.parametrize("enabled", [True, False])
def test_a_session_that_was_switched_off_has_no_age_that_grows(enabled: bool) -> None:
    meters = Meters("1.0", "paper")
    ran = replace(LAST, bars_behind=3, weights=(WeightPair("AAPL", 0.4, 0.5),))
    facts = session(enabled=enabled, last=ran, last_good_at=NOW, missed=("the run was not made",))
    meters.saw_facts(facts, judge(facts, NOW))
    for name in AGES:
        assert (value(meters, name, session_type="equities") is not None) == enabled, name
    assert value(meters, "portfolio_weight", asset_class="equities", symbol="AAPL") == 0.4


def test_a_run_after_a_failed_one_is_not_past_its_deadline_before_it_is() -> None:
    meters = Meters("1.0", "paper")
    for minutes, late in ((1, 0), (29, 0), (31, 1)):
        facts = session(last=replace(LAST, outcome=Outcome.FAILED), running_since=NOW - timedelta(minutes=minutes))
        meters.saw_facts(facts, judge(facts, NOW))
        assert value(meters, "robotrading_check", check="session equities") == 2
        assert value(meters, "robotrading_session_past_deadline", session_type="equities") == late


def test_prices_of_an_unknown_age_are_not_told_as_fresh() -> None:
    meters = Meters("1.0", "paper")
    for behind in (2, None):
        facts = last(bars_behind=behind)
        meters.saw_facts(facts, judge(facts, NOW))
        assert value(meters, "robotrading_data_age_days", session_type="equities") == behind


def test_what_is_known_is_as_old_as_the_last_word_of_the_ledger() -> None:
    meters = Meters("1.0", "paper")
    silent = replace(WELL, book=replace(WELL.book, read_at=NOW - timedelta(seconds=90)))
    meters.saw_facts(silent, judge(silent, NOW))
    assert value(meters, "robotrading_facts_age_seconds") == 90


def test_every_state_of_the_facts_can_be_told() -> None:
    meters = Meters("1.0", "paper")
    for facts in CRITICAL.values():
        meters.saw_facts(facts, judge(facts, NOW))
        assert value(meters, "robotrading_healthy") == 0
    assert LAST.bars_behind == 0


def test_a_counter_is_there_before_its_first_event() -> None:
    meters = Meters("1.0", "paper")
    for kind in AssetClass:
        for outcome in Outcome:
            named = {"session_type": kind.value, "outcome": outcome.value}
            assert value(meters, "sessions_completed_total", **named) == 0
        assert value(meters, "trade_signals_total", action="long", asset_class=kind.value) == 0
        assert value(meters, "robotrading_orders_total", session_type=kind.value, status="filled") == 0
        assert value(meters, "robotrading_order_fill_seconds_count", session_type=kind.value) == 0


def test_alerts_are_counted_by_rule_and_of_every_rule() -> None:
    meters = Meters("1.0", "paper")
    alert = Alert("session_failed:crypto", "session_failed", Urgency.CRITICAL, "it failed", "", NOW, NOW)
    other = replace(alert, key="session_failed:bonds")
    old = replace(alert, key="of_before", rule="of_before", urgency=Urgency.WARNING)
    facts = replace(WELL, alerts=(alert, other, old), waiting=Waiting(given_up=3))
    meters.saw_facts(facts, judge(facts, NOW))
    assert value(meters, "robotrading_alerts_open", rule="session_failed", urgency="critical") == 2
    assert value(meters, "robotrading_alerts_open", rule="halted", urgency="warning") == 0
    assert value(meters, "robotrading_alerts_open", rule="of_before", urgency="warning") == 1
    assert value(meters, "robotrading_outbox_given_up") == 3
