"""`SqlLedger`: the Ledger port on a database.

Every method is one transaction; what it has returned from is on the disk (`synchronous=FULL`). Events are appended,
never edited; the folded ticket and the owner's position change in the same transaction as the event they follow from.
"""

from __future__ import annotations

from robotrading.adapters.ledger.database import Database, open_database
from robotrading.adapters.ledger.holdings import Holdings
from robotrading.adapters.ledger.orders import Orders
from robotrading.adapters.ledger.runs import Runs
from robotrading.domain.claims import Lease
from robotrading.domain.ports import Clock


class SqlLedger(Runs, Orders, Holdings):
    """The Ledger port; see `domain/ports.py` for what each method promises.

    With a `lease`, intents are recorded only while more than `margin` seconds of it are left (`LeaseLost` otherwise),
    by `clock`, or by the time of the intent where there is none.
    """

    def __init__(
        self, database: Database, lease: Lease | None = None, clock: Clock | None = None, margin: float = 0.0
    ) -> None:
        self._database = database
        self._lease = lease
        self._clock = clock
        self._margin = margin

    def close(self) -> None:
        self._database.close()


def open_ledger(
    url: str,
    *,
    busy_seconds: float = 10.0,
    lease: Lease | None = None,
    clock: Clock | None = None,
    margin: float = 0.0,
) -> SqlLedger:
    """Connect, migrate, and hand out the ledger; see `open_database`. Raises `LedgerError`."""
    return SqlLedger(open_database(url, busy_seconds=busy_seconds), lease, clock, margin)
