"""Which instruments a session considers: a list, the heaviest of an index, or a file.

Entry points: `load_universe`, `read_symbol_file`, `plain_symbol`.
Invariants: each instrument once; what was listed and is not taken has a `Skip`; index weights are fractions of the
whole index, so that those of the heaviest N sum to less than one.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import NamedTuple, Protocol

from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.ports import ConstituentSource
from robotrading.domain.skip import Skip

STEP = "universe"
INDEX = "sp500"
_SYMBOL_COLUMNS = ("symbol", "ticker")
_NAME_COLUMNS = ("company", "security", "name")
_SHAPE = re.compile(r"\^?[A-Z0-9]{1,10}([-.=][A-Z0-9]{1,6})?")
_LOST_SEPARATOR = {"BRKA": "BRK-A", "BRKB": "BRK-B", "BFA": "BF-A", "BFB": "BF-B"}
"""Share classes that fund holdings files write without a separator, and that no other share is called."""

Universe = tuple[tuple[Instrument, ...], Mapping[Instrument, Decimal] | None, tuple[Skip, ...]]


class UniverseChoice(Protocol):
    """What the session's `UniverseSettings` offers; adapters do not import the session."""

    @property
    def kind(self) -> str: ...
    @property
    def symbols(self) -> tuple[str, ...]: ...
    @property
    def file(self) -> str: ...
    @property
    def top(self) -> int: ...
    @property
    def exchange(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def tick(self) -> Decimal: ...
    @property
    def lot(self) -> Decimal: ...
    @property
    def min_quantity(self) -> Decimal: ...


class Listed(NamedTuple):
    """One row of a list; `weight` is a fraction, None where the list has none."""

    symbol: str
    name: str
    weight: Decimal | None


def load_universe(choice: UniverseChoice, kind: AssetClass, source: ConstituentSource | None) -> Universe:
    """The instruments, heaviest first where weights are known; their weights, or None; what was left out.

    Raises `ConfigError` when the choice cannot be followed at all, `FeedUnavailable` when the index cannot be had.
    """
    listed, skips = _listed(choice, source)
    taken, refused = _sift(listed)
    taken = _heaviest(taken, choice.top)
    if not taken:
        raise ConfigError(
            f"the {kind} universe is empty: {choice.kind} gave no usable symbol"
            + "".join(f"; {skip}" for skip in refused[:3])
        )
    instruments = {_instrument(row, choice, kind): row.weight for row in taken}
    weights = {instrument: weight for instrument, weight in instruments.items() if weight is not None}
    return tuple(instruments), weights if len(weights) == len(instruments) else None, (*skips, *refused)


def plain_symbol(text: str) -> str:
    """As Yahoo writes it: `brk.b`, `BRK/B` and `BRKB` are `BRK-B`; an exchange suffix (`6309.T`) is kept."""
    symbol = text.strip().upper().replace("/", "-")
    base, dot, suffix = symbol.rpartition(".")
    if dot and suffix in ("A", "B", "C") and base.isalpha():
        symbol = f"{base}-{suffix}"
    return _LOST_SEPARATOR.get(symbol, symbol)


def read_symbol_file(path: Path) -> tuple[tuple[Listed, ...], tuple[Skip, ...]]:
    """Rows of a CSV with a column `symbol` or `ticker`, optionally `weight` or `weight_pct`, `company`, `end_date`.

    Rows with an `end_date` are former members and left out. Raises `ConfigError` naming what is missing.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [{(key or "").strip().lower(): value or "" for key, value in row.items() if key is not None}
                    for row in csv.DictReader(file)]  # fmt: skip
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"universe file {path} cannot be read: {error}") from error
    columns = list(rows[0]) if rows else []
    symbol = next((name for name in _SYMBOL_COLUMNS if name in columns), None)
    if symbol is None:
        raise ConfigError(
            f"universe file {path} has no rows with a column {' or '.join(_SYMBOL_COLUMNS)}; "
            f"it has: {', '.join(columns) or 'nothing'}"
        )
    name = next((name for name in _NAME_COLUMNS if name in columns), "")
    current = [row for row in rows if not row.get("end_date", "").strip()]
    weights = _weights(current, columns, path)
    listed = tuple(
        Listed(row[symbol], row.get(name, "").strip(), weight) for row, weight in zip(current, weights, strict=True)
    )
    former = len(rows) - len(current)
    note = Skip(path.name, STEP, f"{former} former members (rows with an end_date) are left out", "former_members")
    return listed, (note,) if former else ()


def _listed(choice: UniverseChoice, source: ConstituentSource | None) -> tuple[Sequence[Listed], tuple[Skip, ...]]:
    if choice.kind == "list":
        return [Listed(symbol, "", None) for symbol in choice.symbols], ()
    if choice.kind == "file":
        if not choice.file:
            raise ConfigError("universe.kind is file, but universe.file is empty; name a CSV file")
        return read_symbol_file(Path(choice.file))
    if choice.kind != INDEX:
        raise ConfigError(f"universe.kind is {choice.kind!r}; allowed are list, {INDEX}, file")
    if source is None:
        raise ConfigError(f"universe.kind is {INDEX}, but no source of index members is set up")
    return [Listed(member.symbol, member.name, member.weight) for member in source.constituents(INDEX)], ()


def _sift(listed: Iterable[Listed]) -> tuple[list[Listed], tuple[Skip, ...]]:
    """Rows whose symbol can be one, each once, and a skip for every other."""
    taken: dict[str, Listed] = {}
    skips = []
    for row in listed:
        symbol = plain_symbol(row.symbol)
        if not _SHAPE.fullmatch(symbol):
            skips.append(Skip(row.symbol or "(empty)", STEP, f"{row.symbol!r} cannot be a symbol", "symbol"))
        elif symbol in taken:
            skips.append(Skip(symbol, STEP, "it is listed more than once; the first row counts", "duplicate"))
        else:
            taken[symbol] = row._replace(symbol=symbol)
    return list(taken.values()), tuple(skips)


def _heaviest(rows: list[Listed], top: int) -> list[Listed]:
    """Heaviest first; rows without weights stay in their order behind them."""
    ordered = sorted(rows, key=lambda row: -(row.weight or Decimal(0)))
    return ordered[:top] if top else ordered


def _instrument(row: Listed, choice: UniverseChoice, kind: AssetClass) -> Instrument:
    return Instrument(
        symbol=row.symbol,
        asset_class=kind,
        exchange=choice.exchange,
        currency=choice.currency,
        tick=choice.tick,
        lot=choice.lot,
        min_quantity=choice.min_quantity,
        name=row.name,
    )


def _weights(rows: Sequence[Mapping[str, str]], columns: Sequence[str], path: Path) -> list[Decimal | None]:
    """Fractions. `weight_pct` is percent; `weight` is percent when it sums to more than 1.5, a fraction otherwise."""
    column = next((name for name in ("weight_pct", "weight") if name in columns), None)
    if column is None:
        return [None] * len(rows)
    values = [_number(row[column], column, path) for row in rows]
    total = sum((value for value in values if value is not None), Decimal(0))
    if column == "weight" and total <= Decimal("1.5"):
        return values
    return [None if value is None else value / 100 for value in values]


def _number(text: str, column: str, path: Path) -> Decimal | None:
    bare = text.strip().rstrip("%").replace(",", "")
    if not bare:
        return None
    try:
        value = Decimal(bare)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0:
        raise ConfigError(f"universe file {path}: {column} is {text!r}; it must be a number of at least 0")
    return value
