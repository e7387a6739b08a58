"""Session runs with their reports, plans, and what the models said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from robotrading.adapters.ledger.database import Database
from robotrading.adapters.ledger.stored import as_text
from robotrading.adapters.ledger.tables import plans, session_runs, signals
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.planning import Plan
from robotrading.domain.report import SessionReport
from robotrading.domain.signals import Signal


class Runs:
    """The part of the Ledger port about runs."""

    _database: Database

    def start_run(self, run_id: str, kind: AssetClass, trading_date: date, mode: str, at: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                insert(session_runs).values(
                    run_id=run_id, kind=kind.value, trading_date=trading_date, mode=mode, started_at=at
                )
            )

    def finish_run(self, report: SessionReport) -> None:
        closed = {"finished_at": report.finished_at, "outcome": report.outcome.value, "report": as_text(report)}
        with self._database.transaction() as connection:
            done = connection.execute(
                update(session_runs)
                .where(session_runs.c.run_id == report.run_id, session_runs.c.finished_at.is_(None))
                .values(closed)
            ).rowcount
            if done == 0 and self._has_run(connection, report.run_id):
                raise LedgerError(f"run {report.run_id} has its report already; a run is finished once")
            if done == 0:
                connection.execute(
                    insert(session_runs).values(
                        run_id=report.run_id,
                        kind=report.kind.value,
                        trading_date=report.trading_date,
                        mode=report.mode,
                        started_at=report.started_at,
                        **closed,
                    )
                )

    @staticmethod
    def _has_run(connection: Connection, run_id: str) -> bool:
        return (
            connection.execute(select(session_runs.c.run_id).where(session_runs.c.run_id == run_id)).first() is not None
        )

    def last_reports(self, limit: int = 3) -> Sequence[SessionReport]:
        with self._database.transaction(reading=True) as connection:
            rows = connection.execute(
                select(session_runs.c.report)
                .where(session_runs.c.report.is_not(None))
                .order_by(session_runs.c.started_at.desc(), session_runs.c.run_id.desc())
                .limit(limit)
            )
            return [msgspec.json.decode(row.report, type=SessionReport) for row in rows]

    def save_plan(self, plan: Plan) -> None:
        """The newest of the same id stays: its decisions are equal, its attempts and times are of today."""
        with self._database.transaction() as connection:
            connection.execute(delete(plans).where(plans.c.plan_id == plan.plan_id))
            connection.execute(
                insert(plans).values(
                    plan_id=plan.plan_id,
                    kind=plan.kind.value,
                    trading_date=plan.trading_date,
                    created_at=plan.created_at,
                    body=as_text(plan),
                )
            )

    def plan(self, plan_id: str) -> Plan | None:
        with self._database.transaction(reading=True) as connection:
            bodies = connection.execute(select(plans.c.body).where(plans.c.plan_id.startswith(plan_id)).limit(2)).all()
        if len(bodies) > 1:
            raise LedgerError(f"plan {plan_id!r} is the beginning of several plans; give more of it")
        return msgspec.json.decode(bodies[0].body, type=Plan) if bodies else None

    def save_signals(self, run_id: str, found: Sequence[Signal]) -> None:
        rows = [
            {
                "run_id": run_id,
                "instrument_key": one.instrument.key,
                "model": one.model,
                "stance": one.stance.value,
                "strength": one.strength,
                "as_of": one.as_of,
                "body": as_text(one),
            }
            for one in found
        ]
        if rows:
            with self._database.transaction() as connection:
                connection.execute(delete(signals).where(signals.c.run_id == run_id))
                connection.execute(insert(signals), rows)
