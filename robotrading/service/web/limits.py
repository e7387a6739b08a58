"""Bounds of the HTTP side: nobody who asks may cost more than this."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, seconds and counts.

    A request and the reading of its answer take `patience` each; an idle connection is kept for `keep_alive`. A
    connection beyond `connections` is closed at once. What changes things waits `action_seconds` for its end (less
    than `patience`, so that the caller hears of it), and is taken `actions_a_minute` times. Stopping waits `goodbye`
    for answers under way. A page that was stored has `page` bytes at most; `readers` of them are read at once, and
    nobody waits for one longer than `page_seconds`.
    """

    body: int = 4096
    head: int = 16_384
    connections: int = 100
    patience: float = 10.0
    keep_alive: float = 5.0
    goodbye: float = 2.0
    action_seconds: float = 8.0
    actions_a_minute: int = 20
    page: int = 4_000_000
    page_seconds: float = 5.0
    readers: int = 2
