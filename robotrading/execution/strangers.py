"""Orders with our references that the ledger does not know.

They are of after the copy that it was restored from, or of a second installation that trades the same account.

Entry points: `strangers`, `Stranger`.
Invariants: what they have moved, or still may, is not ordered in while the broker tells of them: their references would
be used again, and what they bought would be bought twice. Whose they are, only a person can say.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Fill, kind_of
from robotrading.execution.reconcile import Evidence


@dataclass(frozen=True, slots=True)
class Stranger:
    """What the broker tells of one instrument: orders at work, and how much those of today have bought and sold."""

    instrument: Instrument
    references: tuple[str, ...]
    alive: tuple[str, ...] = ()
    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)

    @property
    def kind(self) -> AssetClass | None:
        """Whose session's references they are; None where that cannot be told."""
        return kind_of(self.references[0])

    def sentence(self, owned: Decimal) -> str:
        """What it is and what to do, where the ledger says that so many of the instrument are the session's."""
        said = [
            f"this ledger does not know {', '.join(self.references)}, which the broker has as orders of this program"
        ]
        if self.alive:
            said.append(f"{', '.join(self.alive)} is at work: cancel it in TWS")
        moves = " and ".join(
            f"{word} {_plain(many)}" for word, many in (("bought", self.bought), ("sold", self.sold)) if many
        )
        until = (
            f"{moves} today, so nothing is ordered in it until tomorrow" if moves else "nothing is ordered meanwhile"
        )
        said.append(f"{self.instrument}: {until}")
        if moves:
            owner = self.kind or "SESSION"
            said.append(
                f"the ledger says that {_plain(owned)} are the bot's: if it is an older copy, say how many there are "
                f"with `robotrading positions set {self.instrument.symbol} QUANTITY --owner {owner} --reason WHY`"
            )
        return "; ".join(said)


def strangers(evidence: Evidence, known: Collection[str]) -> tuple[Stranger, ...]:
    """By instrument, whatever has a reference of ours that is not `known`; a correction replaces what it corrects."""
    executed: dict[str, dict[str, Fill]] = {}
    for fill in sorted(evidence.executions, key=lambda fill: fill.revision):
        if fill.intent_id and fill.intent_id not in known:
            executed.setdefault(fill.instrument.key, {})[fill.fill_id] = fill
    strange = [one for one in evidence.open_orders if one.intent_id and one.intent_id not in known]
    alive = [one for one in strange if not one.status.terminal]
    instruments = {fill.instrument.key: fill.instrument for fills in executed.values() for fill in fills.values()}
    instruments |= {order.instrument.key: order.instrument for order in alive}
    found = []
    for key in sorted(instruments):
        fills = tuple(executed.get(key, {}).values())
        working = tuple(dict.fromkeys(order.intent_id for order in alive if order.instrument.key == key))
        names = tuple(dict.fromkeys([*working, *sorted(fill.intent_id for fill in fills)]))
        bought = sum((fill.quantity for fill in fills if fill.side.sign > 0), Decimal(0))
        sold = sum((fill.quantity for fill in fills if fill.side.sign < 0), Decimal(0))
        if working or bought or sold:
            found.append(Stranger(instruments[key], names, working, bought, sold))
    return tuple(found)


def _plain(quantity: Decimal) -> str:
    return f"{quantity.normalize():f}"
