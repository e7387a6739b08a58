"""The protocol's lowest layer: frames, fields, versions, windows of history. Pure."""

from __future__ import annotations

import asyncio
import struct
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.sim.gateway.history import HistoryPacing, parse_window
from robotrading.sim.gateway.wire import (
    MAX_VERSION,
    UNSET_DOUBLE,
    UNSET_INTEGER,
    Fields,
    MalformedMessage,
    frame,
    negotiate,
    parse_versions,
    read_frame,
    split,
    text,
)

PLAIN = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
ZONE = ZoneInfo("US/Eastern")
NOON = datetime(2025, 9, 26, 16, 0, tzinfo=UTC)


@given(st.lists(PLAIN, min_size=1).filter(lambda fields: fields != [""]))
def test_fields_come_back_as_they_went(fields):
    assert split(frame([*fields, "end"])[4:]) == [*fields, "end"]


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=8))
def test_decimals_travel_exactly_and_without_exponent(value):
    written = text(value)
    assert "E" not in written
    assert Fields([written]).number() == value


def test_every_kind_of_field_has_its_spelling():
    assert [text(value) for value in (None, True, False, 7, 0.5, Decimal("1E+3"), "x")] == [
        "",
        "1",
        "0",
        "7",
        "0.5",
        "1000",
        "x",
    ]


@given(st.lists(st.text(max_size=30), max_size=6))
def test_reading_fields_raises_nothing_but_malformed_message(values):
    for read in (Fields.text, Fields.integer, Fields.number, Fields.flag, Fields.pairs, Fields.count):
        fields = Fields(values)
        try:
            for _ in range(7):
                read(fields)
        except MalformedMessage:
            pass
        else:
            pytest.fail("seven fields were read from six")


@pytest.mark.parametrize("value", ["", UNSET_DOUBLE])
def test_unset_numbers_are_none(value):
    assert Fields([value]).number() is None


@pytest.mark.parametrize("value", ["", UNSET_INTEGER])
def test_unset_integers_take_the_default(value):
    assert Fields([value]).integer(5) == 5


@pytest.mark.parametrize("value", ["nan", "inf", "1e11", "1e-12", "0x10", "1" * 50, "one"])
def test_numbers_that_would_do_harm_are_malformed(value):
    with pytest.raises(MalformedMessage, match="expected a number"):
        Fields([value]).number()


@pytest.mark.parametrize(
    "payload, versions",
    [(b"v157..176", (157, 176)), (b"v157..178 +PACEAPI", (157, 178)), (b"v100", (100, 100))],
)
def test_versions_are_read(payload, versions):
    assert parse_versions(payload) == versions


@given(st.binary(max_size=30))
def test_a_first_frame_is_versions_or_malformed(payload):
    try:
        low, high = parse_versions(payload)
    except MalformedMessage:
        return
    assert low >= 0
    assert high >= 0


def test_the_highest_common_version_is_spoken():
    assert negotiate(157, 176) == 176
    assert negotiate(157, 999) == MAX_VERSION
    for low, high in ((100, 150), (179, 190)):
        with pytest.raises(MalformedMessage, match="served are"):
            negotiate(low, high)


async def test_a_frame_over_the_bound_is_refused_before_it_is_read():
    reader = asyncio.StreamReader()
    reader.feed_data(struct.pack(">I", 101))
    with pytest.raises(MalformedMessage, match="101 bytes was announced; at most 100"):
        await read_frame(reader, 100)


@pytest.mark.parametrize(
    "end, duration, first, last, count",
    [
        ("", "5 D", None, date(2025, 9, 26), 5),
        ("", "86401 S", None, date(2025, 9, 26), 2),
        ("", "2 W", date(2025, 9, 13), date(2025, 9, 26), None),
        ("20250331 12:00:00 UTC", "1 M", date(2025, 3, 1), date(2025, 3, 31), None),
        ("20240229", "1 Y", date(2023, 3, 1), date(2024, 2, 29), None),
        ("20250926-16:00:00", "99 Y", date(1980, 1, 2), date(2025, 9, 26), None),
    ],
)
def test_a_history_window_is_what_the_request_says(end, duration, first, last, count):
    window = parse_window(end, duration, NOON, ZONE)
    assert (window.last, window.count) == (last, count)
    assert first in (None, window.first)


@given(st.text(max_size=20), st.text(max_size=10))
def test_a_history_window_is_read_or_malformed(end, duration):
    for spoken in (duration, "1 D", "99999 Y", "99999 D", "99999 W"):
        try:
            window = parse_window(end, spoken, NOON, ZONE)
        except MalformedMessage:
            continue
        assert window.first <= window.last


def test_history_pacing_counts_what_it_lets_pass():
    pacing = HistoryPacing()
    assert not pacing.violates(0.0, ("a",))
    assert pacing.violates(1.0, ("a",))
    assert not pacing.violates(16.0, ("a",))
    for at in range(58):
        assert not pacing.violates(20.0, (at,))
    assert pacing.violates(21.0, ("new",))
    assert not pacing.violates(601.0, ("new",))
