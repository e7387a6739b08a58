"""When a message that did not leave is tried again, and when it is given up.

Entry points: `next_step`, `pause`, `holds_for_all`, `for_one_alone`.
Invariants: nothing here is by chance (the same letter's same attempt has the same pause); a pause never exceeds
`longest_retry` unless greylisting asks for five minutes; whatever is refused for good is never tried again by itself;
nothing is tried after `give_up_days` but once, at their very end.

RFC 5321 (4.5.4.1) asks senders to try again, ever more slowly, for days; RFC 6647 tells of greylisting, where a server
puts off whom it does not know, and takes the same mail minutes later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from robotrading.adapters.notify.trouble import FOR_GOOD, HOLDS_FOR_ALL
from robotrading.domain.messages import Delivery
from robotrading.service.post.settings import OutboxSettings

GREYLISTED = 300.0
"""Seconds before which a server that puts off a stranger need not be asked again."""
_ASKED_TO_WAIT = frozenset({"put_off", "full", "busy", "quota", "push_busy"})
_ENDED = frozenset({*FOR_GOOD, "no_such_push", "forgotten"})
_PUSH_IS_DOWN = frozenset({"push_url", "push_unreached", "push_timeout", "push_busy", "push_refused", "not_set_up"})
_SPREAD = 0.25


@dataclass(frozen=True, slots=True)
class TryAgain:
    """At this instant."""

    at: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Never again by itself; `why` in words."""

    why: str


def next_step(delivery: Delivery, rule: str, now: datetime, settings: OutboxSettings) -> TryAgain | GiveUp:
    """What becomes of a delivery whose attempt, counted in `delivery.attempts`, failed by `rule` at `now`."""
    if rule in _ENDED:
        return GiveUp("refused for good")
    end = delivery.created_at + timedelta(days=settings.give_up_days)
    if now >= end:
        tried = f"{delivery.attempts} attempt{'' if delivery.attempts == 1 else 's'}"
        return GiveUp(f"{tried} within {settings.give_up_days:g} days")
    return TryAgain(min(now + timedelta(seconds=pause(delivery, rule, settings)), end))


def pause(delivery: Delivery, rule: str, settings: OutboxSettings) -> float:
    """Seconds until the next attempt: twice as long each time, up to the longest, up to a quarter earlier.

    The quarter is drawn from letter, recipient and attempt, so that letters do not march in step.
    """
    doubled = settings.first_retry * 2.0 ** min(max(delivery.attempts - 1, 0), 40)
    seconds = min(settings.longest_retry, doubled) * (1.0 - _SPREAD * _drawn(delivery))
    return max(seconds, GREYLISTED) if rule in _ASKED_TO_WAIT else seconds


def holds_for_all(rule: str) -> bool:
    """Whether what else waits for this server would meet the same."""
    return rule in HOLDS_FOR_ALL or rule in _PUSH_IS_DOWN


def for_one_alone(rule: str) -> bool:
    """Whether the trouble is with this recipient or message, so that others may be told over the same server."""
    return rule in _ENDED


def _drawn(delivery: Delivery) -> float:
    """In [0, 1), a function of letter, address and attempt."""
    words = f"{delivery.letter_id}\n{delivery.address}\n{delivery.attempts}".encode()
    return int.from_bytes(sha256(words).digest()[:6], "big") / 2**48
