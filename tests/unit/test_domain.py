"""The words of the house keep their promises."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import COLUMNS, Bars, Quote
from robotrading.domain.orders import Fill, Intent, OrderType, Side, Ticket, intent_id_for
from robotrading.domain.report import Outcome, SessionReport

NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
DAY = date(2025, 9, 26)
AGG = Instrument("AGG", AssetClass.BONDS)
DAYS = np.array(["2025-09-24", "2025-09-25", "2025-09-26"], "datetime64[D]")


def bars() -> Bars:
    return Bars.from_closes(AGG, DAYS, np.array([100.0, np.nan, 102.0]), as_of=NOW, source="test")


def test_a_fund_is_the_same_thing_in_every_session() -> None:
    same = Instrument("AGG", AssetClass.EQUITIES, tick=Decimal("0.05"))
    assert same == AGG
    assert hash(same) == hash(AGG)
    assert Instrument("AGG", AssetClass.CRYPTO) != AGG
    assert Instrument("AGG", AssetClass.BONDS, currency="EUR") != AGG
    assert AGG != "AGG"


def test_bars_are_read_only_and_a_frame_is_a_copy() -> None:
    series = bars()
    with pytest.raises(ValueError, match="read-only"):
        series.close[0] = 1.0
    frame = series.to_frame()
    frame.loc[frame.index[0], "close"] = 1.0
    assert series.close[0] == 100.0
    assert list(frame.columns) == list(COLUMNS)
    assert list(frame.index.values.astype("datetime64[D]")) == list(DAYS)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="AGG: columns differ in length"):
        replace(bars(), close=np.array([1.0]))


def test_returns_are_of_adjusted_closes_and_missing_where_a_price_is() -> None:
    assert np.isnan(bars().log_returns()).all()
    twice = replace(bars(), adj_close=np.array([50.0, 100.0, 0.0]))
    assert twice.log_returns()[0] == pytest.approx(np.log(2))
    assert np.isnan(twice.log_returns()[1])


def test_a_window_holds_both_its_ends() -> None:
    assert bars().until(date(2025, 9, 25)).last_day == date(2025, 9, 25)
    assert bars().since(date(2025, 9, 25)).first_day == date(2025, 9, 25)


def test_a_quote_prefers_the_middle_then_the_last_then_the_close() -> None:
    quote = Quote(AGG, Decimal(99), Decimal(101), Decimal(98), Decimal(97), NOW, "test")
    assert (quote.price, quote.spread) == (100, 2)
    assert replace(quote, bid=None).price == 98
    assert replace(quote, bid=None).spread is None
    assert replace(quote, ask=None, last=None).price == 97
    assert replace(quote, bid=None, last=None, close=None).price is None


def test_a_report_sums_up_commissions() -> None:
    intent = Intent(
        intent_id_for(AssetClass.BONDS, DAY, AGG, Side.BUY, 1), "r", AssetClass.BONDS, DAY, AGG, Side.BUY,
        Decimal(2), OrderType.LIMIT, Decimal(100), "why",
    )  # fmt: skip
    fills = tuple(
        Fill(f"f{n}", intent.intent_id, AGG, Side.BUY, Decimal(1), Decimal(100), NOW, commission=fee)
        for n, fee in enumerate((Decimal("0.35"), None))
    )
    report = SessionReport(
        "r", AssetClass.BONDS, "test", DAY, NOW, NOW, Outcome.DONE, "", tickets=(Ticket(intent, fills=fills),)
    )
    assert report.commission == Decimal("0.35")
    assert intent.intent_id == "rt-bo-20250926-AGG-B-1"
