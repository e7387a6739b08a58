"""The outbox against a model of it, under any mixture of takers that die, come late, fail, merge and ask again.

Laws: nothing is lost (what was posted is there, with exactly the state the model says); among takers who settle in
time nothing is sent twice; what was settled is never changed back; a clock may stand still.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from ledgers import NOW

from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.integrity import check
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.domain.messages import (
    Address,
    Channel,
    Delivery,
    DeliveryState,
    Letter,
    LetterKind,
    Urgency,
    Waiting,
)
from robotrading.domain.report import Message

WAITING, SENT, MERGED, GIVEN_UP = DeliveryState
ADDRESSES = [Address(Channel.MAIL, "ann@example.org"), Address(Channel.MAIL, "bob@example.org")]
LENGTH = 60.0
RANK = {Urgency.CRITICAL: 0, Urgency.WARNING: 1, Urgency.NORMAL: 2}
Key = tuple[str, Address]
NUMBER = st.integers(0, 99)


@dataclass
class Way:
    """One way as the model sees it."""

    letter: Letter
    next_at: datetime
    state: DeliveryState = WAITING
    attempts: int = 0
    taken_until: datetime | None = None
    changed_at: datetime = NOW
    digest: str = ""

    def free(self, now: datetime) -> bool:
        return self.state is WAITING and (self.taken_until is None or self.taken_until <= now)


class Outboxes(RuleBasedStateMachine):
    """Two connections to one database: what one has done the other sees."""

    attempts = Bundle("attempts")

    @initialize()
    def open(self) -> None:
        self.folder = Path(mkdtemp())
        url = f"sqlite:///{self.folder / 'ledger.db'}"
        self.databases = [open_database(url, durable=False) for _ in range(2)]
        self.outboxes = [SqlOutbox(database) for database in self.databases]
        self.ways: dict[Key, Way] = {}
        self.letters: dict[str, Letter] = {}
        self.left: set[Key] = set()
        self.now = NOW
        self.digests = 0

    def teardown(self) -> None:
        for database in getattr(self, "databases", []):
            database.close()
        shutil.rmtree(getattr(self, "folder", ""), ignore_errors=True)

    @property
    def outbox(self) -> SqlOutbox:
        self.outboxes.reverse()
        return self.outboxes[0]

    @rule(seconds=st.sampled_from([0.0, 1.0, 59.0, 60.0, 90000.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(number=st.integers(0, 5), urgency=st.sampled_from(Urgency), to=st.integers(1, 2))
    def post(self, number: int, urgency: Urgency, to: int) -> None:
        name = f"l{number}"
        letter = Letter(name, LetterKind.REPORT, urgency, self.now, Message(f"at {self.now}", "t", "h"))
        assert self.outbox.post(letter, ADDRESSES[:to]) == (name not in self.letters)
        if name not in self.letters:
            self.letters[name] = letter
            for address in ADDRESSES[:to]:
                self.ways[name, address] = Way(letter, self.now, changed_at=self.now)

    @rule(target=attempts, number=NUMBER)
    def take(self, number: int) -> object:
        """Anything listed, due or not."""
        listed = self.outbox.deliveries(500)
        if not listed:
            return multiple()
        one = listed[number % len(listed)]
        way = self.ways[one.letter_id, one.address]
        got = self.outbox.take(one, self.now, LENGTH)
        assert (got is not None) == (way.free(self.now) and way.next_at <= self.now)
        if got is None:
            return multiple()
        assert (got.letter_id, got.address) not in self.left, "sent twice"
        way.attempts, way.taken_until, way.changed_at = way.attempts + 1, self.now + timedelta(seconds=LENGTH), self.now
        return got

    @rule(attempt=consumes(attempts))
    def die(self, attempt: Delivery) -> None:
        """Nobody hears of this attempt again."""

    @rule(attempt=attempts)
    def send(self, attempt: Delivery) -> None:
        """In time or late, also twice."""
        key = attempt.letter_id, attempt.address
        way = self.ways.get(key)
        self.outbox.sent(attempt, self.now)
        if way is not None and way.state is WAITING:
            if way.attempts == attempt.attempts and not way.free(self.now):
                self.left.add(key)
            way.state, way.taken_until, way.changed_at = SENT, None, self.now

    @rule(attempt=attempts, seconds=st.sampled_from([1.0, 60.0]), for_good=st.booleans())
    def fail(self, attempt: Delivery, seconds: float, for_good: bool) -> None:
        until = self.now + timedelta(seconds=seconds)
        if for_good:
            self.outbox.give_up(attempt, self.now, "refused", "550")
        else:
            self.outbox.put_off(attempt, until, self.now, "down", "no answer")
        way = self.ways.get((attempt.letter_id, attempt.address))
        if way is not None and way.state is WAITING and way.attempts == attempt.attempts:
            way.taken_until, way.changed_at = None, self.now
            if for_good:
                way.state = GIVEN_UP
            else:
                way.next_at = until

    @rule(which=st.sets(NUMBER, min_size=1, max_size=4), to=st.sampled_from(ADDRESSES))
    def merge(self, which: set[int], to: Address) -> None:
        listed = [one for one in self.outbox.deliveries(500) if one.address == to]
        if not listed:
            return
        chosen = [listed[number] for number in sorted({number % len(listed) for number in which})]
        ways = [self.ways[one.letter_id, to] for one in chosen]
        self.digests += 1
        digest = Letter(f"d{self.digests}", LetterKind.DIGEST, Urgency.NORMAL, self.now, Message("d", "t", "h"))
        merged = self.outbox.merge(digest, chosen, self.now)
        assert merged == all(way.free(self.now) for way in ways)
        if merged:
            for way in ways:
                way.state, way.digest, way.taken_until, way.changed_at = MERGED, digest.letter_id, None, self.now
            self.letters[digest.letter_id] = digest
            self.ways[digest.letter_id, to] = Way(digest, self.now, changed_at=self.now)

    @rule(number=NUMBER)
    def retry(self, number: int) -> None:
        if not self.letters:
            return
        name = sorted(self.letters)[number % len(self.letters)]
        asked = [
            way
            for (of, _), way in self.ways.items()
            if of == name and (way.state is GIVEN_UP or (way.free(self.now) and way.next_at > self.now))
        ]
        assert self.outbox.retry(name, self.now) == len(asked)
        for way in asked:
            way.state, way.next_at, way.taken_until, way.changed_at = WAITING, self.now, None, self.now

    @rule(seconds=st.sampled_from([0.0, 60.0, 100000.0]))
    def forget(self, seconds: float) -> None:
        """Whatever goes is old and waits nowhere; whatever stays is new, or waits, or is told of by what stays."""
        before = self.now - timedelta(seconds=seconds)
        waited_for = {of for (of, _), way in self.ways.items() if way.state is WAITING}
        old = {of for of, letter in self.letters.items() if letter.created_at < before and of not in waited_for}
        gone = old
        for _ in self.letters:
            gone = gone - {way.digest for (of, _), way in self.ways.items() if of not in gone}
        assert self.outbox.forget(before) == len(gone)
        self.letters = {of: letter for of, letter in self.letters.items() if of not in gone}
        self.ways = {key: way for key, way in self.ways.items() if key[0] not in gone}
        self.left = {key for key in self.left if key[0] not in gone}

    @invariant()
    def every_way_is_where_the_model_says(self) -> None:
        if not hasattr(self, "ways"):
            return
        listed = self.outbox.deliveries(500)
        assert {(one.letter_id, one.address): _seen(one) for one in listed} == {
            key: (way.letter.urgency, way.state, way.attempts, way.next_at, way.taken_until, way.changed_at, way.digest)
            for key, way in self.ways.items()
        }
        unsent = [one for one in listed if one.state in (WAITING, GIVEN_UP)]
        assert self.outbox.deliveries(500, unsent=True) == unsent

    @invariant()
    def what_is_due_is_what_may_be_taken(self) -> None:
        if not hasattr(self, "ways"):
            return
        free = {key: way for key, way in self.ways.items() if way.free(self.now) and way.next_at <= self.now}
        due = self.outbox.due(self.now)
        assert {(one.letter_id, one.address) for one in due} == set(free)
        order = [(RANK[one.urgency], one.created_at) for one in due]
        assert order == sorted(order)

    @invariant()
    def the_sum_is_right(self) -> None:
        if not hasattr(self, "ways"):
            return
        waiting = [way for way in self.ways.values() if way.state is WAITING]
        day = self.now - timedelta(days=1)
        expected = Waiting(
            len(waiting),
            min((max(way.next_at, way.taken_until or NOW) for way in waiting), default=None),
            min((way.letter.created_at for way in waiting), default=None),
            min((w.letter.created_at for w in waiting if w.letter.urgency is Urgency.CRITICAL), default=None),
            sum(way.state is GIVEN_UP and way.changed_at > day for way in self.ways.values()),
        )
        assert self.outbox.waiting(self.now) == expected

    @invariant()
    def every_letter_is_there_and_the_ledger_is_sound(self) -> None:
        if not hasattr(self, "ways"):
            return
        assert {of: self.outbox.letter(of) for of in self.letters} == self.letters
        assert check(self.databases[0], self.now) == ()


def _seen(one: Delivery) -> tuple[object, ...]:
    return (one.urgency, one.state, one.attempts, one.next_at, one.taken_until, one.changed_at, one.digest)


TestOutboxes = Outboxes.TestCase
TestOutboxes.settings = settings(max_examples=25, stateful_step_count=25, suppress_health_check=list(HealthCheck))
