"""One at a time on this machine: the kernel frees a lock when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from robotrading.domain.errors import RobotradingError
from robotrading.domain.instrument import AssetClass


class AlreadyRunning(RobotradingError):
    """Another process does this now."""


@contextmanager
def session_lock(folder: Path, kind: AssetClass) -> Iterator[None]:
    """Hold the lock of a session kind. Raises `AlreadyRunning` at once when somebody else does."""
    with held(folder / f"{kind}.lock", f"the {kind} session is running already"):
        yield


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock file now."""
    if not path.exists():
        return False
    try:
        with held(path, ""):
            return False
    except AlreadyRunning:
        return True


@contextmanager
def held(path: Path, taken: str) -> Iterator[None]:
    """Hold a lock file while the block runs. Raises `AlreadyRunning` with the words of `taken` when another does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise AlreadyRunning(f"{taken} (process {holder}, lock {path}); wait for it to end") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
