"""Which alerts are open: the AlertBook port on a database.

Invariants: writers queue, so that of many who see no open alert of a key one opens it; an alert that has ended is
changed by nobody. Each of one key has an instant of its own, since letters are named after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, case, delete, insert, select, update

from robotrading.adapters.ledger.database import Database
from robotrading.adapters.ledger.stored import require_name, storable
from robotrading.adapters.ledger.tables import alerts
from robotrading.domain.alerts import Alert, Finding
from robotrading.domain.messages import Urgency

_LONGEST_KEY = 200
_LONGEST_RULE = 80
_TICK = timedelta(microseconds=1)

_IS_OPEN = alerts.c.resolved_at.is_(None)
_OPEN = select(alerts).where(_IS_OPEN).order_by(alerts.c.raised_at, alerts.c.key)
_OPEN_ONE = select(alerts.c.key).where(alerts.c.key == bindparam("of"), _IS_OPEN)
_RAISED = select(alerts.c.raised_at).where(alerts.c.key == bindparam("of"), alerts.c.raised_at >= bindparam("since"))
_NEWEST = select(alerts).order_by(alerts.c.raised_at.desc(), alerts.c.key).limit(bindparam("most"))
_ADD = insert(alerts).inline()
_FORGET = delete(alerts).where(alerts.c.resolved_at < bindparam("before"))
_CHANGE = update(alerts).where(alerts.c.key == bindparam("of"), alerts.c.raised_at == bindparam("raised"), _IS_OPEN)
_SEE = _CHANGE.values(
    times=alerts.c.times + bindparam("more"),
    seen_at=case((alerts.c.seen_at < bindparam("now"), bindparam("now")), else_=alerts.c.seen_at),
    urgency=bindparam("urgency"),
    found=bindparam("found"),
    remedy=bindparam("remedy"),
)
_TELL = _CHANGE.where(alerts.c.told_at.is_not_distinct_from(bindparam("known", type_=alerts.c.told_at.type)))


class SqlAlertBook:
    """See `domain/ports.py`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self) -> Sequence[Alert]:
        with self._database.transaction(reading=True) as connection:
            return [_alert(row) for row in connection.execute(_OPEN)]

    def begin(self, finding: Finding, at: datetime) -> Alert | None:
        require_name("alert", finding.key, _LONGEST_KEY)
        require_name("rule", finding.rule, _LONGEST_RULE)
        with self._database.transaction() as connection:
            if connection.execute(_OPEN_ONE, {"of": finding.key}).first() is not None:
                return None
            earlier = set(connection.execute(_RAISED, {"of": finding.key, "since": at}).scalars())
            while at in earlier:
                at += _TICK
            row = {"key": finding.key, "raised_at": at, "rule": finding.rule, "seen_at": at, "times": 1}
            words = _words(finding)
            connection.execute(_ADD, {**row, **words})
        return Alert(finding.key, finding.rule, finding.urgency, words["found"], words["remedy"], at, at)

    def seen(self, alert: Alert, finding: Finding, at: datetime, times: int = 1) -> None:
        with self._database.transaction() as connection:
            connection.execute(_SEE, {**_key(alert), "now": at, "more": times, **_words(finding)})

    def tell(self, alert: Alert, at: datetime) -> bool:
        if at == alert.told_at:  # all who know this word would be given the right to say it again
            return False
        with self._database.transaction() as connection:
            values = {**_key(alert), "known": alert.told_at, "told_at": at}
            return connection.execute(_TELL, values).rowcount == 1

    def end(self, alert: Alert, at: datetime) -> bool:
        with self._database.transaction() as connection:
            return connection.execute(_CHANGE, {**_key(alert), "resolved_at": at}).rowcount == 1

    def recent(self, limit: int = 50) -> Sequence[Alert]:
        with self._database.transaction(reading=True) as connection:
            return [_alert(row) for row in connection.execute(_NEWEST, {"most": limit})]

    def forget(self, before: datetime) -> int:
        with self._database.transaction() as connection:
            return connection.execute(_FORGET, {"before": before}).rowcount


def _key(alert: Alert) -> dict[str, Any]:
    return {"of": alert.key, "raised": alert.raised_at}


def _words(finding: Finding) -> dict[str, str]:
    return {
        "urgency": finding.urgency.value,
        "found": storable(finding.found),
        "remedy": storable(finding.remedy),
    }


def _alert(row: Row[Any]) -> Alert:
    return Alert(
        key=row.key,
        rule=row.rule,
        urgency=Urgency(row.urgency),
        found=row.found,
        remedy=row.remedy,
        raised_at=row.raised_at,
        seen_at=row.seen_at,
        times=row.times,
        told_at=row.told_at,
        resolved_at=row.resolved_at,
    )
