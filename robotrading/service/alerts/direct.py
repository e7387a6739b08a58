"""Critical alerts while the ledger does not work: kept in memory, told once each past the outbox.

Entry points: `Direct`, `letter_id`. No I/O.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from robotrading.adapters.notify.report.words import clean, hide_accounts
from robotrading.domain.alerts import Alert, Finding
from robotrading.domain.messages import Letter, LetterKind, Urgency
from robotrading.service.alerts import words
from robotrading.service.alerts.catalogue import patience
from robotrading.service.alerts.rules import finding
from robotrading.service.alerts.settings import AlertSettings
from robotrading.service.alerts.sightings import Sightings
from robotrading.service.alerts.words import Whence

if TYPE_CHECKING:
    from robotrading.domain.report import Message

TROUBLE = "ledger_trouble"
_AGAIN = timedelta(seconds=60)


def letter_id(alert: Alert, word: str) -> str:
    """Of one word on one alert."""
    return f"alert:{alert.key}:{alert.raised_at:%Y%m%dT%H%M%S.%fZ}:{word}"


class Direct:
    """`kept` are those raised here. Nothing is told more often than once a minute while it does not get through."""

    def __init__(self, whence: Whence) -> None:
        self._whence = whence
        self._alerts: dict[str, Alert] = {}
        self._broken_since: datetime | None = None
        self._tried: datetime | None = None

    @property
    def kept(self) -> tuple[Alert, ...]:
        return tuple(self._alerts.values())

    @property
    def silent_since(self) -> datetime | None:
        """Since when something waits here to be told."""
        return min((one.raised_at for one in self._alerts.values() if one.told_at is None), default=None)

    def forget(self, key: str) -> None:
        """It is in the book, or over."""
        self._alerts.pop(key, None)

    def works(self) -> None:
        """The ledger does."""
        self._broken_since = self._tried = None

    def note(self, lasting: Sequence[Finding], now: datetime, error: str, settings: AlertSettings) -> None:
        """What is critical and lasts, and that the ledger does not work for this reason ('' where that was told)."""
        self._broken_since = self._broken_since or now
        found = {one.key: one for one in lasting if one.urgency is Urgency.CRITICAL}
        broken = (now - self._broken_since).total_seconds() >= patience(TROUBLE, settings)
        if broken and error and TROUBLE not in settings.muted:
            said = hide_accounts(clean(f"the ledger cannot be used: {error}"), ())
            found.setdefault(TROUBLE, finding(TROUBLE, said))
        for key, one in found.items():
            known = self._alerts.get(key) or Alert(key, one.rule, one.urgency, one.found, one.remedy, now, now, 0)
            self._alerts[key] = replace(known, found=one.found, seen_at=now, times=known.times + 1)

    def due(self, found: Mapping[str, Finding], now: datetime, sightings: Sightings) -> list[tuple[Letter, str]]:
        """Words to be handed over now, each with its alert's key."""
        if self._tried is not None and now - self._tried < _AGAIN:
            return []
        letters = []
        for key, alert in self._alerts.items():
            here = key in found or alert.seen_at == now
            if alert.told_at is None and here:
                letters.append((self._letter(alert, "raised", words.raised(alert, self._whence, now), now), key))
            elif alert.told_at is not None and not here and sightings.is_over(alert, now):
                letters.append((self._letter(alert, "resolved", words.resolved(alert, self._whence, now), now), key))
        return letters

    def handed_over(self, letters: Sequence[tuple[Letter, str]], now: datetime, *, went: bool) -> None:
        """Whether they went."""
        self._tried = None if went else now
        for letter, key in letters if went else ():
            if letter.letter_id.endswith(":resolved"):
                self._alerts.pop(key, None)
            else:
                self._alerts[key] = replace(self._alerts[key], told_at=now)

    def _letter(self, alert: Alert, word: str, message: Message, now: datetime) -> Letter:
        return Letter(letter_id(alert, word), LetterKind.ALERT, Urgency.CRITICAL, now, message)
