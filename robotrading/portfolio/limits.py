"""The safety rules that every order passes at the broker's door."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Bounds no sequence of orders may exceed.

    Values in the account's base currency; shares are fractions. `max_position_share` is of the bot's capital,
    `max_turnover_share` of the class budget per trading day (buys plus sells), `max_daily_loss_share` of the day's
    starting equity. `price_collar` is the furthest a limit price may lie from the current quote, `max_quote_age` in
    seconds. `max_price_jump` is the furthest a quote may lie from the last close.
    """

    max_order_value: Decimal = Decimal(50_000)
    max_position_share: Decimal = Decimal("0.25")
    max_positions: int = 600
    max_turnover_share: Decimal = Decimal("2.0")
    max_daily_loss_share: Decimal = Decimal("0.05")
    price_collar: Decimal = Decimal("0.05")
    max_price_jump: Decimal = Decimal("0.5")
    max_quote_age: float = 900.0
    allow_short: bool = False
