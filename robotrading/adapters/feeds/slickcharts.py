"""Members and weights of the S&P 500 from Slickcharts' public page.

Entry points: `Slickcharts` (a `ConstituentSource`), `parse_page`, `refuse_implausible`, `yahoo_symbol`.
Invariants: what is returned has a plausible number of members, each once, each with a positive weight, and weights
that sum to about one; anything else is an error that names the broken rule, never a shorter list.
The page has no contract. Two layouts were seen: weights as `7.05%` and as `6.692214`, both in percent; columns `#` or
`Rank`, `Company`, `Symbol`, `Weight` and more behind them. Columns are found by their heading, not by their place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from robotrading.adapters.feeds.http import HttpClient
from robotrading.adapters.feeds.settings import SlickchartsSettings
from robotrading.adapters.resilience import Policy, ServiceError
from robotrading.domain.market import Constituent

if TYPE_CHECKING:
    from bs4 import Tag

INDEX = "sp500"
MEMBERS = (400, 520)
WEIGHT_SUM = (Decimal("0.95"), Decimal("1.05"))
_WANTED = ("company", "symbol", "weight")
Rule = tuple[str, Callable[[Sequence[Constituent]], str]]


def yahoo_symbol(text: str) -> str:
    """`BRK.B` and `brk/b` as Yahoo writes them, `BRK-B`."""
    return text.strip().upper().replace(".", "-").replace("/", "-")


class Slickcharts:
    """Asks the page through the policy; the list's memory is somebody else's."""

    def __init__(self, settings: SlickchartsSettings, policy: Policy, http: HttpClient | None = None) -> None:
        self._settings = settings
        self._policy = policy
        self._http = http or HttpClient("Slickcharts", policy.clock, max_bytes=8 * 1024 * 1024)

    @property
    def name(self) -> str:
        return "slickcharts"

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def constituents(self, index: str) -> tuple[Constituent, ...]:
        """Heaviest first. Raises `FeedUnavailable` (as `ServiceError`) when the page cannot be had or believed."""
        if index != INDEX:
            raise ServiceError(
                f"Slickcharts is asked for {INDEX!r} only, not for {index!r}", rule="unknown_index", retryable=False
            )
        return self._policy.call(self._fetch)

    def _fetch(self, seconds: float) -> tuple[Constituent, ...]:
        found = parse_page(self._http.get(self._settings.url, seconds).text)
        refuse_implausible(found)
        return tuple(sorted(found, key=lambda member: (-member.weight, member.symbol)))


def parse_page(html: str) -> tuple[Constituent, ...]:
    """The rows of the page's first table, in its order. Raises `ServiceError` naming what could not be read."""
    from bs4 import BeautifulSoup, Tag  # noqa: PLC0415  a quarter of a second, wanted once a day

    table = BeautifulSoup(html, "html.parser").find("table")
    if not isinstance(table, Tag):
        raise _changed("no_table", "there is no table on it")
    heading, *rows = [_cells(row) for row in table.find_all("tr")] or [()]
    places = _places(heading)
    return tuple(_member(cells, places) for cells in rows if cells)


def refuse_implausible(members: Sequence[Constituent]) -> None:
    """Raise `ServiceError` with the name of the first rule that the list breaks."""
    for rule, complaint in _RULES:
        if text := complaint(members):
            raise ServiceError(
                f"the list of {INDEX} members is not believed: {text}; the last good list stands",
                rule=rule,
                retryable=False,
            )


def _cells(row: Tag) -> tuple[str, ...]:
    return tuple(" ".join(cell.get_text(" ").split()) for cell in row.find_all(["td", "th"]))


def _places(headings: Iterable[str]) -> Mapping[str, int]:
    places = {heading.lower(): place for place, heading in enumerate(headings)}
    missing = [name for name in _WANTED if name not in places]
    if missing:
        raise _changed("headings", f"its first table has no column {', '.join(missing)} (it has: {', '.join(places)})")
    return places


def _member(cells: Sequence[str], places: Mapping[str, int]) -> Constituent:
    try:
        company, symbol, weight = (cells[places[name]] for name in _WANTED)
        percent = Decimal(weight.rstrip("%").replace(",", "").strip())
    except (IndexError, InvalidOperation):
        raise _changed("row", f"this row cannot be read: {' | '.join(cells)[:120]}") from None
    return Constituent(symbol=yahoo_symbol(symbol), name=company, weight=percent / 100)


def _changed(rule: str, what: str) -> ServiceError:
    return ServiceError(f"the Slickcharts page has changed: {what}", rule=rule, retryable=False)


def _wrong_count(members: Sequence[Constituent]) -> str:
    low, high = MEMBERS
    return "" if low <= len(members) <= high else f"it has {len(members)} rows, plausible are {low} to {high}"


def _empty_symbol(members: Sequence[Constituent]) -> str:
    nameless = [member.name for member in members if not member.symbol]
    return f"no symbol for {', '.join(nameless[:5])}" if nameless else ""


def _duplicates(members: Sequence[Constituent]) -> str:
    twice = [symbol for symbol, count in Counter(member.symbol for member in members).items() if count > 1]
    return f"listed more than once: {', '.join(twice[:5])}" if twice else ""


def _bad_weight(members: Sequence[Constituent]) -> str:
    bad = [f"{m.symbol} {m.weight}" for m in members if not m.weight.is_finite() or m.weight <= 0]
    return f"weights must be positive: {', '.join(bad[:5])}" if bad else ""


def _wrong_sum(members: Sequence[Constituent]) -> str:
    low, high = WEIGHT_SUM
    total = sum((member.weight for member in members), Decimal(0))
    return "" if low <= total <= high else f"the weights sum to {total:.4f}, plausible is {low} to {high}"


_RULES: tuple[Rule, ...] = (
    ("member_count", _wrong_count),
    ("empty_symbol", _empty_symbol),
    ("duplicates", _duplicates),
    ("positive_weights", _bad_weight),
    ("weight_sum", _wrong_sum),
)
