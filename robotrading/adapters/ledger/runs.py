"""Session runs with their reports, plans, and what the models said."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import bindparam, delete, insert, select, update

from robotrading.adapters.ledger.database import Database
from robotrading.adapters.ledger.stored import as_text, reader
from robotrading.adapters.ledger.tables import plans, session_runs, signals
from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.planning import Plan
from robotrading.domain.report import Begun, Ended, Outcome, SessionReport
from robotrading.domain.signals import Signal

_RUN = select(session_runs.c.finished_at).where(session_runs.c.run_id == bindparam("of"))
_ADD_RUN = insert(session_runs).inline()
_FINISH = update(session_runs).where(session_runs.c.run_id == bindparam("of"))
_REPORTS = (
    select(session_runs.c.report)
    .where(session_runs.c.report.is_not(None))
    .order_by(session_runs.c.started_at.desc(), session_runs.c.run_id.desc())
    .limit(bindparam("most"))
)
_ENDED = (
    select(
        session_runs.c.run_id,
        session_runs.c.kind,
        session_runs.c.mode,
        session_runs.c.started_at,
        session_runs.c.finished_at,
        session_runs.c.outcome,
        session_runs.c.trade,
    )
    .where(session_runs.c.finished_at.is_not(None))
    .order_by(session_runs.c.started_at.desc(), session_runs.c.run_id.desc())
    .limit(bindparam("most"))
)
_REPORT = select(session_runs.c.report).where(session_runs.c.run_id == bindparam("of"))
_ADD_PLAN = insert(plans).inline()
_FORGET_PLAN = delete(plans).where(plans.c.plan_id == bindparam("of"))
_PLANS = select(plans.c.plan_id, plans.c.body)
_ADD_SIGNAL = insert(signals).inline()
_FORGET_SIGNALS = delete(signals).where(signals.c.run_id == bindparam("of"))
_read_report = reader(SessionReport)
_read_plan = reader(Plan)


class Runs:
    """The part of the Ledger port about runs."""

    _database: Database

    def start_run(  # noqa: PLR0913  a run's beginning in full
        self, run_id: str, kind: AssetClass, trading_date: date, mode: str, at: datetime, *, trade: bool = True
    ) -> None:
        with self._database.transaction() as connection:
            if connection.execute(_RUN, {"of": run_id}).first() is not None:
                raise LedgerError(f"run {run_id} has started already; a run has an id of its own")
            row = {"run_id": run_id, "kind": kind.value, "trading_date": trading_date, "mode": mode, "started_at": at}
            connection.execute(_ADD_RUN, {**row, "trade": trade})

    def finish_run(self, report: SessionReport) -> None:
        end = {
            "finished_at": report.finished_at,
            "outcome": report.outcome.value,
            "report": as_text(report),
            "trade": report.trade,
        }
        with self._database.transaction() as connection:
            run = connection.execute(_RUN, {"of": report.run_id}).first()
            if run is not None and run.finished_at is not None:
                raise LedgerError(f"run {report.run_id} has its report already; a run is finished once")
            if run is not None:
                connection.execute(_FINISH, {"of": report.run_id, **end})
            else:
                connection.execute(_ADD_RUN, {**_begun(report), **end})

    def unreported(self, kind: AssetClass) -> Sequence[Begun]:
        with self._database.transaction(reading=True) as connection:
            rows = connection.execute(
                select(session_runs)
                .where(session_runs.c.kind == kind.value, session_runs.c.finished_at.is_(None))
                .order_by(session_runs.c.started_at, session_runs.c.run_id)
            ).all()
        return [Begun(r.run_id, kind, r.mode, r.trading_date, r.started_at, _trades(r.trade)) for r in rows]

    def last_reports(self, limit: int = 3) -> Sequence[SessionReport]:
        with self._database.transaction(reading=True) as connection:
            return [_read_report(row.report) for row in connection.execute(_REPORTS, {"most": limit})]

    def ended(self, limit: int = 30) -> Sequence[Ended]:
        with self._database.transaction(reading=True) as connection:
            rows = connection.execute(_ENDED, {"most": limit}).all()
            return [
                Ended(
                    r.run_id,
                    AssetClass(r.kind),
                    r.mode,
                    r.started_at,
                    r.finished_at,
                    Outcome(r.outcome),
                    _trades(r.trade),
                )
                for r in rows
            ]

    def report(self, run_id: str) -> SessionReport | None:
        with self._database.transaction(reading=True) as connection:
            stored = connection.execute(_REPORT, {"of": run_id}).scalar()
            return None if stored is None else _read_report(stored)

    def save_plan(self, plan: Plan) -> None:
        """The newest of the same id stays: its decisions are equal, its attempts and times are of today."""
        row = {
            "plan_id": plan.plan_id,
            "kind": plan.kind.value,
            "trading_date": plan.trading_date,
            "created_at": plan.created_at,
            "body": as_text(plan),
        }
        with self._database.transaction() as connection:
            connection.execute(_FORGET_PLAN, {"of": plan.plan_id})
            connection.execute(_ADD_PLAN, row)

    def plan(self, plan_id: str) -> Plan | None:
        question = _PLANS.where(plans.c.plan_id.startswith(plan_id, autoescape=True)).order_by(plans.c.plan_id)
        with self._database.transaction(reading=True) as connection:
            # SQLite's LIKE is blind to upper and lower case.
            rows = [row for row in connection.execute(question) if row.plan_id.startswith(plan_id)]
        exact = [row for row in rows if row.plan_id == plan_id]
        if len(rows) > 1 and not exact:
            raise LedgerError(f"plan {plan_id!r} is the beginning of several plans; give more of it")
        return _read_plan((exact or rows)[0].body) if rows else None

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
        with self._database.transaction() as connection:
            connection.execute(_FORGET_SIGNALS, {"of": run_id})
            if rows:
                connection.execute(_ADD_SIGNAL, rows)


def _trades(said: bool | None) -> bool:  # noqa: FBT001  a column's value
    """Rows from before plans were told apart say nothing, and count as runs."""
    return said is not False


def _begun(report: SessionReport) -> dict[str, object]:
    return {
        "run_id": report.run_id,
        "kind": report.kind.value,
        "trading_date": report.trading_date,
        "mode": report.mode,
        "started_at": report.started_at,
    }
