"""`Facts` put in order for a reader: what is wrong and what to do first, then when, how much, and everything else.

Entry points: `view`, `View`.
Invariants: every text of others is one printable line without account ids; nothing is worked out here that decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from robotrading.adapters.notify.report.words import count, mask, spoken
from robotrading.domain.messages import Urgency
from robotrading.service.facts import Facts, LinkState
from robotrading.service.health import Check, Health, Level
from robotrading.service.supervisor import ProgramState
from robotrading.service.web.orders import Blocked, blocked, working
from robotrading.service.web.portfolio import Allocation, Money, allocations, holdings, money, positions
from robotrading.service.web.reports import ReportLine, recent
from robotrading.service.web.sessions import Regimes, SessionCard, coming, regimes, session_card
from robotrading.service.web.status import Hidden
from robotrading.service.web.tables import Table
from robotrading.service.web.words import Mode, Piece, from_now, mode_of, pieces, size, utc

REFRESH_SECONDS = 30


@dataclass(frozen=True, slots=True)
class CheckLine:
    """A check with its remedy cut into words and commands."""

    name: str
    level: str
    found: str
    remedy: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class AlertLine:
    """An alert that is open; `told` says when people heard of it last, or that it waits."""

    level: str
    name: str
    found: str
    since: str
    told: str
    remedy: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class ProgramLine:
    """A long-running program."""

    name: str
    state: str
    tone: str
    detail: str


@dataclass(frozen=True, slots=True)
class View:
    """Everything the page shows, as text."""

    title: str
    mode: Mode
    healthy: bool
    tone: str
    headline: str
    coming: str
    alarms: tuple[CheckLine, ...]
    checks: tuple[CheckLine, ...]
    alerts: tuple[AlertLine, ...]
    sessions: tuple[SessionCard, ...]
    money: Money
    allocations: tuple[Allocation, ...]
    regimes: tuple[Regimes, ...]
    blocked: Table[Blocked]
    working: Table[tuple[str, ...]]
    owned: Table[tuple[str, ...]]
    protected: Table[tuple[str, ...]]
    closed_today: str
    reports: tuple[ReportLine, ...]
    broker: ProgramLine
    programs: tuple[ProgramLine, ...]
    services: tuple[ProgramLine, ...]
    as_of: str
    footer: tuple[tuple[str, str], ...]
    refresh: int = REFRESH_SECONDS


def view(facts: Facts, health: Health, now: datetime) -> View:
    """The page's contents at an instant."""
    hide, book = Hidden(facts), facts.book
    mode = mode_of(facts.mode)
    checks = tuple(_check(check, hide) for check in health.checks)
    alarms = sorted((c for c in checks if c.level != Level.FINE), key=lambda c: c.level != Level.CRITICAL)
    headline = _headline(health)
    return View(
        title=f"{headline} ({mode.name.lower()})",
        mode=mode,
        healthy=health.healthy,
        tone="bad" if not health.healthy else "warn" if alarms else "good",
        headline=headline,
        coming=coming(facts.sessions, now),
        alarms=tuple(alarms),
        checks=checks,
        alerts=_alerts(facts, now, hide),
        sessions=tuple(session_card(one, now, hide) for one in facts.sessions),
        money=money(book, now),
        allocations=allocations(facts.sessions),
        regimes=regimes(facts.sessions),
        blocked=blocked(book, now, hide),
        working=working(book, now, hide),
        owned=positions(book),
        protected=holdings(book, now),
        closed_today=f"{count(book.closed_today, 'instrument')} closed today" if book.closed_today else "",
        reports=recent(book, now, hide),
        broker=_broker(facts, now, hide),
        programs=_programs(facts, now, hide),
        services=_services(facts),
        as_of=f"{utc(facts.at)} ({from_now(facts.at, now)})",
        footer=_footer(facts, now, hide),
    )


def _headline(health: Health) -> str:
    if not health.healthy:
        return "Not able to trade"
    return (
        "Able to trade" if all(check.level is Level.FINE for check in health.checks) else "Able to trade, with warnings"
    )


def _begun(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _check(check: Check, hide: Hidden) -> CheckLine:
    found = hide(check.found)
    return CheckLine(check.name, check.level.value, _begun(found), pieces(_begun(hide(check.remedy))))


_LINKS = {
    LinkState.UP: ("logged in", "good"),
    LinkState.DOWN: ("not reached", "bad"),
    LinkState.QUIET: ("quiet time", "calm"),
    LinkState.UNKNOWN: ("not looked at yet", "calm"),
}


def _broker(facts: Facts, now: datetime, hide: Hidden) -> ProgramLine:
    broker = facts.broker
    state, tone = _LINKS[broker.state]
    account = f"account {mask(broker.account_id)}, {'paper' if broker.paper else 'live'}" if broker.account_id else ""
    since = f"since {utc(broker.since)}" if broker.since else ""
    seen = f"last answer {from_now(broker.seen_at, now)}" if broker.seen_at else ""
    detail = ", ".join(part for part in (account, hide(broker.reason), since, seen) if part)
    return ProgramLine("Broker", state, tone, detail)


_PROGRAM_TONES = {
    ProgramState.RUNNING: "good",
    ProgramState.PAUSED: "warn",
    ProgramState.GIVEN_UP: "bad",
}


def _programs(facts: Facts, now: datetime, hide: Hidden) -> tuple[ProgramLine, ...]:
    lines = []
    for one in facts.programs:
        parts = [
            f"since {utc(one.since)}" if one.since else "",
            f"restarted {count(one.restarts, 'time')}" if one.restarts else "",
            f"last end: {hide(one.last_end)}" if one.last_end else "",
            f"next start {from_now(one.next_start, now)}" if one.next_start else "",
        ]
        detail = ", ".join(part for part in parts if part)
        lines.append(ProgramLine(one.name, one.state.value, _PROGRAM_TONES.get(one.state, "calm"), detail))
    return tuple(lines)


def _alerts(facts: Facts, now: datetime, hide: Hidden) -> tuple[AlertLine, ...]:
    """The critical ones first, then the oldest."""
    ordered = sorted(facts.alerts, key=lambda one: (one.urgency is not Urgency.CRITICAL, one.raised_at))
    return tuple(
        AlertLine(
            one.urgency.value,
            spoken(one.rule),
            hide(one.found),
            f"since {utc(one.raised_at)}, {from_now(one.raised_at, now)}",
            _heard(facts, one.told_at, now),
            pieces(hide(one.remedy)),
        )
        for one in ordered
    )


def _heard(facts: Facts, told_at: datetime | None, now: datetime) -> str:
    if not facts.heard:
        return "nobody is told: neither mail nor push is set up"
    return f"told {from_now(told_at, now)}" if told_at else "told when the quiet hours end"


def _services(facts: Facts) -> tuple[ProgramLine, ...]:
    """Breakers and the mails that wait."""
    lines = [
        ProgramLine(
            spoken(name),
            "paused" if is_open else "in use",
            "warn" if is_open else "good",
            "failed several times in a row; tried again by itself" if is_open else "",
        )
        for name, is_open in sorted(facts.breakers.items())
    ]
    if facts.waiting_mails:
        lines.append(ProgramLine("Mail", f"{facts.waiting_mails} waiting", "warn", "sent again by itself"))
    return tuple(lines)


def _footer(facts: Facts, now: datetime, hide: Hidden) -> tuple[tuple[str, str], ...]:
    lease = facts.book.lease
    rows = (
        ("Version", f"robotrading {facts.version}"),
        ("Running since", f"{utc(facts.started_at)} ({from_now(facts.started_at, now)})"),
        ("Ledger", hide(facts.place) + (f" ({size(facts.book.size_bytes)})" if facts.book.size_bytes else "")),
        ("Free disk", size(facts.free_bytes)),
        ("This copy", hide(facts.holder)),
        ("Trading now", hide(lease.holder) if lease else ""),
    )
    return tuple((name, value) for name, value in rows if value)
