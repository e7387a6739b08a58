"""Reads price files: CSV or Parquet, long (one row per symbol and day) or wide (one adjusted close column per symbol).

Entry points: `PriceFile` (a file, read once, column by column), `Columns` (one symbol's arrays), `DamagedFile`.
Invariants: nothing is filled, sorted or corrected, so that the checks see what is really there, with two exceptions: a
series written newest first is turned round, and as-traded prices are brought to shares of today. Neither is a defect.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from robotrading.domain.market import Days, Floats

LONG_COLUMNS = ("open", "high", "low", "close", "adj_close", "volume", "dividend", "split")
CLEAR_SPLIT = 0.18
"""Least |log ratio| of a split (about 6:5) whose mark in the prices can be told from an ordinary day."""


class DamagedFile(Exception):
    """A file that cannot be used as a whole; the text names the file, the place, the value and what is expected."""


@dataclass(frozen=True, slots=True)
class Columns:
    """One symbol's rows in a file: `dates` shape (n,), `values` by column name, each shape (n,), NaN where empty.

    `real` tells that `close` was paid on the day (in shares of today); otherwise only returns can be trusted.
    """

    dates: Days
    values: Mapping[str, Floats]
    real: bool


class PriceFile:
    """A price file; raises `DamagedFile` from `columns`, always the same way."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._schema: tuple[str, ...] | None = None
        self._known: dict[str, Columns | None] = {}
        self._complete = False

    @property
    def name(self) -> str:
        return self.path.name

    def columns(self, symbols: Iterable[str]) -> dict[str, Columns]:
        """What the file holds of these symbols; what was read once is remembered."""
        wanted = [symbol for symbol in symbols if symbol not in self._known]
        if wanted and not self._complete:
            self._known.update(dict.fromkeys(wanted), **self._read(wanted))
        return {symbol: found for symbol in symbols if (found := self._known.get(symbol)) is not None}

    def _read(self, wanted: list[str]) -> dict[str, Columns]:
        """All of a long file at once, or the wanted columns of a wide one."""
        names = self._names()
        by_lower = {name.lower(): name for name in names}
        if "date" not in by_lower:
            raise DamagedFile(f"{self.name}: no column 'date' (it has {_some(names)}); each row needs its trading day")
        if "symbol" not in by_lower:
            return self._read_wide(names, by_lower, wanted)
        if "close" not in by_lower:
            raise DamagedFile(f"{self.name}: no column 'close' (it has {_some(names)}); the long layout needs it")
        labels = [label for label in ("symbol", "date", *LONG_COLUMNS) if label in by_lower]
        table = _table(self.path, [by_lower[label] for label in labels], text=by_lower["symbol"])
        found = _long(self.name, table.rename_columns(labels))
        self._complete = True
        return found

    def _read_wide(self, names: tuple[str, ...], by_lower: Mapping[str, str], wanted: list[str]) -> dict[str, Columns]:
        if "close" in by_lower:
            raise DamagedFile(
                f"{self.name}: a column 'close' but no column 'symbol' (it has {_some(names)}); "
                "add the symbol of each row"
            )
        present = [symbol for symbol in wanted if symbol in names]
        if not present:
            return {}
        table = _table(self.path, [by_lower["date"], *present])
        dates = _dates(self.name, table.column(0))
        return {
            symbol: trimmed
            for number, symbol in enumerate(present, start=1)
            if (trimmed := _listed(dates, _floats(self.name, symbol, table.column(number)))) is not None
        }

    def _names(self) -> tuple[str, ...]:
        if self._schema is None:
            names = _header(self.path)
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise DamagedFile(f"{self.name}: column {_some(sorted(twice))} stands there twice; keep one of them")
            self._schema = tuple(names)
        return self._schema


def _some(names: Iterable[str], limit: int = 8) -> str:
    listed = list(names)
    return ", ".join(repr(name) for name in listed[:limit]) + (
        f" and {len(listed) - limit} more" if len(listed) > limit else ""
    )


def _header(path: Path) -> list[str]:
    import pyarrow as pa  # noqa: PLC0415  heavy
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        if path.suffix.lower() == ".parquet":
            return list(pq.read_schema(path).names)
        if path.suffix.lower() == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as lines:
                return next(csv.reader(lines), [])
    except OSError as error:
        raise DamagedFile(
            f"{path.name}: cannot be opened ({error.strerror or error}); check the path {path}"
        ) from error
    except (pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise DamagedFile(f"{path.name}: not a readable {path.suffix[1:]} file ({_first_line(error)})") from error
    raise DamagedFile(f"{path.name}: the ending {path.suffix!r} is not known; give a .csv or a .parquet file")


def _table(path: Path, columns: list[str], *, text: str = "") -> Any:
    """The chosen columns in this order; `text` names the one that must not be guessed to be a number or empty."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.csv as pacsv  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        if path.suffix.lower() == ".parquet":
            return pq.read_table(path, columns=columns).select(columns)
        options = pacsv.ConvertOptions(include_columns=columns, column_types={text: pa.string()} if text else {})
        return pacsv.read_csv(path, convert_options=options)
    except (OSError, pa.ArrowException) as error:
        raise DamagedFile(
            f"{path.name}: cannot be read to its end ({_first_line(error)}); fetch the file again"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:200]


def _dates(name: str, column: Any) -> Days:
    """Trading days as the file writes them; an instant with a zone counts by its own zone's date."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    if column.null_count:
        row = pc.index(pc.is_null(column), value=True).as_py()
        raise DamagedFile(f"{name}: row {row + 1} has no date; each row needs its trading day as YYYY-MM-DD")
    if pa.types.is_timestamp(column.type) and column.type.tz:
        column = pc.local_timestamp(column)
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        column = _parsed_dates(name, column)
    return column.to_numpy().astype("datetime64[D]")  # type: ignore[no-any-return]


def _parsed_dates(name: str, column: Any) -> Any:
    import pyarrow.compute as pc  # noqa: PLC0415

    texts = pc.utf8_slice_codeunits(column.cast("string"), 0, 10)
    days = pc.strptime(texts, format="%Y-%m-%d", unit="s", error_is_null=True)
    if days.null_count:
        row = pc.index(pc.is_null(days), value=True).as_py()
        raise DamagedFile(f"{name}: row {row + 1}: date {str(column[row])!r} is not a day written as YYYY-MM-DD")
    return days


def _floats(name: str, label: str, column: Any) -> Floats:
    """Float64 with NaN for empty cells; a cell that is not a number damages the file."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.compute as pc  # noqa: PLC0415

    try:
        return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DamagedFile(f"{name}: column {label!r} is not numeric ({_first_line(error)})") from error


def _listed(dates: Days, close: Floats) -> Columns | None:
    """A wide column from its first to its last price: a symbol is not missing on days before it was listed."""
    present = np.flatnonzero(~np.isnan(close))
    if not len(present):
        return None
    rows = slice(present[0], present[-1] + 1)
    return _oldest_first(Columns(dates[rows], {"close": close[rows]}, real=False))


def _oldest_first(columns: Columns) -> Columns:
    """A series written newest first is turned round: that is an order. Any other disorder stays for the checks."""
    if len(columns.dates) < 2 or not np.all(columns.dates[1:] < columns.dates[:-1]):
        return columns
    values = {label: column[::-1] for label, column in columns.values.items()}
    return Columns(columns.dates[::-1], values, columns.real)


def _long(name: str, table: Any) -> dict[str, Columns]:
    """Each symbol's rows in the file's order, whichever way the file is sorted."""
    import pyarrow.compute as pc  # noqa: PLC0415

    if table.column("symbol").null_count:
        row = pc.index(pc.is_null(table.column("symbol")), value=True).as_py()
        raise DamagedFile(f"{name}: row {row + 1} has no symbol")
    dates = _dates(name, table.column("date"))
    values = {label: _floats(name, label, table.column(label)) for label in table.column_names[2:]}
    real = _has_real_close(values)
    encoded = pc.dictionary_encode(table.column("symbol").combine_chunks())
    codes = encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    bounds = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    in_order = bool(np.all(order[1:] > order[:-1]))
    found = {}
    for number, symbol in enumerate(encoded.dictionary.to_pylist()):
        span = slice(bounds[number], bounds[number + 1])
        rows = span if in_order else order[span]
        series = Columns(dates[rows], {label: column[rows] for label, column in values.items()}, real)
        found[symbol] = _in_shares_of_today(_oldest_first(series))
    return found


def _has_real_close(values: Mapping[str, Floats]) -> bool:
    """Whether close and adj_close are two different things in this file.

    Without adj_close, or where every close equals it, nothing tells what was paid: the closes may be adjusted ones.
    """
    if "adj_close" not in values:
        return False
    return not np.array_equal(values["close"], values["adj_close"], equal_nan=True)


def _in_shares_of_today(columns: Columns) -> Columns:
    """As-traded prices divided by the product of all later splits; prices that carry the splits already stay."""
    if "split" not in columns.values:
        return columns
    raw = columns.values["split"]
    ratio = np.where(np.isnan(raw) | (raw <= 0), 1.0, raw)
    values = {**columns.values, "split": ratio}
    if not _as_traded(columns.values["close"], ratio, otherwise=columns.real):
        return Columns(columns.dates, values, columns.real)
    later = np.append(np.cumprod(ratio[::-1])[::-1][1:], 1.0)
    for label in ("open", "high", "low", "close", "dividend"):
        if label in values:
            values[label] = values[label] / later
    if "volume" in values:
        values["volume"] = values["volume"] * later
    return Columns(columns.dates, values, real=True)


def _as_traded(close: Floats, ratio: Floats, *, otherwise: bool) -> bool:
    """Whether closes fall by the ratio on every split day that is large enough to show; `otherwise` where none is.

    Where some do and some do not, the series stays as it is and the checks refuse it.
    """
    days = np.flatnonzero(np.abs(np.log(ratio)) >= CLEAR_SPLIT)
    days = days[days > 0]
    with np.errstate(invalid="ignore", divide="ignore"):
        move = np.log(close[days] / close[days - 1])
    known = np.isfinite(move)
    marked = np.abs(move + np.log(ratio[days])) < np.abs(move)
    return bool(marked[known].all()) if known.any() else otherwise
