"""Values as they lie in a column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from robotrading.domain.instrument import Instrument

T = TypeVar("T")
_ENCODER = msgspec.json.Encoder()


def as_text(value: Any) -> str:
    """A frozen value as JSON."""
    return _ENCODER.encode(value).decode()


def reader(of: type[T]) -> Callable[[str], T]:
    """Reads what `as_text` has written. Raises `msgspec.MsgspecError`."""
    return msgspec.json.Decoder(of).decode


read_instrument = reader(Instrument)
