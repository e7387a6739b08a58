"""Messages on their way to people: what is to be told, to whom, and how far it has come.

Invariants: a letter is stored before anything of it leaves; to each address it goes on its own; its id is a function of
what it tells (`report:RUN`, `alert:RULE:SUBJECT:RAISED`), so that telling the same thing twice is one letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from robotrading.domain.report import Message


class LetterKind(StrEnum):
    """What a letter is about."""

    REPORT = "report"
    ALERT = "alert"
    SUMMARY = "summary"
    DIGEST = "digest"
    TEST = "test"


class Urgency(StrEnum):
    """The most urgent leaves first and is never put into a digest."""

    CRITICAL = "critical"
    WARNING = "warning"
    NORMAL = "normal"


class Channel(StrEnum):
    """By which way it goes."""

    MAIL = "mail"
    PUSH = "push"


@dataclass(frozen=True, slots=True)
class Address:
    """A mail address, or the name of a push (`tgram 1`): never its URL, which is a secret."""

    channel: Channel
    recipient: str

    def __str__(self) -> str:
        return f"{self.channel}:{self.recipient}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message with its identity. `letter_id`: at most 200 printable characters."""

    letter_id: str
    kind: LetterKind
    urgency: Urgency
    created_at: datetime
    message: Message


class DeliveryState(StrEnum):
    """How far a letter has come on its way to one address."""

    WAITING = "waiting"
    SENT = "sent"
    """The server took it."""
    MERGED = "merged"
    """It is told in a digest."""
    GIVEN_UP = "given_up"
    """Refused for good, or tried for days."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A letter's way to one address, without its body.

    `attempts` counts those that were begun. `next_at` is when it may be tried next, `taken_until` until when an attempt
    is somebody's. `rule` and `reason` are of the last failure, '' without one. `digest` is the letter it went into.
    """

    letter_id: str
    address: Address
    kind: LetterKind
    urgency: Urgency
    subject: str
    created_at: datetime
    state: DeliveryState
    attempts: int
    next_at: datetime
    changed_at: datetime
    taken_until: datetime | None = None
    rule: str = ""
    reason: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in the outbox. `due_at` is the earliest next attempt, the `oldest` two are when they were made."""

    deliveries: int = 0
    due_at: datetime | None = None
    oldest: datetime | None = None
    oldest_critical: datetime | None = None
    given_up: int = 0
    """Given up within the last day."""
