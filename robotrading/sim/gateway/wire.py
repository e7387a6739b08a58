"""Framing and fields of the TWS socket protocol.

A message is a four-byte big-endian length and that many bytes of NUL-terminated UTF-8 fields. A client opens with
`API`, a NUL, and one frame with the protocol versions it speaks (`v157..176`, options may follow after a space).

Entry points: `frame`, `text`, `split`, `Fields`, `parse_versions`, `negotiate`, `read_frame`, `MalformedMessage`.
Invariants: `split(frame(fields)[4:])` gives the fields back as text; nothing but `MalformedMessage` (and the end of the
stream) comes out of reading, whatever bytes came in.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

GREETING = b"API\0"
MIN_VERSION = 157
MAX_VERSION = 178
UNSET_DOUBLE = "1.7976931348623157E308"
UNSET_INTEGER = "2147483647"

Field = str | int | float | bool | Decimal | None

_LENGTH = struct.Struct(">I")
_VERSIONS = re.compile(r"v(\d{1,6})(?:\.\.(\d{1,6}))?(?: .*)?", re.ASCII | re.DOTALL)
_UNSET = {"", UNSET_DOUBLE, "1.7976931348623157e+308"}
_INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_MAX_EXPONENT = 10
"""Numbers of orders stay so small that no product of two of them outgrows 28 digits of precision."""


class MalformedMessage(ValueError):
    """What a client sent cannot be read; the text says which field, what stood there and what belongs there."""


def text(value: Field) -> str:
    """One field as it travels: unset is empty, booleans are digits, decimals have no exponent."""
    if type(value) is str:  # by far the most frequent
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return repr(value)
    return str(value)


def frame(fields: Iterable[Field]) -> bytes:
    """Length prefix and NUL-terminated fields."""
    payload = "".join(f"{text(value)}\0" for value in fields).encode()
    return _LENGTH.pack(len(payload)) + payload


def split(payload: bytes) -> list[str]:
    """The fields of one frame's payload."""
    fields = payload.decode(errors="replace").split("\0")
    if fields[-1] == "":
        fields.pop()
    return fields


async def read_frame(reader: asyncio.StreamReader, limit: int) -> bytes:
    """The next frame's payload. Raises `MalformedMessage` over `limit` bytes, IncompleteReadError at the end."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    if length > limit:
        raise MalformedMessage(f"a frame of {length} bytes was announced; at most {limit} are read")
    return await reader.readexactly(length)


def parse_versions(payload: bytes) -> tuple[int, int]:
    """Lowest and highest protocol version of a client's first frame."""
    match = _VERSIONS.fullmatch(payload.decode(errors="replace"))
    if match is None:
        raise MalformedMessage(f"the first frame reads {payload[:40]!r}; expected versions as in 'v157..178'")
    low = int(match[1])
    return low, int(match[2] or low)


def negotiate(low: int, high: int) -> int:
    """The version both sides speak: the client's highest, but no more than ours."""
    version = min(high, MAX_VERSION)
    if version < MIN_VERSION or low > version:
        raise MalformedMessage(f"the client speaks versions {low} to {high}; served are {MIN_VERSION} to {MAX_VERSION}")
    return version


class Fields:
    """A cursor over the fields of one message. Every reader raises `MalformedMessage`."""

    __slots__ = ("_at", "_values")

    def __init__(self, values: list[str]) -> None:
        self._values = values
        self._at = 0

    @property
    def left(self) -> int:
        """How many fields have not been read yet."""
        return len(self._values) - self._at

    def text(self) -> str:
        if self._at >= len(self._values):
            raise MalformedMessage(f"field {self._at} is missing; the message ends after {len(self._values)} fields")
        value = self._values[self._at]
        self._at += 1
        return value

    def skip(self, count: int = 1) -> None:
        for _ in range(count):
            self.text()

    def integer(self, default: int = 0) -> int:
        """A whole number; empty or unset gives the default."""
        value = self.text()
        if value in ("", UNSET_INTEGER):
            return default
        if not _INTEGER.fullmatch(value):
            raise MalformedMessage(f"field {self._at - 1} is {value[:40]!r}; expected a whole number")
        return int(value)

    def number(self) -> Decimal | None:
        """A decimal; None where unset. Not-a-number, infinities and absurd magnitudes are malformed."""
        value = self.text()
        if value in _UNSET:
            return None
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or len(value) > 40 or abs(number.adjusted()) > _MAX_EXPONENT:
            raise MalformedMessage(f"field {self._at - 1} is {value[:40]!r}; expected a number")
        return number

    def flag(self) -> bool:
        """A boolean as a digit, empty for false."""
        value = self.text()
        if value in ("", "0", "false"):
            return False
        if value in ("1", "true"):
            return True
        raise MalformedMessage(f"field {self._at - 1} is {value[:40]!r}; expected 0 or 1")

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """A count and that many pairs of tag and value."""
        return tuple((self.text(), self.text()) for _ in range(self.count()))

    def count(self) -> int:
        """A count of things that follow, never more than there are fields left."""
        count = self.integer()
        if not 0 <= count <= self.left:
            raise MalformedMessage(f"field {self._at - 1} announces {count} entries; {self.left} fields are left")
        return count
