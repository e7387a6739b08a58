"""Values as they lie in a column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from robotrading.domain.errors import LedgerError
from robotrading.domain.instrument import Instrument

T = TypeVar("T")
_ENCODER = msgspec.json.Encoder()


def as_text(value: Any) -> str:
    """A frozen value as JSON."""
    return _ENCODER.encode(value).decode()


def reader(of: type[T]) -> Callable[[str], T]:
    """Reads what `as_text` has written. Raises `msgspec.MsgspecError`."""
    return msgspec.json.Decoder(of).decode


def storable(words: str) -> str:
    """Words from outside, without the characters that an engine refuses (NUL, half of a surrogate pair)."""
    return words.encode("utf-8", "replace").decode().replace("\0", "?")


def require_name(what: str, name: str, most: int) -> None:
    """Between 1 and `most` printable characters, so that every engine keeps it whole. Raises `LedgerError`."""
    if not name or len(name) > most or not name.isprintable():
        raise LedgerError(f"{what} {name!r}: a name here has between 1 and {most} printable characters; shorten it")


read_instrument = reader(Instrument)
