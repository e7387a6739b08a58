"""Whether the bot is able to trade, and if not, why and what to do.

Entry points: `judge`, `age_of`, `is_past_deadline`. Pure. 'Healthy' means: logged in to the right account, the ledger
readable and writable, recovery done, prices fresh, the last session within its time, nothing halted by trouble. A
warning never makes it unhealthy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from robotrading.adapters.notify.report.words import names
from robotrading.domain.report import Outcome
from robotrading.service.facts import Facts, LinkState, SessionFacts
from robotrading.service.supervisor import ProgramState


class Level(StrEnum):
    """How bad it is."""

    FINE = "fine"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Check:
    """One question and its answer: what is found, and what to do about it ('' when all is well)."""

    name: str
    level: Level
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """All checks of one moment."""

    at: datetime
    checks: tuple[Check, ...]

    @property
    def healthy(self) -> bool:
        return all(check.level is not Level.CRITICAL for check in self.checks)

    @property
    def sentence(self) -> str:
        """The answer in one line."""
        bad = [check.found for check in self.checks if check.level is Level.CRITICAL]
        uneasy = [check.found for check in self.checks if check.level is Level.WARNING]
        if bad:
            return "not able to trade: " + "; ".join(bad)
        return "able to trade" + (", but " + "; ".join(uneasy) if uneasy else "")


@dataclass(frozen=True, slots=True)
class HealthSettings:
    """Bounds; seconds and bytes. What was seen longer than `stale_facts` ago is no basis for an answer.

    The broker may be silent for `broker_grace` before it counts: a reconnect or a nightly restart is no incident.
    """

    stale_facts: float = 60.0
    broker_grace: float = 300.0
    late_grace: float = 300.0
    least_free_bytes: int = 500_000_000
    most_bars_behind: int = 2


Rule = Callable[[Facts, datetime, HealthSettings], Iterator[Check]]


def judge(facts: Facts, now: datetime, settings: HealthSettings | None = None) -> Health:
    """Every check, in a fixed order; each name at least once."""
    bounds = settings or HealthSettings()
    return Health(now, tuple(check for rule in RULES for check in rule(facts, now, bounds)))


def age_of(facts: Facts, now: datetime) -> float:
    """Seconds since all was seen last: the loop may turn while a disk or a database leaves a question unanswered.

    A ledger that says why it cannot be read is a check of its own.
    """
    read_at = facts.book.read_at
    seen = facts.at if read_at is None or facts.book.trouble else min(read_at, facts.at)
    return (now - seen).total_seconds()


def _loop(facts: Facts, now: datetime, bounds: HealthSettings) -> Iterator[Check]:
    age = age_of(facts, now)
    if facts.stopping:
        yield Check("service", Level.CRITICAL, "the service is stopping", "nothing, if you stopped it")
    elif age > bounds.stale_facts:
        yield Check(
            "service", Level.CRITICAL, f"what is known is {age:.0f} s old", "look at the service's log; restart it"
        )
    else:
        yield Check("service", Level.FINE, "the service runs")


def _ledger(facts: Facts, _now: datetime, _bounds: HealthSettings) -> Iterator[Check]:
    if facts.book.trouble:
        remedy = "free the disk or start the database; see `robotrading ledger check`"
        yield Check("ledger", Level.CRITICAL, f"the ledger cannot be used: {facts.book.trouble}", remedy)
    elif facts.book.read_at is None:
        yield Check("ledger", Level.CRITICAL, "the ledger was not read yet", "wait a moment")
    else:
        yield Check("ledger", Level.FINE, "the ledger answers")


def _schedule(facts: Facts, _now: datetime, _bounds: HealthSettings) -> Iterator[Check]:
    if facts.schedule_trouble:
        found = f"the schedule cannot be kept: {facts.schedule_trouble}"
        yield Check("schedule", Level.CRITICAL, found, "see `robotrading schedule`; it is tried again by itself")
    else:
        yield Check("schedule", Level.FINE, "sessions start at their times")


def _halt(facts: Facts, _now: datetime, _bounds: HealthSettings) -> Iterator[Check]:
    if facts.book.halted:
        yield Check("halt", Level.CRITICAL, f"trading is halted: {facts.book.halted}", "`robotrading resume` ends it")
    elif facts.book.day_stopped:
        found = f"no new entries today: {facts.book.day_stopped}"
        yield Check("halt", Level.WARNING, found, "it ends with the trading day")
    else:
        yield Check("halt", Level.FINE, "nothing is halted")


def _broker(facts: Facts, now: datetime, bounds: HealthSettings) -> Iterator[Check]:
    broker = facts.broker
    remedy = "look at the gateway: is it started, logged in, and its API switched on? `robotrading doctor` tells more"
    since = broker.since or facts.started_at
    silent = (now - since).total_seconds()
    if broker.state is LinkState.UP:
        yield Check("broker", Level.FINE, f"logged in to {broker.account_id}")
    elif broker.state is LinkState.QUIET:
        yield Check("broker", Level.FINE, broker.reason or "the broker is not asked at this hour")
    elif silent <= bounds.broker_grace:
        found = broker.reason or "the broker was not reached yet"
        yield Check("broker", Level.WARNING, found, remedy)
    else:
        found = f"the broker has not been reached for {silent / 60:.0f} min: {broker.reason or 'nobody has looked'}"
        yield Check("broker", Level.CRITICAL, found, remedy)


def _doubts(facts: Facts, _now: datetime, _bounds: HealthSettings) -> Iterator[Check]:
    blocked = names(ticket.intent.instrument.symbol for ticket in facts.book.in_doubt)
    if blocked:
        found = f"orders in doubt block {blocked}"
        yield Check("orders", Level.WARNING, found, "`robotrading resolve` shows them and takes your word")
    else:
        yield Check("orders", Level.FINE, "every order has a known end or is at work")


def _programs(facts: Facts, _now: datetime, _bounds: HealthSettings) -> Iterator[Check]:
    bad = [one for one in facts.programs if one.state is ProgramState.GIVEN_UP]
    uneasy = [one for one in facts.programs if one.state is ProgramState.PAUSED]
    for one in bad:
        found = f"{one.name} failed too often and was given up ({one.last_end})"
        yield Check("programs", Level.CRITICAL, found, "look at its log, then restart the service")
    for one in uneasy:
        yield Check("programs", Level.WARNING, f"{one.name} is started again ({one.last_end})", "look at its log")
    if not bad and not uneasy:
        yield Check("programs", Level.FINE, f"{len(facts.programs)} programs run" if facts.programs else "none needed")


def _sessions(facts: Facts, now: datetime, bounds: HealthSettings) -> Iterator[Check]:
    for session in facts.sessions:
        if session.enabled:
            yield from _session(session, now, bounds)


def is_past_deadline(session: SessionFacts, now: datetime, settings: HealthSettings | None = None) -> bool:
    """Whether it still runs, and should have been ended long ago."""
    most = timedelta(seconds=session.deadline + (settings or HealthSettings()).late_grace)
    return session.running_since is not None and now - session.running_since > most


def _session(session: SessionFacts, now: datetime, bounds: HealthSettings) -> Iterator[Check]:
    name, last = f"session {session.kind}", session.last
    log = "its report and log say why; `robotrading status`"
    if is_past_deadline(session, now, bounds):
        yield Check(name, Level.CRITICAL, f"{session.kind} runs past its deadline", log)
    elif last is not None and not last.recovered:
        found = f"{session.kind} could not settle its earlier orders with the broker: {last.verdict}"
        yield Check(name, Level.CRITICAL, found, log)
    elif last is not None and last.outcome is Outcome.FAILED:
        yield Check(name, Level.CRITICAL, f"{session.kind} failed last: {last.verdict}", log)
    elif session.missed:
        yield Check(
            name, Level.WARNING, f"{session.kind} was missed: {session.missed[-1]}", "`robotrading run` catches up"
        )
    elif last is not None and last.outcome is Outcome.PARTLY:
        yield Check(name, Level.WARNING, f"{session.kind} was done in part: {last.verdict}", log)
    else:
        yield Check(name, Level.FINE, f"{session.kind} is well" if last else f"{session.kind} has not run yet")
    yield from _data(session, bounds)


def _data(session: SessionFacts, bounds: HealthSettings) -> Iterator[Check]:
    name, last = f"data {session.kind}", session.last
    if last is None or last.bars_behind is None:
        yield Check(name, Level.FINE, f"no prices of {session.kind} were needed yet")
    elif last.bars_behind <= 0:
        yield Check(name, Level.FINE, f"prices of {session.kind} were fresh at its last run")
    else:
        level = Level.CRITICAL if last.bars_behind > bounds.most_bars_behind else Level.WARNING
        found = f"the newest price of {session.kind} is of {last.newest_bar}, {last.bars_behind} trading days late"
        yield Check(name, level, found, "look at the sources: `robotrading doctor`")


def _disk(facts: Facts, _now: datetime, bounds: HealthSettings) -> Iterator[Check]:
    if facts.free_bytes is None:
        yield Check("disk", Level.WARNING, "the free space is not known", "is the state folder there?")
    elif facts.free_bytes < bounds.least_free_bytes:
        free = facts.free_bytes / 1e6
        found = f"only {free:.0f} MB are free where the ledger is"
        level = Level.CRITICAL if facts.free_bytes < bounds.least_free_bytes / 10 else Level.WARNING
        yield Check("disk", level, found, "free some; the ledger cannot be written without")
    else:
        yield Check("disk", Level.FINE, f"{facts.free_bytes / 1e9:.0f} GB are free")


def _breakers(facts: Facts, _now: datetime, _bounds: HealthSettings) -> Iterator[Check]:
    is_open = [name for name, state in sorted(facts.breakers.items()) if state]
    if is_open:
        found = f"not asked for the moment after failures in a row: {', '.join(is_open)}"
        yield Check("services", Level.WARNING, found, "they are tried again by themselves")
    else:
        yield Check("services", Level.FINE, "every outside service answers or was not needed")


RULES: tuple[Rule, ...] = (
    _loop,
    _ledger,
    _schedule,
    _halt,
    _broker,
    _doubts,
    _sessions,
    _programs,
    _disk,
    _breakers,
)
"""In the order in which a person wants to read them."""
