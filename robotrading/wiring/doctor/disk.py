"""The folder of all state: there, writable, private, on a disk with room that keeps what is written."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from robotrading.wiring.doctor.finding import Finding, broken, fine, size, warning

LEAST_FREE, ENOUGH_FREE = 50_000_000, 500_000_000
"""Bytes: below the first nothing can be relied on, below the second somebody should look."""
REMOTE = frozenset({"9p", "afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3"})
FLEETING = {
    "tmpfs": "is kept in memory and gone after a restart of the machine",
    "ramfs": "is kept in memory and gone after a restart of the machine",
    "overlay": "belongs to a container and goes with it",
}
_MOST_FILES = 20_000
MOUNTS = Path("/proc/self/mountinfo")


def state_folder(folder: Path) -> Iterator[Finding]:
    """Whether it can be used, by writing a file in it and taking it out again."""
    part = "state folder"
    there = nearest(folder)
    if not there.is_dir():
        yield broken(part, f"{there} is no folder", "move that file away, or set state_dir")
        return
    if there != folder:
        if os.access(there, os.W_OK | os.X_OK):
            yield fine(part, f"{folder} is made by the first run")
        else:
            yield broken(part, f"{folder} cannot be made in {there}", f"run as the owner of {there}, or set state_dir")
        return
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"robotrading")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        found = f"{folder} cannot be written: {error.strerror or error}"
        yield broken(part, found, "mount it writable, free space, or run as its owner")
        return
    yield fine(part, f"{folder} can be written")
    yield from _private(folder, part)


def nearest(folder: Path) -> Path:
    """The folder, or what there is of the way to it."""
    return next((one for one in (folder, *folder.parents) if one.exists()), Path("/"))


def _private(folder: Path, part: str) -> Iterator[Finding]:
    """Whose it is, and who else may write."""
    found = folder.stat()
    if found.st_uid != os.geteuid():
        owner = f"it belongs to user {found.st_uid}, and this is user {os.geteuid()}"
        yield warning(part, f"{owner}: files made now cannot be changed by the other", "run every command as one user")
    if found.st_mode & stat.S_IWOTH:
        yield warning(part, "everybody on this machine may write in it", f"chmod o-rwx {folder}")


def secret_files(files: tuple[Path, ...]) -> Iterator[Finding]:
    """Files that hold passwords must be their owner's alone; what lies where we may not look is not ours."""
    for file in files:
        if _read_by_others(file):
            yield warning("secrets", f"others on this machine may read {file}", f"chmod 600 {file}")


def _read_by_others(file: Path) -> bool:
    try:
        return file.is_file() and bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def free_space(folder: Path) -> Finding:
    """Whether there is room for the ledger and the logs."""
    part, where = "disk", nearest(folder)
    room = os.statvfs(where)
    free = room.f_bavail * room.f_frsize
    if room.f_files and not room.f_favail:
        return broken(part, f"no more files can be made in {where}", "delete files; the disk has no inodes left")
    remedy = f"free some space on the disk of {where}: the ledger and the logs need it"
    if free < LEAST_FREE:
        return broken(part, f"only {size(free)} are free", remedy)
    if free < ENOUGH_FREE:
        return warning(part, f"only {size(free)} are free", remedy)
    return fine(part, f"{size(free)} are free")


def file_system(folder: Path, mounts: str) -> Iterator[Finding]:
    """Whether the disk keeps what it is given; `mounts` is the text of /proc/self/mountinfo."""
    kind = kind_of(nearest(folder), mounts)
    if kind in REMOTE:
        found = f"{folder} is on a network file system ({kind}), on which the ledger's locks cannot be relied on"
        yield warning("disk", found, "use a local disk, or a database (ROBOTRADING_DATABASE_URL)")
    if kind in FLEETING:
        yield warning("disk", f"{folder} ({kind}) {FLEETING[kind]}", "use a disk or a volume that stays")


def kind_of(folder: Path, mounts: str) -> str:
    """The type of the file system that a folder is on, '' where it is not known."""
    best, kind = -1, ""
    real = folder.resolve()
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].encode().decode("unicode_escape"))
        if real.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def logs(folder: Path) -> Finding:
    """How much the runs' own files take; they are never deleted by the program."""
    amount = files = 0
    for path in folder.glob("books/*/runs/*/*"):
        files += 1
        amount += path.lstat().st_size
        if files >= _MOST_FILES:
            remedy = "move old folders below books/*/runs elsewhere; the reports are in the ledger too"
            return warning("logs", f"more than {files} files of runs, {size(amount)} so far", remedy)
    return fine("logs", f"{files} files of runs, {size(amount)}")
