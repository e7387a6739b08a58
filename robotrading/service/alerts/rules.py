"""What is wrong now, and bad enough that a person has to know.

Entry points: `findings`, `unended`. Pure. One function a rule; what each means, how bad it is and what to do is in
`catalogue`.
Invariants: what is found is found at once, and the desk waits as `catalogue.patience` says, so that an open alert does
not end while its cause is there again but young; a finding's key is the same as long as its cause is; foreign words are
one printable line without account ids or logins; the general rule (`not_able_to_trade`) is silent about what another
rule stands for, also while that one waits or is muted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from robotrading.adapters.notify.report.words import count, names, number
from robotrading.domain.alerts import Finding
from robotrading.domain.report import Outcome
from robotrading.service.alerts.catalogue import CATALOGUE, WORSE
from robotrading.service.alerts.figures import Figures
from robotrading.service.alerts.settings import AlertSettings
from robotrading.service.facts import Facts, LinkState, SessionFacts
from robotrading.service.health import HealthSettings, Level, judge
from robotrading.service.supervisor import ProgramState
from robotrading.service.web.status import Hidden

RESTARTED = timedelta(minutes=10)
"""For so long after a start it is told that the life before ended badly."""
NEAR = frozenset({"ledger", "schedule", "halt", "broker", "programs", "disk"})
"""Checks of `health` that a rule of their own stands for; so are all of sessions and their data."""
_LONGEST = 600


@dataclass(frozen=True, slots=True)
class Scene:
    """What all rules look at."""

    facts: Facts
    figures: Figures
    settings: AlertSettings
    now: datetime
    bounds: HealthSettings = HealthSettings()  # noqa: RUF009  frozen

    def lasted(self, since: datetime | None) -> float:
        """Seconds since an instant, the service's start where it is not known."""
        return (self.now - (since or self.facts.started_at)).total_seconds()


def findings(facts: Facts, figures: Figures, settings: AlertSettings, now: datetime) -> tuple[Finding, ...]:
    """Everything that is wrong, of each key once, the critical ones first; without what is muted."""
    scene, hide = Scene(facts, figures, settings, now), Hidden(facts)
    found: dict[str, Finding] = {}
    for rule in _RULES:
        for one in rule(scene):
            if one.rule not in settings.muted:
                found.setdefault(one.key, replace(one, found=hide(one.found)[:_LONGEST]))
    order = list(CATALOGUE)
    return tuple(sorted(found.values(), key=lambda one: (one.urgency.value != "critical", order.index(one.rule))))


def unended(facts: Facts, found: Iterable[Finding]) -> frozenset[str]:
    """Keys of alerts that are not over though nothing finds them now.

    Their trouble has grown and another rule tells of it, or nobody can know: no one asks the broker in its quiet times.
    """
    milder = {worse: rule for rule, worse in WORSE.items()}
    grown = {replace(one, rule=milder[one.rule]).key for one in found if one.rule in milder}
    unknown = {"disconnected"} if facts.broker.state is LinkState.QUIET else set()
    return frozenset(grown | unknown)


def finding(rule: str, found: str, subject: str = "", run_id: str = "last") -> Finding:
    """With the urgency and the remedy of its rule; a session's and a run's names are put into its commands."""
    kind = CATALOGUE[rule]
    remedy = kind.remedy.replace("SESSION", subject or "all").replace("RUN", run_id)
    return Finding(rule, kind.urgency, found, remedy, subject)


def _service_stopped(scene: Scene) -> Iterator[Finding]:
    facts = scene.facts
    if facts.last_end and scene.now - facts.started_at < RESTARTED:
        yield finding("service_stopped", facts.last_end, facts.holder.partition(":")[0])
    for holder in facts.book.dead_copies:
        host = holder.partition(":")[0]
        found = f"the copy at {host} died while it ran a session; what it left open is settled by another"
        yield finding("service_stopped", found, host)


def _not_able_to_trade(scene: Scene) -> Iterator[Finding]:
    for check in judge(scene.facts, scene.now, scene.bounds).checks:
        name, _, of = check.name.partition(" ")
        near = name in NEAR or bool(of)
        if name == "ledger" and scene.facts.book.read_at is None and not scene.facts.book.trouble:
            near = False
        if check.level is Level.CRITICAL and not near and not scene.facts.stopping:
            yield finding("not_able_to_trade", f"the bot is not able to trade: {check.found}")


def _disconnected(scene: Scene) -> Iterator[Finding]:
    broker = scene.facts.broker
    if broker.state in {LinkState.DOWN, LinkState.UNKNOWN}:
        silent, why = scene.lasted(broker.since), broker.reason or "nobody has looked"
        yield finding("disconnected", f"the broker has not been reached for {spell(silent)}: {why}")


def _ledger_trouble(scene: Scene) -> Iterator[Finding]:
    if scene.facts.book.trouble:
        yield finding("ledger_trouble", f"the ledger cannot be used: {scene.facts.book.trouble}")


def _disk(scene: Scene) -> Iterator[Finding]:
    free, least = scene.facts.free_bytes, scene.bounds.least_free_bytes
    if free is not None and free < least:
        rule = "disk_full" if free < least / 10 else "disk_fills_up"
        yield finding(rule, f"only {free / 1e6:.0f} MB are free where the ledger is")


def _money(scene: Scene) -> Iterator[Finding]:
    book, figures, settings = scene.facts.book, scene.figures, scene.settings
    if book.day_stopped:
        yield finding("daily_loss", f"no new entries today: {book.day_stopped}")
    if book.halted:
        yield finding("halted", f"trading is halted: {book.halted}")
    fallen, highest = figures.drawdown, figures.highest
    if settings.drawdown > 0 and fallen is not None and fallen > settings.drawdown:
        lost = f"the account has lost {fallen:.1%} since its best day, {figures.peak}, deposits and withdrawals aside"
        if highest is not None:
            lost = f"the account is {fallen:.1%} below its highest value, {number(highest, 0)} {book.currency}"
        yield finding("drawdown", f"{lost}{_noted(figures)}")


def _figures(scene: Scene) -> Iterator[Finding]:
    figures, settings = scene.figures, scene.settings
    rate, enough = figures.win_rate, figures.trades >= settings.win_rate_trades
    if rate is not None and enough and rate < settings.win_rate:
        closed = count(figures.trades, "position")
        yield finding("win_rate", f"of {closed} closed within a day {rate:.0%} had a gain")
    if figures.sharpe is not None and figures.sharpe < settings.sharpe and settings.sharpe > -100:
        days = settings.sharpe_days
        ratio = f"the annual Sharpe ratio of {days} trading days was {figures.sharpe:.2f} at most for a week"
        yield finding("sharpe", f"{ratio}{_noted(figures)}")


def _noted(figures: Figures) -> str:
    return f" ({figures.doubt})" if figures.doubt else ""


def _breakers(scene: Scene) -> Iterator[Finding]:
    for service, is_open in sorted(scene.facts.breakers.items()):
        if is_open:
            lasted = spell(scene.lasted(scene.facts.breakers_since.get(service, scene.now)))
            found = f"{service} has failed several times and has not been asked for {lasted}"
            yield finding("breaker_open", found, service)


def _sessions(scene: Scene) -> Iterator[Finding]:
    for session in scene.facts.sessions:
        if session.enabled:
            yield from _session(session, scene)


def _session(session: SessionFacts, scene: Scene) -> Iterator[Finding]:
    kind, last, running = session.kind.value, session.last, session.running_since
    if running is not None and scene.lasted(running) > session.deadline + scene.bounds.late_grace:
        yield finding("session_past_deadline", f"the {kind} session runs past its deadline", kind)
    if session.missed:
        yield finding("session_missed", f"the {kind} session was missed: {session.missed[-1]}", kind)
    if last is None:
        return
    if last.outcome is Outcome.FAILED:
        yield finding("session_failed", f"the last run of {kind} failed: {last.verdict}", kind, last.run_id)
    elif last.outcome is Outcome.PARTLY:
        yield finding("session_partly", f"the last run of {kind} was done in part: {last.verdict}", kind, last.run_id)
    if not last.recovered:
        found = f"the last run of {kind} could not settle its earlier orders with the broker: {last.verdict}"
        yield finding("recovery_failed", found, kind)
    behind = last.bars_behind or 0
    if behind > 0:
        rule = "data_old" if behind > scene.bounds.most_bars_behind else "data_late"
        late = count(behind, "trading day")
        yield finding(rule, f"the newest price of {kind} is of {last.newest_bar}, {late} late", kind)


def _programs(scene: Scene) -> Iterator[Finding]:
    for one in scene.facts.programs:
        if one.state is ProgramState.GIVEN_UP:
            yield finding("program_down", f"{one.name} failed too often and was given up ({one.last_end})", one.name)


def _doubts(scene: Scene) -> Iterator[Finding]:
    bound = scene.settings.in_doubt
    old = [t for t in scene.facts.book.in_doubt if scene.lasted(t.updated_at) > bound]
    if old:
        blocked = names(ticket.intent.instrument.symbol for ticket in old)
        yield finding("order_in_doubt", f"nobody knows the end of {count(len(old), 'order')}: {blocked}")


def _mail(scene: Scene) -> Iterator[Finding]:
    waiting = scene.facts.waiting
    if waiting.given_up:
        found = f"{count(waiting.given_up, 'message')} could not be delivered and will not be tried again"
        yield finding("mail_stuck", found)
    elif waiting.oldest is not None and (late := scene.lasted(waiting.oldest)) > scene.settings.mail_waiting:
        found = f"{count(waiting.deliveries, 'message')} could not be sent, the oldest for {spell(late)}"
        yield finding("mail_stuck", found)


def _schedule(scene: Scene) -> Iterator[Finding]:
    if scene.facts.schedule_trouble:
        yield finding("schedule_trouble", f"the schedule cannot be kept: {scene.facts.schedule_trouble}")


def _backup(scene: Scene) -> Iterator[Finding]:
    bound, made = scene.settings.backup_age, scene.facts.backup_at
    if bound <= 0:
        return
    if made is None:
        yield finding("backup_old", "no backup was found")
    elif (age := scene.lasted(made)) > bound:
        yield finding("backup_old", f"the newest backup is {spell(age)} old")


_RULES: tuple[Callable[[Scene], Iterator[Finding]], ...] = (
    _service_stopped,
    _not_able_to_trade,
    _disconnected,
    _ledger_trouble,
    _disk,
    _money,
    _figures,
    _breakers,
    _sessions,
    _programs,
    _doubts,
    _mail,
    _schedule,
    _backup,
)


def spell(seconds: float) -> str:
    """`45 s`, `6 min`, `2 h 05 min`, `3 days`."""
    whole = max(int(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 2 * 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} days"
