"""How to reach a TWS or IB Gateway."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Address and bounds of the connection; times in seconds.

    `account` is the id that must match; empty takes the only account of a paper login. `paper` is what the
    configuration promises: paper account ids start with D. `messages_per_second` is what we send at most.
    `timezone` is read into times that the gateway sends without a zone (its own display zone; old versions only).
    `market_data_lines` bounds the quotes asked at a time. `history_deadline` bounds one call of the feed: what the
    pacing rules would make wait longer is skipped.
    """

    host: str = "127.0.0.1"
    port: int = 4002
    client_id: int = 101
    account: str = ""
    paper: bool = True
    connect_timeout: float = 15.0
    request_timeout: float = 20.0
    messages_per_second: int = 45
    market_data_type: int = 3
    timezone: str = "America/New_York"
    market_data_lines: int = 90
    history_deadline: float = 900.0
