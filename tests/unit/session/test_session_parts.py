"""The small parts of a session: steps, verdicts, the live view of tickets, jobs, locks, and reports in memory."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.clock import FixedClock
from robotrading.adapters.ledger.store import open_ledger
from robotrading.domain.book import Account, Position
from robotrading.domain.errors import BrokerError, DataError, LedgerError, RobotradingError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import EventKind, Fill, Intent, OrderEvent, OrderType, Side, TicketStatus
from robotrading.domain.planning import Plan, Refusal, RefusalRule
from robotrading.domain.report import Outcome
from robotrading.domain.skip import Skip
from robotrading.session.bereaved import Occasion, conclude
from robotrading.session.capital import capital, investable
from robotrading.session.job import Job, read_job, read_report, write_report
from robotrading.session.lock import AlreadyRunning, session_lock
from robotrading.session.processes import End
from robotrading.session.settings import CapitalSettings, SessionSettings, UniverseSettings
from robotrading.session.state import state_of
from robotrading.session.steps import Draft, StepFailed, describe
from robotrading.session.tickets import TicketBook
from robotrading.session.world import RunSpec

D = Decimal
NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
DAY = date(2025, 9, 26)
EQ = AssetClass.EQUITIES
AAPL, FUND = Instrument("AAPL", EQ), Instrument("BUND", EQ, currency="EUR")
CLOCK = FixedClock(NOW)


def spec(**changes) -> RunSpec:
    settings = SessionSettings(EQ, D("0.5"), UniverseSettings(), ("files",))
    return replace(RunSpec("run-1", "test", DAY, settings, CapitalSettings(), "DU1", paper=True), **changes)


def intent(number: int = 1) -> Intent:
    return Intent(
        f"rt-{number}", "run-1", EQ, DAY, AAPL, Side.BUY, D(10), OrderType.LIMIT, D(100), "why not", limit_price=D(101)
    )


def plan(*intents: Intent, refusals: tuple[Refusal, ...] = ()) -> Plan:
    return Plan("c0ffee", EQ, "DU1", DAY, NOW, "USD", D(1000), D(1000), intents, refusals)


@pytest.fixture
def ledger(tmp_path: Path):
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


# Steps and verdicts ---------------------------------------------------------------------------------------------------


async def test_a_step_keeps_its_skips_and_its_error_and_stops_those_after_it():
    draft = Draft(spec(), CLOCK, NOW)
    lost = Skip("AAPL", "prices", "gone")

    async def breaks() -> None:
        draft.skip(lost, lost)
        raise DataError("no prices at all")

    with pytest.raises(StepFailed, match="prices"):
        await draft.step("prices", breaks)
    report = draft.finish()
    assert [(step.name, step.error, step.skips) for step in report.steps] == [("prices", "no prices at all", (lost,))]
    assert report.outcome is Outcome.FAILED
    assert report.verdict == "Stopped at step 'prices': no prices at all."


async def test_what_an_earlier_step_has_said_is_not_repeated():
    draft = Draft(spec(), CLOCK, NOW)

    async def tell() -> None:
        draft.skip(Skip("AAPL", "contract", "unknown"))

    await draft.step("account", tell)
    await draft.step("cash", tell)
    assert len(draft.finish().skips) == 1


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (RobotradingError("plain words"), "plain words"),
        (KeyError("x"), "unexpected KeyError: 'x'"),
        (TimeoutError(), "no answer within the time"),
        (
            ExceptionGroup("both", [DataError("one"), ExceptionGroup("in", [DataError("two"), DataError("one")])]),
            "one; two; one",
        ),
        (ExceptionGroup("same", [DataError("one"), DataError("one")]), "one"),
    ],
)
def test_an_error_is_told_in_one_line(error, text):
    assert describe(error) == text


def test_running_out_of_memory_names_the_way_out():
    assert "memory_mb" in describe(MemoryError())


async def test_quiet_work_never_ends_a_run_and_is_bounded():
    draft = Draft(spec(), CLOCK, NOW)
    await draft.quietly("goodbye", lambda: asyncio.sleep(60), 0.01)
    assert draft.notes == ["goodbye: no answer within the time"]


def test_a_run_that_never_got_to_a_plan_and_has_no_error_says_so():
    report = Draft(spec(), CLOCK, NOW).finish()
    assert (report.outcome, report.verdict) == (Outcome.NOTHING_TO_DO, "Nothing happened.")


@pytest.mark.parametrize(
    ("skips", "sentence"),
    [
        ((), "None of 1 planned order was sent."),
        (
            (Skip("AAPL", "door", "the market is closed.", "trading_hours"),),
            "None of 1 planned order was sent: the market is closed.",
        ),
        (
            (Skip("AAPL", "door", "closed", "trading_hours"), Skip("A", "submit", "no", "broker")),
            "None of 1 planned order was sent: closed (and 1 more reason).",
        ),
    ],
)
async def test_orders_that_never_left_are_a_failed_run_with_the_first_reason(skips, sentence):
    draft = Draft(spec(), CLOCK, NOW)
    draft.plan = plan(intent())

    async def stopped() -> None:
        draft.skip(*skips)

    await draft.step("buys", stopped)
    report = draft.finish()
    assert (report.outcome, report.verdict) == (Outcome.FAILED, sentence)


def test_a_plan_tells_what_it_would_do():
    draft = Draft(spec(trade=False), CLOCK, NOW)
    draft.plan = plan(intent(), replace(intent(2), side=Side.SELL))
    assert draft.finish().verdict == "Would place 2 orders: 1 to sell, 1 to buy."
    draft.plan = plan(refusals=(Refusal(AAPL, RefusalRule.WITHIN_BAND, "near enough"),))
    assert draft.finish().outcome is Outcome.NOTHING_TO_DO


# The live view of tickets ---------------------------------------------------------------------------------------------


async def test_a_waiter_is_woken_by_the_event_and_not_before(ledger):
    book = TicketBook(ledger)
    ledger.record_intent(intent(), NOW)
    book.watch(ledger.ticket("rt-1"))
    waiting = asyncio.create_task(book.until(lambda: book["rt-1"].status is TicketStatus.REJECTED, 5.0))
    book(OrderEvent("rt-1", EventKind.SENT, NOW))
    await asyncio.sleep(0)
    assert not waiting.done()
    book(OrderEvent("rt-1", EventKind.REJECTED, NOW, reason="no"))
    assert await waiting
    assert not await book.until(lambda: False, 0.01)
    assert book.of(["rt-1", "rt-2"]) == (book["rt-1"],)


async def test_an_event_of_an_earlier_run_is_journalled_and_of_another_program_is_noted(ledger):
    book = TicketBook(ledger)
    ledger.record_intent(intent(), NOW)
    book(OrderEvent("rt-1", EventKind.SENT, NOW))
    book(OrderEvent("foreign-7", EventKind.SENT, NOW))
    assert ledger.ticket("rt-1").status is TicketStatus.SENT
    assert [skip.subject for skip in book.foreign] == ["foreign-7"]


@pytest.mark.parametrize("told", [EventKind.ACKNOWLEDGED, EventKind.UNKNOWN])
async def test_what_becomes_of_another_sessions_order_is_its_own_to_journal_but_for_executions(ledger, told):
    """A list that was on its way while the order ended, or a question that nobody answered, would open it again."""
    theirs = replace(intent(), kind=AssetClass.BONDS)
    ledger.record_intent(theirs, NOW)
    ended = EventKind.CANCELLED if told is EventKind.ACKNOWLEDGED else EventKind.ACKNOWLEDGED
    for kind in (EventKind.SENT, ended):
        ledger.append(OrderEvent("rt-1", kind, NOW))
    before = ledger.ticket("rt-1")
    book = TicketBook(ledger, EQ)
    assert book.append(OrderEvent("rt-1", told, NOW)) == ledger.ticket("rt-1") == before
    assert book.foreign == ()
    fill = Fill("a.1", "rt-1", AAPL, Side.BUY, D(4), D(100), NOW)
    book(OrderEvent("rt-1", EventKind.FILL, NOW, fill=fill))
    assert ledger.ticket("rt-1").filled == D(4)
    TicketBook(ledger, AssetClass.BONDS)(OrderEvent("rt-1", told, NOW))
    alive = {EventKind.ACKNOWLEDGED: TicketStatus.PARTIAL, EventKind.UNKNOWN: TicketStatus.UNKNOWN}
    assert ledger.ticket("rt-1").status is alive[told]


# Capital --------------------------------------------------------------------------------------------------------------


def account(**cash: str) -> Account:
    money = {currency: D(amount) for currency, amount in cash.items()}
    return Account("DU1", "USD", D(10**6), D(10**6), money, (Position(AAPL, D(500), D(90)),), NOW)


def test_capital_is_cash_and_what_the_bot_owns_never_what_else_is_held():
    mine = Position(AAPL, D(3), D(90), "equities")
    euro = Position(FUND, D(9), D(100), "bonds")
    quote = Quote(AAPL, D(100), D(102), None, None, NOW, "test")
    assert investable(account(USD="1000"), [mine, euro], {AAPL: quote}, "USD") == D(1303)
    assert investable(account(USD="1000"), [mine], {AAPL: Skip("AAPL", "quotes", "none")}, "USD") == D(1270)
    with pytest.raises(BrokerError, match=r"no cash balance in CHF \(it has: none\)"):
        investable(account(), [], {}, "CHF")


@pytest.mark.parametrize(
    ("settings", "available", "given"),
    [
        (CapitalSettings(), "900", "900"),
        (CapitalSettings(share=D("0.5")), "900", "450"),
        (CapitalSettings(amount=D(500)), "900", "500"),
        (CapitalSettings(amount=D(5000)), "900", "900"),
        (CapitalSettings(), "-5", "0"),
    ],
)
def test_capital_is_never_more_than_there_is_and_never_below_zero(settings, available, given):
    assert capital(settings, D(available)) == D(given)


# Jobs, locks, reports in memory ---------------------------------------------------------------------------------------


def test_a_job_and_its_report_survive_the_disk(tmp_path: Path):
    job = Job("run-1", EQ, str(tmp_path / "run-1"), as_of=DAY, plan_id="c0ffee", gateway_port=4002)
    assert read_job(job.write()) == job
    assert read_report(job) is None
    report = Draft(spec(), CLOCK, NOW).finish()
    write_report(job, report)
    assert read_report(job) == report
    job.report_path.write_text("{half a rep", encoding="utf-8")
    assert read_report(job) is None


@pytest.mark.parametrize("content", [None, "not json", '{"run_id": 5}'])
def test_what_is_no_job_is_an_error_that_names_the_file(tmp_path: Path, content):
    path = tmp_path / "job.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(RobotradingError, match=r"job\.json: not a session job"):
        read_job(path)


def test_a_session_kind_runs_once_at_a_time(tmp_path: Path):
    with session_lock(tmp_path / "locks", EQ):
        with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"), session_lock(tmp_path / "locks", EQ):
            pass
        with session_lock(tmp_path / "locks", AssetClass.BONDS):
            pass
    with session_lock(tmp_path / "locks", EQ):
        pass


WHEN = Occasion(DAY, "test", NOW)


def end(folder: Path, code: int = 7, **more) -> End:
    return End(Job("run-1", EQ, str(folder / "run-1")), code, late=False, seconds=2.0, **more)


def test_a_report_that_the_run_has_left_is_the_one(tmp_path: Path, ledger):
    report = Draft(spec(), CLOCK, NOW).finish()
    ended = end(tmp_path, 0)
    ended.job.write()
    write_report(ended.job, report)
    assert conclude(ended, ledger, WHEN) == report
    assert list(ledger.last_reports()) == []


def test_a_report_that_reached_the_ledger_and_not_its_folder_is_found_there(tmp_path: Path, ledger):
    """Killed between the two: the run has its report, and does not get a second one."""
    report = Draft(spec(), CLOCK, NOW).finish()
    ledger.finish_run(report)
    assert conclude(end(tmp_path, -9), ledger, WHEN) == report
    assert list(ledger.last_reports()) == [report]


def test_a_run_that_left_none_gets_one_with_what_the_ledger_knows(tmp_path: Path, ledger):
    ledger.record_intent(intent(), NOW)
    ledger.append(OrderEvent("rt-1", EventKind.SENT, NOW))
    fill = Fill("f1", "rt-1", AAPL, Side.BUY, D(4), D(100), NOW)
    ledger.append(OrderEvent("rt-1", EventKind.FILL, NOW, fill=fill))
    report = conclude(end(tmp_path, last_words="it hurts"), ledger, WHEN)
    assert report.outcome is Outcome.PARTLY
    assert "exit code 7 and left no report; its last words: it hurts" in report.verdict
    assert "1 of its orders have no known end" in report.verdict
    assert report.owned[0].quantity == D(4)
    assert list(ledger.last_reports()) == [report]


def test_a_ledger_that_cannot_be_used_does_not_cost_the_others_their_reports(tmp_path: Path, ledger):
    class Broken:
        def report(self, _run_id):
            raise LedgerError("ledger.db: disk I/O error")

    report = conclude(end(tmp_path), Broken(), WHEN)  # type: ignore[arg-type]
    assert report.outcome is Outcome.FAILED
    assert "disk I/O error" in report.verdict
    assert [step.name for step in report.steps] == ["process", "ledger"]
    assert report.trade


def test_a_plan_that_left_no_report_gets_that_of_a_plan(tmp_path: Path, ledger):
    class Broken:
        def report(self, _run_id):
            raise LedgerError("ledger.db: disk I/O error")

    ended = end(tmp_path)
    plan = replace(ended, job=replace(ended.job, trade=False))
    assert not conclude(plan, ledger, WHEN).trade
    assert not conclude(plan, Broken(), WHEN).trade  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "late", "story"),
    [
        (0, True, "did not finish within its deadline (2 s had passed)"),
        (-9, False, "killed (signal 9)"),
        (-11, False, "ended by signal 11 (SIGSEGV)"),
        (-40, False, "ended by signal 40 (unnamed)"),
        (1, False, "exit code 1 and left no report"),
    ],
)
def test_every_end_has_its_story(tmp_path: Path, code, late, story):
    assert story in replace(end(tmp_path, code), late=late).story


def test_the_state_of_a_ledger_is_read_without_asking_anybody(ledger):
    report = Draft(spec(), CLOCK, NOW).finish()
    ledger.finish_run(report)
    ledger.record_intent(intent(), NOW)
    state = state_of(ledger, "test", "here")
    assert (state.mode, state.ledger, state.halted, state.owned) == ("test", "here", "", ())
    assert state.runs == (report,)
    assert [ticket.intent.intent_id for ticket in state.open_tickets] == ["rt-1"]
