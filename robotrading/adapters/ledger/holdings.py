"""Whose is what: positions by owner, equity, the day's capital, halts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, bindparam, delete, insert, select, update

from robotrading.adapters.ledger.audit import entries, note
from robotrading.adapters.ledger.book import owned, positions, was_closed
from robotrading.adapters.ledger.database import Database
from robotrading.adapters.ledger.stored import as_text, read_instrument, storable
from robotrading.adapters.ledger.tables import day_capital, day_stops, equity, halts, holdings_seen
from robotrading.domain.audit import AuditEntry
from robotrading.domain.book import Holding, Position
from robotrading.domain.instrument import Instrument

_EQUITY = select(equity.c.net_liquidation).where(equity.c.account_id == bindparam("of"))
_EQUITY_AT = _EQUITY.where(equity.c.at == bindparam("then"))
_EQUITY_SINCE = _EQUITY.where(equity.c.at >= bindparam("then")).order_by(equity.c.at).limit(1)
_EQUITY_CURVE = (
    select(equity.c.at, equity.c.net_liquidation)
    .where(equity.c.account_id == bindparam("of"), equity.c.at >= bindparam("then"))
    .order_by(equity.c.at.desc())
    .limit(bindparam("most"))
)
_ADD_EQUITY = insert(equity).inline()
_CAPITAL = select(day_capital.c.amount).where(
    day_capital.c.account_id == bindparam("of"),
    day_capital.c.day == bindparam("then"),
    day_capital.c.currency == bindparam("in"),
)
_PIN = insert(day_capital).inline()
_HALT = select(halts.c.reason).where(halts.c.resumed_at.is_(None)).order_by(halts.c.halt_id).limit(1)
_ADD_HALT = insert(halts).inline()
_RESUME = update(halts).where(halts.c.resumed_at.is_(None))
_STOP = select(day_stops.c.reason).where(
    day_stops.c.account_id == bindparam("of"), day_stops.c.day == bindparam("then")
)
_ADD_STOP = insert(day_stops).inline()
_SEEN = select(holdings_seen).where(holdings_seen.c.account_id == bindparam("of"))
_FORGET_SEEN = delete(holdings_seen).where(holdings_seen.c.account_id == bindparam("of"))
_SEE = insert(holdings_seen).inline()


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
            if connection.execute(_EQUITY_AT, {"of": account_id, "then": at}).first() is None:
                connection.execute(_ADD_EQUITY, row)

    def day_start_equity(self, account_id: str, since: datetime) -> Decimal | None:
        with self._database.transaction(reading=True) as connection:
            return connection.execute(_EQUITY_SINCE, {"of": account_id, "then": since}).scalar()

    def equity(self, account_id: str, since: datetime, limit: int = 1000) -> Sequence[tuple[datetime, Decimal]]:
        values = {"of": account_id, "then": since, "most": limit}
        with self._database.transaction(reading=True) as connection:
            rows = connection.execute(_EQUITY_CURVE, values).all()
        return [(row.at, row.net_liquidation) for row in reversed(rows)]

    def pin_capital(self, account_id: str, day: date, amount: Decimal, currency: str) -> Decimal:
        with self._database.transaction() as connection:
            pinned = connection.execute(_CAPITAL, {"of": account_id, "then": day, "in": currency}).scalar()
            if pinned is None:
                row = {"account_id": account_id, "day": day, "currency": currency, "amount": amount}
                connection.execute(_PIN, row)
            return amount if pinned is None else pinned

    def halted(self) -> str:
        with self._database.transaction(reading=True) as connection:
            return connection.execute(_HALT).scalar() or ""

    def halt(self, reason: str, at: datetime, who: str) -> None:
        reason, who = storable(reason) or "no reason given", storable(who)
        with self._database.transaction() as connection:
            if connection.execute(_HALT).first() is None:
                row = {"reason": reason, "halted_at": at, "halted_by": who[:80], "resumed_by": ""}
                connection.execute(_ADD_HALT, row)
                note(connection, AuditEntry(at, who, "halt", "trading", "", reason))

    def resume(self, at: datetime, who: str) -> bool:
        with self._database.transaction() as connection:
            reason = connection.execute(_HALT).scalar()
            if reason is None:
                return False
            connection.execute(_RESUME, {"resumed_at": at, "resumed_by": storable(who)[:80]})
            note(connection, AuditEntry(at, who, "resume", "trading", reason, ""))
            return True

    def stop_day(self, account_id: str, day: date, reason: str, at: datetime) -> None:
        reason = reason or "no reason given"
        with self._database.transaction() as connection:
            if connection.execute(_STOP, {"of": account_id, "then": day}).first() is None:
                connection.execute(_ADD_STOP, {"account_id": account_id, "day": day, "reason": reason, "at": at})
                note(connection, AuditEntry(at, "robotrading", "stop entries", f"{account_id} {day}", "", reason))

    def day_stopped(self, account_id: str, day: date) -> str:
        with self._database.transaction(reading=True) as connection:
            return connection.execute(_STOP, {"of": account_id, "then": day}).scalar() or ""

    def see_holdings(self, account_id: str, holdings: Sequence[Holding], at: datetime) -> Sequence[Holding]:
        rows = [
            {
                "account_id": account_id,
                "instrument_key": one.instrument.key,
                "quantity": one.quantity,
                "owned": one.owned,
                "at": min(one.at, at),
                "instrument": as_text(one.instrument),
            }
            for one in holdings
        ]
        with self._database.transaction() as connection:
            before = connection.execute(_SEEN, {"of": account_id}).all()
            connection.execute(_FORGET_SEEN, {"of": account_id})
            if rows:
                connection.execute(_SEE, rows)
            return _seen(before)

    def holdings_seen(self, account_id: str) -> Sequence[Holding]:
        with self._database.transaction(reading=True) as connection:
            return _seen(connection.execute(_SEEN, {"of": account_id}).all())

    def was_closed(self, instrument: Instrument, day: date) -> bool:
        with self._database.transaction(reading=True) as connection:
            return was_closed(connection, instrument, day)

    def audit(self, entry: AuditEntry) -> None:
        with self._database.transaction() as connection:
            note(connection, entry)

    def audit_log(self, limit: int = 100) -> Sequence[AuditEntry]:
        """The newest lines of the audit log, newest first."""
        with self._database.transaction(reading=True) as connection:
            return entries(connection, limit)


def _seen(rows: Sequence[Row[Any]]) -> Sequence[Holding]:
    found = sorted(rows, key=lambda row: row.instrument_key)
    return [Holding(read_instrument(row.instrument), row.quantity, row.owned, row.at) for row in found]
