"""Healthy means able to trade: each check alone turns the answer, and says what to do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Intent, OrderType, Side, Ticket, TicketStatus
from robotrading.domain.report import Outcome
from robotrading.service.facts import BookFacts, BrokerFacts, Facts, LastRun, LinkState, SessionFacts
from robotrading.service.health import Level, judge
from robotrading.service.supervisor import ProgramState, Standing

NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
DAY = date(2025, 9, 26)
LAST = LastRun("r", "paper", DAY, NOW, NOW, Outcome.DONE, "all is well", DAY - timedelta(days=1), 0)
SESSION = SessionFacts(AssetClass.EQUITIES, enabled=True, schedule="at 15:30", deadline=1500.0, last=LAST)
WELL = Facts(
    at=NOW,
    started_at=NOW - timedelta(hours=1),
    version="1",
    mode="paper",
    place="ledger.db",
    sessions=(SESSION,),
    programs=(Standing("gateway", ProgramState.RUNNING, 1),),
    broker=BrokerFacts(LinkState.UP, "DU1", since=NOW, seen_at=NOW),
    book=BookFacts(read_at=NOW),
    free_bytes=10**11,
)
DOUBT = Ticket(
    Intent(
        "rt-1", "r", AssetClass.EQUITIES, DAY, Instrument("AAPL", AssetClass.EQUITIES), Side.BUY, Decimal(1),
        OrderType.LIMIT, Decimal(1), "",
    ),
    TicketStatus.UNKNOWN,
)  # fmt: skip


def changed(**changes: object) -> Facts:
    return replace(WELL, **changes)


def session(**changes: object) -> Facts:
    return changed(sessions=(replace(SESSION, **changes),))


def last(**changes: object) -> Facts:
    return session(last=replace(LAST, **changes))


def down(minutes: float, state: LinkState = LinkState.DOWN) -> Facts:
    return changed(broker=BrokerFacts(state, since=NOW - timedelta(minutes=minutes), reason="no gateway"))


CRITICAL = {
    "stopping": changed(stopping=True),
    "stale": changed(at=NOW - timedelta(seconds=61)),
    "ledger broken": changed(book=BookFacts(trouble="database is locked", read_at=NOW)),
    "ledger unread": changed(book=BookFacts()),
    "halted": changed(book=BookFacts(read_at=NOW, halted="by hand")),
    "broker long gone": down(6),
    "broker never seen": changed(broker=BrokerFacts()),
    "session hangs": session(running_since=NOW - timedelta(seconds=1801)),
    "session failed": last(outcome=Outcome.FAILED),
    "not recovered": last(recovered=False),
    "failed, and missed since": session(last=replace(LAST, outcome=Outcome.FAILED), missed=("the service was down",)),
    "not recovered, and missed since": session(last=replace(LAST, recovered=False), missed=("it was down",)),
    "ledger silent": changed(book=BookFacts(read_at=NOW - timedelta(seconds=61))),
    "prices old": last(bars_behind=3),
    "program given up": changed(programs=(Standing("gateway", ProgramState.GIVEN_UP),)),
    "disk full": changed(free_bytes=10**6),
}
WARNING = {
    "broker just gone": down(4),
    "day stopped": changed(book=BookFacts(read_at=NOW, day_stopped="lost 5 %")),
    "doubt": changed(book=BookFacts(read_at=NOW, open_tickets=(DOUBT,))),
    "missed": session(missed=("19:45 on 2025-09-25: the service was down",)),
    "partly": last(outcome=Outcome.PARTLY),
    "partly, and missed since": session(last=replace(LAST, outcome=Outcome.PARTLY), missed=("it was down",)),
    "prices a day late": last(bars_behind=1),
    "program starts again": changed(programs=(Standing("gateway", ProgramState.PAUSED),)),
    "disk tight": changed(free_bytes=2 * 10**8),
    "disk unknown": changed(free_bytes=None),
    "breaker": changed(breakers={"yahoo": True, "smtp": False}),
}
FINE = {
    "all is well": WELL,
    "quiet time": down(60, LinkState.QUIET),
    "never run": session(last=None),
    "no prices used": last(bars_behind=None, newest_bar=None),
    "a session that is switched off": session(enabled=False, last=replace(LAST, outcome=Outcome.FAILED)),
    "no programs needed": changed(programs=()),
    "a run within its time": session(running_since=NOW - timedelta(seconds=1799)),
}


@pytest.mark.parametrize("name", CRITICAL)
def test_each_of_these_alone_means_not_able_to_trade_and_says_what_to_do(name: str) -> None:
    health = judge(CRITICAL[name], NOW)
    assert not health.healthy
    assert health.sentence.startswith("not able to trade: ")
    bad = [check for check in health.checks if check.level is Level.CRITICAL]
    assert len(bad) == 1
    assert bad[0].remedy


@pytest.mark.parametrize("name", WARNING)
def test_each_of_these_alone_is_a_warning_and_trading_goes_on(name: str) -> None:
    health = judge(WARNING[name], NOW)
    assert health.healthy
    assert health.sentence.startswith("able to trade, but ")
    uneasy = [check for check in health.checks if check.level is Level.WARNING]
    assert len(uneasy) == 1
    assert uneasy[0].remedy


@pytest.mark.parametrize("name", FINE)
def test_none_of_these_is_trouble(name: str) -> None:
    health = judge(FINE[name], NOW)
    assert health.sentence == "able to trade"
    assert {check.level for check in health.checks} == {Level.FINE}


def test_every_question_is_answered_in_every_case() -> None:
    for facts in (CRITICAL | WARNING | FINE).values():
        names = {check.name.split()[0] for check in judge(facts, NOW).checks}
        assert names >= {"service", "ledger", "halt", "broker", "orders", "programs", "disk", "services"}
