"""Many waiting messages become one: which, under which id, and that none of them is lost in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.messages import Address, Channel, Delivery, DeliveryState, LetterKind, Urgency
from robotrading.service.post.digest import LISTED, digest_of, flooded

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PLAIN = st.text("abc<>&\u00e9\n", max_size=12)


def way(
    number: int,
    kind: LetterKind = LetterKind.REPORT,
    urgency: Urgency = Urgency.NORMAL,
    to: str = "ann@example.com",
    subject: str = "s",
) -> Delivery:
    return Delivery(
        letter_id=f"{kind}:{number}",
        address=Address(Channel.MAIL, to),
        kind=kind,
        urgency=urgency,
        subject=subject,
        created_at=NOW - timedelta(minutes=number),
        state=DeliveryState.WAITING,
        attempts=0,
        next_at=NOW,
        changed_at=NOW,
    )


WAYS = st.lists(
    st.builds(
        way,
        st.integers(0, 99),
        st.sampled_from(LetterKind),
        st.sampled_from(Urgency),
        st.sampled_from(["ann@example.com", "bob@example.com"]),
        PLAIN,
    ),
    max_size=30,
    unique_by=lambda one: (one.letter_id, one.address),
)


@given(WAYS, st.integers(1, 8))
def test_only_floods_are_merged_and_never_what_is_critical_a_digest_or_a_test(ways: list[Delivery], most: int):
    found = flooded(ways, most)
    for address, waiting in found.items():
        assert len(waiting) > most
        assert {one.address for one in waiting} == {address}
        assert all(one.urgency is not Urgency.CRITICAL for one in waiting)
        assert not {one.kind for one in waiting} & {LetterKind.DIGEST, LetterKind.TEST}


@given(WAYS.filter(bool), st.randoms())
def test_its_id_is_a_function_of_the_letters_in_it(ways: list[Delivery], chance):
    mixed = list(ways)
    chance.shuffle(mixed)
    one, other = digest_of(ways, NOW), digest_of(mixed, NOW + timedelta(hours=1))
    assert one.letter_id == other.letter_id
    assert one.letter_id.isprintable()
    assert len(one.letter_id) <= 200
    fewer = [way for way in ways if way.letter_id != ways[0].letter_id]
    if fewer:
        assert digest_of(fewer, NOW).letter_id != one.letter_id


@given(WAYS.filter(bool))
def test_each_letter_is_told_in_both_bodies_and_no_markup_comes_through(ways: list[Delivery]):
    letter = digest_of(ways, NOW)
    assert letter.kind is LetterKind.DIGEST
    assert letter.urgency is not Urgency.CRITICAL
    for one in ways:
        command = (
            f"robotrading report {one.letter_id.partition(':')[2]}"
            if one.kind is LetterKind.REPORT
            else f"robotrading messages show {one.letter_id}"
        )
        assert command in letter.message.text
        assert command in letter.message.html
    assert "<>" not in letter.message.html


@given(WAYS)
def test_without_a_bound_nothing_is_a_flood(ways: list[Delivery]):
    assert not flooded(ways, 0)


def test_a_warning_among_them_makes_it_a_warning():
    ways = [way(number) for number in range(6)]
    assert digest_of(ways, NOW).urgency is Urgency.NORMAL
    assert digest_of([*ways, way(9, LetterKind.ALERT, Urgency.WARNING)], NOW).urgency is Urgency.WARNING


def test_the_subject_says_how_many_and_of_what():
    ways = [way(1), way(2), way(3, LetterKind.ALERT), way(4, LetterKind.SUMMARY), way(5, LetterKind.SUMMARY)]
    counted = "(2 reports, 1 alert, 2 summaries)"
    assert digest_of(ways, NOW).message.subject == f"robotrading: 5 messages in one {counted}"
    held_up = [*ways[1:], replace(ways[0], rule="timeout")]
    assert digest_of(held_up, NOW).message.subject == f"robotrading: 5 messages that waited {counted}"


def test_ten_thousand_are_counted_and_the_oldest_are_listed():
    text = digest_of([way(number) for number in range(10_000)], NOW).message.text
    assert text.count("robotrading report ") == LISTED
    assert "And 9800 more: robotrading messages" in text
    assert len(text) < 20_000


def test_a_digest_breaks_its_lines_where_a_phone_is_narrower():
    page = digest_of([way(1), way(2)], NOW).message.html
    assert "width=device-width" in page
    assert "overflow-wrap: anywhere" in page
