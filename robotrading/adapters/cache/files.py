"""Whole files written so that a reader sees the old content or the new, never half of either."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

LEFTOVER = ".tmp"


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` in one step; raises `OSError` and leaves the old content when that fails.

    It is not synced to the disk: what a power cut tears, the checksum finds, and the source has it still.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=LEFTOVER)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def read_or_none(path: Path) -> bytes | None:
    """The content, None when there is no readable file."""
    try:
        return path.read_bytes()
    except OSError:
        return None
