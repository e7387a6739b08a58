"""Leases with fencing numbers, and occurrences that run once: the Claims port on a database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from robotrading.adapters.ledger.database import Database
from robotrading.adapters.ledger.tables import leases, occurrences
from robotrading.domain.claims import Claim, Lease, Occurrence
from robotrading.domain.errors import LeaseLost, LedgerError
from robotrading.domain.instrument import AssetClass

FARTHEST_SECONDS = 3600.0
"""No copy asks for a lease as long as this: one that ends later was written under a wrong clock."""

_LEASE = select(leases).where(leases.c.name == bindparam("of"))
_FIRST_LEASE = insert(leases).inline()
_CHANGE_LEASE = update(leases).where(leases.c.name == bindparam("of"))
_RELEASE = _CHANGE_LEASE.where(leases.c.fence == bindparam("mine"))
_OCCURRENCE = select(occurrences).where(occurrences.c.key == bindparam("of"))
_TAKE = insert(occurrences).inline()
_FINISH = update(occurrences).where(occurrences.c.key == bindparam("of"), occurrences.c.finished_at.is_(None))
_SINCE = (
    select(occurrences)
    .where(occurrences.c.due_at >= bindparam("since"))
    .order_by(occurrences.c.due_at, occurrences.c.kind)
)


def require_valid(connection: Connection, lease: Lease, now: datetime, margin: float = 0.0) -> datetime:
    """When it ends: inside the transaction that relies on it, the lease is the newest, with more than `margin` s left.

    Raises `LeaseLost`.
    """
    row = _row(connection, lease.name)
    if row is None or row.fence != lease.fence or row.holder != lease.holder:
        taken = f"{row.holder} has it since" if row is not None and row.holder else "nobody holds it"
        raise LeaseLost(f"{lease.name}: the right to act has passed from {lease.holder}; {taken}; nothing is sent")
    ends: datetime = row.expires_at
    if ends <= now + timedelta(seconds=margin):
        ended = "ran out" if ends <= now else "runs out"
        raise LeaseLost(
            f"{lease.name}: the right of {lease.holder} {ended} at {ends:%H:%M:%S} UTC and was not renewed; "
            "nothing is sent"
        )
    return ends


ACCOUNT = "account:"
"""How the names of the accounts' leases begin."""
_ACCOUNTS = select(leases.c.name).where(leases.c.name.startswith(ACCOUNT))


class SqlClaims:
    """See `domain/ports.py`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def place(self) -> str:
        """Where the database is, without any secret."""
        return self._database.name

    def claim(self, name: str, holder: str, now: datetime, seconds: float, grace: float = 0.0) -> Lease | None:
        if not holder:
            raise LedgerError(f"{name}: a lease needs a holder's name; '' means that nobody has it")
        until = now + timedelta(seconds=seconds)
        with self._database.transaction() as connection:
            row = _row(connection, name)
            if row is None:
                connection.execute(_FIRST_LEASE, {"name": name, "holder": holder, "fence": 1, "expires_at": until})
                return Lease(name, holder, 1, until)
            if row.holder not in ("", holder) and now < row.expires_at + timedelta(seconds=grace):
                _require_sane(row, now)
                return None
            fence = row.fence + 1
            connection.execute(_CHANGE_LEASE, {"of": name, "holder": holder, "fence": fence, "expires_at": until})
            return Lease(name, holder, fence, until)

    def renew(self, lease: Lease, now: datetime, seconds: float) -> Lease:
        with self._database.transaction() as connection:
            until = max(require_valid(connection, lease, now), now + timedelta(seconds=seconds))
            connection.execute(_CHANGE_LEASE, {"of": lease.name, "expires_at": until})
        return Lease(lease.name, lease.holder, lease.fence, until)

    def release(self, lease: Lease, now: datetime) -> None:
        with self._database.transaction() as connection:
            values = {"of": lease.name, "mine": lease.fence, "holder": "", "expires_at": now}
            connection.execute(_RELEASE, values)

    def dedicate(self, name: str, now: datetime) -> None:
        """Make this database the home of one account, whose lease nobody holds yet.

        Raises `LedgerError` where it is another account's home already.
        """
        with self._database.transaction(reading=True) as connection:
            found = set(connection.execute(_ACCOUNTS).scalars())
        if not found:
            with self._database.transaction() as connection:
                found = set(connection.execute(_ACCOUNTS).scalars())
                if not found:
                    connection.execute(_FIRST_LEASE, {"name": name, "holder": "", "fence": 0, "expires_at": now})
                    return
        if found != {name}:
            raise LedgerError(
                f"{self._database.name} keeps the books of {', '.join(sorted(found - {name}))}, not of {name}: "
                "accounts never share a database; give this one a database of its own (ROBOTRADING_DATABASE_URL)"
            )

    def clock_offset(self, now: datetime) -> float:
        """Seconds by which this host's clock is ahead of the database server's; 0 where there is no server."""
        if self._database.engine.dialect.name == "sqlite":
            return 0.0
        with self._database.transaction(reading=True) as connection:
            there: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return (now - there).total_seconds()

    def holder(self, name: str) -> Lease | None:
        with self._database.transaction(reading=True) as connection:
            row = _row(connection, name)
        return None if row is None else Lease(row.name, row.holder, row.fence, row.expires_at)

    def claim_occurrence(self, occurrence: Occurrence, lease: Lease, now: datetime) -> bool:
        with self._database.transaction() as connection:
            require_valid(connection, lease, now)
            if connection.execute(_OCCURRENCE, {"of": occurrence.key}).first() is not None:
                return False
            connection.execute(_TAKE, _taken(occurrence, lease, now))
            return True

    def finish_occurrence(self, occurrence: Occurrence, run_id: str, outcome: str, now: datetime) -> None:
        values = {"of": occurrence.key, "run_id": run_id, "outcome": outcome, "finished_at": now}
        with self._database.transaction() as connection:
            if connection.execute(_FINISH, values).rowcount:
                return
            if connection.execute(_OCCURRENCE, {"of": occurrence.key}).first() is None:
                raise LedgerError(f"{occurrence.key} was never claimed; an occurrence is claimed before it is finished")

    def occurrences(self, since: datetime) -> Sequence[Claim]:
        with self._database.transaction(reading=True) as connection:
            return [_claim(row) for row in connection.execute(_SINCE, {"since": since})]


def _require_sane(row: Row[Any], now: datetime) -> None:
    """A lease that ends absurdly late would lock everybody out: a person has to look."""
    if row.expires_at > now + timedelta(seconds=FARTHEST_SECONDS):
        raise LedgerError(
            f"{row.name}: the lease of {row.holder} ends at {row.expires_at:%Y-%m-%d %H:%M:%S} UTC, more than "
            f"{FARTHEST_SECONDS:g} s after this host's time ({now:%Y-%m-%d %H:%M:%S} UTC): one of the two clocks "
            "is wrong. Set it right; if that copy is surely dead, set its holder to '' in the table leases"
        )


def _row(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(_LEASE, {"of": name}).first()


def _taken(occurrence: Occurrence, lease: Lease, now: datetime) -> dict[str, Any]:
    return {
        "key": occurrence.key,
        "kind": occurrence.kind.value,
        "trading_date": occurrence.trading_date,
        "due_at": occurrence.due_at,
        "holder": lease.holder,
        "fence": lease.fence,
        "claimed_at": now,
        "run_id": "",
        "outcome": "",
    }


def _claim(row: Row[Any]) -> Claim:
    return Claim(
        Occurrence(AssetClass(row.kind), row.trading_date, row.due_at),
        row.holder,
        row.claimed_at,
        row.run_id,
        row.outcome,
        row.finished_at,
    )
