"""The way to the broker on virtual time: tried for as long as there is time, one login at a time, never in quiet times."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.domain.errors import BrokerUnavailable, ConfigError
from robotrading.domain.orders import TicketStatus
from robotrading.domain.report import Outcome
from robotrading.execution.quiet import QuietTimes, window
from robotrading.session.pipeline import run_session
from robotrading.session.reach import Reach, ReachSettings, patience_for
from robotrading.sim.broker import SimBroker
from robotrading.sim.clock import VirtualClock, run_virtual
from tests.session.bench import COIN, CR, EQ, Bench, build, forget, set_rules

START = datetime(2025, 9, 26, 15, 0, tzinfo=UTC)
NIGHT = QuietTimes((window("23:45-01:45"),), margin=60.0)
MIDNIGHT = datetime(2025, 9, 26, 4, 0, tzinfo=UTC)
"""In New York, on a working night."""


class Line:
    """A broker that can be reached from `up_at` (virtual seconds) on; `silent` questions go unanswered."""

    def __init__(self, clock: VirtualClock, up_at: float = 0.0) -> None:
        self.clock = clock
        self.up_at = up_at
        self.connected = False
        self.knocks: list[float] = []
        self.silent = 0
        self.mute = False
        self.wrong = ""
        self._inside = 0

    async def connect(self) -> None:
        if self.connected:
            return
        assert self._inside == 0, "two logins at a time"
        self._inside += 1
        self.knocks.append(self.clock.monotonic())
        try:
            await asyncio.sleep(0.5)
        finally:
            self._inside -= 1
        if self.wrong:
            raise ConfigError(self.wrong)
        if self.clock.monotonic() < self.up_at:
            raise BrokerUnavailable(f"nobody at the door at {self.clock.monotonic():.1f}")
        self.connected = not self.mute

    async def disconnect(self) -> None:
        self.connected = False

    async def ask(self) -> str:
        self.silent -= 1
        if self.silent >= 0:
            raise BrokerUnavailable("no answer")
        return "an answer"


def play(
    program: Callable[[Line, Reach], Awaitable[object]],
    up_at: float = 0.0,
    patience: float = 600.0,
    start: datetime = START,
    **ways: object,
) -> tuple[Line, Reach, float]:
    """Run a program with a line and the way to it; the last is how long it took."""
    clock = VirtualClock(start)
    line = Line(clock, up_at)
    made: list[Reach] = []

    async def run() -> None:
        made.append(Reach(line, clock, ReachSettings(patience), seed="run-1", **ways))  # type: ignore[arg-type]
        await program(line, made[0])

    run_virtual(run(), clock)
    return line, made[0], clock.monotonic()


async def connect(_line: Line, reach: Reach) -> None:
    await reach.connect()


async def fail(_line: Line, reach: Reach) -> None:
    with pytest.raises(BrokerUnavailable) as caught:
        await reach.connect()
    reach.story = str(caught.value)  # type: ignore[attr-defined]


def test_a_broker_that_is_there_is_reached_at_once_and_nothing_is_told():
    line, reach, seconds = play(connect)
    assert (line.knocks, reach.notes, seconds) == ([0.0], (), 0.5)


def test_a_broker_that_comes_late_is_reached_and_the_note_says_how():
    heard: list[int] = []
    line, reach, _ = play(connect, up_at=300.0, told=heard.append)
    assert line.connected
    assert heard == list(range(2, len(line.knocks) + 1))
    said = f"the broker was reached after {line.knocks[-1] + 0.5:.0f} s, {len(line.knocks)} attempts"
    assert reach.notes == (f"{said}; at first: nobody at the door at 0.5",)


def test_pauses_grow_and_are_the_same_for_the_same_run():
    one, _, _ = play(connect, up_at=500.0)
    other, _, _ = play(connect, up_at=500.0)
    assert one.knocks == other.knocks
    gaps = [after - before - 0.5 for before, after in zip(one.knocks, one.knocks[1:], strict=False)]
    assert all(gap <= min(60.0, 2.0**number) + 1e-6 for number, gap in enumerate(gaps))
    assert max(gaps) > 4


@given(st.integers(0, 80), st.floats(0, 0.999))
def test_a_pause_is_below_its_bound_and_the_bound_below_the_longest(failures, draw):
    pause = ReachSettings(first_wait=1.0, longest_wait=60.0).pause(failures, draw)
    assert 0 <= pause < (60.0 if failures else 1e-9)


@given(st.floats(0, 900), st.floats(1, 900))
def test_the_time_is_used_and_never_exceeded(up_at, patience):
    """It fails only when the broker was away until near the end, and never later than its time."""

    async def either(_line: Line, reach: Reach) -> None:
        with suppress(BrokerUnavailable):
            await reach.connect()

    line, _, seconds = play(either, up_at, patience)
    assert seconds <= patience + 1e-6
    if not line.connected:
        assert up_at > patience - 61.5


def test_the_story_of_a_failure_says_how_often_how_long_and_why_last():
    line, reach, seconds = play(fail, up_at=1e9)
    story = reach.story  # type: ignore[attr-defined]
    assert f"{len(line.knocks)} attempts in {seconds:.0f} s" in story
    assert "the last: nobody at the door" in story


def test_everybody_waits_for_one_login_and_nobody_knocks_again_after_the_end():
    async def crowd(line: Line, reach: Reach) -> None:
        ends = await asyncio.gather(*(reach.connect() for _ in range(20)), return_exceptions=True)
        assert {str(end) for end in ends} == {str(ends[0])}
        assert isinstance(ends[0], BrokerUnavailable)
        knocks = len(line.knocks)
        with pytest.raises(BrokerUnavailable):
            await reach.connect()
        assert len(line.knocks) == knocks

    play(crowd, up_at=1e9)


def test_a_wrong_account_is_not_tried_again():
    async def wrong(line: Line, reach: Reach) -> None:
        line.wrong = "account DU9 is not one of this login's"
        with pytest.raises(ConfigError, match="DU9"):
            await reach.connect()

    line, _, _ = play(wrong)
    assert len(line.knocks) == 1


def test_a_login_that_hangs_ends_with_the_time():
    async def hanging(line: Line, reach: Reach) -> None:
        async def never() -> None:
            await asyncio.sleep(1e6)

        line.connect = never  # type: ignore[method-assign]
        with pytest.raises(BrokerUnavailable, match="no answer before the session's time was over"):
            await reach.connect()

    assert play(hanging, patience=100.0)[2] == pytest.approx(100.0)


def test_a_gateway_that_answers_and_has_no_line_is_not_connected():
    async def mute(line: Line, reach: Reach) -> None:
        line.mute = True
        with pytest.raises(BrokerUnavailable, match="not, or no longer, connected to the broker"):
            await reach.connect()

    assert len(play(mute)[0].knocks) > 3


def test_what_happened_meanwhile_is_booked_before_anybody_goes_on():
    booked: list[float] = []

    async def dropped(line: Line, reach: Reach) -> None:
        await reach.connect()
        assert not booked
        await asyncio.sleep(100)
        line.connected, line.up_at = False, 130.0
        await asyncio.gather(reach.connect(), reach.connect())
        assert len(booked) == 1

    async def book() -> None:
        booked.append(asyncio.get_running_loop().time())

    line, reach, _ = play(dropped, catch_up=book)
    assert line.knocks[1] == pytest.approx(100.5), "after a long life the first attempt is at once"
    assert "was lost and came back after" in reach.notes[0]


def test_lists_that_are_not_answered_count_as_not_connected():
    left = 3

    async def unanswered() -> None:
        nonlocal left
        left -= 1
        if left >= 0:
            raise BrokerUnavailable("executions: no answer")

    async def dropped(line: Line, reach: Reach) -> None:
        await reach.connect()
        line.connected = False
        await reach.connect()

    _, reach, _ = play(dropped, catch_up=unanswered)
    assert left < 0
    assert "executions: no answer" in reach.notes[0]


@pytest.mark.parametrize("line_lost", [False, True])
def test_a_connection_that_does_not_say_what_happened_is_given_up_for_another(line_lost):
    """Its answer may never come, and no later one over it would be believed.

    A connection whose own line is lost is kept: a new login would not bring that back.
    """
    asked: list[bool] = []
    hung_up: list[bool] = []

    async def dropped(line: Line, reach: Reach) -> None:
        async def learn() -> None:
            asked.append(line.connected)
            if len(asked) == 1:
                line.connected = not line_lost
                raise BrokerUnavailable("open orders: no answer")

        async def hang_up() -> None:
            hung_up.append(line.connected)
            line.connected = False

        reach._catch_up, line.disconnect = learn, hang_up  # type: ignore[method-assign]
        await reach.connect()
        line.connected = False
        await reach.connect()

    line, _, _ = play(dropped)
    assert line.connected
    assert asked == [True, True]
    assert hung_up == ([] if line_lost else [True])


def test_a_connection_that_drops_with_the_last_answer_is_caught_up_again():
    """Whatever happens between the two logins is in the journal before anybody goes on."""
    asked: list[int] = []

    async def dropped(line: Line, reach: Reach) -> None:
        async def learn() -> None:
            asked.append(len(line.knocks))
            line.connected = len(asked) > 1

        reach._catch_up = learn
        await reach.connect()
        line.connected = False
        await reach.connect()

    line, _, _ = play(dropped)
    assert line.connected
    assert asked == [2, 3]


def test_a_line_that_drops_again_and_again_is_not_hammered_and_the_notes_have_an_end():
    async def flapping(line: Line, reach: Reach) -> None:
        for _ in range(20):
            await reach.connect()
            line.connected = False
        await reach.connect()

    line, reach, _ = play(flapping, patience=5000.0)
    assert line.knocks[-1] > 100
    assert len(reach.notes) == 11
    assert "10 times more" in reach.notes[-1]


@pytest.mark.parametrize(("silences", "answered"), [(0, True), (1, True), (2, True), (3, False)])
def test_a_question_is_asked_three_times_over_new_connections(silences, answered):
    async def asked(line: Line, reach: Reach) -> None:
        line.silent = silences
        if answered:
            assert await reach.answer(line.ask) == "an answer"
        else:
            with pytest.raises(BrokerUnavailable):
                await reach.answer(line.ask)

    line, _, _ = play(asked)
    assert len(line.knocks) == min(silences, 2) + 1


def test_nobody_logs_in_during_a_quiet_time_that_is_over_soon_enough():
    line, reach, _ = play(connect, patience=3600 * 3.0, start=MIDNIGHT, quiet=NIGHT)
    assert len(line.knocks) == 1
    assert timedelta(0) < timedelta(seconds=line.knocks[0]) - timedelta(hours=1, minutes=45) < timedelta(seconds=5)
    assert "for the end of the broker's reset (23:45-01:45 America/New_York)" in reach.notes[0]


def test_a_quiet_time_that_outlasts_the_session_is_said_in_one_sentence_without_a_try():
    line, reach, seconds = play(fail, patience=600.0, start=MIDNIGHT, quiet=NIGHT)
    assert (line.knocks, seconds) == ([], 0.0)
    assert "the broker's reset (23:45-01:45 America/New_York), until 2025-09-26 05:45 UTC" in reach.story  # type: ignore[attr-defined]


def test_a_quiet_time_that_begins_between_two_attempts_is_waited_out():
    """Ten minutes before the reset nobody answers: the tries stop when it begins and go on when it is over."""
    before = datetime(2025, 9, 26, 3, 35, tzinfo=UTC)
    line, _, _ = play(connect, up_at=3600 * 2.5, patience=3600 * 4.0, start=before, quiet=NIGHT)
    quiet = [knock for knock in line.knocks if 600 < knock < 7800]
    assert line.connected
    assert quiet == []


@pytest.mark.parametrize(("deadline", "patience"), [(1500.0, 1440.0), (100.0, 75.0), (30.0, 22.5)])
def test_some_of_the_sessions_time_is_kept_for_the_report(deadline, patience):
    assert patience_for(deadline) == patience


# Whole sessions ------------------------------------------------------------------------------------------------------


def away_until(bench: Bench, broker: SimBroker, seconds: float) -> None:
    """From now on nobody answers for a while."""
    broker.lose_connection()
    back = bench.clock.monotonic() + seconds
    real = SimBroker.connect

    async def late() -> None:
        if bench.clock.monotonic() < back:
            raise BrokerUnavailable("no gateway at 127.0.0.1:4002")
        await real(broker)

    broker.connect = late  # type: ignore[method-assign]


def test_a_gateway_that_starts_late_costs_nothing_but_time(bench):
    broker = bench.broker()
    away_until(bench, broker, 600.0)
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert report.outcome is Outcome.DONE
    assert any("the broker was reached after" in note for note in report.notes)
    bench.assert_settled()


def test_a_gateway_that_never_comes_is_reported_within_the_deadline(bench):
    broker = bench.broker()
    away_until(bench, broker, 1e9)
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert report.outcome is Outcome.FAILED
    assert "the broker could not be reached" in report.verdict
    assert bench.clock.monotonic() <= 1500.0 - 60.0


def test_a_plan_does_not_keep_a_person_waiting(bench):
    broker = bench.broker()
    away_until(bench, broker, 1e9)
    report = bench.run(EQ, world=bench.world(broker=broker), trade=False)
    assert report.outcome is Outcome.FAILED
    assert bench.clock.monotonic() <= 30.0


@pytest.mark.parametrize("seconds", [0.0, 20.0, 400.0])
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("most", [1, 50])
def test_a_link_that_drops_after_an_order_is_mended_and_the_rest_is_sent(bench, most, nth, seconds):
    """What was in flight is found in the broker's lists before the next order leaves; nothing is sent twice."""
    broker, sent = bench.broker(), 0
    submit = broker.submit

    async def dropping(one) -> None:
        nonlocal sent
        assert most > 1 or {ticket.intent for ticket in bench.ledger.open_tickets()} == {one}
        sent += 1
        await submit(one)
        if sent == nth:
            away_until(bench, broker, seconds)
            bench.exchange.step()

    broker.submit = dropping  # type: ignore[method-assign]
    spec = bench.spec(EQ)
    bounded = replace(spec.settings, execution=replace(spec.settings.execution, max_open_orders=most))
    report = bench.run(EQ, world=bench.world(broker=broker), settings=bounded)
    assert [ticket.status for ticket in report.tickets] == [TicketStatus.FILLED] * 2
    assert report.outcome is Outcome.DONE
    assert any("was lost and came back" in note for note in report.notes)
    bench.assert_settled()


def test_a_link_that_stays_down_leaves_what_is_in_flight_unknown_and_the_rest_unsent(bench):
    broker = bench.broker()
    submit = broker.submit

    async def last(one) -> None:
        await submit(one)
        away_until(bench, broker, 1e9)

    broker.submit = last  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert [ticket.status for ticket in report.tickets] == [TicketStatus.UNKNOWN]
    reasons = {skip.step: skip.reason for skip in report.skips}
    assert "could not be reached" in reasons["submit"]
    assert "could not be reached" in reasons["fill"]
    assert report.outcome is Outcome.FAILED
    assert bench.clock.monotonic() <= 1500.0
    bench.assert_sound()
    assert bench.run(EQ).outcome in {Outcome.DONE, Outcome.NOTHING_TO_DO}
    bench.assert_settled()


def test_a_part_filled_order_whose_link_drops_is_watched_on(bench):
    """It is found at work, waited for and cancelled in time: nothing of it is guessed."""
    set_rules(bench, liquidity=4)
    broker = bench.broker()

    async def drop() -> None:
        await asyncio.sleep(10)
        away_until(bench, broker, 5.0)

    world = bench.world(broker=broker)
    spec = bench.spec(EQ)

    async def both():
        beside = asyncio.create_task(drop())
        try:
            return await run_session(spec, world)
        finally:
            beside.cancel()

    report = bench.virtually(both())
    assert {ticket.status for ticket in report.tickets} == {TicketStatus.CANCELLED}
    assert all(0 < ticket.filled < ticket.intent.quantity for ticket in report.tickets)
    bench.assert_settled()


def test_a_link_that_breaks_with_a_cancel_is_mended_and_the_cancel_asked_again(bench):
    set_rules(bench, liquidity=4)
    broker = bench.broker()
    ask, broken = broker.cancel, False

    async def breaking(intent_id: str) -> None:
        nonlocal broken
        if not broken:
            broken = True
            away_until(bench, broker, 30.0)
            raise BrokerUnavailable("the socket is closed")
        await ask(intent_id)

    broker.cancel = breaking  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert {ticket.status for ticket in report.tickets} == {TicketStatus.CANCELLED}
    bench.assert_settled()


def test_a_connection_that_comes_back_to_another_account_stops_at_once(bench):
    broker = bench.broker()
    submit = broker.submit

    async def elsewhere() -> None:
        raise ConfigError("account DU1 is not one of this login's")

    async def last(one) -> None:
        await submit(one)
        broker.lose_connection()
        broker.connect = elsewhere  # type: ignore[method-assign]

    broker.submit = last  # type: ignore[method-assign]
    report = bench.run(EQ, world=bench.world(broker=broker))
    assert "not one of this login's" in report.verdict
    assert bench.clock.monotonic() < 120.0


def test_a_silent_answer_is_asked_again_over_a_new_connection(bench):
    broker, left = bench.broker(), 2
    ask = broker.account

    async def account():
        nonlocal left
        left -= 1
        if left >= 0:
            raise BrokerUnavailable("account values: no answer")
        return await ask()

    broker.account = account  # type: ignore[method-assign]
    assert bench.run(EQ, world=bench.world(broker=broker)).outcome is Outcome.DONE


def night(tmp_path: Path, at: str) -> Bench:
    return build(tmp_path / "night", at=datetime.fromisoformat(at).replace(tzinfo=UTC))


def test_no_order_leaves_when_the_reset_is_about_to_begin(tmp_path):
    """Coins trade at any hour; the broker does not."""
    bench = night(tmp_path, "2025-09-26 03:44:30")
    report = bench.run(CR, world=bench.world(CR, quiet=NIGHT))
    assert bench.orders() == []
    assert "quiet_time" in {skip.rule for skip in report.skips}
    assert "the broker's reset (23:45-01:45 America/New_York)" in report.verdict
    forget(bench)


def test_a_session_that_starts_in_the_reset_waits_for_its_end(tmp_path):
    bench = night(tmp_path, "2025-09-26 05:40:00")
    report = bench.run(CR, world=bench.world(CR, quiet=NIGHT))
    assert report.outcome is Outcome.DONE
    assert bench.owned(COIN) > 0
    assert any("for the end of the broker's reset" in note for note in report.notes)
    forget(bench)


def test_a_session_too_short_for_the_reset_says_so(tmp_path):
    bench = night(tmp_path, "2025-09-26 04:00:00")
    report = bench.run(CR, world=bench.world(CR, quiet=NIGHT))
    assert report.outcome is Outcome.FAILED
    assert "nobody logs in to the broker now: the broker's reset" in report.verdict
    forget(bench)


def test_the_embedded_gateway_trades_at_midnight(tmp_path):
    bench = night(tmp_path, "2025-09-26 04:00:00")
    assert bench.run(CR).outcome is Outcome.DONE
    forget(bench)
