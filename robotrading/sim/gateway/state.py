"""The gateway's memory on disk: one JSON file, written whole and never half, and a lock beside it."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from robotrading.domain.errors import RobotradingError


class StateError(RobotradingError):
    """The state file cannot be read or written, or another gateway has it."""


class StateFile:
    """A snapshot on disk, held by one process at a time."""

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises `StateError` when another gateway holds it or the folder cannot be written."""
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(f"{path}: the state file's folder cannot be used ({error.strerror})") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise StateError(
                f"{path}: another gateway uses this state file; stop it or name another --state"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def load(self) -> dict[str, Any] | None:
        """The last snapshot, None when there is none yet. Raises `StateError` for a file that is not ours."""
        try:
            content = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StateError(
                f"{self.path}: not readable as a gateway's state ({error}); move it away to start afresh"
            ) from error
        if not isinstance(content, dict):
            raise StateError(
                f"{self.path}: holds {type(content).__name__}, expected an object; move it away to start afresh"
            )
        return content

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file by this snapshot; it is on the disk when this returns. Raises `StateError`."""
        content = json.dumps(state, separators=(",", ":")).encode()
        try:
            handle, name = tempfile.mkstemp(prefix=self.path.name, suffix=".tmp", dir=self.path.parent)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise StateError(f"{self.path}: cannot be written ({error.strerror})") from error

    def close(self) -> None:
        """Let go of the lock; a second call does nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
