"""How numbers are written in the sentences that people read."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal


def percent(share: Decimal) -> str:
    """A fraction as '12.0 %'; what one decimal would hide gets two: '0.20 %'."""
    hundredfold = share * 100
    return f"{hundredfold:.1f} %" if not hundredfold or abs(hundredfold) >= 1 else f"{hundredfold:.2f} %"


def plain(number: Decimal) -> str:
    """A number without exponent or trailing zeros: '34', '0.0015'. The same value always gives the same text."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def money(amount: Decimal, currency: str) -> str:
    """'1234.50 USD', to the cent."""
    return f"{amount.quantize(Decimal('0.01'), ROUND_HALF_EVEN)} {currency}"
