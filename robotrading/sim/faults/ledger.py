"""A ledger that fails by plan.

Entry point: `faulty_ledger`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from robotrading.domain.errors import LedgerError
from robotrading.domain.ports import Ledger
from robotrading.sim.faults.kinds import FaultKind, Layer, Trigger
from robotrading.sim.faults.plan import Fault
from robotrading.sim.faults.script import Script

_WORDS = {
    FaultKind.DISK_FULL: "the ledger cannot be written: database or disk is full; free space and run again",
    FaultKind.DATABASE_LOCKED: "the ledger cannot be used: database is locked; end what else uses it and run again",
    FaultKind.DATABASE_GONE: "the ledger cannot be reached: the database is gone; bring it back and run again",
}
_SPARED = frozenset({"close"})


def faulty_ledger(ledger: Ledger, script: Script) -> Ledger:
    """The ledger with the plan's faults on its calls: before their effect, or (`Fault.after`) when they have had it.

    Every call but `close` counts. What the port may grow by later is covered, since all is handed on.
    """
    return cast("Ledger", _FaultyLedger(ledger, script))


class _FaultyLedger:
    """Hands everything on to the ledger behind it."""

    def __init__(self, ledger: Ledger, script: Script) -> None:
        self._ledger = ledger
        self._script = script

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ledger, name)
        return self._call(name, found) if callable(found) and name not in _SPARED else found

    def _call(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(work)
        def call(*given: Any, **named: Any) -> Any:
            befallen = self._script.occurs(Trigger.LEDGER, Layer.LEDGER)
            _fail([fault for fault in befallen if not fault.after], name)
            answer = work(*given, **named)
            _fail(befallen, name)
            return answer

        return call


def _fail(faults: list[Fault] | tuple[Fault, ...], name: str) -> None:
    for fault in faults:
        raise LedgerError(f"{name}: {_WORDS[fault.kind]}")
