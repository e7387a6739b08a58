"""What the daemon needs to be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from robotrading.session.due import CatchUp

LEAST_TOKEN = 16
"""Characters of a token; of fewer, all can be tried."""


def is_weak(token: str) -> bool:
    """Whether a token can be guessed, or not be sent in a header. None at all ('') is not weak."""
    return bool(token) and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable())


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The daemon; times in seconds.

    A session that was missed is caught up within `misfire_grace` of its time (0: never), with `before_close` left
    before the market's close at least. The clock is looked at every `refresh_seconds` even when nothing is due, so
    that a machine that slept or whose clock was set notices. Stopping takes `stop_seconds` at most. `host` and `port`
    are where health, metrics and the page are served; `token` allows what changes things. A loop that does not answer
    for `watchdog_seconds` is ended.
    """

    misfire_grace: float = 1800.0
    before_close: float = 300.0
    refresh_seconds: float = 30.0
    stop_seconds: float = 60.0
    host: str = "127.0.0.1"
    port: int = 8080
    token: str = field(default="", repr=False)
    watchdog_seconds: float = 60.0

    @property
    def catch_up(self) -> CatchUp:
        return CatchUp(timedelta(seconds=self.misfire_grace), timedelta(seconds=self.before_close))
