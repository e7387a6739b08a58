"""Series of bars on disk, one file each.

Entry points: `BarCache`, `CacheStats`.
Invariants: a file is replaced whole, so that threads and processes may share the directory without locks; what fails
its checksum is a miss and is removed; the least recently used series go first when the bound is passed, never one that
this run has used; a cache that cannot be written costs a note, never the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from robotrading.adapters.cache.files import LEFTOVER, read_or_none, write_atomically
from robotrading.adapters.cache.packed import Corrupt, Entry, pack, unpack
from robotrading.adapters.feeds.settings import CacheSettings
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Interval
from robotrading.domain.ports import Clock
from robotrading.domain.skip import Skip

SUFFIX = ".bars"
LEFTOVER_AGE = timedelta(hours=1)
MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Content of the directory (`series`, `size` and `bound` in bytes) and what this run did with it."""

    series: int = 0
    size: int = 0
    bound: int = 0
    hits: int = 0
    misses: int = 0
    corrupt: int = 0
    evicted: int = 0


class BarCache:
    """A directory of series by instrument key and interval. Raises `ValueError` when no directory is set."""

    def __init__(self, settings: CacheSettings, clock: Clock) -> None:
        if not settings.directory:
            raise ValueError("the cache has no directory; set feeds.cache.directory")
        self.settings = settings
        self._clock = clock
        self._folder = Path(settings.directory) / "bars"
        self._lock = threading.Lock()
        self._used: set[str] = set()
        self._counts = CacheStats(bound=settings.max_mb * MEGABYTE)

    def load(self, instruments: Iterable[Instrument], interval: Interval = Interval.DAY) -> Mapping[Instrument, Entry]:
        """What is there and whole; each series loaded counts as used now."""
        entries: dict[Instrument, Entry] = {}
        wanted = list(dict.fromkeys(instruments))
        now = self._clock.now().timestamp()
        for instrument in wanted:
            path = self._path(instrument, interval)
            entry = self._read(path, instrument, interval)
            if entry is not None:
                entries[instrument] = entry
                with contextlib.suppress(OSError):
                    os.utime(path, (now, now))
        self._count(hits=len(entries), misses=len(wanted) - len(entries))
        return entries

    def store(self, entries: Sequence[Entry]) -> tuple[Skip, ...]:
        """Keep these series; a `Skip` for each that could not be written."""
        failed = []
        for entry in entries:
            path = self._path(entry.bars.instrument, entry.bars.interval)
            try:
                write_atomically(path, pack(entry))
            except OSError as error:
                reason = f"not kept in the cache {self._folder} ({error.strerror or error}); it will be fetched again"
                failed.append(Skip(entry.bars.instrument.symbol, "cache", reason, "cache_write"))
        self._evict()
        return tuple(failed)

    def stats(self) -> CacheStats:
        sizes = [size for _, _, size in self._files()]
        return replace(self._counts, series=len(sizes), size=sum(sizes))

    def size(self) -> int:
        """Bytes on disk."""
        return self.stats().size

    def forget(self, instruments: Iterable[Instrument], interval: Interval = Interval.DAY) -> None:
        """Remove these series, because they were found to be wrong; they are fetched whole next time."""
        for instrument in instruments:
            self._remove(self._path(instrument, interval).name)

    def clear(self) -> int:
        """Forget everything; the number of series removed."""
        return sum(self._remove(name) for _, name, _ in list(self._files()))

    def _path(self, instrument: Instrument, interval: Interval) -> Path:
        readable = re.sub(r"[^A-Za-z0-9.=^-]+", "_", instrument.key)
        digest = hashlib.sha256(instrument.key.encode()).hexdigest()[:8]
        name = f"{readable}.{digest}.{interval}{SUFFIX}"
        with self._lock:
            self._used.add(name)
        return self._folder / name

    def _read(self, path: Path, instrument: Instrument, interval: Interval) -> Entry | None:
        content = read_or_none(path)
        if content is None:
            return None
        try:
            return unpack(content, instrument, interval)
        except Corrupt:
            self._count(corrupt=1)
            self._remove(path.name)
            return None

    def _files(self) -> Iterator[tuple[float, str, int]]:
        """(last used, name, bytes) of every series; files that vanish while we look are left out."""
        with contextlib.suppress(OSError), os.scandir(self._folder) as found:
            for file in found:
                with contextlib.suppress(OSError):
                    if file.name.endswith(SUFFIX):
                        status = file.stat()
                        yield status.st_mtime, file.name, status.st_size
                    elif file.name.endswith(LEFTOVER):
                        self._sweep(file)

    def _sweep(self, leftover: os.DirEntry[str]) -> None:
        """Remove what a killed writer left behind, once no writer can still be at it."""
        if self._clock.now().timestamp() - leftover.stat().st_mtime > LEFTOVER_AGE.total_seconds():
            Path(leftover.path).unlink()

    def _evict(self) -> None:
        files = sorted(self._files())
        excess = sum(size for _, _, size in files) - self._counts.bound
        for _, name, size in files:
            if excess <= 0:
                return
            if name not in self._used and self._remove(name):
                excess -= size
                self._count(evicted=1)

    def _remove(self, name: str) -> bool:
        try:
            (self._folder / name).unlink()
        except OSError:
            return False
        return True

    def _count(self, **more: int) -> None:
        with self._lock:
            self._counts = replace(self._counts, **{name: getattr(self._counts, name) + n for name, n in more.items()})
