"""Values as they lie in a column."""

from __future__ import annotations

from typing import Any

import msgspec


def as_text(value: Any) -> str:
    """A frozen value as JSON."""
    return msgspec.json.encode(value).decode()
