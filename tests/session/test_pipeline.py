"""The pipeline's laws, on a pretend world in one process."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.domain.errors import BrokerUnavailable, FeedUnavailable, LedgerError
from robotrading.domain.orders import Side, TicketStatus
from robotrading.domain.planning import RefusalRule
from robotrading.domain.report import Outcome
from robotrading.domain.skip import Skip
from robotrading.session.pipeline import run_session
from robotrading.session.settings import CapitalSettings
from robotrading.session.world import Universe
from tests.session.bench import (
    ACCOUNT,
    ALPHA,
    BO,
    BRAVO,
    COIN,
    CR,
    DISK_FULL,
    EQ,
    FUND,
    KINDS,
    OPEN,
    PRICES,
    UNIVERSES,
    USUAL,
    Bench,
    Failing,
    build,
    forget,
    set_rules,
    settings,
)
from tests.session.worlds import ACCOUNT as SAMPLE_ACCOUNT
from tests.session.worlds import build as sample_stage
from tests.session.worlds import spec as sample_spec

D = Decimal


@pytest.fixture
def bench(make_bench):
    return make_bench({ALPHA: D(7)})


def failed_step(report) -> tuple[str, str]:
    (step,) = [step for step in report.steps if not step.ok]
    return step.name, step.error


# Whole runs -----------------------------------------------------------------------------------------------------------


async def test_the_sample_market_with_its_models_is_traded_and_the_ledger_equals_the_account(tmp_path: Path):
    stage = sample_stage(tmp_path)
    report = await run_session(sample_spec(), stage.world())
    again = await run_session(sample_spec(run_id="run-2"), stage.world())
    owned = {position.instrument.key: position.quantity for position in stage.ledger.positions()}
    held = {holding.instrument.key: holding.quantity for holding in stage.exchange.positions(SAMPLE_ACCOUNT)}
    stage.ledger.close()
    assert report.outcome is Outcome.DONE, report.verdict
    assert {signal.model for signal in report.signals} == {"hmm"}
    assert again.outcome is Outcome.NOTHING_TO_DO
    assert owned == held
    assert owned


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_run_of_the_day_trades_nothing(bench, kind):
    first, second = bench.run(kind), bench.run(kind)
    assert first.outcome is Outcome.DONE
    assert all(ticket.status is TicketStatus.FILLED for ticket in first.tickets)
    assert second.outcome is Outcome.NOTHING_TO_DO
    assert second.tickets == ()
    assert len(bench.orders()) == len(first.tickets)
    bench.assert_settled()


def test_all_sessions_share_one_account_and_one_capital(bench):
    """Each has its share of the day's first look at the cash, whichever comes first; the person's shares never count."""
    plans = [bench.run(kind).plan for kind in KINDS]
    assert [plan.budget for plan in plans] == [D(50_000), D(30_000), D(20_000)]
    bench.assert_settled()
    assert bench.held(ALPHA) == bench.owned(ALPHA) + 7


def test_a_fund_traded_by_two_sessions_is_owned_by_each_in_part(bench):
    bench.run(EQ)
    bench.run(BO)
    owners = {
        position.owner: position.quantity for position in bench.ledger.positions() if position.instrument == BRAVO
    }
    assert owners.keys() == {"equities", "bonds"}
    bench.run(BO, {"FUND": "0.6", "BRAVO": "0"})
    left = {position.owner: position.quantity for position in bench.ledger.positions() if position.instrument == BRAVO}
    assert left == {"equities": owners["equities"]}
    bench.assert_settled()


def test_every_run_is_stored_as_it_was_returned(bench):
    report = bench.run(EQ)
    assert list(bench.ledger.last_reports(1)) == [report]


def test_a_plan_is_stored_as_one_also_where_it_died(bench):
    bench.run(EQ)
    bench.run(EQ, trade=False)
    assert [one.trade for one in bench.ledger.last_reports(2)] == [False, True]
    assert [one.trade for one in bench.ledger.ended(2)] == [False, True]
    with pytest.raises(LedgerError):
        bench.run(EQ, trade=False, world=bench.world(ledger=Failing(bench.ledger, "finish_run", DISK_FULL)))
    assert [begun.trade for begun in bench.ledger.unreported(EQ)] == [False]


# Plans ----------------------------------------------------------------------------------------------------------------


def planned(bench: Bench, kind=EQ):
    report = bench.run(kind, trade=False)
    assert bench.orders() == []
    assert report.outcome is Outcome.DONE
    assert "Would place" in report.verdict
    return report.plan


def test_a_stored_plan_is_executed_exactly(bench):
    plan = planned(bench)
    bench.beliefs.strength = {"ALPHA": -1.0}  # a new plan would be another one
    report = bench.run(EQ, plan_id=plan.plan_id[:8])
    own = [replace(intent, session_id=report.run_id) for intent in plan.intents]
    assert [ticket.intent for ticket in report.tickets] == own
    assert report.outcome is Outcome.DONE
    assert report.signals == ()
    bench.assert_settled()


def refused(bench: Bench, sentence: str, **changes) -> None:
    before = len(bench.orders())
    report = bench.run(EQ, **changes)
    assert report.outcome is Outcome.FAILED
    assert sentence in failed_step(report)[1]
    assert len(bench.orders()) == before


def test_a_plan_of_another_price_is_refused(bench):
    plan = planned(bench)
    bench.market.set_price(ALPHA, D("101.50"))
    refused(bench, "ALPHA: planned at 100", plan_id=plan.plan_id)


def test_a_small_move_within_the_tolerance_is_no_obstacle(bench):
    plan = planned(bench)
    bench.market.set_price(ALPHA, D("100.20"))
    assert bench.run(EQ, plan_id=plan.plan_id).outcome is Outcome.DONE


def test_a_plan_is_run_once(bench):
    plan = planned(bench)
    bench.run(EQ, plan_id=plan.plan_id)
    refused(bench, "was run already", plan_id=plan.plan_id)


def test_a_plan_of_another_day_is_refused(bench):
    plan = planned(bench)
    bench.clock.advance(timedelta(days=3).total_seconds())
    refused(bench, "is of 2025-09-26, today is 2025-09-29", plan_id=plan.plan_id)


def test_a_plan_that_nobody_made_or_of_another_session_is_refused(bench):
    refused(bench, "there is no equities plan 'c0ffee'", plan_id="c0ffee")
    bonds = bench.run(BO, trade=False).plan
    refused(bench, f"there is no equities plan '{bonds.plan_id}'", plan_id=bonds.plan_id)


def test_a_plan_whose_instrument_is_in_doubt_by_now_is_refused(bench):
    bench.run(EQ)
    plan = bench.run(EQ, {"ALPHA": "0.1", "BRAVO": "0.8"}, trade=False).plan
    bench.exchange._book(ACCOUNT).lots[ALPHA.key] = replace_quantity(bench, D(3))
    refused(bench, "the account holds only 3", plan_id=plan.plan_id)


def replace_quantity(bench: Bench, quantity: Decimal):
    lot = bench.exchange._book(ACCOUNT).lots[ALPHA.key]
    return replace(lot, quantity=quantity)


def test_a_plan_of_another_account_is_refused(bench):
    plan = planned(bench)
    other = replace(plan, plan_id="0123456789abcdef", account_id="DU2")
    bench.ledger.save_plan(other)
    refused(bench, "it is of account DU2, the broker's is DU1", plan_id=other.plan_id)


# What must keep orders from leaving -----------------------------------------------------------------------------------


def nothing_sent(bench: Bench, report, sentence: str) -> None:
    assert bench.orders() == []
    assert report.outcome is Outcome.FAILED
    assert "None of 2 planned orders was sent" in report.verdict
    assert sentence in report.verdict


SATURDAY = datetime(2025, 9, 27, 16, 0, tzinfo=UTC)
CLOSED = "the market is closed at 2025-09-27 16:00 UTC, it opens at 2025-09-29 14:30 UTC"


def test_at_the_weekend_nothing_is_sent_and_nothing_is_wrong(bench):
    bench.clock.set(SATURDAY)
    report = bench.run(EQ)
    assert bench.orders() == []
    assert report.outcome is Outcome.NOTHING_TO_DO
    assert report.verdict == f"Nothing was sent: {CLOSED}."
    assert report.plan.intents


def test_a_plan_made_at_the_weekend_says_so(bench):
    bench.clock.set(SATURDAY)
    report = bench.run(EQ, trade=False)
    assert report.outcome is Outcome.DONE
    assert CLOSED in report.notes


def test_crypto_trades_at_the_weekend(bench):
    bench.clock.set(SATURDAY)
    assert bench.run(CR).outcome is Outcome.DONE


def test_while_halted_nothing_is_sent(bench):
    halted = Failing(bench.ledger, "none", DISK_FULL)
    halted.halted = lambda: "by hand, on 26 September"  # type: ignore[attr-defined]
    nothing_sent(bench, bench.run(EQ, world=bench.world(ledger=halted)), "trading is halted: by hand")


def test_another_account_is_refused(bench):
    nothing_sent(bench, bench.run(EQ, account_id="U999"), "the configuration names U999")


def test_a_paper_account_is_refused_where_live_is_configured(bench):
    nothing_sent(bench, bench.run(EQ, paper=False), "a paper account, the configuration says live")


def test_a_day_that_has_lost_too_much_buys_nothing(bench):
    """Judged by yesterday's close, which the broker tells, though the bot has not looked at the account before."""
    broker = bench.broker()
    ask = broker.account

    async def poorer():
        found = await ask()
        return replace(found, day_start_value=found.net_liquidation * 2)

    broker.account = poorer  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert bench.orders() == []
    assert report.outcome is Outcome.PARTLY
    assert "the day has lost 50" in report.verdict
    assert {refusal.rule for refusal in report.plan.refusals} == {RefusalRule.DAY_STOPPED}


def test_withheld_positions_are_unknown_and_never_flat(bench):
    broker = bench.broker()
    broker.faults.mute_account = True
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert report.outcome is Outcome.FAILED
    assert failed_step(report)[0] == "account"
    assert len(report.signals) == 2, "what was found out before stays"
    assert bench.orders() == []


def test_an_account_without_cash_is_told_and_not_pinned(bench, tmp_path):
    poor = build(tmp_path / "poor", {ALPHA: D(7)}, cash=D(0))
    report = poor.run(EQ)
    assert report.outcome is Outcome.FAILED
    assert "there is no capital for the equities session" in report.verdict
    poor.exchange._book(ACCOUNT).cash["USD"] = D(5_000)
    assert poor.run(EQ).plan.budget == D(2_500)
    forget(poor)


def test_a_failed_first_look_pins_no_capital(bench):
    silent = Failing(bench.broker(), "quotes", BrokerUnavailable("quotes: none of 2 was answered"))
    assert bench.run(EQ, world=bench.world(broker=silent)).outcome is Outcome.FAILED
    bench.exchange._book(ACCOUNT).cash["USD"] = D(40_000)
    assert bench.run(EQ).plan.budget == D(20_000)


def test_an_amount_of_capital_is_never_more_than_there_is(bench):
    report = bench.run(EQ, capital=CapitalSettings(amount=D(10_000_000)))
    assert report.plan.budget == D(50_000)
    assert bench.run(BO, capital=CapitalSettings(amount=D(1_000))).plan.budget == D(300)


def test_an_account_without_the_currency_is_told(bench):
    report = bench.run(EQ, capital=CapitalSettings(currency="CHF"))
    assert "holds no cash balance in CHF (it has: USD)" in report.verdict


# What is missing --------------------------------------------------------------------------------------------------------


def test_a_dead_source_costs_its_instruments_only(bench):
    bench.beliefs.silent = {"ALPHA"}
    report = bench.run(EQ)
    assert [ticket.intent.instrument for ticket in report.tickets] == [BRAVO]
    assert Skip("ALPHA", "prices", "the source is dead") in report.skips
    assert "left as they are" in report.verdict


def test_a_source_that_is_dead_altogether_ends_the_run(bench):
    bench.beliefs.silent = {"ALPHA", "BRAVO"}
    report = bench.run(EQ)
    assert report.outcome is Outcome.FAILED
    assert failed_step(report)[0] == "prices"
    assert len(report.skips) == 2


def test_a_series_of_constant_junk_is_refused_by_a_named_check(bench):
    strict = settings(EQ, **USUAL[EQ])
    strict = replace(strict, checks=replace(strict.checks, min_days=1000))
    report = bench.run(EQ, settings=strict)
    assert failed_step(report)[0] == "checks"
    assert {skip.rule for skip in report.skips} == {"too_short"}


def test_an_empty_universe_ends_the_run(bench):
    report = bench.run(EQ, world=bench.world(universe=lambda: Universe((), None, (Skip("sp500", "universe", "gone"),))))
    assert failed_step(report)[0] == "universe"
    assert report.skips[0].reason == "gone"


def test_what_has_left_the_universe_is_sold(bench):
    bench.run(EQ)
    report = bench.run(EQ, world=bench.world(universe=lambda: Universe((BRAVO,))))
    assert [(t.intent.side, t.intent.instrument) for t in report.tickets] == [(Side.SELL, ALPHA)]
    assert bench.owned(ALPHA) == 0
    assert bench.held(ALPHA) == 7
    bench.assert_settled()


def test_what_is_owned_and_not_described_by_the_broker_is_kept(bench):
    bench.run(EQ)
    owned = bench.owned(ALPHA)
    broker = bench.broker()
    ask = broker.refine

    async def forgetful(instruments):
        found = dict(await ask(instruments))
        return found | {ALPHA: Skip("ALPHA", "refine", "the broker knows no ALPHA (code 200)")}

    broker.refine = forgetful  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(broker=broker, universe=lambda: Universe((BRAVO,))))
    assert bench.owned(ALPHA) == owned
    assert any("contract rules" in refusal.reason for refusal in report.plan.refusals)


def test_what_the_person_has_sold_of_the_bots_is_told_and_left_alone(bench):
    """More sold by hand than was the person's own: nothing is traded in it until somebody has looked."""
    bench.run(EQ)
    owned = bench.owned(ALPHA)
    bench.exchange._book(ACCOUNT).lots[ALPHA.key] = replace_quantity(bench, D(3))
    report = bench.run(EQ, {"ALPHA": "0.1", "BRAVO": "0.5"})
    assert bench.owned(ALPHA) == owned
    assert ALPHA not in {ticket.intent.instrument for ticket in report.tickets}
    assert any("manual sale" in refusal.reason for refusal in report.plan.refusals)


def test_a_holding_that_is_short_after_the_run_makes_it_partly_done(bench):
    broker = bench.broker()
    ask = broker.account
    looks = 0

    async def shrinking():
        nonlocal looks
        looks += 1
        found = await ask()
        return (
            found
            if looks == 1
            else replace(found, positions=tuple(p for p in found.positions if p.instrument == ALPHA))
        )

    broker.account = shrinking  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert report.outcome is Outcome.PARTLY
    assert {skip.rule for skip in report.skips} == {"shortfall"}


def test_a_missing_quote_of_another_session_is_not_this_ones_trouble(bench):
    bench.run(CR)
    broker = bench.broker()
    ask = broker.quotes

    async def blind(instruments):
        return {
            i: Skip(i.symbol, "quotes", "no price") if i == COIN else q for i, q in (await ask(instruments)).items()
        }

    broker.quotes = blind  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert report.outcome is Outcome.DONE
    assert report.skips == ()


def test_less_cash_than_the_sells_promised_shrinks_the_buys(bench):
    bench.run(EQ)
    set_rules(bench, liquidity=D(100))
    report = bench.run(EQ, {"ALPHA": "0.8", "BRAVO": "0.05"})
    sells = [ticket for ticket in report.tickets if ticket.intent.side is Side.SELL]
    buys = [ticket for ticket in report.tickets if ticket.intent.side is Side.BUY]
    assert [ticket.status for ticket in sells] == [TicketStatus.CANCELLED]
    planned = {intent.intent_id: intent.quantity for intent in report.plan.intents}
    assert all(ticket.intent.quantity < planned[ticket.intent.intent_id] for ticket in buys)
    assert bench.exchange.cash(ACCOUNT)["USD"] >= 0
    assert report.outcome is Outcome.PARTLY


def test_sells_that_bring_nothing_leave_no_buy(bench):
    bench.run(EQ, {"ALPHA": "0.0", "BRAVO": "0.98"})
    set_rules(bench, liquidity=D(0))
    report = bench.run(EQ, {"ALPHA": "0.9", "BRAVO": "0.05"})
    assert [ticket.intent.side for ticket in report.tickets] == [Side.SELL]
    assert {skip.step for skip in report.skips} == {"cash"}
    assert report.outcome is Outcome.PARTLY


def test_orders_of_nobody_are_noted(bench):
    from robotrading.domain.orders import EventKind, OrderEvent

    broker = bench.broker()
    subscribe = broker.subscribe

    def with_a_stranger(hear):
        subscribe(hear)
        hear(OrderEvent("rt-eq-20250926-OTHER-B-1", EventKind.ACKNOWLEDGED, OPEN))

    broker.subscribe = with_a_stranger  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert any("'rt-eq-20250926-OTHER-B-1' that this ledger did not send" in note for note in report.notes)


# Errors in any step -----------------------------------------------------------------------------------------------------


BOOM = ValueError("boom")
STEPS = [
    ("recover", {"broker": ("connect", 1)}),
    ("recover", {"ledger": ("open_tickets", 1)}),
    ("universe", {"universe": None}),
    ("prices", {"feed": ("daily", 1)}),
    ("checks", {"calendar": ("days", 1)}),
    ("signals", {"fits": ("load", 1)}),
    ("account", {"broker": ("account", 1)}),
    ("account", {"ledger": ("save_equity", 1)}),
    ("plan", {"ledger": ("save_plan", 1)}),
    ("sells", {"ledger": ("record_intent", 1)}),
    ("cash", {"broker": ("account", 2)}),
    ("buys", {"broker": ("submit", 2)}),
    ("compare", {"broker": ("account", 3)}),
]


@pytest.mark.parametrize(
    "error", [BOOM, DISK_FULL, FeedUnavailable("nobody answers"), MemoryError()], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize(("step", "where"), STEPS)
def test_an_error_in_any_step_is_in_the_stored_report_and_what_was_found_before_stays(bench, step, where, error):
    bench.run(EQ)
    filled = len(bench.exchange.executions())
    changes = {}
    for port, place in where.items():
        if place is None:
            changes[port] = raises(error)
        else:
            changes[port] = Failing(
                bench.broker() if port == "broker" else getattr(bench.world(), port), *place[:1], error, place[1]
            )
    report = bench.run(EQ, {"ALPHA": "0.7", "BRAVO": "0.2"}, bench.world(**changes))
    assert failed_step(report)[0] == step
    said = "out of memory" if isinstance(error, MemoryError) else str(error)
    assert said in failed_step(report)[1]
    assert said in report.verdict
    assert [one for one in bench.ledger.last_reports(9) if one.run_id == report.run_id] == [report]
    traded = len(bench.exchange.executions()) > filled
    assert report.outcome is (Outcome.PARTLY if traded else Outcome.FAILED)
    names = [one.name for one in report.steps]
    assert names.index(step) == len(names) - 1
    if "plan" in names[:-1]:
        assert report.plan is not None
    if traded:
        assert report.tickets
    bench.run(EQ, {"ALPHA": "0.7", "BRAVO": "0.2"})
    bench.assert_settled()


def raises(error: Exception):
    def now():
        raise error

    return now


def test_a_journal_that_fails_between_fills_stops_the_run_and_the_report_shows_what_left(bench):
    """The order is at the exchange; its events cannot be written: the report has its ticket, and the next run its fill."""
    ledger = Failing(bench.ledger, "append", DISK_FULL, 2, once=True)
    report = bench.run(EQ, world=bench.world(ledger=ledger))
    assert failed_step(report)[0] == "buys"
    assert "disk is full" in report.verdict
    assert report.tickets
    assert len(bench.orders()) <= 2
    bench.run(EQ)
    bench.run(EQ)
    bench.assert_settled()


def test_a_run_without_a_journal_does_not_begin(bench):
    with pytest.raises(LedgerError, match="full"):
        bench.run(EQ, world=bench.world(ledger=Failing(bench.ledger, "start_run", DISK_FULL)))
    assert bench.orders() == []


def test_trouble_in_saying_goodbye_is_a_note(bench):
    rude = Failing(bench.broker(), "disconnect", ConnectionResetError("reset by peer"))
    report = bench.run(EQ, world=bench.world(broker=rude))
    assert report.outcome is Outcome.DONE
    assert any("did not close cleanly" in note and "reset by peer" in note for note in report.notes)


def test_a_goodbye_that_hangs_is_bounded(bench):

    broker = bench.broker()
    broker.disconnect = lambda: asyncio.sleep(3600)  # type: ignore[method-assign,assignment]
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert report.outcome is Outcome.DONE
    assert any("no answer within the time" in note for note in report.notes)


def test_a_connection_lost_while_the_prices_came_is_mended(bench):
    broker = bench.broker()
    ask = bench.beliefs.daily

    def slow(*args):
        broker.lose_connection()
        return ask(*args)

    bench.beliefs.daily = slow  # type: ignore[method-assign]
    assert bench.run(EQ, world=bench.world(broker=broker)).outcome is Outcome.DONE


def test_progress_is_told_and_the_feeds_notes_are_kept(bench):
    seen = []
    world = bench.world(
        progress=lambda step, done, total: seen.append((step, done, total)),
        feed_notes=lambda: [Skip("ALPHA", "prices", "served from the cache of yesterday", "stale")],
    )
    report = bench.run(EQ, world=world)
    assert ("buys", 2, 2) in seen
    begun = [step for step, done, total in seen if done == total == 0]
    assert begun == [step.name for step in report.steps]
    assert seen[0] == ("recover", 0, 0), "a step is told when it begins, not when something of it is done"
    assert "served from the cache of yesterday" in [skip.reason for skip in report.skips]


def test_adjusted_prices_are_said(bench):
    from robotrading.domain.market import Bars, PriceBasis

    ask = bench.beliefs.daily

    def adjusted(*args):
        return {
            i: Bars.from_closes(i, b.dates, b.close, as_of=b.as_of, source=b.source, basis=PriceBasis.ADJUSTED)
            for i, b in ask(*args).items()
        }

    bench.beliefs.daily = adjusted  # type: ignore[method-assign]
    report = bench.run(EQ, pretend=True)
    assert report.notes == (
        "only adjusted prices are known of ALPHA, BRAVO; the pretend market quotes them, so sizes come from them too",
    )


def test_the_universes_of_the_bench_share_a_fund():
    assert set(UNIVERSES[EQ]) & set(UNIVERSES[BO]) == {BRAVO}
    assert FUND in PRICES


def test_a_connection_lost_after_the_last_fill_is_mended_for_the_comparison(bench):
    broker = bench.broker()

    def cut_off(step: str, done: int, total: int) -> None:
        if step == "buys" and done == total > 0:
            broker.lose_connection()

    report = bench.run(EQ, world=bench.world(broker=broker, progress=cut_off))
    assert report.steps[-1].name == "compare"
    assert report.outcome is Outcome.DONE, report.verdict


async def test_orders_that_wait_for_the_brokers_pace_are_not_in_the_journal_yet(tmp_path):
    """Whatever ends the process while a dozen orders wait leaves one in doubt at most."""
    stage = sample_stage(tmp_path)
    broker = stage.broker()

    waiting = asyncio.Event()

    async def waits_for_its_turn(_intent):
        waiting.set()
        await asyncio.sleep(60)

    broker.submit = waits_for_its_turn  # type: ignore[method-assign]
    run = asyncio.ensure_future(run_session(sample_spec(), stage.world(broker=broker)))
    async with asyncio.timeout(60):
        await waiting.wait()
    await asyncio.sleep(0.2)
    assert len(stage.ledger.open_tickets()) == 1
    run.cancel()
    await asyncio.wait({run})
    stage.ledger.close()
