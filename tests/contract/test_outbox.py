"""The Outbox port's contract: nothing is lost, an attempt is one caller's, what is settled stays so; on every engine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from multiprocessing import get_context

import pytest
from ledgers import NOW
from sqlalchemy import text

from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.outbox import SqlOutbox
from robotrading.domain.errors import LedgerError
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
from robotrading.domain.report import Attachment, Message

ANN = Address(Channel.MAIL, "ann@example.org")
BOB = Address(Channel.MAIL, "bob@example.org")
PHONE = Address(Channel.PUSH, "tgram 1")
WAITING, SENT, MERGED, GIVEN_UP = DeliveryState


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def letter(
    letter_id: str = "report:run-1",
    urgency: Urgency = Urgency.NORMAL,
    kind: LetterKind = LetterKind.REPORT,
    at: datetime = NOW,
) -> Letter:
    return Letter(letter_id, kind, urgency, at, Message(f"of {letter_id}", "text", "<p>html</p>"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def outbox(database: Database) -> SqlOutbox:
    return SqlOutbox(database)


def posted(outbox: SqlOutbox, letter_id: str = "report:run-1", *addresses: Address, at: datetime = NOW) -> Delivery:
    assert outbox.post(letter(letter_id, at=at), addresses or [ANN])
    return next(one for one in outbox.deliveries(500) if one.letter_id == letter_id)


def taken(outbox: SqlOutbox, delivery: Delivery, seconds: float = 0, length: float = 60) -> Delivery:
    mine = outbox.take(delivery, after(seconds), length)
    assert mine is not None
    return mine


def now_is(outbox: SqlOutbox, delivery: Delivery) -> Delivery:
    (found,) = [
        one for one in outbox.deliveries(500) if (one.letter_id, one.address) == (delivery.letter_id, delivery.address)
    ]
    return found


def test_a_letter_comes_back_whole_with_its_pictures(outbox: SqlOutbox) -> None:
    picture = Attachment("curve.png", "image/png", bytes(range(256)), content_id="curve")
    whole = replace(letter(), message=Message("Done: 3 orders – ok", "täxt\n", "<b>h</b>", (picture,)))
    assert outbox.post(whole, [ANN])
    assert outbox.letter(whole.letter_id) == whole
    assert outbox.letter("report:run-2") is None


def test_each_address_has_a_way_of_its_own_due_at_once(outbox: SqlOutbox) -> None:
    outbox.post(letter(), [ANN, PHONE, ANN])
    expected = [
        Delivery("report:run-1", address, LetterKind.REPORT, Urgency.NORMAL, "of report:run-1", NOW, WAITING, 0, NOW, NOW)
        for address in (ANN, PHONE)
    ]  # fmt: skip
    assert outbox.due(NOW) == outbox.deliveries() == expected
    assert outbox.due(after(-1)) == []


def test_the_same_letter_twice_is_one_and_the_first_stays(outbox: SqlOutbox) -> None:
    assert outbox.post(letter(), [ANN])
    assert not outbox.post(replace(letter(), message=Message("other", "", "")), [ANN, BOB])
    assert outbox.letter("report:run-1") == letter()
    assert len(outbox.deliveries()) == 1


@pytest.mark.parametrize("bad", ["", "a" * 201, "two\nlines", "half \ud800"])
def test_a_name_that_an_engine_would_not_keep_is_refused(outbox: SqlOutbox, bad: str) -> None:
    with pytest.raises(LedgerError, match=r"letter .* between 1 and 200 printable"):
        outbox.post(letter(bad), [ANN])
    with pytest.raises(LedgerError, match=r"recipient .* between 1 and 320 printable"):
        outbox.post(letter(), [ANN, Address(Channel.MAIL, bad * 2)])
    assert outbox.deliveries() == []


def test_words_that_no_engine_keeps_do_not_stop_a_letter_nor_its_failure(outbox: SqlOutbox) -> None:
    outbox.post(replace(letter(), message=Message("a\0b", "c\udcffd", "e")), [ANN])
    kept = outbox.letter("report:run-1")
    assert kept is not None
    assert kept.message == Message("a?b", "c?d", "e")
    mine = taken(outbox, outbox.due(NOW)[0])
    outbox.put_off(mine, after(60), after(1), "r" * 99, "451 \udcff\0" + "x" * 9999)
    failed = now_is(outbox, mine)
    assert (len(failed.rule), failed.reason[:7], len(failed.reason)) == (40, "451 ??x", 2000)


def test_the_most_urgent_is_due_first_then_the_oldest(outbox: SqlOutbox) -> None:
    for number, urgency in enumerate([Urgency.NORMAL, Urgency.WARNING, Urgency.NORMAL, Urgency.CRITICAL]):
        outbox.post(letter(f"l{number}", urgency, at=after(-number)), [ANN])
    assert [one.letter_id for one in outbox.due(NOW)] == ["l3", "l1", "l2", "l0"]
    assert [one.letter_id for one in outbox.due(NOW, 2)] == ["l3", "l1"]


def test_an_attempt_is_one_callers_and_counted_before_it_begins(outbox: SqlOutbox) -> None:
    way = posted(outbox)
    mine = taken(outbox, way)
    assert mine == replace(way, attempts=1, taken_until=after(60))
    assert now_is(outbox, way) == mine
    assert outbox.take(way, after(59), 60) is None
    assert outbox.due(after(59)) == []


def test_an_attempt_that_nobody_settled_is_anybodys_after_its_time(outbox: SqlOutbox) -> None:
    way = posted(outbox)
    taken(outbox, way)
    assert [one.attempts for one in outbox.due(after(60))] == [1]
    assert taken(outbox, way, 60).attempts == 2


def test_who_looked_before_it_was_put_off_cannot_take_it(outbox: SqlOutbox) -> None:
    looked = posted(outbox)
    outbox.put_off(taken(outbox, looked), after(100), after(1), "down", "no answer")
    assert outbox.take(looked, after(2), 60) is None
    assert taken(outbox, looked, 100).attempts == 2


def test_what_is_settled_cannot_be_taken(outbox: SqlOutbox) -> None:
    one, two = posted(outbox, "one"), posted(outbox, "two")
    outbox.sent(taken(outbox, one), after(1))
    outbox.give_up(taken(outbox, two), after(1), "unknown", "550")
    assert outbox.due(after(9999)) == []
    assert outbox.take(one, after(9999), 60) is outbox.take(two, after(9999), 60) is None


def test_how_an_attempt_ended_is_kept(outbox: SqlOutbox) -> None:
    way = posted(outbox, "l", ANN)
    mine = taken(outbox, way)
    outbox.put_off(mine, after(60), after(1), "greylisted", "451 later")
    put_off = replace(way, attempts=1, next_at=after(60), changed_at=after(1), rule="greylisted", reason="451 later")
    assert now_is(outbox, way) == put_off
    outbox.give_up(taken(outbox, way, 60), after(61), "refused", "550 no")
    given_up = replace(put_off, state=GIVEN_UP, attempts=2, changed_at=after(61), rule="refused", reason="550 no")
    assert now_is(outbox, way) == given_up
    outbox.retry("l", after(70))
    outbox.sent(taken(outbox, way, 70), after(71))
    assert now_is(outbox, way) == replace(given_up, state=SENT, attempts=3, next_at=after(70), changed_at=after(71))


def test_one_address_does_not_wait_for_another(outbox: SqlOutbox) -> None:
    outbox.post(letter(), [ANN, BOB])
    ann, bob = outbox.due(NOW)
    outbox.give_up(taken(outbox, ann), after(1), "refused", "550")
    assert [one.address for one in outbox.due(after(1))] == [BOB]
    outbox.sent(taken(outbox, bob), after(2))
    assert (now_is(outbox, ann).state, now_is(outbox, bob).state) == (GIVEN_UP, SENT)


def test_who_lost_an_attempt_changes_nothing_by_failing(outbox: SqlOutbox) -> None:
    way = posted(outbox)
    late = taken(outbox, way)
    other = taken(outbox, way, 60)
    outbox.put_off(late, after(9999), after(61), "late", "late")
    outbox.give_up(late, after(61), "late", "late")
    assert now_is(outbox, way) == other
    outbox.sent(other, after(62))
    settled = now_is(outbox, way)
    outbox.put_off(late, after(9999), after(63), "late", "late")
    outbox.give_up(other, after(63), "late", "late")
    outbox.sent(late, after(64))
    assert now_is(outbox, way) == settled


def test_what_has_left_is_sent_whoever_holds_the_attempt_now(outbox: SqlOutbox) -> None:
    way = posted(outbox)
    late, other = taken(outbox, way), taken(outbox, way, 60)
    outbox.sent(late, after(61))
    outbox.put_off(other, after(9999), after(62), "failed", "failed")
    assert (now_is(outbox, way).state, now_is(outbox, way).rule) == (SENT, "")


def test_what_was_given_up_stays_so_until_somebody_asks_again(outbox: SqlOutbox) -> None:
    way = posted(outbox)
    late = taken(outbox, way)
    outbox.give_up(taken(outbox, way, 60), after(61), "refused", "550")
    outbox.sent(late, after(62))
    assert now_is(outbox, way).state is GIVEN_UP


def test_what_is_said_of_a_letter_that_was_forgotten_is_no_error(outbox: SqlOutbox) -> None:
    mine = taken(outbox, posted(outbox))
    outbox.sent(mine, after(1))
    assert outbox.forget(after(1)) == 1
    outbox.sent(mine, after(2))
    outbox.put_off(mine, after(9), after(2), "late", "late")
    assert outbox.take(mine, after(2), 60) is None
    assert outbox.retry(mine.letter_id, after(2)) == 0


def digest(letter_id: str = "digest:1", at: float = 10) -> Letter:
    return letter(letter_id, kind=LetterKind.DIGEST, at=after(at))


def test_a_digest_takes_the_place_of_what_waits(outbox: SqlOutbox) -> None:
    outbox.post(letter("one"), [ANN, BOB])
    outbox.post(letter("two"), [ANN])
    to_ann = [one for one in outbox.due(NOW) if one.address == ANN]
    assert outbox.merge(digest(), to_ann, after(10))
    assert [(one.letter_id, one.address) for one in outbox.due(after(10))] == [("one", BOB), ("digest:1", ANN)]
    assert {(now_is(outbox, one).state, now_is(outbox, one).digest) for one in to_ann} == {(MERGED, "digest:1")}
    assert outbox.letter("digest:1") == digest()
    assert outbox.letter("one") == letter("one")


@pytest.mark.parametrize("hindrance", ["taken", "sent", "given up", "merged", "forgotten"])
def test_a_digest_of_something_that_does_not_wait_any_more_changes_nothing(outbox: SqlOutbox, hindrance: str) -> None:
    one, two = posted(outbox, "one"), posted(outbox, "two")
    if hindrance == "merged":
        assert outbox.merge(digest("digest:0"), [two], after(9))
    else:
        mine = taken(outbox, two)
        if hindrance == "given up":
            outbox.give_up(mine, after(1), "refused", "550")
        elif hindrance != "taken":
            outbox.sent(mine, after(1))
            outbox.forget(after(1) if hindrance == "forgotten" else NOW)
    before = outbox.deliveries()
    assert not outbox.merge(digest(), [one, two], after(10))
    assert outbox.deliveries() == before
    assert outbox.letter("digest:1") is None


def test_what_was_put_off_and_what_somebody_left_may_be_merged(outbox: SqlOutbox) -> None:
    one, two = posted(outbox, "one"), posted(outbox, "two")
    outbox.put_off(taken(outbox, one), after(9999), after(1), "down", "no answer")
    late = taken(outbox, two)
    assert outbox.merge(digest(), [one, two], after(60))
    outbox.sent(late, after(61))
    outbox.put_off(late, after(61), after(61), "late", "late")
    assert now_is(outbox, two).state is MERGED


def test_the_same_digest_may_go_to_two_people_and_to_each_once(outbox: SqlOutbox) -> None:
    outbox.post(letter("one"), [ANN, BOB])
    outbox.post(letter("two"), [ANN])
    ann_one, bob, ann_two = outbox.due(NOW)
    assert outbox.merge(digest(), [ann_one], after(10))
    assert outbox.merge(digest(), [bob], after(11))
    assert not outbox.merge(digest(), [ann_two], after(12))
    assert now_is(outbox, ann_two).state is WAITING


def test_a_digest_has_one_address(outbox: SqlOutbox) -> None:
    outbox.post(letter(), [ANN, BOB])
    with pytest.raises(
        LedgerError, match=r"mail:ann@example\.org, mail:bob@example\.org; a digest goes to exactly one"
    ):
        outbox.merge(digest(), outbox.due(NOW), after(10))
    with pytest.raises(LedgerError, match="for nobody"):
        outbox.merge(digest(), [], after(10))


def test_a_person_lets_what_was_given_up_or_put_off_be_tried_at_once(outbox: SqlOutbox) -> None:
    outbox.post(letter(), [ANN, BOB, PHONE])
    ann, bob, phone = outbox.due(NOW)
    outbox.give_up(taken(outbox, ann), after(1), "refused", "550")
    outbox.put_off(taken(outbox, bob), after(9999), after(1), "down", "no answer")
    outbox.sent(taken(outbox, phone), after(1))
    assert outbox.retry("report:run-1", after(2)) == 2
    assert [(one.address, one.attempts) for one in outbox.due(after(2))] == [(ANN, 1), (BOB, 1)]
    taken(outbox, bob, 2)
    assert outbox.retry("report:run-1", after(3)) == 0, "one is due anyway, the other is being tried"
    assert outbox.retry("report:run-2", after(3)) == 0


def test_asking_again_takes_no_attempt_from_who_has_it_whatever_the_clocks_say(outbox: SqlOutbox) -> None:
    """The host on which it is asked may be behind the one that tries."""
    way = posted(outbox, at=after(100))
    mine = taken(outbox, way, 100)
    assert outbox.retry("report:run-1", after(99)) == 0
    assert now_is(outbox, way) == mine


def test_what_waits_is_summed_up(outbox: SqlOutbox) -> None:
    assert outbox.waiting(NOW) == Waiting()
    outbox.post(letter("old", at=after(-50)), [ANN, BOB])
    outbox.post(letter("bad", Urgency.CRITICAL, at=after(-5)), [ANN])
    assert outbox.waiting(NOW) == Waiting(3, after(-50), after(-50), after(-5), 0)
    bad, ann, bob = outbox.due(NOW)
    outbox.sent(taken(outbox, bad), NOW)
    outbox.put_off(taken(outbox, ann), after(30), NOW, "down", "")
    mine = taken(outbox, bob)
    assert outbox.waiting(NOW) == Waiting(2, after(30), after(-50), None, 0)
    outbox.give_up(mine, NOW, "refused", "550")
    outbox.sent(taken(outbox, ann, 30), after(31))
    assert outbox.waiting(after(86399)) == Waiting(given_up=1)
    assert outbox.waiting(after(86400)) == Waiting()


def test_an_attempt_under_way_is_not_due_before_it_has_run_out(outbox: SqlOutbox) -> None:
    taken(outbox, posted(outbox))
    assert outbox.waiting(NOW).due_at == after(60)


def test_the_newest_are_listed_first_and_the_unsent_alone_when_asked_for(outbox: SqlOutbox) -> None:
    for number in range(4):
        posted(outbox, f"l{number}", at=after(number))
    sent, given_up, merged, _ = reversed(outbox.deliveries())
    outbox.sent(sent, after(9))
    outbox.give_up(given_up, after(9), "refused", "550")
    assert outbox.merge(digest(), [merged], after(10))
    assert [one.letter_id for one in outbox.deliveries()] == ["digest:1", "l3", "l2", "l1", "l0"]
    assert [one.letter_id for one in outbox.deliveries(2)] == ["digest:1", "l3"]
    assert [one.letter_id for one in outbox.deliveries(unsent=True)] == ["digest:1", "l3", "l1"]


def test_what_is_old_is_forgotten_with_its_ways_unless_something_of_it_waits(outbox: SqlOutbox) -> None:
    outbox.post(letter("half"), [ANN, BOB])
    outbox.post(letter("done"), [ANN])
    outbox.post(letter("nobody's"), [])
    outbox.post(letter("new", at=after(9)), [ANN])
    for one in outbox.due(after(9)):
        if one.address == ANN:
            outbox.sent(one, after(10))
    assert outbox.forget(after(9)) == 2
    assert {one.letter_id for one in outbox.deliveries()} == {"half", "new"}
    assert outbox.letter("done") is None
    assert outbox.post(letter("done"), [ANN]), "nothing is left of it"


def test_a_digest_stays_as_long_as_a_letter_that_is_told_in_it(outbox: SqlOutbox) -> None:
    outbox.post(letter("one"), [ANN, BOB])
    ann, bob = outbox.due(NOW)
    assert outbox.merge(digest(), [ann], after(10))
    outbox.sent(taken(outbox, now_is(outbox, replace(ann, letter_id="digest:1")), 10), after(11))
    assert outbox.forget(after(99)) == 0
    outbox.sent(bob, after(12))
    assert outbox.forget(after(99)) == 2
    assert outbox.deliveries() == []


def test_a_body_that_cannot_be_read_is_an_error_that_says_so(database: Database) -> None:
    outbox = SqlOutbox(database)
    posted(outbox)
    with database.transaction() as connection:
        connection.execute(text("UPDATE letters SET body = :bad"), {"bad": b"\xc1"})
    with pytest.raises(LedgerError, match="cannot be read"):
        outbox.letter("report:run-1")
    assert len(outbox.due(NOW)) == 1, "the list needs no body"
    with database.transaction() as connection:
        connection.execute(text("UPDATE letters SET body = :none"), {"none": b""})
    assert outbox.letter("report:run-1") is None, "its body was forgotten"


LETTERS, WORKERS = 12, 4


def raced(url: str, worker: int) -> tuple[list[str], list[str], list[str]]:
    """What this worker posted, took and merged, of what all of them want."""
    with closing(open_database(url, busy_seconds=30)) as database:
        outbox = SqlOutbox(database)
        made = [f"l{number}" for number in range(LETTERS) if outbox.post(letter(f"l{number}"), [ANN, BOB])]
        mine = [got for one in outbox.due(NOW) if one.address == ANN if (got := outbox.take(one, NOW, 60))]
        for one in mine:
            outbox.sent(one, NOW)
        left = [one for one in outbox.due(NOW) if one.kind is LetterKind.REPORT]
        told = [one for one in left if outbox.merge(digest(f"digest:{worker}:{one.letter_id}", 0), [one], NOW)]
        return made, [one.letter_id for one in mine], [one.letter_id for one in told]


def workers(pool: str) -> Executor:
    if pool == "threads":
        return ThreadPoolExecutor(WORKERS)
    return ProcessPoolExecutor(WORKERS - 1, mp_context=get_context("spawn"))


@pytest.mark.parametrize("pool", ["threads", "processes"])
def test_of_many_who_want_the_same_one_gets_it_and_nothing_is_lost(database_url: str, pool: str) -> None:
    with workers(pool) as executor:
        found = list(executor.map(raced, [database_url] * WORKERS, range(WORKERS), timeout=90))
    everyone = sorted(f"l{number}" for number in range(LETTERS))
    for which in range(2):
        assert sorted(one for worker in found for one in worker[which]) == everyone
    told = sorted(one for worker in found for one in worker[2])
    with closing(open_database(database_url)) as database:
        kept = SqlOutbox(database).deliveries(500)
    assert sorted(one.letter_id for one in kept if one.state is SENT) == everyone
    assert sorted(one.letter_id for one in kept if one.state is MERGED) == told
    digests = [one.letter_id for one in kept if one.kind is LetterKind.DIGEST]
    assert sorted(one.rpartition(":")[2] for one in digests) == told, "each is told in one digest"
