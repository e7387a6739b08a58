"""A breaker is open as long as a session that told so may still act upon it."""

from __future__ import annotations

from robotrading.service.breakers import Breakers


def test_a_breaker_is_as_the_running_session_told() -> None:
    breakers = Breakers()
    assert breakers.now(running=True) == {}
    breakers.told({"yahoo": True, "stooq": False})
    breakers.told({"stooq": True})
    assert breakers.now(running=True) == {"yahoo": True, "stooq": True}
    breakers.told({"yahoo": False})
    assert breakers.now(running=True) == {"yahoo": False, "stooq": True}


def test_with_the_last_session_its_breakers_end_and_their_names_stay() -> None:
    breakers = Breakers()
    breakers.told({"yahoo": True})
    assert breakers.now(running=False) == {"yahoo": False}
    assert breakers.now(running=True) == {"yahoo": False}, "the next session begins with closed ones"


def test_what_is_told_last_of_a_session_that_has_ended_is_of_no_meaning() -> None:
    breakers = Breakers()
    breakers.told({"yahoo": True})
    assert breakers.now(running=False) == {"yahoo": False}
    breakers.told({"yahoo": True})
    assert breakers.now(running=False) == {"yahoo": False}
