"""A broker whose prices are wrong together with their closes, or old, moves nothing; another house is asked first."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.market import Bars, PriceBasis, Quote
from robotrading.domain.orders import Side
from robotrading.domain.planning import RefusalRule
from robotrading.domain.report import Outcome
from robotrading.domain.skip import Skip
from robotrading.session.world import Universe
from robotrading.sim.broker import SimBroker
from tests.session.bench import ALPHA, BO, BRAVO, CALENDAR, CR, EQ, FUND, PRICES, Bench, Failing

D = Decimal


@pytest.fixture
def bench(make_bench):
    return make_bench({ALPHA: D(7)})


def lying(bench: Bench, factors: dict, **changes: object) -> SimBroker:
    """A broker that shows prices and closes times a factor; the exchange trades at the true ones."""
    broker = bench.broker()
    ask = broker.quotes

    async def quotes(instruments):
        return {one: shown(quote, factors.get(one, D(1)), changes) for one, quote in (await ask(instruments)).items()}

    broker.quotes = quotes  # type: ignore[method-assign]
    return broker


def shown(quote: Quote, factor: Decimal, changes: dict) -> Quote:
    price = quote.last * factor
    return replace(quote, bid=price, ask=price, last=price, close=price, **changes)


def said(report) -> list[Skip]:
    return [skip for step in report.steps for skip in step.skips if skip.rule == "price_disagrees"]


@pytest.mark.parametrize("factor", ["0.01", "0.5", "2", "100"])
@pytest.mark.parametrize(("kind", "liar"), [(EQ, ALPHA), (BO, FUND)])
def test_nothing_is_bought_at_a_price_that_another_house_denies_and_the_rest_is_traded(bench, kind, liar, factor):
    report = bench.run(kind, world=bench.world(kind, broker=lying(bench, {liar: D(factor)})))
    assert {ticket.intent.instrument for ticket in report.tickets} == {BRAVO}
    [skip] = said(report)
    assert skip.subject == liar.symbol
    assert f"{abs(D(factor) - 1) * 100:.1f} % away from the last close {PRICES[liar]} of beliefs" in skip.reason
    [refusal] = [one for one in report.plan.refusals if one.instrument == liar]
    assert (refusal.rule, refusal.reason) == (RefusalRule.NO_QUOTE, skip.reason)
    bench.assert_settled()


@pytest.mark.parametrize("factor", ["0.01", "0.5", "2", "100"])
def test_nothing_is_sold_either_and_a_wrong_price_does_not_change_the_capital(bench, factor):
    first = bench.run(EQ)
    owned = bench.owned(ALPHA)
    bench.beliefs.strength = {"ALPHA": -1.0, "BRAVO": -1.0}
    report = bench.run(EQ, {"ALPHA": "0", "BRAVO": "0.5"}, world=bench.world(broker=lying(bench, {ALPHA: D(factor)})))
    assert bench.owned(ALPHA) == owned
    assert report.plan.budget == first.plan.budget
    assert [skip.subject for skip in said(report)] == ["ALPHA"]
    bench.assert_settled()


def test_the_first_look_of_a_day_does_not_take_a_hundredfold_price_for_wealth(bench):
    """What another session owns is held against the source too; it then counts at its cost."""
    bench.run(EQ)
    bench.clock.advance(3 * 86_400)
    report = bench.run(BO, world=bench.world(BO, broker=lying(bench, {ALPHA: D(100)})))
    assert D(29_000) < report.plan.budget < D(31_000)
    assert said(report) == []


def test_what_has_left_the_universe_is_held_against_the_source_too(bench):
    bench.run(EQ)
    owned = bench.owned(ALPHA)
    world = bench.world(universe=lambda: Universe((BRAVO,)), broker=lying(bench, {ALPHA: D("0.5")}))
    report = bench.run(EQ, world=world)
    assert bench.owned(ALPHA) == owned
    assert [skip.subject for skip in said(report)] == ["ALPHA"]


def test_without_any_close_the_brokers_price_is_believed_and_that_is_noted(bench):
    bench.run(EQ)
    bench.beliefs.silent.add("ALPHA")
    report = bench.run(EQ, world=bench.world(universe=lambda: Universe((BRAVO,))))
    assert [(t.intent.side, t.intent.instrument) for t in report.tickets] == [(Side.SELL, ALPHA)]
    assert "no source has a recent close of ALPHA: the broker's price is believed as it is" in report.notes


def test_an_old_close_calls_no_true_price_wrong(bench):
    bench.run(EQ)
    fresh = bench.beliefs.daily

    def late(asked, first, last):
        found = fresh(asked, first, last)
        return found | {ALPHA: halved(found[ALPHA], last - timedelta(days=8))} if ALPHA in asked else found

    bench.beliefs.daily = late  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(universe=lambda: Universe((BRAVO,))))
    assert [ticket.intent.instrument for ticket in report.tickets] == [ALPHA]


def halved(bars: Bars, until: date) -> Bars:
    old = bars.until(until)
    return Bars.from_closes(old.instrument, old.dates, old.close / 2, as_of=old.as_of, source=old.source)


def test_a_stored_plan_is_held_against_the_source_again(bench):
    plan = bench.run(EQ, trade=False).plan
    liar = lying(bench, {ALPHA: D(2)})
    report = bench.run(EQ, plan_id=plan.plan_id, world=bench.world(broker=liar))
    assert report.outcome is Outcome.FAILED
    assert [skip.subject for skip in said(report)] == ["ALPHA"]
    assert bench.orders() == []


def test_a_stored_plan_goes_on_where_the_source_does_not_answer(bench):
    plan = bench.run(EQ, trade=False).plan
    dead = Failing(bench.beliefs, "daily", FeedUnavailable("the source does not answer"))
    report = bench.run(EQ, plan_id=plan.plan_id, world=bench.world(feed=dead))
    assert report.outcome is Outcome.DONE
    assert any(note.startswith("no source has a recent close of ") for note in report.notes)


def test_adjusted_closes_are_compared_roughly(bench):
    """Distributions and another base explain a half; nothing explains a hundredth."""
    days = CALENDAR.days(EQ, date(2025, 6, 2), date(2025, 9, 25))[-40:]

    def adjusted(asked, _first, _last):
        closes = 100 * (1 + 0.0005 * np.cos(np.arange(40)))
        return {
            one: Bars.from_closes(one, days, closes, as_of=bench.clock.now(), source="file", basis=PriceBasis.ADJUSTED)
            for one in asked
        }

    bench.beliefs.daily = adjusted  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(broker=lying(bench, {ALPHA: D("0.01")})))
    assert [skip.subject for skip in said(report)] == ["ALPHA"]  # BRAVO's 50 may stand beside an adjusted 100
    assert {ticket.intent.instrument for ticket in report.tickets} == {BRAVO}


@pytest.mark.parametrize(("kind", "delayed", "age", "sent"), [
    (EQ, False, 899, True),
    (EQ, False, 901, False),
    (EQ, True, 2099, True),
    (EQ, True, 2101, False),
    (CR, False, 901, False),
])  # fmt: skip
def test_a_new_answer_about_an_old_trade_is_not_traded_on(bench, kind, delayed, age, sent):
    """A paper account on delayed data trades: its trades are told fifteen to twenty minutes late."""
    traded_at = bench.clock.now() - timedelta(seconds=age)
    report = bench.run(kind, world=bench.world(kind, broker=lying(bench, {}, delayed=delayed, traded_at=traded_at)))
    assert bool(bench.orders()) is sent
    stopped = [skip for step in report.steps for skip in step.skips if skip.rule == "quote_fresh"]
    assert bool(stopped) is not sent
    bench.assert_sound()
