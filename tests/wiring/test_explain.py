"""Why an instrument was traded or not: the last word that the run had on it, from the report and the ledger alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from report_worlds import (
    NOW,
    D,
    all_failed,
    blocked,
    failed_early,
    fill,
    filled,
    good_day,
    hostile,
    intent,
    partly,
    plan,
    report,
)

from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.adapters.notify.report import report_text
from robotrading.cli.out import console, rendered
from robotrading.cli.render_explain import explain_view, history_view
from robotrading.cli.render_status import status_view
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import EventKind, OrderEvent, Ticket, TicketStatus
from robotrading.domain.report import Ended, Outcome, SessionReport, StepResult
from robotrading.domain.skip import Skip
from robotrading.session.state import State
from robotrading.wiring.explain import explain, newest


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqlLedger]:
    database = open_database(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield SqlLedger(database)
    database.close()


def shown(made: SessionReport, symbol: str, ledger: SqlLedger) -> str:
    return " ".join(rendered(console(), explain_view(explain(made, symbol, ledger))).split())


@pytest.mark.parametrize(
    ("made", "symbol", "answer"),
    [
        (good_day, "AAPL", "Bought. New, 5.1 % of the budget"),
        (good_day, "OLDCO", "Sold. Sold off: it is no longer in the universe."),
        (good_day, "MSFT", "Not traded: holds 8.3 %, target 8.5 % +-1.0 %: within its band."),
        (good_day, "KO", "Not traded: it is not in the universe of this session, and what the account holds of it is"),
        (good_day, "ZZZ", "Not traded: it is not in the universe of this session."),
        (blocked, "BBB", "Not traded: BBB: 50 were held on 2025-09-25 and 100 are held now"),
        (blocked, "AAA", "Perhaps bought: the fate of the order is not known."),
        (partly, "DDD", "Bought 40 of 100: the order is cancelled (not filled within 60 s)."),
        (partly, "EEE", "Not sent, though the plan says buy 100: an order of 10,000.00 USD is above limits"),
        (all_failed, "AAA", "Not bought: the order is rejected (margin too small)."),
        (failed_early, "AAPL", "Not traded: the run stopped at step 'recover'"),
    ],
)  # fmt: skip
def test_the_answer_is_the_last_word(made, symbol: str, answer: str, ledger: SqlLedger):
    assert explain(made(), symbol, ledger).answer.startswith(answer)


def test_what_the_checks_refused_is_said_with_their_reason(ledger: SqlLedger):
    refused = Skip("BAD", "checks", "The close jumps by 900 % on 2025-09-24.", "jump")
    made = report(Outcome.DONE, steps=(StepResult("checks", 0.1, (refused,)),))
    assert explain(made, "BAD", ledger).answer == "Not traded: The close jumps by 900 % on 2025-09-24."
    assert "None that could be used" in shown(made, "BAD", ledger)


def test_a_plan_alone_says_what_it_would_do(ledger: SqlLedger):
    made = report(Outcome.DONE, mode="plan", plan=plan([intent("AAPL")]))
    assert explain(made, "AAPL", ledger).answer.startswith("Planned, not sent: buy 10. holds 0.0 %")
    closed = replace(made, outcome=Outcome.NOTHING_TO_DO, verdict="Nothing was sent: the market is closed.")
    assert explain(closed, "AAPL", ledger).answer.endswith("Nothing was sent: the market is closed.")
    stopped = replace(made, outcome=Outcome.FAILED, steps=(StepResult("buys", 1.0, (), "the line is down"),))
    assert "the run stopped at step 'buys': the line is down" in explain(stopped, "AAPL", ledger).answer


def test_the_chain_tells_who_did_not_speak_and_why(ledger: SqlLedger):
    made = good_day()
    fell = Skip("MSFT", "signal", "hmm: the fit did not converge.", "not_converged")
    signals = tuple(
        replace(one, skips=(fell,)) if one.instrument.symbol == "MSFT" else one for one in made.signals
    )  # fmt: skip
    text = shown(replace(made, signals=signals), "MSFT", ledger)
    assert "Not by hmm: the fit did not converge. The moving average spoke: reduce -0.40" in text
    assert "Refused, within band" in text
    assert "The hidden Markov model spoke: " in shown(made, "AAPL", ledger)


def test_an_order_tells_its_events_its_fills_and_what_they_cost(ledger: SqlLedger):
    made = intent("AAPL", quantity="120", price="255.46")
    first = fill(made, D(120), D("255.51"), None)
    ledger.record_intent(made, NOW)
    for event in (
        OrderEvent(made.intent_id, EventKind.SENT, NOW),
        OrderEvent(made.intent_id, EventKind.ACKNOWLEDGED, NOW, broker_id=7),
        OrderEvent(made.intent_id, EventKind.FILL, NOW, first),
        OrderEvent(made.intent_id, EventKind.FILL, NOW, replace(first, commission=D("1.00"))),
    ):
        ledger.append(event)
    run = report(Outcome.DONE, plan=plan([made]), tickets=(Ticket(made, TicketStatus.SENT),))
    text = shown(run, "AAPL", ledger)
    assert "19:45:00 sent to the broker 19:45:00 the broker has it 19:45:00 120 filled at 255.51" in text
    assert "19:45:00 commission 1 USD" in text
    corrected = replace(first, commission=D("1.10"))
    ledger.append(OrderEvent(made.intent_id, EventKind.FILL, NOW + timedelta(days=1), corrected))
    assert "times in UTC" in text
    assert "2025-09-27 19:45:00 commission 1.1 USD" in shown(run, "AAPL", ledger), "a later day is named"
    even = replace(made, intent_id="even", arrival_price=D("32.9"), limit_price=D(33))
    assert "at about 32.90, limit 33.00, " in shown(report(Outcome.DONE, plan=plan([even])), "AAPL", ledger)
    assert "Now filled, 120 of 120 filled." in text, "the ledger knows more than the report"
    assert "slippage +2.0 bps, 6.00 USD" in text
    unsure = report(Outcome.PARTLY, tickets=(Ticket(made, TicketStatus.REJECTED, reason="no margin", code=201),))
    late = replace(unsure, tickets=(filled(replace(made, intent_id="other", arrival_price=D(0)), "1.00"),))
    assert "not known in bps" in shown(late, "AAPL", ledger)


def test_a_later_session_that_only_saw_it_as_protected_is_not_the_one_that_is_meant(ledger: SqlLedger):
    """A person may hold of their own what the bot buys too; then every session's report names it."""
    bought = good_day()
    later = report(
        Outcome.NOTHING_TO_DO, run_id="later-crypto", kind=AssetClass.CRYPTO, protected=bought.protected, tickets=()
    )
    for one in (bought, replace(later, started_at=NOW, finished_at=bought.finished_at + timedelta(hours=1))):
        ledger.finish_run(one)
    assert newest(ledger, "aapl").run_id == bought.run_id
    assert newest(ledger, "KO").run_id == "later-crypto", "which is all that is known of it"
    assert newest(ledger, "unheard-of").run_id == "later-crypto"


@pytest.mark.parametrize("make", [good_day, partly, blocked, all_failed, hostile])
def test_it_fits_eighty_columns_whatever_is_in_it(make, ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    made = make()
    for symbol in {line.instrument.symbol for line in made.plan.lines} | {
        t.intent.instrument.symbol for t in made.tickets
    }:
        text = rendered(console(), explain_view(explain(made, symbol, ledger)))
        assert max(map(len, text.splitlines())) <= 80
        assert all(char.isprintable() for char in text.replace("\n", ""))


def test_a_plan_is_marked_as_one_wherever_it_is_shown(ledger: SqlLedger):
    made = replace(good_day(), trade=False)
    symbol = made.plan.lines[0].instrument.symbol
    ended = [
        Ended(one.run_id, one.kind, one.mode, one.started_at, one.finished_at, one.outcome, one.trade)
        for one in (made, good_day())
    ]
    marked = f"{made.mode}, plan"
    assert marked in rendered(console(), explain_view(explain(made, symbol, ledger)))
    assert rendered(console(), history_view(ended)).count(marked) == 1
    assert marked in report_text(made)
    state = State(made.mode, "here", "", (made, good_day()), (), ())
    assert rendered(console(), status_view(state, "this")).count(f"{made.kind}, plan") == 1


def test_an_empty_history_says_what_to_try():
    assert "Try: robotrading plan all" in rendered(console(), history_view([]))
