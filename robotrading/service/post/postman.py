"""The postman: takes what is due from the outbox, hands it over, and writes down what became of it.

Entry points: `Postman.round`, `Round`, `Carrier`.
Invariants: an attempt is written down before it begins and belongs to one postman while it can last; what a server does
is never raised (only `LedgerError` is); where a server cannot be reached, one delivery's attempt counts, and what
waits behind it is put off with it, uncounted; once a server takes something again, all that waited for it goes along;
what is given up is told in the log as an error, and to the other addresses; who is told to leave begins no further
attempt, and writes down what became of the one at hand.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from html import escape
from typing import Protocol

from robotrading.adapters.notify.report.words import clean
from robotrading.domain.messages import Address, Channel, Delivery, DeliveryState, Letter, LetterKind, Urgency
from robotrading.domain.ports import Clock, Outbox
from robotrading.domain.report import Message
from robotrading.domain.skip import Skip
from robotrading.service.post.digest import digest_of, flooded
from robotrading.service.post.policy import GiveUp, for_one_alone, holds_for_all, next_step, pause
from robotrading.service.post.settings import OutboxSettings

log = logging.getLogger(__name__)

AT_ONCE = 1000
"""How many deliveries a round looks at in one go."""
SECONDS = 240.0
"""After this long a round begins no further attempt; the next one goes on."""
_SPARE = 30.0
_PASSES = 3
_NOTICE = "alert:given-up:"
_PAGE = (
    '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark"></head>\n'
    '<body style="font-family: sans-serif; white-space: pre-wrap; overflow-wrap: anywhere">{}</body></html>\n'
)
"""Lines as they are written, and broken where a phone is narrower."""


class Carrier(Protocol):
    """A channel's way out. Nothing that servers do is raised; every call is bounded."""

    @property
    def longest(self) -> float:
        """Seconds that an attempt can take at most."""
        ...

    def open(self, recipient: str) -> Skip | None:
        """Be ready to carry; why it cannot be, which holds for all that waits for the same server."""
        ...

    def carry(self, letter: Letter, recipient: str) -> Skip | None:
        """None when the server took it."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Round:
    """What became of each delivery: as it is now, in the order in which it came up."""

    ways: dict[tuple[str, Address], Delivery] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.ways)

    def note(self, delivery: Delivery) -> None:
        self.ways[delivery.letter_id, delivery.address] = delivery

    @property
    def sent(self) -> list[Delivery]:
        return self._of(DeliveryState.SENT)

    @property
    def put_off(self) -> list[Delivery]:
        return self._of(DeliveryState.WAITING)

    @property
    def given_up(self) -> list[Delivery]:
        return self._of(DeliveryState.GIVEN_UP)

    @property
    def merged(self) -> list[Delivery]:
        return self._of(DeliveryState.MERGED)

    def fate(self, letter_id: str, address: Address) -> Delivery | None:
        """Of a letter, or of the digest that tells of it; None where this round had nothing to do with it."""
        found = self.ways.get((letter_id, address))
        return self.ways.get((found.digest, address), found) if found and found.digest else found

    def lines(self) -> list[str]:
        """A sentence for each, the troubles last; none for nothing."""
        said = [f"sent: {named(one)}" for one in self.sent]
        said += [f"told in a digest: {named(one)}" for one in self.merged]
        said += [f"waits until {one.next_at:%Y-%m-%d %H:%M} UTC: {named(one)}: {one.reason}" for one in self.put_off]
        return said + [f"given up: {named(one)}: {one.reason}" for one in self.given_up]

    def _of(self, state: DeliveryState) -> list[Delivery]:
        return [one for one in self.ways.values() if one.state is state]


class Postman:
    """One of possibly several. `alarm` are the addresses that are told of what was given up."""

    def __init__(
        self,
        outbox: Outbox,
        carriers: Mapping[Channel, Carrier],
        settings: OutboxSettings,
        clock: Clock,
        alarm: Collection[Address] = (),
    ) -> None:
        self._outbox = outbox
        self._carriers = carriers
        self._settings = settings
        self._clock = clock
        self._alarm = tuple(alarm)

    def round(self, *, hurry: bool = False, leave: Callable[[], bool] = lambda: False) -> Round:
        """Try everything that is due, and with `hurry` everything that waits; until `leave`. Raises `LedgerError`."""
        done = Round()
        end = self._clock.monotonic() + SECONDS

        def enough() -> bool:
            return leave() or self._clock.monotonic() >= end

        if hurry:
            self._bring_forward(self._waiting())
        try:
            for _ in range(_PASSES):
                due = self._outbox.due(self._clock.now(), AT_ONCE)
                if not due or leave():
                    break
                for deliveries in _by_server(due):
                    self._serve(deliveries, done, enough)
                self._tell(done)
        finally:
            for carrier in self._carriers.values():
                carrier.close()
        return done

    def _serve(self, deliveries: Sequence[Delivery], done: Round, enough: Callable[[], bool]) -> None:
        """What is due at one server, in its order, until one trouble holds for all of it."""
        carrier = self._carriers.get(deliveries[0].address.channel)
        if carrier is None:
            self._all_fail(deliveries, _not_set_up(deliveries[0]), done)
            return
        if enough():
            return
        trouble = carrier.open(deliveries[0].address.recipient)
        if trouble is not None:
            self._all_fail(deliveries, trouble, done)
        elif self._hand_over(carrier, list(self._digested(deliveries, done)), done, enough):
            self._bring_forward(self._held_up(deliveries[0]))

    def _hand_over(self, carrier: Carrier, waiting: list[Delivery], done: Round, enough: Callable[[], bool]) -> bool:
        """One after the other; whether the server took something and is not in trouble now."""
        lost, took = 0, False
        while waiting and not enough():
            taken = self._outbox.take(waiting.pop(0), self._clock.now(), carrier.longest + _SPARE)
            if taken is None:
                continue
            trouble = self._attempt(carrier, taken)
            if trouble is None:
                self._outbox.sent(taken, self._clock.now())
                done.note(replace(taken, state=DeliveryState.SENT))
                lost, took = 0, True
                continue
            lost = lost + 1 if trouble.rule == "in_doubt" else 0
            self._fail(taken, trouble, done)
            if holds_for_all(trouble.rule) or lost > 1:
                self._stand_behind(waiting, taken, trouble, done)
                return False
        return took

    def _attempt(self, carrier: Carrier, taken: Delivery) -> Skip | None:
        letter = self._outbox.letter(taken.letter_id)
        if letter is None:
            return Skip(taken.address.recipient, "post", "its text is not in the ledger any more", "forgotten")
        return carrier.carry(letter, taken.address.recipient)

    def _all_fail(self, deliveries: Sequence[Delivery], trouble: Skip, done: Round) -> None:
        """One attempt counts; the others stand behind it."""
        waiting = list(deliveries)
        while waiting:
            taken = self._outbox.take(waiting.pop(0), self._clock.now(), _SPARE)
            if taken is not None:
                self._fail(taken, trouble, done)
                self._stand_behind(waiting, taken, trouble, done)
                return

    def _fail(self, taken: Delivery, trouble: Skip, done: Round) -> None:
        now = self._clock.now()
        step = next_step(taken, trouble.rule, now, self._settings)
        if isinstance(step, GiveUp):
            self._give_up(taken, trouble, step, done)
        else:
            self._put_off(taken, step.at, trouble.rule, trouble.reason, done)

    def _stand_behind(self, waiting: Sequence[Delivery], first: Delivery, trouble: Skip, done: Round) -> None:
        """Put off until the one that was tried is tried again, or given up where that is too late."""
        now = self._clock.now()
        until = now + timedelta(seconds=pause(first, trouble.rule, self._settings))
        known = holds_for_all(trouble.rule)
        rule = trouble.rule if known else "behind"
        reason = trouble.reason if known else f"not tried: {trouble.reason}, with others before it"
        for delivery in waiting:
            step = next_step(delivery, rule, now, self._settings)
            if not isinstance(step, GiveUp):
                self._put_off(delivery, until, rule, reason, done)
            elif taken := self._outbox.take(delivery, now, _SPARE):
                self._give_up(taken, replace(trouble, rule=rule, reason=reason), step, done)

    def _put_off(self, delivery: Delivery, until: datetime, rule: str, reason: str, done: Round) -> None:
        self._outbox.put_off(delivery, until, self._clock.now(), rule, reason)
        done.note(replace(delivery, next_at=until, rule=rule, reason=reason))

    def _give_up(self, taken: Delivery, trouble: Skip, step: GiveUp, done: Round) -> None:
        reason = f"{trouble.reason} ({step.why})"
        self._outbox.give_up(taken, self._clock.now(), trouble.rule, reason)
        given_up = replace(taken, state=DeliveryState.GIVEN_UP, rule=trouble.rule, reason=reason)
        done.note(given_up)
        log.error("message given up: %s: %s", named(given_up), reason)

    def _digested(self, deliveries: Sequence[Delivery], done: Round) -> Sequence[Delivery]:
        """What is to be sent now: with digests in the place of floods."""
        floods = flooded(deliveries, self._settings.digest_from)
        merged: set[tuple[str, Address]] = set()
        for waiting in floods.values():
            now = self._clock.now()
            digest = digest_of(waiting, now)
            if self._outbox.merge(digest, waiting, now):
                merged |= {(one.letter_id, one.address) for one in waiting}
                for one in waiting:
                    done.note(replace(one, state=DeliveryState.MERGED, digest=digest.letter_id))
        if not merged:
            return deliveries
        kept = [one for one in deliveries if (one.letter_id, one.address) not in merged]
        due = self._outbox.due(self._clock.now(), AT_ONCE)
        digests = {one.digest for one in done.merged}
        ours = [one for one in due if one.letter_id in digests and _server(one) == _server(deliveries[0])]
        return [*kept, *ours]

    def _held_up(self, served: Delivery) -> Iterable[Delivery]:
        """What waits for the server that has just taken something, for no other reason than that it did not before."""
        return [
            one
            for one in self._waiting()
            if _server(one) == _server(served) and (holds_for_all(one.rule) or one.rule == "behind")
        ]

    def _waiting(self) -> Sequence[Delivery]:
        now = self._clock.now()
        unsent = self._outbox.deliveries(AT_ONCE, unsent=True)
        return [
            one
            for one in unsent
            if one.state is DeliveryState.WAITING
            and one.next_at > now
            and (one.taken_until is None or one.taken_until <= now)
        ]

    def _bring_forward(self, waiting: Iterable[Delivery]) -> None:
        now = self._clock.now()
        for one in waiting:
            self._outbox.put_off(one, now, now, one.rule, one.reason)

    def _tell(self, done: Round) -> None:
        """Of what was given up, once a day for each address; never of such a telling itself."""
        for lost in done.given_up:
            others = [] if lost.letter_id.startswith(_NOTICE) else self._others(lost, done)
            if others:
                self._outbox.post(_notice(lost, self._clock.now()), others)

    def _others(self, lost: Delivery, done: Round) -> list[Address]:
        """Another channel; the same one too where the trouble was this recipient's or this message's alone."""
        failing = {one.address for one in done.given_up if one.rule != "content"}
        alone = for_one_alone(lost.rule)
        return [one for one in self._alarm if one not in failing and (alone or one.channel is not lost.address.channel)]


def _notice(lost: Delivery, now: datetime) -> Letter:
    address = sha256(str(lost.address).encode("utf-8", "replace")).hexdigest()[:16]
    subject = f"robotrading: {lost.address.channel} to {clean(lost.address.recipient)} was given up"
    text = (
        f"This message was given up: {clean(lost.subject)}\n\n{lost.reason}\n\n"
        f"Mend that, then: robotrading messages retry '{lost.letter_id}'\n"
        "Further ones to the same address are not told of today; robotrading messages lists them.\n"
    )
    message = Message(subject, text, _PAGE.format(escape(text)))
    return Letter(f"{_NOTICE}{address}:{now:%Y-%m-%d}", LetterKind.ALERT, Urgency.CRITICAL, now, message)


def _by_server(due: Sequence[Delivery]) -> list[list[Delivery]]:
    found: dict[tuple[Channel, str], list[Delivery]] = {}
    for delivery in due:
        found.setdefault(_server(delivery), []).append(delivery)
    return list(found.values())


def _server(delivery: Delivery) -> tuple[Channel, str]:
    """All mail goes over one server; every push has its own."""
    address = delivery.address
    return address.channel, "" if address.channel is Channel.MAIL else address.recipient


def _not_set_up(delivery: Delivery) -> Skip:
    channel = delivery.address.channel
    reason = f"{channel} is not set up any more; set it up again, or let the message be given up"
    return Skip(delivery.address.recipient, "post", reason, "not_set_up")


def named(delivery: Delivery) -> str:
    """What it is about and to whom, in one line."""
    return f"{clean(delivery.subject)} to {clean(delivery.address.recipient)}"
