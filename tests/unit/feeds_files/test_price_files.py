"""Price files in every layout, sound and damaged."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from robotrading.adapters.clock import FixedClock
from robotrading.adapters.feeds.files import FileFeed
from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars, PriceBasis
from robotrading.domain.skip import Skip

NOW = datetime(2026, 1, 2, 15, tzinfo=UTC)
FIRST, LAST = date(2024, 1, 1), date(2024, 12, 31)
KO = Instrument("KO", AssetClass.EQUITIES)
AAPL = Instrument("AAPL", AssetClass.EQUITIES)
BTC = Instrument("BTC-USD", AssetClass.CRYPTO)
DAYS = ["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"]

LONG = """symbol,date,open,high,low,close,adj_close,volume
KO,2024-01-02,59,60,58,59.5,57.0,100
KO,2024-01-03,59,61,58,60.0,57.5,200
AAPL,2024-01-02,180,181,179,180.5,180.0,
AAPL,2024-01-03,180,182,179,181.5,181.0,50
"""
WIDE = """date,KO,AAPL,NEW
2024-01-02,57.0,180.0,
2024-01-03,,181.0,
2024-01-04,58.0,182.0,10
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def feed(*paths: Path) -> FileFeed:
    return FileFeed(paths, FixedClock(NOW))


def daily(path: Path, instrument: Instrument = KO) -> Bars:
    bars = feed(path).daily([instrument], FIRST, LAST)[instrument]
    assert isinstance(bars, Bars), bars
    return bars


def as_parquet(path: Path, **columns) -> Path:
    pq.write_table(pa.table(columns), path)
    return path


def test_a_long_file_gives_all_its_columns(tmp_path):
    bars = daily(write(tmp_path, "long.csv", LONG))
    assert [str(day) for day in bars.dates] == DAYS[:2]
    assert bars.close.tolist() == [59.5, 60.0]
    assert bars.adj_close.tolist() == [57.0, 57.5]
    assert bars.volume.tolist() == [100.0, 200.0]
    assert (bars.basis, bars.source, bars.as_of) == (PriceBasis.REAL, "files:long.csv", NOW)
    assert bars.dividend.tolist() == [0, 0]
    assert bars.split.tolist() == [1, 1]


def test_an_empty_cell_is_nan(tmp_path):
    assert np.isnan(daily(write(tmp_path, "long.csv", LONG), AAPL).volume[0])


def test_rows_of_one_symbol_keep_the_files_order_however_it_is_sorted(tmp_path):
    header, *rows = LONG.splitlines()
    later = rows[0].replace(DAYS[0], DAYS[2])
    bars = daily(write(tmp_path, "mixed.csv", "\n".join([header, rows[3], rows[1], rows[2], rows[0], later])))
    assert [str(day) for day in bars.dates] == [DAYS[1], DAYS[0], DAYS[2]]
    assert bars.close.tolist() == [60.0, 59.5, 59.5]


@pytest.mark.parametrize("text", [LONG, WIDE.replace("2024-01-03,,", "2024-01-03,57.5,")], ids=["long", "wide"])
def test_a_file_written_newest_first_is_turned_round(tmp_path, text):
    header, *rows = text.splitlines()
    oldest = daily(write(tmp_path, "a.csv", text))
    newest = daily(write(tmp_path, "b.csv", "\n".join([header, *rows[::-1]])))
    assert newest.dates.tolist() == oldest.dates.tolist()
    assert newest.close.tolist() == oldest.close.tolist()


def test_adjusted_closes_without_a_visible_split_stay_adjusted(tmp_path):
    rows = "symbol,date,close,adj_close,split\nKO,2024-01-02,57,57,1\nKO,2024-01-03,57,57,1.05\n"
    bars = daily(write(tmp_path, "auto.csv", rows))
    assert bars.basis is PriceBasis.ADJUSTED
    assert bars.close.tolist() == [57, 57]


def test_a_wide_file_has_adjusted_closes_only_and_no_days_before_the_listing(tmp_path):
    path = write(tmp_path, "wide.csv", WIDE)
    bars = daily(path)
    assert bars.basis is PriceBasis.ADJUSTED
    assert bars.close.tolist()[::2] == [57.0, 58.0]
    assert np.isnan(bars.close[1])
    assert len(daily(path, Instrument("NEW", AssetClass.EQUITIES))) == 1


def test_parquet_and_csv_say_the_same(tmp_path):
    days = np.array(DAYS[:2], dtype="datetime64[us]")
    close = np.array([59.5, 60.0], dtype=np.float32)
    adjusted = np.array([57.0, 57.5], dtype=np.float32)
    path = as_parquet(tmp_path / "p.parquet", symbol=["KO", "KO"], date=days, close=close, adj_close=adjusted)
    bars, other = daily(path), daily(write(tmp_path, "long.csv", LONG))
    assert bars.dates.tolist() == other.dates.tolist()
    assert bars.close.tolist() == other.close.tolist()
    assert bars.basis is PriceBasis.REAL


def test_the_date_of_an_instant_is_that_of_its_own_zone(tmp_path):
    stamp = pa.array([datetime(2024, 1, 3, 2, tzinfo=UTC)], pa.timestamp("s", tz="America/New_York"))
    assert str(daily(as_parquet(tmp_path / "z.parquet", symbol=["KO"], date=stamp, close=[1.0])).dates[0]) == DAYS[0]


def test_closes_that_all_equal_the_adjusted_ones_are_adjusted(tmp_path):
    rows = "symbol,date,close,adj_close\nKO,2024-01-02,57,57\nBTC-USD,2024-01-02,42000,42000\n"
    path = write(tmp_path, "auto.csv", rows)
    assert daily(path).basis is PriceBasis.ADJUSTED
    assert daily(path, BTC).basis is PriceBasis.REAL, "crypto knows no adjustments"


def test_a_file_without_adjusted_closes_does_not_pass_its_closes_for_real(tmp_path):
    bars = daily(write(tmp_path, "plain.csv", "Date,Symbol,Close\n2024-01-02,KO,57\n"))
    assert bars.basis is PriceBasis.ADJUSTED
    assert bars.adj_close.tolist() == [57.0]


AS_TRADED = """symbol,date,open,high,low,close,adj_close,volume,dividend,split
KO,2024-01-02,400,404,396,400,99,10,0.8,1
KO,2024-01-03,100,101,99,100,99,40,0,4
KO,2024-01-04,101,102,100,101,100,44,0.2,1
"""


def test_as_traded_prices_are_brought_to_shares_of_today(tmp_path):
    bars = daily(write(tmp_path, "traded.csv", AS_TRADED))
    assert bars.close.tolist() == [100, 100, 101]
    assert bars.open.tolist() == [100, 100, 101]
    assert bars.volume.tolist() == [40, 40, 44]
    assert bars.dividend.tolist() == [0.2, 0, 0.2]
    assert bars.split.tolist() == [1, 4, 1]
    assert bars.adj_close.tolist() == [99, 99, 100]
    assert bars.basis is PriceBasis.REAL


def test_prices_that_carry_the_split_already_stay(tmp_path):
    carried = AS_TRADED.replace("400,404,396,400", "100,101,99,100")
    assert daily(write(tmp_path, "carried.csv", carried)).close.tolist() == [100, 100, 101]


def test_prices_that_carry_one_split_of_two_stay_for_the_checks_to_refuse(tmp_path):
    half = AS_TRADED.replace("0.2,1", "0.2,3")
    assert daily(write(tmp_path, "half.csv", half)).close.tolist() == [400, 100, 101]


def test_a_split_written_as_zero_or_left_empty_is_none(tmp_path):
    bars = daily(write(tmp_path, "zero.csv", AS_TRADED.replace("0.8,1", "0.8,0").replace("0.2,1", "0.2,")))
    assert bars.split.tolist() == [1, 4, 1]
    assert bars.close.tolist() == [100, 100, 101]


def test_the_first_file_that_has_the_symbol_in_the_window_serves_it_alone(tmp_path):
    old = write(tmp_path, "old.csv", "symbol,date,close,adj_close\nKO,2020-01-02,1,1\nAAPL,2024-01-02,7,6\n")
    answer = feed(old, write(tmp_path, "long.csv", LONG), write(tmp_path, "wide.csv", WIDE)).daily(
        [KO, AAPL], FIRST, LAST
    )
    assert answer[KO].source == "files:long.csv"
    assert answer[AAPL].source == "files:old.csv"
    assert len(answer[AAPL]) == 1, "two files are never mixed in one series"


def test_the_window_includes_both_ends(tmp_path):
    path = write(tmp_path, "long.csv", LONG)
    day = date(2024, 1, 3)
    assert [str(d) for d in feed(path).daily([KO], day, day)[KO].dates] == ["2024-01-03"]


def test_an_unknown_symbol_is_a_skip_with_a_reason(tmp_path):
    nobody = Instrument("NOBODY", AssetClass.EQUITIES)
    for path in (write(tmp_path, "long.csv", LONG), write(tmp_path, "wide.csv", WIDE)):
        skip = feed(path).daily([nobody], FIRST, LAST)[nobody]
        assert isinstance(skip, Skip)
        assert skip.rule == "no_data"
        assert "no bars from 2024-01-01 to 2024-12-31 in 1 price file" in skip.reason


def test_a_file_is_read_once(tmp_path):
    path = write(tmp_path, "long.csv", LONG)
    files = feed(path)
    before = files.daily([KO], FIRST, LAST)[KO]
    path.unlink()
    assert files.daily([KO], FIRST, LAST)[KO].close.tolist() == before.close.tolist()
    assert isinstance(files.daily([AAPL], FIRST, LAST)[AAPL], Bars), "a long file is read whole"


def test_a_ticker_that_looks_like_something_else_stays_text(tmp_path):
    path = write(tmp_path, "odd.csv", "symbol,date,close\nTRUE,2024-01-02,1\nNA,2024-01-02,2\n")
    for symbol in ("TRUE", "NA"):
        assert len(daily(path, Instrument(symbol, AssetClass.EQUITIES))) == 1


def test_a_damaged_file_costs_only_what_it_alone_holds(tmp_path):
    broken = write(tmp_path, "broken.csv", "symbol,close\nKO,1\n")
    answer = feed(broken, write(tmp_path, "wide.csv", WIDE)).daily([KO, BTC], FIRST, LAST)
    assert answer[KO].source == "files:wide.csv"
    assert "broken.csv: no column 'date'" in answer[BTC].reason


DAMAGED = {
    "no date": ("x.csv", "symbol,close\nKO,1\n", "x.csv: no column 'date' (it has 'symbol', 'close')"),
    "no close": ("x.csv", "symbol,date,open\nKO,2024-01-02,1\n", "no column 'close'"),
    "no symbol": ("x.csv", "date,open,close\n2024-01-02,1,1\n", "a column 'close' but no column 'symbol'"),
    "empty": ("x.csv", "", "no column 'date'"),
    "header twice": ("x.csv", "date,KO,KO\n2024-01-02,1,1\n", "column 'KO' stands there twice"),
    "bad date": (
        "x.csv",
        "symbol,date,close\nKO,2024-01-02,1\nKO,2024-13-02,1\n",
        "row 2: date '2024-13-02' is not a day",
    ),
    "bad date, wide": ("x.csv", "date,KO\n02.01.2024,1\n", "row 1: date '02.01.2024' is not a day"),
    "missing date": ("x.csv", "symbol,date,close\nKO,,1\nKO,2024-01-03,1\n", "row 1 has no date"),
    "text for a price": ("x.csv", "symbol,date,close\nKO,2024-01-02,n.a.!\n", "column 'close' is not numeric"),
    "text for a price, wide": ("x.csv", "date,KO\n2024-01-02,hello\n", "column 'KO' is not numeric"),
    "ragged row": ("x.csv", "symbol,date,close\nKO,2024-01-02\n", "cannot be read to its end"),
    "not parquet": ("x.parquet", "symbol,date,close\n", "not a readable parquet file"),
    "unknown ending": ("x.xlsx", "PK", "the ending '.xlsx' is not known"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_says_in_one_message_what_is_wrong_and_where(tmp_path, case):
    name, text, message = DAMAGED[case]
    with pytest.raises(FeedUnavailable) as caught:
        feed(write(tmp_path, name, text)).daily([KO], FIRST, LAST)
    assert message in str(caught.value)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not caught.value.retryable


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FeedUnavailable, match=r"gone.csv: cannot be opened \(No such file or directory\)"):
        feed(tmp_path / "gone.csv").daily([KO], FIRST, LAST)


def test_a_truncated_parquet_file_is_refused(tmp_path):
    path = as_parquet(tmp_path / "cut.parquet", symbol=["KO"], date=np.array(DAYS[:1], "datetime64[D]"), close=[1.0])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FeedUnavailable, match=r"cut\.parquet"):
        feed(path).daily([KO], FIRST, LAST)


def test_a_row_without_symbol_is_named(tmp_path):
    path = as_parquet(tmp_path / "n.parquet", symbol=["KO", None], date=DAYS[:2], close=[1.0, 2.0])
    with pytest.raises(FeedUnavailable, match="row 2 has no symbol"):
        feed(path).daily([KO], FIRST, LAST)


def test_no_file_at_all_is_a_source_that_does_not_answer():
    with pytest.raises(FeedUnavailable, match=r"feeds\.files\.paths"):
        feed().daily([KO], FIRST, LAST)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("file", "symbol", "kind", "basis"),
    [
        ("equities_daily.parquet", "AAPL", AssetClass.EQUITIES, PriceBasis.ADJUSTED),
        ("equities_wide_adjclose.parquet", "GOOG", AssetClass.EQUITIES, PriceBasis.ADJUSTED),
        ("bonds_daily.parquet", "TLT", AssetClass.BONDS, PriceBasis.REAL),
        ("bonds_adjclose_wide.csv", "MUB", AssetClass.BONDS, PriceBasis.ADJUSTED),
        ("crypto_daily.parquet", "BTC-USD", AssetClass.CRYPTO, PriceBasis.REAL),
        ("as_traded_daily.parquet", "AAPL", AssetClass.EQUITIES, PriceBasis.REAL),
    ],
)
def test_real_files_are_understood(shared, file, symbol, kind, basis):
    instrument = Instrument(symbol, kind)
    bars = feed(shared / "data" / file).daily([instrument], date(2005, 1, 1), date(2025, 12, 31))[instrument]
    assert isinstance(bars, Bars)
    assert bars.basis is basis
    assert len(bars) > 3000
    assert np.nanmax(np.abs(np.diff(np.log(bars.close)))) < 0.6, "no split is left in the closes"


def test_a_wide_column_without_any_price_is_no_series(tmp_path):
    path = write(tmp_path, "wide.csv", "date,KO,GONE\n2024-01-02,57,\n2024-01-03,58,\n")
    gone = Instrument("GONE", AssetClass.EQUITIES)
    answer = feed(path).daily([KO, gone], FIRST, LAST)
    assert len(answer[KO]) == 2
    assert answer[gone].rule == "no_data"


def test_a_wide_file_is_asked_again_for_symbols_not_read_yet(tmp_path):
    files = feed(write(tmp_path, "wide.csv", WIDE))
    assert files.daily([KO], FIRST, LAST)[KO].close[0] == 57.0
    assert files.daily([AAPL], FIRST, LAST)[AAPL].close[0] == 180.0


def test_as_traded_closes_alone_are_enough(tmp_path):
    rows = "symbol,date,close,split\nKO,2024-01-02,400,1\nKO,2024-01-03,100,4\n"
    bars = daily(write(tmp_path, "short.csv", rows))
    assert bars.close.tolist() == bars.open.tolist() == [100, 100]
    assert bars.basis is PriceBasis.REAL


def test_a_day_without_price_on_the_split_does_not_decide_the_basis(tmp_path):
    unknown = AS_TRADED.replace("100,101,99,100,99,40", "100,101,99,,99,40")
    assert daily(write(tmp_path, "gap.csv", unknown)).close[0] == 100


def test_a_date_that_is_not_text_either_is_named(tmp_path):
    path = as_parquet(tmp_path / "n.parquet", symbol=["KO"], date=[20240102], close=[1.0])
    with pytest.raises(FeedUnavailable, match="row 1: date '20240102' is not a day"):
        feed(path).daily([KO], FIRST, LAST)


def test_dates_written_as_text_are_read(tmp_path):
    path = as_parquet(tmp_path / "t.parquet", symbol=["KO"], date=["2024-01-02 00:00:00"], close=[1.0])
    assert str(daily(path).dates[0]) == "2024-01-02"
