"""The wall clock: plausible, kept by a time service, and the same as others'."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import requests

import robotrading
from robotrading.config.model import Config
from robotrading.domain.ports import Clock
from robotrading.session.lease import LeaseTerms
from robotrading.wiring.doctor.finding import Finding, broken, fine, left_out, warning

PART = "clock"
UNEASY_SECONDS = 5.0
"""An answer's date has no fractions, and the answer takes its time."""
WRONG_SECONDS = LeaseTerms().grace / 2
"""What leases and the hours of the exchange no longer bear."""
_SET = "set the clock by a time service: timedatectl set-ntp true"
_UNSYNCHRONISED = 5
"""adjtimex's TIME_ERROR."""


def plausible(now: datetime, earliest: datetime) -> Finding:
    """No clock shows a time before the program was installed."""
    if now < earliest - timedelta(days=1):
        return broken(PART, f"{_shown(now)} is before this program was installed ({_shown(earliest)})", _SET)
    return fine(PART, _shown(now))


def installed_at() -> datetime:
    """When this program's files are of."""
    return datetime.fromtimestamp(Path(robotrading.__file__).stat().st_mtime, UTC)


def kept(state: bool | None) -> Iterator[Finding]:  # noqa: FBT001  the answer of `synchronised`
    """Whether something keeps it right; None where the system does not say."""
    if state is False:
        yield warning(PART, "no time service keeps it: it drifts by seconds a week", _SET)


def synchronised() -> bool | None:
    """The kernel's own word, None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(1024))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _UNSYNCHRONISED


def compared(offset: float, other: str) -> Finding:
    """How far it is ahead of another's, in seconds."""
    direction = "ahead of" if offset > 0 else "behind"
    found = f"{abs(offset):.1f} s {direction} {other}"
    if abs(offset) > WRONG_SECONDS:
        return broken(PART, found, _SET)
    return warning(PART, found, _SET) if abs(offset) > UNEASY_SECONDS else fine(PART, f"agrees with {other}")


def witnesses(config: Config) -> tuple[str, ...]:
    """Addresses of the configured services, whose answers bear a date."""
    used = {source for kind in config.enabled for source in config.sources(kind)}
    feeds = config.feeds
    found = [feeds.yahoo.url or "https://query1.finance.yahoo.com/"] if "yahoo" in used else []
    return (*found, *([feeds.alpha_vantage.url] if "alpha_vantage" in used else []))


def against_the_web(urls: Sequence[str], clock: Clock, seconds: float = 5.0) -> Finding:
    """By the date in the answer of the first that answers; any answer will do."""
    if not urls:
        return left_out(PART, "compared with nobody: no source in the internet is configured")
    said = ""
    for url in urls:
        began = clock.monotonic()
        try:
            answer = requests.head(url, timeout=seconds, allow_redirects=False)
            there = parsedate_to_datetime(answer.headers.get("Date", ""))
        except requests.RequestException as error:
            said = type(error).__name__
            continue
        except ValueError:
            said = "its answer has no date"
            continue
        took = clock.monotonic() - began
        middle = there + timedelta(seconds=0.5 + took / 2)
        return compared((clock.now() - middle).total_seconds(), _host(url))
    return left_out(PART, f"compared with nobody: {_host(urls[-1])} did not answer ({said})")


def _host(url: str) -> str:
    return url.split("/")[2] if url.count("/") > 1 else url


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
