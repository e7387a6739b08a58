"""Laws of asking: bounded, never empty for silent, never another question's answer; and of pacing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.adapters.ibkr.pacing import HistoryPacer, HistoryRules, SendPacer
from robotrading.adapters.ibkr.requests import EarlyEnd, OutOfStep, RequestRefused, Requests, Topic
from robotrading.domain.errors import BrokerUnavailable

SHORT = 0.05


def sender(*actions: Callable[[], None]) -> Callable[[], asyncio.Future[None]]:
    """A send that lets the gateway say something right away."""

    async def send() -> None:
        for action in actions:
            action()

    return send  # type: ignore[return-value]


async def test_rows_come_back_in_their_order() -> None:
    requests = Requests()
    rows = await requests.numbered(
        1, sender(lambda: requests.add(1, "a"), lambda: requests.add(1, "b"), lambda: requests.end(1)), "x", SHORT
    )
    assert rows == ["a", "b"]
    assert not requests.is_numbered(1)


async def test_silence_is_unavailable_and_names_what_was_asked() -> None:
    requests = Requests()
    with pytest.raises(BrokerUnavailable, match=r"quote of X: no answer .* 0\.05 s"):
        await requests.numbered(1, sender(), "quote of X", SHORT)
    with pytest.raises(BrokerUnavailable, match="positions: no answer"):
        await requests.streamed(Topic.POSITIONS, sender(), SHORT)


async def test_a_code_is_a_refusal_that_keeps_the_rows() -> None:
    requests = Requests()
    with pytest.raises(RequestRefused) as caught:
        await requests.numbered(
            1, sender(lambda: requests.add(1, "a"), lambda: requests.refuse(1, 354, "not subscribed")), "x", SHORT
        )
    assert (caught.value.code, caught.value.rows) == (354, ["a"])
    requests.refuse(1, 354, "nobody waits any more")


async def test_a_late_answer_never_passes_for_the_answer_to_a_later_question() -> None:
    """Half of the late rows come before the second question, half after it, then both ends."""
    requests = Requests()
    with pytest.raises(BrokerUnavailable):
        await requests.streamed(Topic.POSITIONS, sender(), SHORT)
    requests.add(Topic.POSITIONS, "late 1")
    rows = await requests.streamed(
        Topic.POSITIONS,
        sender(
            lambda: requests.add(Topic.POSITIONS, "late 2"),
            lambda: requests.end(Topic.POSITIONS),
            lambda: requests.add(Topic.POSITIONS, "new"),
            lambda: requests.end(Topic.POSITIONS),
        ),
        SHORT,
    )
    assert rows == ["new"]


async def test_an_answer_still_owed_is_not_believed() -> None:
    """The end of the first answer does not make the second one empty; and that one was lost is said."""
    requests = Requests()
    for _ in range(2):
        with pytest.raises(BrokerUnavailable) as silence:
            await requests.streamed(Topic.POSITIONS, sender(lambda: None), SHORT)
        assert not isinstance(silence.value, OutOfStep), "it may still come"
    with pytest.raises(OutOfStep):
        await requests.streamed(Topic.POSITIONS, sender(lambda: requests.end(Topic.POSITIONS)), SHORT)


@pytest.mark.parametrize("how", ["the connection is gone", "the turn does not come in time"])
async def test_no_answer_is_owed_to_a_question_that_did_not_leave(how: str) -> None:
    """Else the answer to the next question would pass for its own, and every later one too."""

    async def not_sent() -> None:
        if how == "the connection is gone":
            raise BrokerUnavailable(how)
        await asyncio.sleep(5.0)

    requests = Requests()
    with pytest.raises((BrokerUnavailable, TimeoutError)):
        async with asyncio.timeout(SHORT):
            await requests.streamed(Topic.OPEN_ORDERS, not_sent, 5.0)
    rows = await requests.streamed(
        Topic.OPEN_ORDERS,
        sender(lambda: requests.add(Topic.OPEN_ORDERS, "mine"), lambda: requests.end(Topic.OPEN_ORDERS)),
        SHORT,
    )
    assert rows == ["mine"]


async def test_questions_on_one_topic_wait_for_each_other_within_the_bound() -> None:
    requests = Requests()
    first = asyncio.ensure_future(requests.streamed(Topic.ACCOUNT, sender(), 4 * SHORT))
    await asyncio.sleep(0)
    with pytest.raises(BrokerUnavailable, match="earlier questions"):
        await requests.streamed(Topic.ACCOUNT, sender(), SHORT)
    with pytest.raises(BrokerUnavailable):
        await first


async def test_the_end_of_the_connection_ends_every_wait() -> None:
    requests = Requests()
    waits = [
        asyncio.ensure_future(requests.numbered(1, sender(), "x", 5.0)),
        asyncio.ensure_future(requests.streamed(Topic.ACCOUNT, sender(), 5.0)),
    ]
    await asyncio.sleep(0)
    requests.fail_all("gone")
    for wait in waits:
        with pytest.raises(BrokerUnavailable, match="gone"):
            await wait


async def test_a_send_that_fails_is_not_waited_for() -> None:
    async def fails() -> None:
        raise BrokerUnavailable("not connected")

    with pytest.raises(BrokerUnavailable, match="not connected"):
        await Requests().numbered(1, fails, "x", 5.0)


async def test_what_nobody_asked_is_let_pass() -> None:
    requests = Requests()
    requests.add(7, "row")
    requests.end(7)
    requests.add(Topic.POSITIONS, "row")
    requests.end(Topic.POSITIONS)
    requests.fail_all("nothing to fail")


@pytest.mark.parametrize("ends", [True, False])
async def test_enough_rows_end_it_and_the_gateway_is_told_to_stop_if_it_has_not(ends: bool) -> None:
    requests = Requests()
    cancelled: list[int] = []

    async def cancel(req_id: int) -> None:
        cancelled.append(req_id)

    early = EarlyEnd(lambda rows: len(rows) > 1, cancel)
    said: list[Callable[[], None]] = [lambda: requests.add(1, "a"), lambda: requests.add(1, "b")]
    rows = await requests.numbered(1, sender(*said, *([lambda: requests.end(1)] if ends else [])), "x", 5.0, early)
    assert rows == ["a", "b"]
    assert cancelled == ([] if ends else [1])


async def test_messages_never_exceed_the_rate_in_any_second() -> None:
    pacer, loop = SendPacer(20), asyncio.get_running_loop()
    times: list[float] = []

    async def one() -> None:
        await pacer.turn()
        times.append(loop.time())

    await asyncio.gather(*(one() for _ in range(45)))
    assert all(later - earlier >= 0.999 for earlier, later in zip(times, times[20:], strict=False))
    assert times[-1] - times[0] < 2.5


@given(st.lists(st.floats(0, 0.7), max_size=60))
def test_trickling_messages_keep_the_rate_too(pauses: list[float]) -> None:
    """The same law without waiting: each message leaves at the first moment the pacer allows."""
    pacer, now, times = SendPacer(4), 0.0, []
    for pause in pauses:
        now += pause
        now += max(0.0, pacer._wait(now))
        pacer._wait(now + 1e-9)
        pacer._book(now)
        times.append(now)
    assert all(later - earlier >= 1.0 - 1e-6 for earlier, later in zip(times, times[4:], strict=False))


def test_what_leaves_together_is_a_handful_even_after_a_long_pause() -> None:
    """A delay of a tenth of a second on the way never makes two seconds' worth arrive as one."""
    pacer, now, times = SendPacer(45), 0.0, []
    for number in range(300):
        now += 5.0 if number == 150 else 0.0
        while (wait := pacer._wait(now)) > 0:
            now += wait
        pacer._book(now)
        times.append(now)
    for start in times:
        assert sum(start <= at < start + 0.1 for at in times) <= 5 + 5
        assert sum(start <= at < start + 1.0 for at in times) <= 45
    assert times[149] - times[0] <= 150 / 45


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1), st.floats(0, 5)), max_size=80))
def test_requests_for_bars_keep_all_three_rules(asked: list[tuple[int, int, float]]) -> None:
    rules = HistoryRules(most=10, window=60.0, burst=3, burst_window=2.0, repeat=15.0)
    pacer, now = HistoryPacer(rules), 0.0
    sent: list[tuple[float, int, tuple[int, int]]] = []
    for contract, kind, pause in asked:
        now += pause
        at = pacer.earliest(contract, (contract, kind), now)
        assert at >= now
        pacer.book(contract, (contract, kind), at)
        sent.append((at, contract, (contract, kind)))
        now = at
    times = [at for at, _, _ in sent]
    assert all(b - a >= 60.0 - 1e-6 for a, b in zip(times, times[10:], strict=False))
    for contract in range(4):
        mine = [at for at, owner, _ in sent if owner == contract]
        assert all(b - a >= 2.0 - 1e-6 for a, b in zip(mine, mine[3:], strict=False))
        for kind in range(2):
            same = [at for at, _, what in sent if what == (contract, kind)]
            assert all(b - a >= 15.0 - 1e-6 for a, b in pairwise(same))
