"""Where a drill may put its hand in: everything that a plan of misfortunes changes in the gateway goes through here.

Entry points: `Drill` (which changes nothing), `Login`. `sim/faults/gateway` plays a plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from robotrading.domain.market import Quote
from robotrading.sim.exchange_types import ExchangeEvent, Holding, OrderRequest

if TYPE_CHECKING:
    from robotrading.sim.gateway.server import GatewayServer
    from robotrading.sim.gateway.session import Session


@dataclass(frozen=True, slots=True)
class Login:
    """What becomes of one connection: refused at the door, refused its client id, or given other accounts."""

    refused: bool = False
    id_in_use: bool = False
    accounts: tuple[str, ...] = ()
    """In place of the exchange's own; empty for those."""


class Drill:
    """Changes nothing. All methods run on the gateway's loop; `start` comes with the server and before any client."""

    def start(self, server: GatewayServer) -> None:
        """The gateway listens."""

    def stop(self) -> None:
        """The gateway ends."""

    def login(self) -> Login:
        """Somebody connects."""
        return Login()

    def logged_in(self, session: Session) -> None:
        """A client has said who it is and has been greeted."""

    def arrived(self, kind: int) -> None:
        """A message of a client that has started, by its number, before it is served."""

    def place(self, session: Session, order_id: int, request: OrderRequest) -> bool:
        """Take an order over; False leaves it to the gateway."""
        del session, order_id, request
        return False

    def told(self, event: ExchangeEvent) -> Sequence[ExchangeEvent]:
        """What the owner of an order is told now when this happens to it, in order."""
        return (event,)

    def quote(self, quote: Quote | None) -> Quote | None:
        """The quote as it is shown; None for none."""
        return quote

    def quote_delay(self) -> float:
        """Seconds that a request for market data waits for its answer."""
        return 0.0

    def data_taken(self) -> bool:
        """Whether another session has the market data (10197)."""
        return False

    def history_broken(self) -> bool:
        """Whether requests for bars fail (2105)."""
        return False

    def holdings(self, holdings: Sequence[Holding]) -> Sequence[Holding]:
        """Positions as they are answered."""
        return holdings
