"""Letters and their ways to people: the Outbox port on a database.

Invariants: a letter and its ways come into being in one transaction. Each attempt has a number, written before it
begins; who holds an older number may still say that the mail has left, and nothing else. What is settled stays so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, case, delete, func, insert, select, update

from robotrading.adapters.ledger.database import Database
from robotrading.adapters.ledger.stored import require_name, storable
from robotrading.adapters.ledger.tables import deliveries as ways
from robotrading.adapters.ledger.tables import letters
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
from robotrading.domain.report import Message

RANKS = {Urgency.CRITICAL: 0, Urgency.WARNING: 1, Urgency.NORMAL: 2}
"""The order of sending."""
GIVEN_UP_LATELY = timedelta(days=1)
LONGEST_REASON = 2000
_LONGEST_RULE = 40
_LONGEST_ID = 200
_LONGEST_RECIPIENT = 320
_encode = msgspec.msgpack.Encoder().encode
read_message = msgspec.msgpack.Decoder(Message).decode
"""A letter's stored body. Raises `msgspec.MsgspecError`."""

_WAITS = ways.c.state == DeliveryState.WAITING.value
_IS_NOBODYS = ways.c.taken_until.is_(None) | (ways.c.taken_until <= bindparam("now"))
_IS_DUE = _WAITS & (ways.c.next_at <= bindparam("now")) & _IS_NOBODYS
_THIS = (
    (ways.c.letter_id == bindparam("of"))
    & (ways.c.channel == bindparam("by"))
    & (ways.c.recipient == bindparam("to"))
)  # fmt: skip
_ABOUT = (letters.c.kind, letters.c.urgency, letters.c.subject, letters.c.created_at)
_ALL: Select[Any] = select(*ways.c, *_ABOUT).join(letters, letters.c.letter_id == ways.c.letter_id)
_DUE = (
    _ALL.where(_IS_DUE)
    .order_by(ways.c.rank, letters.c.created_at, ways.c.letter_id, ways.c.channel, ways.c.recipient)
    .limit(bindparam("most"))
)
_NEWEST = _ALL.order_by(
    letters.c.created_at.desc(), ways.c.letter_id.desc(), ways.c.channel, ways.c.recipient
).limit(bindparam("most"))  # fmt: skip
_UNSENT = _NEWEST.where(ways.c.state.in_((DeliveryState.WAITING.value, DeliveryState.GIVEN_UP.value)))
_FREE = _ALL.where(_THIS, _IS_DUE)
_MERGEABLE = select(ways.c.letter_id).where(_THIS, _WAITS, _IS_NOBODYS)
_HAS_WAY = select(ways.c.letter_id).where(_THIS)
_LETTER = select(letters).where(letters.c.letter_id == bindparam("of"))
_HAS_LETTER = select(letters.c.letter_id).where(letters.c.letter_id == bindparam("of"))

_ADD_LETTER = insert(letters).inline()
_ADD_WAY = insert(ways).inline()
_CHANGE_WAITING = update(ways).where(_THIS, _WAITS)
_CHANGE_OWN = _CHANGE_WAITING.where(ways.c.attempts == bindparam("mine"))
_GIVEN_UP = ways.c.state == DeliveryState.GIVEN_UP.value
_PUT_OFF = _WAITS & (ways.c.next_at > bindparam("now")) & _IS_NOBODYS
_RETRY = update(ways).where(ways.c.letter_id == bindparam("of"), _GIVEN_UP | _PUT_OFF)

# An attempt that is under way may be followed by another once it has run out, not before.
_NEXT = case((ways.c.taken_until > ways.c.next_at, ways.c.taken_until), else_=ways.c.next_at)
_WAITING = (
    select(
        func.count().label("deliveries"),
        func.min(_NEXT).label("due_at"),
        func.min(letters.c.created_at).label("oldest"),
        func.min(case((ways.c.rank == 0, letters.c.created_at))).label("oldest_critical"),
    )
    .select_from(ways.join(letters, letters.c.letter_id == ways.c.letter_id))
    .where(_WAITS)
)
_LATELY = select(func.count()).select_from(ways).where(_GIVEN_UP, ways.c.changed_at > bindparam("since"))

_WAITED_FOR = select(ways.c.letter_id).where(_WAITS)
_OLD = (
    select(letters.c.letter_id)
    .where(letters.c.created_at < bindparam("before"))
    .where(letters.c.letter_id.not_in(_WAITED_FOR))
)
_TOLD_IN = select(ways.c.letter_id, ways.c.digest).where(ways.c.digest != "")
_FORGET_WAYS = delete(ways).where(ways.c.letter_id == bindparam("of"))
_FORGET_LETTER = delete(letters).where(letters.c.letter_id == bindparam("of"))


class SqlOutbox:
    """See `domain/ports.py`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def post(self, letter: Letter, addresses: Collection[Address]) -> bool:
        _require_sane(letter, addresses)
        with self._database.transaction() as connection:
            if connection.execute(_HAS_LETTER, {"of": letter.letter_id}).first() is not None:
                return False
            connection.execute(_ADD_LETTER, _letter_row(letter))
            _add_ways(connection, letter, addresses, letter.created_at)
            return True

    def letter(self, letter_id: str) -> Letter | None:
        with self._database.transaction(reading=True) as connection:
            row = connection.execute(_LETTER, {"of": letter_id}).first()
            return _letter(row) if row is not None and row.body else None

    def due(self, now: datetime, limit: int = 100) -> Sequence[Delivery]:
        with self._database.transaction(reading=True) as connection:
            return [_delivery(row) for row in connection.execute(_DUE, {"now": now, "most": limit})]

    def take(self, delivery: Delivery, now: datetime, seconds: float) -> Delivery | None:
        until = now + timedelta(seconds=seconds)
        with self._database.transaction() as connection:
            row = connection.execute(_FREE, {**_key(delivery), "now": now}).first()
            if row is None:
                return None
            found = _delivery(row)
            taken = replace(found, attempts=found.attempts + 1, taken_until=until, changed_at=now)
            values = {"attempts": taken.attempts, "taken_until": until, "changed_at": now}
            connection.execute(_CHANGE_WAITING, {**_key(delivery), **values})
            return taken

    def sent(self, delivery: Delivery, at: datetime) -> None:
        """It has left: that is true whoever has taken it since."""
        values = {"state": DeliveryState.SENT.value, "taken_until": None, "changed_at": at}
        with self._database.transaction() as connection:
            connection.execute(_CHANGE_WAITING, {**_key(delivery), **values})

    def put_off(self, delivery: Delivery, until: datetime, at: datetime, rule: str, reason: str) -> None:
        self._fail(delivery, at, rule, reason, {"next_at": until})

    def give_up(self, delivery: Delivery, at: datetime, rule: str, reason: str) -> None:
        self._fail(delivery, at, rule, reason, {"state": DeliveryState.GIVEN_UP.value})

    def _fail(self, delivery: Delivery, at: datetime, rule: str, reason: str, values: dict[str, Any]) -> None:
        """Nothing for who has lost the attempt to somebody else."""
        words = {"rule": storable(rule)[:_LONGEST_RULE], "reason": storable(reason)[:LONGEST_REASON]}
        row = {**_key(delivery), "mine": delivery.attempts, "taken_until": None, "changed_at": at, **words, **values}
        with self._database.transaction() as connection:
            connection.execute(_CHANGE_OWN, row)

    def merge(self, digest: Letter, deliveries: Collection[Delivery], at: datetime) -> bool:
        address = _one_address(digest, deliveries)
        _require_sane(digest, [address])
        new = {"of": digest.letter_id, "by": address.channel.value, "to": address.recipient}
        values = {
            "state": DeliveryState.MERGED.value,
            "digest": digest.letter_id,
            "taken_until": None,
            "changed_at": at,
        }
        with self._database.transaction() as connection:
            for one in deliveries:
                if connection.execute(_MERGEABLE, {**_key(one), "now": at}).first() is None:
                    return False
            if connection.execute(_HAS_WAY, new).first() is not None:
                return False
            if connection.execute(_HAS_LETTER, {"of": digest.letter_id}).first() is None:
                connection.execute(_ADD_LETTER, _letter_row(digest))
            _add_ways(connection, digest, [address], at)
            connection.execute(_CHANGE_WAITING, [{**_key(one), **values} for one in deliveries])
            return True

    def retry(self, letter_id: str, at: datetime) -> int:
        values = {"state": DeliveryState.WAITING.value, "next_at": at, "taken_until": None, "changed_at": at}
        with self._database.transaction() as connection:
            return connection.execute(_RETRY, {"of": letter_id, "now": at, **values}).rowcount

    def waiting(self, now: datetime) -> Waiting:
        with self._database.transaction(reading=True) as connection:
            row = connection.execute(_WAITING).one()
            lately = connection.execute(_LATELY, {"since": now - GIVEN_UP_LATELY}).scalar_one()
        return Waiting(row.deliveries, row.due_at, row.oldest, row.oldest_critical, lately)

    def deliveries(self, limit: int = 50, *, unsent: bool = False) -> Sequence[Delivery]:
        with self._database.transaction(reading=True) as connection:
            return [_delivery(row) for row in connection.execute(_UNSENT if unsent else _NEWEST, {"most": limit})]

    def forget(self, before: datetime) -> int:
        with self._database.transaction() as connection:
            gone = set(connection.execute(_OLD, {"before": before}).scalars())
            told = connection.execute(_TOLD_IN).all()
            # A digest stays as long as a letter that says of itself that it is told there.
            while kept := {row.digest for row in told if row.letter_id not in gone} & gone:
                gone -= kept
            if gone:
                rows = [{"of": letter_id} for letter_id in sorted(gone)]
                connection.execute(_FORGET_WAYS, rows)
                connection.execute(_FORGET_LETTER, rows)
            return len(gone)


def _require_sane(letter: Letter, addresses: Collection[Address]) -> None:
    """What one engine would refuse and the other cut or keep."""
    require_name("letter", letter.letter_id, _LONGEST_ID)
    for address in addresses:
        require_name("recipient", address.recipient, _LONGEST_RECIPIENT)


def _one_address(digest: Letter, deliveries: Collection[Delivery]) -> Address:
    addresses = {one.address for one in deliveries}
    if len(addresses) != 1:
        named = ", ".join(sorted(map(str, addresses))) or "nobody"
        raise LedgerError(f"{digest.letter_id} is a digest for {named}; a digest goes to exactly one address")
    return addresses.pop()


def _key(delivery: Delivery) -> dict[str, Any]:
    return {"of": delivery.letter_id, "by": delivery.address.channel.value, "to": delivery.address.recipient}


def _add_ways(connection: Connection, letter: Letter, addresses: Collection[Address], at: datetime) -> None:
    rows = [
        {
            "letter_id": letter.letter_id,
            "channel": address.channel.value,
            "recipient": address.recipient,
            "state": DeliveryState.WAITING.value,
            "rank": RANKS[letter.urgency],
            "attempts": 0,
            "next_at": at,
            "changed_at": at,
            "rule": "",
            "reason": "",
            "digest": "",
        }
        for address in dict.fromkeys(addresses)
    ]
    if rows:
        connection.execute(_ADD_WAY, rows)


def _letter_row(letter: Letter) -> dict[str, Any]:
    said = letter.message
    message = replace(said, subject=storable(said.subject), text=storable(said.text), html=storable(said.html))
    return {
        "letter_id": letter.letter_id,
        "kind": letter.kind.value,
        "urgency": letter.urgency.value,
        "subject": message.subject,
        "created_at": letter.created_at,
        "body": _encode(message),
    }


def _letter(row: Row[Any]) -> Letter:
    return Letter(row.letter_id, LetterKind(row.kind), Urgency(row.urgency), row.created_at, read_message(row.body))


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        letter_id=row.letter_id,
        address=Address(Channel(row.channel), row.recipient),
        kind=LetterKind(row.kind),
        urgency=Urgency(row.urgency),
        subject=row.subject,
        created_at=row.created_at,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        next_at=row.next_at,
        changed_at=row.changed_at,
        taken_until=row.taken_until,
        rule=row.rule,
        reason=row.reason,
        digest=row.digest,
    )
