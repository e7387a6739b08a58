"""The service's state in one line, for the log and for systemd."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from robotrading.service.facts import Facts
from robotrading.service.health import judge

_NEW_YORK = ZoneInfo("America/New_York")


def status_line(facts: Facts, now: datetime) -> str:
    """Able to trade or why not, positions, what was closed today, the day's gain."""
    book = facts.book
    positions = sum(position.quantity > 0 for position in book.owned)
    said = [judge(facts, now).sentence, f"{positions} active positions", f"{book.closed_today} closed today"]
    gain = day_gain(facts, now)
    if gain is not None:
        said.append(f"{gain:+,.2f} {book.currency} today")
    return "; ".join(said)


def day_gain(facts: Facts, now: datetime) -> float | None:
    """The newest equity less the first one of the day in New York, None where less than two are known."""
    today = now.astimezone(_NEW_YORK).date()
    points = [point.value for point in facts.book.equity if point.at.astimezone(_NEW_YORK).date() == today]
    return float(points[-1] - points[0]) if len(points) > 1 else None
