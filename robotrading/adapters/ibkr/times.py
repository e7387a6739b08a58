"""The gateway's three ways to write an instant, read into UTC.

Entry points: `to_utc`, `require_zones`.
The library takes the UTC form (with a dash) for local time, and drops an execution whose zone it cannot load; both
would book fills wrongly or never, so that times are read here before it sees them.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from robotrading.domain.errors import ConfigError

_FORM = re.compile(r"(\d{8})(-| +)(\d{2}:\d{2}:\d{2})(?: (\S+))?")
_EPOCH_DIGITS = 9


def zone(name: str) -> ZoneInfo:
    """The named time zone; ValueError that says what to install when its data is missing."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"time zone {name!r} is not known here: install the tzdata package") from error


def to_utc(text: str, naive_zone: str) -> datetime:
    """`20260926 09:30:00 US/Eastern`, `20260926-13:30:00` (UTC), `20260926  09:30:00` (in `naive_zone`) or an epoch.

    ValueError for anything else.
    """
    if text.isdigit() and len(text) >= _EPOCH_DIGITS:
        return datetime.fromtimestamp(int(text), UTC)
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"not a time of the gateway: {text!r}")
    day, separator, clock, name = match.groups()
    local = datetime.strptime(f"{day} {clock}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007  the zone follows
    if name:
        return local.replace(tzinfo=zone(name)).astimezone(UTC)
    if separator == "-":
        return local.replace(tzinfo=UTC)
    return local.replace(tzinfo=zone(naive_zone)).astimezone(UTC)


def require_zones(naive_zone: str) -> None:
    """`ConfigError` unless the zones that executions are written in can be loaded: without them fills would be lost."""
    for name in ("US/Eastern", naive_zone):
        try:
            zone(name)
        except ValueError as error:
            raise ConfigError(f"times of the gateway cannot be read: {error}") from error
