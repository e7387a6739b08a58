"""What every `Feed` promises, run on every implementation in `feed_cases.CASES`."""

from __future__ import annotations

from datetime import UTC, date

import numpy as np
import pytest
from feed_cases import CASES, DAYS, MARKET, FeedUnderTest

from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import COLUMNS, Bars, Interval
from robotrading.domain.skip import Skip


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("feeds")


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def under_test(request, directory):
    with request.param.open(directory) as opened:
        yield opened


def stocks(*symbols: str) -> list[Instrument]:
    return [Instrument(symbol, AssetClass.EQUITIES) for symbol in symbols]


def ask(under_test: FeedUnderTest, *symbols: str, first: date = DAYS[0], last: date = DAYS[-1]):
    found = under_test.feed.daily(stocks(*symbols), first, last)
    return {instrument.symbol: result for instrument, result in found.items()}


def test_every_instrument_asked_has_an_answer_and_no_other_has(under_test):
    assert set(ask(under_test, "AAA", "NOPE", "BRK-B")) == {"AAA", "NOPE", "BRK-B"}


def test_the_prices_are_those_of_the_market(under_test):
    for symbol, bars in ask(under_test, *MARKET).items():
        assert isinstance(bars, Bars)
        assert [day.astype(date) for day in bars.dates] == [row.day for row in MARKET[symbol]]
        np.testing.assert_allclose(bars.close, [row.close for row in MARKET[symbol]], rtol=1e-6)
        np.testing.assert_allclose(bars.adj_close, bars.close, rtol=1e-6)


def test_columns_are_well_formed(under_test):
    for bars in ask(under_test, *MARKET).values():
        assert (np.diff(bars.dates).astype(int) > 0).all()
        assert (bars.split == 1.0).all()
        assert (bars.dividend == 0.0).all()
        assert bars.interval is Interval.DAY
        for name in ("dates", *COLUMNS):
            assert not getattr(bars, name).flags.writeable


def test_bars_say_what_they_are_of_where_from_and_when(under_test):
    bars = ask(under_test, "AAA")["AAA"]
    assert bars.instrument == stocks("AAA")[0]
    assert bars.source == under_test.feed.name != ""
    assert bars.as_of.tzinfo is UTC
    assert bars.as_of == under_test.clock.now()


@pytest.mark.parametrize("span", [(0, 39), (3, 3), (10, 20)])
def test_both_ends_are_included_and_nothing_beyond_them(under_test, span):
    first, last = (DAYS[place] for place in span)
    bars = ask(under_test, "AAA", first=first, last=last)["AAA"]
    assert (bars.first_day, bars.last_day, len(bars)) == (first, last, span[1] - span[0] + 1)


def test_a_later_listing_begins_when_it_was_listed(under_test):
    assert ask(under_test, "LATE")["LATE"].first_day == DAYS[25]


def test_days_before_a_listing_are_a_skip(under_test):
    found = ask(under_test, "LATE", "AAA", first=DAYS[0], last=DAYS[5])
    assert isinstance(found["LATE"], Skip)
    assert isinstance(found["AAA"], Bars)


def test_an_unknown_symbol_is_a_skip_with_a_sentence(under_test):
    skip = ask(under_test, "NOPE")["NOPE"]
    assert isinstance(skip, Skip)
    assert (skip.subject, skip.step) == ("NOPE", "prices")
    assert len(skip.reason.split()) >= 3
    assert skip.rule


def test_asking_twice_for_one_is_asking_once(under_test):
    assert len(ask(under_test, "AAA", "AAA")) == 1


def test_nothing_asked_is_nothing_answered(under_test):
    assert under_test.feed.daily([], DAYS[0], DAYS[-1]) == {}


def test_the_same_question_has_the_same_answer(under_test):
    one, two = (ask(under_test, "AAA")["AAA"] for _ in range(2))
    for name in ("dates", *COLUMNS):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_a_source_that_does_not_answer_at_all_is_an_error_and_not_skips(under_test):
    if under_test.shut is None:
        pytest.skip("this source cannot be unreachable")
    under_test.shut()
    with pytest.raises(FeedUnavailable) as caught:
        ask(under_test, "AAA", "BRK-B")
    assert len(str(caught.value).split()) >= 3
