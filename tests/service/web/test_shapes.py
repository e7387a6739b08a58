"""The curve, durations, times and folded lists, alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.instrument import AssetClass
from robotrading.service.facts import EquityPoint
from robotrading.service.web.curve import HEIGHT, WIDTH, curve, thinned
from robotrading.service.web.tables import table
from robotrading.service.web.words import exchange_time, from_now, pieces, size, span, utc

START = datetime(2025, 3, 7, 21, 0, tzinfo=UTC)
values = st.lists(st.decimals(min_value=1, max_value=10**9, places=2), min_size=2, max_size=600)


def points(amounts) -> tuple[EquityPoint, ...]:
    return tuple(EquityPoint(START + timedelta(hours=index), amount) for index, amount in enumerate(amounts))


@given(values)
def test_a_curve_lies_in_its_box_and_goes_from_edge_to_edge(amounts: list[Decimal]) -> None:
    drawn = curve(points(amounts))
    places = [tuple(map(float, pair)) for pair in re.findall(r"(-?[\d.]+) (-?[\d.]+)", drawn.line)]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    assert (places[0][0], places[-1][0]) == (0, WIDTH)
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert (drawn.lowest, drawn.highest) == (min(amounts), max(amounts))


@given(values)
def test_drawdown_is_the_largest_fall_from_any_earlier_value(amounts: list[Decimal]) -> None:
    """An oracle that looks at every pair."""
    some = amounts[:60]
    worst = max(1 - float(later / before) for index, before in enumerate(some) for later in some[index:])
    assert curve(points(some)).deepest == pytest.approx(worst, abs=1e-12)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=2000), st.integers(2, 200))
def test_thinning_keeps_the_ends_and_the_extremes(amounts: list[float], most: int) -> None:
    chosen = thinned(amounts, most)
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= most + 2
    assert {0, len(amounts) - 1} <= set(chosen)
    assert {min(amounts), max(amounts)} <= {amounts[index] for index in chosen}


def test_a_value_that_never_moves_is_a_line_in_the_middle() -> None:
    drawn = curve(points([Decimal(5)] * 3))
    assert drawn.line == f"M0.0 {HEIGHT / 2}L{WIDTH / 2} {HEIGHT / 2}L{WIDTH} {HEIGHT / 2}"
    assert drawn.deepest == 0


@pytest.mark.parametrize("amounts", [[], [Decimal(1)], [Decimal("NaN"), Decimal(1)]])
def test_fewer_than_two_values_are_no_curve(amounts: list[Decimal]) -> None:
    assert curve(points(amounts)) is None


def test_two_values_of_one_instant_are_no_curve() -> None:
    assert curve([EquityPoint(START, Decimal(1)), EquityPoint(START, Decimal(2))]) is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (7500, "2 h 05"),
        (172_799, "47 h 59"),
        (172_800, "2 days"),
    ],
)
def test_durations_are_as_fine_as_it_matters(seconds: float, words: str) -> None:
    assert span(seconds).replace("\N{NO-BREAK SPACE}", " ") == words


def test_now_before_and_after() -> None:
    assert from_now(START, START) == "now"
    assert from_now(START + timedelta(hours=1), START).startswith("in 1")
    assert from_now(START - timedelta(hours=1), START).endswith("ago")


def test_exchange_times_follow_daylight_saving_and_crypto_is_utc() -> None:
    assert exchange_time(START, AssetClass.EQUITIES) == "Fri 7 Mar 16:00 New York (21:00 UTC)"
    assert exchange_time(START + timedelta(days=3), AssetClass.BONDS) == "Mon 10 Mar 17:00 New York (21:00 UTC)"
    assert (
        exchange_time(START + timedelta(hours=5), AssetClass.EQUITIES)
        == "Fri 7 Mar 21:00 New York (02:00 UTC next day)"
    )
    assert exchange_time(START, AssetClass.CRYPTO) == utc(START) == "Fri 7 Mar 21:00 UTC"


def test_commands_in_sentences_are_found_and_a_lone_backtick_is_text() -> None:
    assert [(one.text, one.code) for one in pieces("say `robotrading resume` now")] == [
        ("say ", False),
        ("robotrading resume", True),
        (" now", False),
    ]
    assert [(one.text, one.code) for one in pieces("a ` b")] == [("a ` b", False)]
    assert pieces("") == () or pieces("")[0].text == ""


def test_sizes() -> None:
    assert [size(one) for one in (None, 1200, 18_400_000, 61 * 10**9)] == ["unknown", "1 kB", "18.4 MB", "61 GB"]


@given(st.integers(0, 700))
def test_every_row_is_shown_folded_or_counted(count: int) -> None:
    made = table(list(range(count)), int)
    assert made.total == count
    assert list(made.shown + made.folded) == list(range(count - made.hidden))
    assert len(made.shown) <= 12
    assert len(made.folded) <= 140
