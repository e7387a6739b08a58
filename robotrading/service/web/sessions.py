"""What the page says of a session: when it runs, what it did last, and what its models believe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from robotrading.adapters.notify.report.words import count, spoken
from robotrading.service.facts import LastRun, SessionFacts
from robotrading.service.web.reports import TONES, report_address
from robotrading.service.web.status import Hidden
from robotrading.service.web.words import exchange_time, from_now, span


@dataclass(frozen=True, slots=True)
class Ended:
    """The last run."""

    outcome: str
    tone: str
    when: str
    ago: str
    verdict: str
    numbers: str
    run_id: str
    address: str


@dataclass(frozen=True, slots=True)
class SessionCard:
    """One session."""

    name: str
    state: str
    tone: str
    schedule: str
    due: str
    due_in: str
    step: str
    ended: Ended | None
    good: str
    missed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Share:
    """A regime: how many instruments, and where its part of the bar of 100 lies."""

    label: str
    instruments: int
    start: float
    width: float
    shade: int


@dataclass(frozen=True, slots=True)
class Regimes:
    """The regimes of a session's instruments at its last run."""

    name: str
    total: int
    shares: tuple[Share, ...]


def session_card(one: SessionFacts, now: datetime, hide: Hidden) -> SessionCard:
    """A session's state at an instant."""
    state, tone = _state(one, now)
    good = one.last_good_at
    due = one.next_due if one.enabled else None
    return SessionCard(
        name=one.kind.value.capitalize(),
        state=state,
        tone=tone,
        schedule=one.schedule,
        due=exchange_time(due, one.kind) if due else "",
        due_in=from_now(due, now) if due else "",
        step=spoken(one.step) if one.running_since else "",
        ended=_ended(one.last, one, now, hide) if one.last else None,
        good=f"{exchange_time(good, one.kind)}, {from_now(good, now)}" if good and not _well(one) else "",
        missed=tuple(hide(sentence) for sentence in one.missed),
    )


def _well(one: SessionFacts) -> bool:
    return one.last is not None and TONES[one.last.outcome] == "good"


def _state(one: SessionFacts, now: datetime) -> tuple[str, str]:
    if one.running_since is not None:
        return f"running for {span((now - one.running_since).total_seconds())}", "busy"
    if not one.enabled:
        return "switched off", "calm"
    return ("waiting", "calm") if one.next_due else ("no run is due", "warn")


def _ended(last: LastRun, one: SessionFacts, now: datetime, hide: Hidden) -> Ended:
    took = span((last.finished_at - last.started_at).total_seconds())
    numbers = [
        f"{count(last.orders, 'order')}, {last.filled:,} filled" if last.orders else "no orders",
        f"{last.skips:,} left out" if last.skips else "",
        f"prices to {last.newest_bar:%a} {last.newest_bar.day} {last.newest_bar:%b}" if last.newest_bar else "",
        f"took {took}",
    ]
    return Ended(
        outcome=spoken(last.outcome.value).capitalize(),
        tone=TONES[last.outcome],
        when=exchange_time(last.finished_at, one.kind),
        ago=from_now(last.finished_at, now),
        verdict=hide(last.verdict),
        numbers=", ".join(part for part in numbers if part),
        run_id=last.run_id,
        address=report_address(last.run_id),
    )


def coming(sessions: tuple[SessionFacts, ...], now: datetime) -> str:
    """What runs, and what comes next, in one line."""
    running = [one.kind.value.capitalize() for one in sessions if one.running_since is not None]
    ahead = [(one.next_due, one.kind.value) for one in sessions if one.enabled and one.next_due is not None]
    first = min(ahead, default=None)
    parts = [
        f"{' and '.join(running)} {'is' if len(running) == 1 else 'are'} running" if running else "",
        f"next run: {first[1]} {from_now(first[0], now)}" if first else "",
    ]
    line = "; ".join(part for part in parts if part)
    return line[:1].upper() + line[1:]


def regimes(sessions: tuple[SessionFacts, ...]) -> tuple[Regimes, ...]:
    """Of every session that has any, the commonest first; the shade goes with the label, on all bars alike."""
    known = [(one.kind.value, one.last.regimes) for one in sessions if one.last and one.last.regimes]
    labels = sorted({share.label for _, shares in known for share in shares})
    made = []
    for kind, shares in known:
        total = sum(share.instruments for share in shares) or 1
        parts, start = [], 0.0
        for share in sorted(shares, key=lambda one: (-one.instruments, one.label)):
            width = 100 * share.instruments / total
            shade = labels.index(share.label) % 6
            parts.append(Share(share.label, share.instruments, round(start, 2), round(width, 2), shade))
            start += width
        made.append(Regimes(kind.capitalize(), total, tuple(parts)))
    return tuple(made)
