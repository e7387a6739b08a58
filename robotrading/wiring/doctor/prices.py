"""Prices and lists: one small request to each source, past the cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from robotrading.adapters.cache.lists import ListCache
from robotrading.adapters.feeds.settings import FeedSettings, RetrySettings
from robotrading.adapters.feeds.slickcharts import INDEX, Slickcharts
from robotrading.adapters.feeds.universe import load_universe
from robotrading.adapters.resilience import Policy
from robotrading.config.model import Config
from robotrading.domain.errors import ConfigError, FeedUnavailable, RobotradingError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Constituent
from robotrading.domain.ports import Calendar, Clock
from robotrading.domain.skip import Skip
from robotrading.session.settings import UniverseKind
from robotrading.wiring.doctor.finding import Finding, broken, fine, left_out, warning
from robotrading.wiring.feeds import feed_for

LOCAL = frozenset({"files", "synthetic"})
"""Sources that need no network."""
_SECONDS = 8.0
_DAYS_ASKED = 10
_REMEDIES = {
    "yahoo": "is the internet reached from here? Yahoo also shuts out addresses for a while; see docs/data.md",
    "alpha_vantage": "check ALPHA_VANTAGE_KEY; the free plan gives 25 requests a day",
    "ibkr": "see the gateway above; history needs the account's subscription to the data",
    "files": "check feeds.files.paths; the layouts are in docs/data.md",
    "synthetic": "please report it",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One request: an instrument of the first of the sessions (`kinds`) that use the source."""

    source: str
    kinds: tuple[AssetClass, ...]
    instrument: Instrument


@dataclass(frozen=True, slots=True)
class Asked:
    """What a source said; `trouble` is '' when it gave prices, `late` where they are not up to the last day."""

    question: Question
    found: str
    trouble: str = ""
    late: bool = False


def questions(config: Config, clock: Clock, *, offline: bool) -> tuple[Question, ...]:
    """One for each source that is in use; a session whose list is not known yet asks for nothing."""
    instruments = first_instruments(config, clock)
    used: dict[str, list[AssetClass]] = {}
    for kind in instruments:
        for source in config.sources(kind):
            if not _why_not(config, source, clock, offline=offline):
                used.setdefault(source, []).append(kind)
    return tuple(Question(source, tuple(kinds), instruments[kinds[0]]) for source, kinds in used.items())


def _why_not(config: Config, source: str, clock: Clock, *, offline: bool) -> str:
    """Why a source is not asked now, '' where it is."""
    if offline and source not in LOCAL:
        return "not asked (--offline)"
    quiet = config.quiet.now(clock.now()) if source == "ibkr" else None
    return f"not asked now: {quiet}" if quiet else ""


def first_instruments(config: Config, clock: Clock) -> Mapping[AssetClass, Instrument]:
    """One instrument for each session, without asking anybody; none for a session whose list is not known yet."""
    found = {}
    for kind in config.enabled:
        try:
            found[kind] = load_universe(config.sessions[kind].universe, kind, _Kept(config, clock))[0][0]
        except RobotradingError:
            continue
    return found


class _Kept:
    """The list of members that is in the cache."""

    name = "cache"

    def __init__(self, config: Config, clock: Clock) -> None:
        self._cache = ListCache(config.feeds.cache, clock)

    def constituents(self, index: str) -> tuple[Constituent, ...]:
        def nobody() -> tuple[Constituent, ...]:
            raise FeedUnavailable("there is no list in the cache")

        return self._cache.get(index, nobody)[0]


def universe(config: Config, kind: AssetClass, clock: Clock, *, offline: bool) -> Finding:
    """Whether the session's instruments are known, or can be."""
    part, settings = f"universe {kind}", config.sessions[kind].universe
    try:
        instruments, _, skips = load_universe(settings, kind, _Kept(config, clock))
    except ConfigError as error:
        return broken(part, str(error), f"correct sessions.{kind}.universe")
    except FeedUnavailable as error:
        if settings.kind is UniverseKind.SP500 and not offline:
            return _fetched(config, part, clock)
        return warning(part, str(error), "the first run fetches it; without the internet it cannot")
    if skips:
        found = f"{len(instruments)} instruments; {len(skips)} left out: {'; '.join(map(str, skips[:3]))}"
        return warning(part, found, f"see sessions.{kind}.universe")
    return fine(part, f"{len(instruments)} instruments, the first {instruments[0].symbol}")


def _fetched(config: Config, part: str, clock: Clock) -> Finding:
    """From its source; it is not kept, since whoever looks may not be whoever runs."""
    settings = _bounded(config.feeds).slickcharts
    source = Slickcharts(settings, Policy("slickcharts", settings.retry, clock))
    try:
        members = source.constituents(INDEX)
    except FeedUnavailable as error:
        remedy = "is the internet reached from here? Else use universe.kind list or file"
        return broken(part, f"no list is in the cache, and {error}", remedy)
    finally:
        source.close()
    return fine(part, f"{len(members)} members at slickcharts; the first run keeps them")


def ask(config: Config, question: Question, calendar: Calendar, clock: Clock, scratch: Path) -> Asked:
    """A few days of one instrument, once, from the source itself."""
    kind, instrument = question.kinds[0], question.instrument
    last = calendar.last_complete_day(kind, clock.now())
    feed = feed_for(_alone(config, question.source, kind, scratch), kind, calendar)
    try:
        answer = feed.daily([instrument], last - timedelta(days=_DAYS_ASKED), last)[instrument]
    except RobotradingError as error:
        return Asked(question, "", str(error))
    if isinstance(answer, Skip):
        return Asked(question, "", answer.reason)
    behind = len(calendar.days(kind, answer.last_day, last)) - 1
    found = f"{instrument.symbol} up to {answer.last_day}"
    return Asked(question, f"{found}, {behind} trading days late" if behind > 0 else found, late=behind > 0)


def _alone(config: Config, source: str, kind: AssetClass, scratch: Path) -> Config:
    """The configuration with one source, a cache that is empty, and little patience."""
    ours = replace(config.sessions[kind], sources=(source,), client_id=config.broker.client_id + 20)
    feeds = _bounded(config.feeds)
    cache = replace(feeds.cache, directory=str(scratch / "cache" / source / kind))
    patience = min(config.broker.connect_timeout, _SECONDS)
    return replace(
        config,
        state_dir=scratch,
        feeds=replace(feeds, cache=cache),
        sessions={**config.sessions, kind: ours},
        broker=replace(config.broker, connect_timeout=patience, request_timeout=patience),
    )


def _bounded(feeds: FeedSettings) -> FeedSettings:
    def once(retry: RetrySettings) -> RetrySettings:
        return replace(retry, attempts=1, timeout=min(retry.timeout, _SECONDS), total=_SECONDS + 2)

    return replace(
        feeds,
        yahoo=replace(feeds.yahoo, retry=once(feeds.yahoo.retry)),
        alpha_vantage=replace(feeds.alpha_vantage, retry=once(feeds.alpha_vantage.retry)),
        slickcharts=replace(feeds.slickcharts, retry=once(feeds.slickcharts.retry)),
    )


def judge(answers: Sequence[Asked]) -> Iterator[Finding]:
    """A source that fails is a warning while others give all its sessions their prices."""
    served = {kind for one in answers if not one.trouble for kind in one.question.kinds}
    for one in answers:
        source, kinds = one.question.source, one.question.kinds
        part, remedy = f"prices {source}", _REMEDIES.get(source, "see docs/data.md")
        bare = [kind for kind in kinds if kind not in served]
        if one.trouble and bare:
            yield broken(part, f"{one.trouble}; no other source serves {', '.join(bare)}", remedy)
        elif one.trouble:
            yield warning(part, one.trouble, remedy)
        elif one.late:
            yield warning(part, one.found, "the checks refuse prices that are too old: look at the source")
        else:
            yield fine(part, one.found)


def not_asked(config: Config, clock: Clock, *, offline: bool) -> Iterator[Finding]:
    """Sources that are named and not asked, and why; a session without any."""
    named = dict.fromkeys(source for kind in config.enabled for source in config.sessions[kind].sources)
    used = {source for kind in config.enabled for source in config.sources(kind)}
    for source in named:
        if source not in used:
            yield left_out(f"prices {source}", "it has no key", "set ALPHA_VANTAGE_KEY; the free one does")
        elif why := _why_not(config, source, clock, offline=offline):
            yield left_out(f"prices {source}", why)
    for kind in config.enabled:
        if not config.sources(kind):
            yield broken(f"prices {kind}", "no source is left", f"name one in sessions.{kind}.sources")
