"""Laws of the gateway's times: three spellings, one instant."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.adapters.ibkr.times import require_zones, to_utc
from robotrading.domain.errors import ConfigError

MOMENT = datetime(2026, 7, 1, 13, 30, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "20260701 09:30:05 US/Eastern",
        "20260701-13:30:05",
        "20260701  09:30:05",
        "20260701 15:30:05 Europe/Amsterdam",
        str(int(MOMENT.timestamp())),
    ],
)
def test_every_spelling_is_the_same_instant(text: str) -> None:
    assert to_utc(text, "America/New_York") == MOMENT


@given(st.datetimes(min_value=datetime(2001, 9, 10), max_value=datetime(2100, 1, 1)))
def test_the_form_with_a_dash_is_utc_wherever_the_computer_stands(moment: datetime) -> None:
    instant = moment.replace(microsecond=0, tzinfo=UTC)
    assert to_utc(f"{instant:%Y%m%d-%H:%M:%S}", "Asia/Tokyo") == instant


@pytest.mark.parametrize("text", ["", "yesterday", "20260701", "20261301 09:30:05 US/Eastern"])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        to_utc(text, "UTC")


def test_an_unknown_zone_says_what_to_install() -> None:
    with pytest.raises(ValueError, match="tzdata"):
        to_utc("20260701 09:30:05 Mars/Olympus", "UTC")
    with pytest.raises(ConfigError, match="tzdata"):
        require_zones("Mars/Olympus")
    require_zones("UTC")
