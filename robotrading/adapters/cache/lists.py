"""Index members on disk: the last good list outlives its source.

Entry point: `ListCache`.
Invariants: a list within its age is served without asking; an empty answer is no answer; when the source is silent the
last good list is served within its bound, and the note says so.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

from robotrading.adapters.cache.files import read_or_none, write_atomically
from robotrading.adapters.feeds.settings import CacheSettings
from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.market import Constituent
from robotrading.domain.ports import Clock
from robotrading.domain.skip import Skip

STEP = "universe"
Members = tuple[Constituent, ...]


class ListCache:
    """A directory of lists by name. Raises `ValueError` when no directory is set."""

    def __init__(self, settings: CacheSettings, clock: Clock) -> None:
        if not settings.directory:
            raise ValueError("the cache has no directory; set feeds.cache.directory")
        self._settings = settings
        self._clock = clock
        self._folder = Path(settings.directory) / "lists"

    def get(self, name: str, fetch: Callable[[], Members]) -> tuple[Members, Skip | None]:
        """The members and a note when they are not from the source now.

        Raises `FeedUnavailable` when the source has none and the last good list is missing or too old.
        """
        kept = self._load(name)
        fresh_for = timedelta(seconds=self._settings.lists_fresh_for)
        if kept is not None and timedelta(0) <= self._age(kept[1]) < fresh_for:  # below zero: the clock was wrong then
            return kept[0], None
        try:
            members = fetch()
            if not members:
                raise FeedUnavailable(f"{name}: the source answered with an empty list")  # noqa: TRY301  same path
        except FeedUnavailable as error:
            return self._last_good(name, kept, error)
        return members, self._store(name, members)

    def _last_good(
        self, name: str, kept: tuple[Members, datetime] | None, error: FeedUnavailable
    ) -> tuple[Members, Skip]:
        if kept is None:
            raise error
        members, at = kept
        if self._age(at) > timedelta(seconds=self._settings.lists_usable_for):
            raise FeedUnavailable(
                f"{error}; the last good list is of {at:%Y-%m-%d}, older than lists_usable_for allows",
                retryable=error.retryable,
                retry_after=error.retry_after,
            ) from error
        reason = (
            f"the list of {at:%Y-%m-%d %H:%M} UTC ({len(members)} members) is used, since its source failed ({error})"
        )
        return members, Skip(name, STEP, reason, "cached_list")

    def _age(self, at: datetime) -> timedelta:
        return self._clock.now() - at

    def _path(self, name: str) -> Path:
        readable = re.sub(r"[^A-Za-z0-9-]+", "_", name)
        return self._folder / f"{readable}.{hashlib.sha256(name.encode()).hexdigest()[:8]}.json"

    def _load(self, name: str) -> tuple[Members, datetime] | None:
        content = read_or_none(self._path(name))
        if content is None:
            return None
        digest, _, body = content.partition(b"\n")
        if digest.decode("ascii", "replace") != hashlib.sha256(body).hexdigest():
            return None
        try:
            kept = json.loads(body)
            members = tuple(Constituent(symbol, title, Decimal(weight)) for symbol, title, weight in kept["members"])
            return members, datetime.fromisoformat(kept["at"])
        except (KeyError, TypeError, ValueError, InvalidOperation):
            return None

    def _store(self, name: str, members: Members) -> Skip | None:
        rows = [(member.symbol, member.name, str(member.weight)) for member in members]
        body = json.dumps({"at": self._clock.now().isoformat(), "members": rows}).encode()
        try:
            write_atomically(self._path(name), hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        except OSError as error:
            return Skip(
                name,
                "cache",
                f"the list could not be kept in {self._folder} ({error.strerror or error})",
                "cache_write",
            )
        return None
