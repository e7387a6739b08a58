"""The broker's executions and commission reports as fills.

Entry points: `split_execution_id`, `fill_of`, `FillBook`.
Invariants: the part of an execution id before its last dot identifies the execution, the part after it is its revision,
so that a correction replaces instead of doubling; the same revision is told once, and once more when its commission is
known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from robotrading.adapters.ibkr.decimals import exact, known
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import Fill, Side

BOUGHT = ("BOT", "BUY")


def split_execution_id(execution_id: str) -> tuple[str, int]:
    """`0000e0d5.6511a4f6.01.02` is execution `0000e0d5.6511a4f6.01`, revision 2."""
    base, dot, revision = execution_id.rpartition(".")
    if not dot or not revision.isdigit():
        return execution_id, 1
    return base, int(revision)


def fill_of(execution: Any, instrument: Instrument, intent_id: str) -> Fill:
    """An execution without its commission, which is reported later. ValueError when a number is missing."""
    fill_id, revision = split_execution_id(execution.execId)
    return Fill(
        fill_id=fill_id,
        intent_id=intent_id,
        instrument=instrument,
        side=Side.BUY if execution.side in BOUGHT else Side.SELL,
        quantity=exact(execution.shares),
        price=exact(execution.price),
        at=execution.time,
        revision=revision,
    )


@dataclass(slots=True)
class FillBook:
    """Executions by id, which of them were told, and commissions that came first or alone.

    It outlives connections: after a new one the broker tells known executions again, without commissions, and in
    reqExecutions' answer the reports may come before or after them.
    """

    fills: dict[tuple[str, int], Fill] = field(default_factory=dict)
    commissions: dict[tuple[str, int], tuple[Decimal, str]] = field(default_factory=dict)
    _told: dict[tuple[str, int], Fill] = field(default_factory=dict)

    def note(self, fill: Fill) -> None:
        """Know an execution that was asked for, so that its commission finds it; it is not told by this."""
        self.fills[fill.fill_id, fill.revision] = fill

    def execution(self, fill: Fill) -> Fill | None:
        """The fill to tell, with its commission if known; None when all of it was told before."""
        key = (fill.fill_id, fill.revision)
        complete = self._with_commission(fill)
        if self._told.get(key) == complete:
            return None
        self.fills[key] = self._told[key] = complete
        return complete

    def executed(self, intent_id: str) -> Decimal:
        """How much of an intent was told to be done; what was merely asked for may be known to nobody else."""
        mine = (fill for fill in self._told.values() if fill.intent_id == intent_id)
        return sum((fill.quantity for fill in self.latest(mine)), Decimal(0))

    def commission(self, execution_id: str, amount: float, currency: str) -> Fill | None:
        """The fill that this report completes; None when it is not known (yet), or was told before."""
        paid = known(amount)
        if paid is None:
            return None
        key = split_execution_id(execution_id)
        self.commissions[key] = (paid, currency)
        fill = self.fills.get(key)
        return None if fill is None else self.execution(fill)

    def latest(self, fills: Iterable[Fill]) -> tuple[Fill, ...]:
        """The highest revision of each execution, in order of time, commissions filled in where known."""
        newest: dict[str, Fill] = {}
        for fill in fills:
            if fill.fill_id not in newest or fill.revision > newest[fill.fill_id].revision:
                newest[fill.fill_id] = fill
        return tuple(sorted(map(self._with_commission, newest.values()), key=lambda fill: (fill.at, fill.fill_id)))

    def _with_commission(self, fill: Fill) -> Fill:
        amount, currency = self.commissions.get((fill.fill_id, fill.revision), (None, ""))
        return fill if amount is None else replace(fill, commission=amount, commission_currency=currency)
