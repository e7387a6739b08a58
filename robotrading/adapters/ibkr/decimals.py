"""Between the library's floats and exact decimals.

Entry points: `exact`, `known`, `plain`.
The library reads every number into a float and writes `sys.float_info.max` for 'not set'; the wire itself is text.
"""

from __future__ import annotations

import math
import sys
from decimal import Decimal, InvalidOperation

UNSET = sys.float_info.max


def exact(value: float | str | Decimal) -> Decimal:
    """The shortest decimal that reads as this float: what the gateway wrote.

    ValueError for nan, inf and what is no number.
    """
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"not a number: {value!r}") from None
    if not number.is_finite():
        raise ValueError(f"not a finite number: {value!r}")
    return number


def known(value: float | str | None) -> Decimal | None:
    """`exact`, or None for what is empty, not set, nan or infinite."""
    if value is None or value == "":
        return None
    number = float(value)
    if not math.isfinite(number) or abs(number) >= UNSET:
        return None
    return exact(value)


def plain(value: Decimal) -> str:
    """Text without an exponent: the gateway does not read 1E-8."""
    return format(value.normalize(), "f") if value else "0"
