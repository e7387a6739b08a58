"""Answers cost nothing while the facts stay: each body is made once, whoever asks, and nobody waits for another's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from web_serve import Hand
from web_worlds import NOW, TROUBLE, WELL

from robotrading.service.web import answers as module
from robotrading.service.web.answers import Answers


class Counted:
    """Meters that count how often they are rendered."""

    def __init__(self) -> None:
        self.rendered = 0

    def saw_facts(self, facts, health) -> None:
        self.seen = facts, health

    def render(self) -> bytes:
        self.rendered += 1
        return b"one 1\n"


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch):
    made = {"page": 0}
    real = module.render_page

    def render(*words) -> str:
        made["page"] += 1
        return real(*words)

    monkeypatch.setattr(module, "render_page", render)
    return made


async def test_a_hundred_callers_at_once_have_one_page_made(looked) -> None:
    answers = Answers(lambda: WELL, Counted(), Hand())
    bodies = await asyncio.gather(*(answers.page() for _ in range(100)))
    assert looked["page"] == 1
    assert len({id(body) for body in bodies}) == 1


async def test_a_page_is_good_for_two_seconds_and_for_two_more_while_the_next_is_made(looked) -> None:
    clock, facts = Hand(), [WELL]
    answers = Answers(lambda: facts[0], Counted(), clock)
    first = await answers.page()
    facts[0] = replace(WELL, version="9.9.9")
    clock.at = NOW + timedelta(seconds=1)
    assert await answers.page() is first
    assert looked["page"] == 1
    clock.at = NOW + timedelta(seconds=3)
    assert await answers.page() is first
    await settled(answers)
    assert looked["page"] == 2
    assert b"9.9.9" in await answers.page()
    clock.at = NOW + timedelta(seconds=40)
    facts[0] = replace(WELL, version="10.0.0")
    assert b"10.0.0" in await answers.page()


async def settled(answers: Answers) -> None:
    """Until nothing is made in the background."""
    await asyncio.wait(answers._making.values(), timeout=5)


async def test_other_health_and_another_mode_are_shown_at_once(looked) -> None:
    clock, facts = Hand(), [WELL]
    answers = Answers(lambda: facts[0], Counted(), clock)
    assert b"Not able" not in await answers.page()
    facts[0] = TROUBLE
    assert b"Not able" in await answers.page()
    facts[0] = replace(WELL, mode="live")
    assert b"m-live" in await answers.page()
    clock.at = NOW + timedelta(seconds=70)
    assert b"Not able" in await answers.page()


async def test_metrics_are_rendered_once_in_two_seconds() -> None:
    clock, meters = Hand(), Counted()
    answers = Answers(lambda: WELL, meters, clock)
    for _ in range(50):
        answers.metrics()
    assert meters.rendered == 1
    clock.at = NOW + timedelta(seconds=2)
    answers.metrics()
    assert meters.rendered == 2
    assert meters.seen[1].at == clock.at


async def test_bodies_of_health_are_the_same_object_within_a_second() -> None:
    answers = Answers(lambda: TROUBLE, Counted(), Hand())
    assert answers.health()[1] is answers.health()[1]
    assert answers.detailed()[1] is answers.detailed()[1]
    assert answers.health()[0] is False


async def test_a_caller_who_leaves_does_not_take_the_page_from_the_others(looked) -> None:
    answers = Answers(lambda: WELL, Counted(), Hand())
    first, second = asyncio.create_task(answers.page()), asyncio.create_task(answers.page())
    await asyncio.sleep(0)
    first.cancel()
    assert b"Able to trade" in await second
    assert looked["page"] == 1


async def test_the_loop_turns_while_a_page_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    gate = threading.Event()
    monkeypatch.setattr(module, "render_page", lambda *_: "made" if gate.wait(10) else "late")
    answers = Answers(lambda: WELL, Counted(), Hand())
    page = asyncio.create_task(answers.page())
    await asyncio.sleep(0.02)
    assert answers.health()[0] is True
    assert not page.done()
    gate.set()
    assert await page == b"made"


async def test_a_page_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = iter([ValueError("once"), None])

    def render(*_) -> str:
        trouble = next(tries)
        if trouble:
            raise trouble
        return "made"

    monkeypatch.setattr(module, "render_page", render)
    answers = Answers(lambda: WELL, Counted(), Hand())
    with pytest.raises(ValueError, match="once"):
        await answers.page()
    assert await answers.page() == b"made"


async def test_a_clock_that_is_set_back_keeps_no_old_page(looked) -> None:
    clock, facts = Hand(), [WELL]
    answers = Answers(lambda: facts[0], Counted(), clock)
    await answers.page()
    clock.at = NOW - timedelta(seconds=2)
    facts[0] = replace(WELL, version="9.9.9")
    assert b"9.9.9" in await answers.page()
    await answers.page()
    assert looked["page"] == 2
