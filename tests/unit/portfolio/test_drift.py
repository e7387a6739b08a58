"""What moved between the showing of a plan and its running."""

from __future__ import annotations

from decimal import Decimal

import pytest

from robotrading.domain.skip import Skip
from robotrading.portfolio.drift import moved
from robotrading.portfolio.plan import make_plan
from tests.unit.portfolio.plan_worlds import D, inputs, quote, settings, stock

A, B = stock("A"), stock("B")
PLAN = make_plan(inputs({A: "0.4", B: "0.1"}, {A: "100", B: "50"}, {B: "200"}), settings())
QUOTES = {A: quote(A, "100"), B: quote(B, "50")}
OWNED = {B: D(200)}
TOLERANCE = D("0.01")


def test_an_unchanged_world_has_not_moved() -> None:
    assert moved(PLAN, QUOTES, OWNED, TOLERANCE) == ()


@pytest.mark.parametrize(("price", "count"), [("101", 0), ("99", 0), ("101.01", 1), ("98.99", 1)])
def test_a_price_has_moved_when_it_is_past_the_tolerance(price: str, count: int) -> None:
    assert len(moved(PLAN, QUOTES | {A: quote(A, price)}, OWNED, TOLERANCE)) == count


def test_the_price_of_what_is_not_traded_may_move() -> None:
    assert moved(PLAN, QUOTES | {B: quote(B, "80")}, OWNED, TOLERANCE) == ()


def test_the_sentences_name_then_and_now() -> None:
    found = moved(PLAN, {A: quote(A, "105"), B: QUOTES[B]}, {B: D(150)}, TOLERANCE)
    assert found == (
        "A: planned at 100, now 105 (5.0 %, tolerance 1.0 %)",
        "B: planned with 200 owned, now it is 150",
    )


def test_a_price_that_is_gone_has_moved() -> None:
    gone = moved(PLAN, {A: Skip("A", "quotes", "no permission")}, OWNED, TOLERANCE)
    assert gone == ("A: planned at 100, and there is no price now (no permission)",)
    assert moved(PLAN, {}, OWNED, TOLERANCE) == ("A: planned at 100, and there is no price now",)


@pytest.mark.parametrize("owned", [{}, {B: D(200), A: D(1)}, {B: D(200), stock("X"): D(1)}])
def test_any_difference_in_what_is_owned_counts(owned: dict[object, Decimal]) -> None:
    assert len(moved(PLAN, QUOTES, owned, TOLERANCE)) == 1


def test_differences_are_told_in_the_order_of_their_names() -> None:
    found = moved(PLAN, QUOTES, {stock("X"): D(1), B: D(3), A: D(1)}, TOLERANCE)
    assert [sentence.partition(":")[0] for sentence in found] == ["A", "B", "X"]
