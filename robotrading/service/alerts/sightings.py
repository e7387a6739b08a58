"""What one copy remembers of its findings between two looks: since when, how often, and when last.

Entry point: `Sightings`. No I/O. Nothing here must survive a restart: what is lost
delays, and never doubles; how often a cause has come back is recalled from the ledger.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from robotrading.domain.alerts import Alert, Finding
from robotrading.service.alerts.catalogue import patience
from robotrading.service.alerts.settings import AlertSettings

_LONGEST_CLEAR = 3600.0
_OFTEN = timedelta(days=1)
_WRITTEN_EVERY = 60.0


class Sightings:
    """`began` (an instant) is when this copy began to look: nothing ends before it has looked for long enough."""

    def __init__(self, settings: AlertSettings, began: datetime) -> None:
        self._settings, self._began = settings, began
        self._since: dict[str, datetime] = {}
        self._last: dict[str, datetime] = {}
        self._more: dict[str, int] = {}
        self._written: dict[str, datetime] = {}
        self._endings: defaultdict[str, list[datetime]] = defaultdict(list)

    def note(self, found: Mapping[str, Finding], counts: Mapping[str, int], now: datetime) -> None:
        """One look's findings."""
        self._since = {key: self._since.get(key, now) for key in found}
        for key in found:
            self._last[key] = now
            self._more[key] = self._more.get(key, 0) + counts.get(key, 1)
        kept = now - _OFTEN
        self._last = {key: at for key, at in self._last.items() if at > kept}
        self._more = {key: times for key, times in self._more.items() if key in self._last}

    def lasts(self, finding: Finding, now: datetime) -> bool:
        """Whether it was found in every look for as long as its rule wants."""
        since = self._since.get(finding.key)
        return since is not None and (now - since).total_seconds() >= patience(finding.rule, self._settings)

    def began(self, alert: Alert) -> None:
        """It was opened with one finding counted."""
        self._more[alert.key] = self._more.get(alert.key, 1) - 1
        self._written[alert.key] = alert.seen_at

    def more(self, key: str) -> int:
        """Findings that are not written down yet."""
        return self._more.get(key, 0)

    def due(self, alert: Alert, now: datetime) -> int:
        """How many findings are to be written down now, 0 while that can wait."""
        written = self._written.setdefault(alert.key, alert.seen_at)  # our own, or another copy's writing hides ours
        pause = min(_WRITTEN_EVERY, self._settings.clear / 4)
        return self.more(alert.key) if (now - written).total_seconds() >= pause else 0

    def written(self, alert: Alert, now: datetime) -> None:
        """They are."""
        self._more[alert.key] = 0
        self._written[alert.key] = now

    def last_seen(self, alert: Alert) -> datetime:
        """By any copy."""
        return max(alert.seen_at, self._last.get(alert.key, alert.seen_at))

    def is_over(self, alert: Alert, now: datetime) -> bool:
        """Whether its cause has been gone for long enough."""
        gone = (now - max(self.last_seen(alert), self._began)).total_seconds()
        return gone >= self._clear(alert.key, now)

    def ended(self, alert: Alert, now: datetime) -> None:
        """It has come to its end: the next one of the same cause has to be gone for longer."""
        self._endings[alert.key].append(now)
        self._last.pop(alert.key, None)
        self._more.pop(alert.key, None)
        self._written.pop(alert.key, None)

    def recall(self, alerts: Iterable[Alert]) -> None:
        """The endings that earlier lives and other copies have seen."""
        for alert in alerts:
            if alert.resolved_at is not None:
                self._endings[alert.key].append(alert.resolved_at)

    def _clear(self, key: str, now: datetime) -> float:
        endings = [at for at in self._endings.pop(key, []) if now - at < _OFTEN]
        if endings:
            self._endings[key] = endings
        clear = self._settings.clear
        return max(clear, min(clear * 2.0 ** min(len(endings), 20), _LONGEST_CLEAR))
