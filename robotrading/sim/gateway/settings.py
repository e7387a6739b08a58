"""What the gateway may be told, and the faults that a drill may switch on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Pacing(StrEnum):
    """What happens to a client that sends more than `messages_per_second`."""

    OFF = "off"
    WARN = "warn"
    """Error 100 once a second; everything is served all the same."""
    DROP = "drop"
    """Error 100 and the message is not served."""


class DataAccess(StrEnum):
    """Which market data the pretend account has paid for."""

    LIVE = "live"
    DELAYED = "delayed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class GatewayServerSettings:
    """Times in seconds, sizes in bytes.

    `time_zone` is the one TWS would be set to: the day of executions begins at its midnight. `fill_delay` is the pause
    between an order and its first matching, `step_interval` the one between matchings while orders are open.
    `status_before_executions` sends 'Filled' ahead of the executions, as the real gateway sometimes does.
    `reject_status` says whether a refusal's 'Inactive' follows its error (False: the error is all that is ever heard).
    `account_delay` is how long positions and account values lag behind a fill, `feed_pause` the least time until a feed
    that failed is asked again for what nobody has requested.
    """

    market_name: str = "synthetic"
    time_zone: str = "US/Eastern"
    messages_per_second: int = 50
    pacing: Pacing = Pacing.WARN
    data_access: DataAccess = DataAccess.LIVE
    history_pacing: bool = False
    status_before_executions: bool = False
    reject_status: bool = True
    fill_delay: float = 0.01
    step_interval: float = 0.05
    quote_interval: float = 0.25
    account_delay: float = 0.05
    summary_interval: float = 180.0
    bar_interval: float = 5.0
    feed_pause: float = 5.0
    state_delay: float = 0.1
    handshake_timeout: float = 10.0
    max_frame: int = 65_536
    max_backlog: int = 16_777_216
    max_clients: int = 32


class DropAt(StrEnum):
    """When the connection is cut, seen from the next order that arrives."""

    NEVER = ""
    BEFORE_ORDER = "before_order"
    """The exchange never hears of the order."""
    BEFORE_ACK = "before_ack"
    """The exchange has the order, the client is not told."""
    AFTER_ACK = "after_ack"


@dataclass(frozen=True, slots=True)
class Faults:
    """Everything that a drill can break. `drop_at` works once and then falls back to NEVER."""

    withhold_acks: bool = False
    """Order statuses and open orders that nobody asked for are not sent."""
    withhold_fills: bool = False
    """Executions, commissions and 'Filled' are not sent unasked, and are left out where asked for."""
    withhold_positions: bool = False
    """No answer to a request for positions, no end of it either."""
    frozen: bool = False
    """Sockets stay open; nothing is read and nothing is sent."""
    refuse_connections: bool = False
    drop_at: DropAt = DropAt.NEVER
