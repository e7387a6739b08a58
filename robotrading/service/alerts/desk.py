"""The desk at which findings become alerts: raised, counted, reminded of rarely, and ended with a word.

Entry points: `Desk` (`look`), `Looked`.
Invariants: of one cause one alert, however often it is found, over restarts and over all copies of the service; each
word is posted before it is marked as told, under an id that is a function of the alert and of what was told of it
before, so that a death between the two loses nothing and doubles nothing; an alert ends when its cause was seen by no
copy for `alerts.clear`, and each time a cause comes back within a day that time doubles (to an hour at most); a warning
speaks, and ends, outside of quiet hours only; when the ledger does not work, critical words go out directly, once each.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from robotrading.domain.alerts import Alert, Finding
from robotrading.domain.errors import LedgerError
from robotrading.domain.messages import Address, Letter, LetterKind, Urgency
from robotrading.domain.ports import AlertBook, Clock, Outbox
from robotrading.domain.report import Message
from robotrading.service.alerts import words
from robotrading.service.alerts.direct import TROUBLE, Direct, letter_id
from robotrading.service.alerts.quiet import quiet_hours
from robotrading.service.alerts.settings import AlertSettings
from robotrading.service.alerts.sightings import Sightings
from robotrading.service.alerts.words import Whence

log = logging.getLogger(__name__)

_SWEEP = timedelta(hours=1)
_RECENT = timedelta(days=1)
_MANY = 200


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a look: how many letters are new in the outbox, and what is open now."""

    posted: int
    open: tuple[Alert, ...]


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks, to whom, and the way that is left when the ledger does not work.

    `direct` hands letters over without the outbox and says whether it could; it must not raise.
    """

    whence: Whence
    addresses: tuple[Address, ...] = ()
    direct: Callable[[Sequence[Letter]], Awaitable[bool]] | None = None


class Desk:
    """Made and used in one event loop, one look at a time."""

    def __init__(self, book: AlertBook, outbox: Outbox, settings: AlertSettings, voice: Voice, clock: Clock) -> None:
        self._book, self._outbox, self._clock, self._voice = book, outbox, clock, voice
        self._settings, self._quiet = settings, quiet_hours(settings.quiet_hours)
        self._sightings = Sightings(settings, clock.now())
        self._direct = Direct(voice.whence)
        self._told: frozenset[str] = frozenset()
        self._swept: datetime | None = None
        self._recalled = False
        self._trouble = ""
        self._posted = 0

    @property
    def silent_since(self) -> datetime | None:
        """Since when a critical alert could be told to nobody, since the ledger does not work and nothing else did."""
        return self._direct.silent_since

    async def look(self, findings: Sequence[Finding], unended: Collection[str] = ()) -> Looked:
        """Bring the alerts up to what is found now; those of the keys `unended` are not over though not found.

        Raises nothing but what is a bug.
        """
        now = self._clock.now()
        counts = Counter(one.key for one in findings)
        found = {one.key: one for one in reversed(findings)}
        self._sightings.note(found, counts, now)
        try:
            return await asyncio.to_thread(self._round, found, unended, now)
        except LedgerError as error:
            if str(error) != self._trouble:
                log.error("alerts cannot be kept: %s", error)  # noqa: TRY400  told, with its way out
            self._trouble = str(error)
            await self._without_book(found, now, error)
            return Looked(0, ())

    # With the ledger

    def _round(self, found: Mapping[str, Finding], unended: Collection[str], now: datetime) -> Looked:
        """One look. Raises `LedgerError`."""
        self._posted = 0
        self._recall()
        opened = {alert.key: alert for alert in self._book.open()}
        self._take_back(opened)
        self._begin(found, opened, now)
        self._told = frozenset(key for key, alert in opened.items() if alert.told_at is not None)
        for alert in opened.values():
            if alert.key in found:
                self._speak(self._seen(alert, found[alert.key], now), now)
        there = {*found, *unended}
        over = [alert for alert in opened.values() if alert.key not in there and self._may_end(alert, now)]
        for alert in over:
            if alert.told_at is not None:
                self._end(alert, now)
        self._pass([alert for alert in over if alert.told_at is None], now)
        self._sweep(now)
        self._direct.works()
        self._trouble = ""
        return Looked(self._posted, tuple(alert for alert in opened.values() if alert not in over))

    def _recall(self) -> None:
        """What came and went before this life, so that what comes with each restart is one alert too."""
        if not self._recalled:
            self._sightings.recall(self._book.recent(_MANY))
            self._recalled = True

    def _begin(self, found: Mapping[str, Finding], opened: dict[str, Alert], now: datetime) -> None:
        for key, finding in found.items():
            if key in opened or not self._sightings.lasts(finding, now):
                continue
            alert = self._book.begin(finding, now)
            if alert is not None:  # of another copy's the next look tells
                log.warning("alert %s: %s", key, finding.found)
                self._sightings.began(alert)
                opened[key] = alert

    def _may_end(self, alert: Alert, now: datetime) -> bool:
        return self._sightings.is_over(alert, now) and not self._quiet.holds_back(alert.urgency, now)

    def _seen(self, alert: Alert, finding: Finding, now: datetime) -> Alert:
        """Found again: written down now and then, as often as other copies need to know."""
        times = self._sightings.due(alert, now)
        current = replace(alert, found=finding.found, remedy=finding.remedy, seen_at=now, times=alert.times + times)
        if times:
            self._book.seen(alert, finding, now, times)
            self._sightings.written(alert, now)
            return current
        return replace(current, times=alert.times + self._sightings.more(alert.key))

    def _speak(self, alert: Alert, now: datetime) -> None:
        """Tell of it for the first time, or again when that is due."""
        if self._quiet.holds_back(alert.urgency, now):
            return
        if alert.told_at is None:
            self._post(letter_id(alert, "raised"), alert.urgency, words.raised(alert, self._voice.whence, now), now)
            if self._book.tell(alert, now):
                self._told |= {alert.key}
            return
        critical = alert.urgency is Urgency.CRITICAL
        pause = self._settings.remind_critical if critical else self._settings.remind_warning
        if pause > 0 and (now - alert.told_at).total_seconds() >= pause:
            # The number follows from the last word: the same for every copy, another one after each word.
            which = 1 + int((alert.told_at - alert.raised_at).total_seconds() // pause)
            said = words.reminded(alert, self._voice.whence, now)
            self._post(letter_id(alert, f"reminded-{which}"), alert.urgency, said, now)
            self._book.tell(alert, now)

    def _end(self, alert: Alert, now: datetime) -> None:
        if self._book.end(alert, now):
            log.info("alert %s is over", alert.key)
            self._sightings.ended(alert, now)
            self._tell_end(replace(alert, seen_at=self._sightings.last_seen(alert)), now)

    def _tell_end(self, alert: Alert, now: datetime) -> None:
        said = words.resolved(alert, self._voice.whence, now)
        self._post(letter_id(alert, "resolved"), Urgency.WARNING, said, now)

    def _pass(self, silent: Sequence[Alert], now: datetime) -> None:
        """What came and went untold: in one letter for each quiet time, alone where it was in none."""
        groups: dict[str, list[Alert]] = {}
        for alert in silent:
            until = self._quiet.until(alert.raised_at) if alert.urgency is not Urgency.CRITICAL else None
            groups.setdefault(f"alert:quiet:{_stamp(until)}" if until else letter_id(alert, "passed"), []).append(alert)
        for name, group in groups.items():
            self._tell_passed(name, group, now)
            for alert in group:
                if self._book.end(alert, now):
                    self._sightings.ended(alert, now)

    def _tell_passed(self, name: str, group: Sequence[Alert], now: datetime) -> None:
        if self._post(name, Urgency.WARNING, words.passed(group, self._voice.whence, now), now):
            return
        there = self._outbox.letter(name)
        said = there.message.text if there is not None else ""
        for alert in group:
            if words.passed_line(alert) not in said:  # it ended after the letter was written
                one = words.passed([alert], self._voice.whence, now)
                self._post(letter_id(alert, "passed"), Urgency.WARNING, one, now)

    def _sweep(self, now: datetime) -> None:
        """Whoever died between an alert's end and its last word left that to us."""
        if not self._voice.addresses or (self._swept is not None and now - self._swept < _SWEEP):
            return
        for alert in self._book.recent(_MANY):
            over = alert.resolved_at
            if over is None or alert.told_at is None or now - over > _RECENT:
                continue
            if not self._quiet.holds_back(alert.urgency, now):
                self._tell_end(alert, now)
        self._swept = now

    def _post(self, name: str, urgency: Urgency, message: Message, now: datetime) -> bool:
        if not self._voice.addresses:
            log.warning("told to nobody, since neither mail nor push is set up: %s", message.subject)
            return True
        posted = self._outbox.post(Letter(name, LetterKind.ALERT, urgency, now, message), self._voice.addresses)
        self._posted += posted
        return posted

    # Without the ledger

    def _take_back(self, opened: dict[str, Alert]) -> None:
        """What was raised while the ledger did not work is kept from now on, and not told again."""
        for alert in self._direct.kept:
            finding = Finding(alert.rule, alert.urgency, alert.found, alert.remedy, alert.key.partition(":")[2])
            there = opened.get(alert.key) or self._book.begin(finding, alert.raised_at)
            if there is None:  # another copy was quicker: the next look shows it
                self._direct.forget(alert.key)
                continue
            self._book.seen(there, finding, alert.seen_at, alert.times)
            if alert.told_at is not None and there.told_at is None and self._book.tell(there, alert.told_at):
                there = replace(there, told_at=alert.told_at)
            opened[alert.key] = there
            self._direct.forget(alert.key)

    async def _without_book(self, found: Mapping[str, Finding], now: datetime, error: LedgerError) -> None:
        send = self._voice.direct
        lasting = [one for one in found.values() if self._sightings.lasts(one, now) and one.key not in self._told]
        self._direct.note(lasting, now, "" if TROUBLE in self._told else str(error), self._settings)
        letters = self._direct.due(found, now, self._sightings)
        if letters and send is not None:
            self._direct.handed_over(letters, now, went=await send([letter for letter, _ in letters]))


def _stamp(at: datetime) -> str:
    return f"{at:%Y%m%dT%H%M%SZ}"
