"""What runs now and what comes too late: nothing twice, nothing lost without a word, nothing outside market hours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robotrading.domain.claims import Claim, Occurrence
from robotrading.domain.instrument import AssetClass
from robotrading.session.due import ON_TIME, CatchUp, Due, due, interrupted, latest_start
from robotrading.session.schedule import parse_schedule
from robotrading.session.timetable import occurrences
from robotrading.sim.calendar import WeekdayCalendar

EQUITIES, CRYPTO = AssetClass.EQUITIES, AssetClass.CRYPTO
CALENDAR = WeekdayCalendar()
RULES = CatchUp()
FRIDAY = date(2026, 11, 20)
AT = datetime(2026, 11, 20, 20, 30, tzinfo=UTC)  # half an hour before the close
ONE = Occurrence(EQUITIES, FRIDAY, AT)
SECOND = timedelta(seconds=1)


def decide(now: datetime, *expected: Occurrence, claimed=(), rules: CatchUp = RULES) -> Due:
    return due(expected or (ONE,), claimed, now, rules, CALENDAR)


@pytest.mark.parametrize("late", [timedelta(0), SECOND, timedelta(minutes=25)])
def test_what_is_due_runs_as_long_as_there_is_time(late):
    assert decide(AT + late) == Due(run=(ONE,))


def test_nothing_runs_before_its_time():
    assert decide(AT - SECOND) == Due()


def test_what_is_claimed_is_neither_run_nor_named():
    assert decide(AT, claimed={ONE.key}) == Due()
    assert decide(AT + timedelta(days=9), claimed={ONE.key}) == Due()


@pytest.mark.parametrize(
    ("due_before_close", "late", "rule"),
    [(30, 25.1, "closing"), (30, 30, "closed"), (120, 30.1, "late"), (30, 2000, "closed"), (15, 10.5, "closing")],
)
def test_what_is_too_late_is_named_with_its_reason(due_before_close, late, rule):
    one = replace(ONE, due_at=datetime(2026, 11, 20, 21, tzinfo=UTC) - timedelta(minutes=due_before_close))
    decided = decide(one.due_at + timedelta(minutes=late), one)
    assert not decided.run
    (missed,) = decided.missed
    assert (missed.occurrence, missed.rule) == (one, rule)
    assert "it was due at 2026-11-20 " in missed.reason
    assert missed.alarming


def test_a_start_on_time_needs_no_margin_before_the_close():
    last = replace(ONE, due_at=AT + timedelta(minutes=28))
    assert decide(last.due_at + ON_TIME, last).run == (last,)
    assert decide(last.due_at + ON_TIME + SECOND, last).missed[0].rule == "closing"


def test_a_start_on_time_is_before_the_close_all_the_same():
    closes = datetime(2026, 11, 20, 21, tzinfo=UTC)
    last = replace(ONE, due_at=closes - timedelta(seconds=30))
    assert decide(closes - timedelta(microseconds=1), last).run == (last,)
    assert decide(closes, last).missed[0].rule == "closed"


@pytest.mark.parametrize(
    ("late", "said"),
    [(SECOND * 1501, "26 min ago"), (SECOND * 7200, "2 h ago"), (timedelta(hours=47), "47 h ago"),
     (timedelta(minutes=119), "119 min ago"), (timedelta(days=2), "2 days ago"), (timedelta(days=9), "9 days ago")],
)  # fmt: skip
def test_how_long_ago_it_was_due_is_told_as_finely_as_matters(late, said):
    assert f"UTC, {said}; " in decide(AT + late).missed[0].reason


def test_without_grace_nothing_is_caught_up():
    none = CatchUp(grace=timedelta(0))
    assert decide(AT + ON_TIME, rules=none).run == (ONE,)
    assert decide(AT + ON_TIME + SECOND, rules=none).missed[0].rule == "late"


def test_of_several_missed_the_newest_runs_and_the_others_are_named():
    older = [replace(ONE, due_at=AT - timedelta(minutes=minutes)) for minutes in (20, 10)]
    decided = decide(AT, *older, ONE)
    assert decided.run == (ONE,)
    assert [missed.occurrence for missed in decided.missed] == older
    assert {missed.rule for missed in decided.missed} == {"superseded"}
    assert not any(missed.alarming for missed in decided.missed)


def test_sessions_do_not_supersede_each_other():
    crypto = replace(ONE, kind=CRYPTO, due_at=AT - timedelta(minutes=5))
    assert decide(AT, ONE, crypto).run == (crypto, ONE)


def test_a_day_without_a_market_has_no_latest_start():
    with pytest.raises(ValueError, match="no trading day"):
        latest_start(replace(ONE, trading_date=date(2026, 11, 21)), RULES, CALENDAR)


def test_a_run_that_was_cut_off_starts_again_while_there_is_time():
    claims = [
        Claim(ONE, "one", AT),
        Claim(replace(ONE, kind=CRYPTO), "one", AT, "run", "done", AT + SECOND),
    ]
    assert interrupted(claims, AT + timedelta(minutes=10), RULES, CALENDAR).run == (ONE,)
    late = interrupted(claims, AT + timedelta(minutes=40), RULES, CALENDAR)
    assert not late.run
    assert late.missed[0].rule == "interrupted_closed"
    assert "was cut off" in late.missed[0].reason


SESSIONS = (
    (CRYPTO, "at 23:50"),
    (CRYPTO, "cron 0 */4 * * *"),
    (EQUITIES, "30 minutes before the close"),
    (EQUITIES, "cron */30 10-15 * * *"),
)


@settings(max_examples=80)
@given(
    looks=st.lists(st.integers(-90, 60 * 30), min_size=1, max_size=25),
    session=st.sampled_from(SESSIONS),
    grace=st.integers(0, 180),
    before_close=st.integers(0, 120),
)
def test_over_any_looks_and_steps_of_the_clock_each_occurrence_is_run_or_named_once(
    looks, session, grace, before_close
):
    """`looks` are minutes from one look to the next: short ones, days of silence, and steps back."""
    rules = CatchUp(timedelta(minutes=grace), timedelta(minutes=before_close))
    kind, words = session
    schedule = parse_schedule(words, kind)
    start = now = newest = datetime(2026, 3, 6, tzinfo=UTC)
    claimed: dict[str, str] = {}
    for minutes in looks:
        now += timedelta(minutes=minutes)
        newest = max(newest, now)
        expected = [
            one for one in occurrences(schedule, kind, CALENDAR, start.date(), now.date()) if one.due_at > start
        ]
        decided = due(expected, claimed, now, rules, CALENDAR)
        assert len({one.kind for one in decided.run}) == len(decided.run)
        for one in decided.run:
            assert one.due_at <= now <= max(one.due_at + ON_TIME, one.due_at + rules.grace)
            opens, closes = CALENDAR.hours(kind, one.trading_date)
            assert opens <= now < closes
        handled = [(one.key, "run") for one in decided.run] + [(m.occurrence.key, m.rule) for m in decided.missed]
        assert not {key for key, _ in handled} & claimed.keys()
        assert len(dict(handled)) == len(handled)
        claimed |= dict(handled)
    past = [
        one
        for one in occurrences(schedule, kind, CALENDAR, start.date(), newest.date())
        if start < one.due_at <= newest
    ]
    assert set(claimed) == {one.key for one in past}


def test_a_dead_run_of_a_day_that_is_no_trading_day_any_more_is_named():
    """A newer table of trading days may know of another holiday."""
    sunday = Occurrence(EQUITIES, date(2026, 11, 22), datetime(2026, 11, 22, 20, 30, tzinfo=UTC))
    decided = interrupted([Claim(sunday, "dead", sunday.due_at)], sunday.due_at + SECOND, RULES, CALENDAR)
    assert not decided.run
    assert [missed.rule for missed in decided.missed] == ["interrupted_closed"]
