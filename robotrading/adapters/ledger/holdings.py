"""Whose is what: positions by owner, equity, the day's capital, halts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec
from sqlalchemy import delete, insert, select, update

from robotrading.adapters.ledger.audit import note
from robotrading.adapters.ledger.book import owned, positions, was_closed
from robotrading.adapters.ledger.database import Database
from robotrading.adapters.ledger.stored import as_text
from robotrading.adapters.ledger.tables import day_capital, day_stops, equity, halts, holdings_seen
from robotrading.domain.audit import AuditEntry
from robotrading.domain.book import Holding, Position
from robotrading.domain.instrument import Instrument


class Holdings:
    """The part of the Ledger port about the account."""

    _database: Database

    def positions(self, owner: str | None = None) -> Sequence[Position]:
        with self._database.transaction(reading=True) as connection:
            return positions(connection, owner)

    def owned(self, instrument: Instrument) -> Decimal:
        with self._database.transaction(reading=True) as connection:
            return owned(connection, instrument)

    def save_equity(self, at: datetime, account_id: str, net_liquidation: Decimal, currency: str) -> None:
        row = {"at": at, "account_id": account_id, "net_liquidation": net_liquidation, "currency": currency}
        with self._database.transaction() as connection:
            same = connection.execute(
                select(equity.c.at).where(equity.c.account_id == account_id, equity.c.at == at)
            ).first()
            if same is None:
                connection.execute(insert(equity).values(row))

    def day_start_equity(self, account_id: str, since: datetime) -> Decimal | None:
        with self._database.transaction(reading=True) as connection:
            return connection.execute(
                select(equity.c.net_liquidation)
                .where(equity.c.account_id == account_id, equity.c.at >= since)
                .order_by(equity.c.at)
                .limit(1)
            ).scalar()

    def pin_capital(self, account_id: str, day: date, amount: Decimal, currency: str) -> Decimal:
        key = {"account_id": account_id, "day": day, "currency": currency}
        with self._database.transaction() as connection:
            pinned = connection.execute(select(day_capital.c.amount).filter_by(**key)).scalar()
            if pinned is None:
                connection.execute(insert(day_capital).values(amount=amount, **key))
            return amount if pinned is None else pinned

    def halted(self) -> str:
        with self._database.transaction(reading=True) as connection:
            reason = connection.execute(select(halts.c.reason).where(halts.c.resumed_at.is_(None)).limit(1)).scalar()
        return reason or ""

    def halt(self, reason: str, at: datetime, who: str) -> None:
        with self._database.transaction() as connection:
            if connection.execute(select(halts.c.halt_id).where(halts.c.resumed_at.is_(None))).first() is None:
                connection.execute(insert(halts).values(reason=reason, halted_at=at, halted_by=who, resumed_by=""))
                note(connection, AuditEntry(at, who, "halt", "trading", "", reason))

    def resume(self, at: datetime, who: str) -> bool:
        with self._database.transaction() as connection:
            standing = halts.c.resumed_at.is_(None)
            reason = connection.execute(select(halts.c.reason).where(standing).limit(1)).scalar()
            if reason is None:
                return False
            connection.execute(update(halts).where(standing).values(resumed_at=at, resumed_by=who))
            note(connection, AuditEntry(at, who, "resume", "trading", reason, ""))
            return True

    def stop_day(self, account_id: str, day: date, reason: str, at: datetime) -> None:
        key = {"account_id": account_id, "day": day}
        with self._database.transaction() as connection:
            if connection.execute(select(day_stops.c.at).filter_by(**key)).first() is None:
                connection.execute(insert(day_stops).values(reason=reason, at=at, **key))
                note(connection, AuditEntry(at, "robotrading", "stop entries", f"{account_id} {day}", "", reason))

    def day_stopped(self, account_id: str, day: date) -> str:
        with self._database.transaction(reading=True) as connection:
            query = select(day_stops.c.reason).filter_by(account_id=account_id, day=day)
            return connection.execute(query).scalar() or ""

    def see_holdings(self, account_id: str, holdings: Sequence[Holding], at: datetime) -> Sequence[Holding]:
        here = holdings_seen.c.account_id == account_id
        rows = [
            {
                "account_id": account_id,
                "instrument_key": one.instrument.key,
                "quantity": one.quantity,
                "owned": one.owned,
                "at": at,
                "instrument": as_text(one.instrument),
            }
            for one in holdings
        ]
        with self._database.transaction() as connection:
            before = connection.execute(select(holdings_seen).where(here).order_by(holdings_seen.c.instrument_key))
            seen = [
                Holding(msgspec.json.decode(row.instrument, type=Instrument), row.quantity, row.owned, row.at)
                for row in before
            ]
            connection.execute(delete(holdings_seen).where(here))
            if rows:
                connection.execute(insert(holdings_seen), rows)
        return seen

    def was_closed(self, instrument: Instrument, day: date) -> bool:
        with self._database.transaction(reading=True) as connection:
            return was_closed(connection, instrument, day)

    def audit(self, entry: AuditEntry) -> None:
        with self._database.transaction() as connection:
            note(connection, entry)
