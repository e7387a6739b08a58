"""Between the library's floats and exact decimals.

Entry points: `exact`, `known`, `plain`.
The library reads every number into a float and writes `sys.float_info.max` for 'not set'; the wire itself is text.
"""

from __future__ import annotations

import sys
from decimal import Decimal, InvalidOperation

UNSET = sys.float_info.max
_UNSET = Decimal(str(UNSET))


def exact(value: float | str | Decimal) -> Decimal:
    """The shortest decimal that reads as this float: what the gateway wrote.

    ValueError for nan, inf, 'not set' and what is no number.
    """
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"not a number: {value!r}") from None
    if not number.is_finite():
        raise ValueError(f"not a finite number: {value!r}")
    if abs(number) >= _UNSET:
        raise ValueError(f"a number that is not set: {value!r}")
    return number


def known(value: float | str | None) -> Decimal | None:
    """`exact`, or None for what is empty, not set, nan, infinite or no number."""
    if value is None or value == "":
        return None
    try:
        return exact(value)
    except ValueError:
        return None


def plain(value: Decimal) -> str:
    """Text without an exponent: the gateway does not read 1E-8."""
    return format(value.normalize(), "f") if value else "0"
