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
    """Hold a lock file while the block runs. Raises `AlreadyRunning` with the words of `taken` when another does.

    `RobotradingError` where the file cannot be made or written.
    """
    file = _opened(path)
    try:
        _take(file, path, taken)
        yield
    finally:
        os.close(file)


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _unusable(path, error) from error


def _take(file: int, path: Path, taken: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = path.read_text(encoding="utf-8").strip() or "unknown"
        raise AlreadyRunning(f"{taken} (process {holder}, lock {path}); wait for it to end") from error
    try:
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> RobotradingError:
    return RobotradingError(
        f"{path}: the lock cannot be taken ({error.strerror or error}), so nothing was started; run every command as "
        "the owner of the state folder, free its disk, or set state_dir to a folder of your own (`robotrading doctor`)"
    )
