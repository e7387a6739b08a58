"""Laws of the translation: what each status, code and execution comes to, in whatever order they arrive."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibkr_values import AAPL, NOW, intent

from robotrading.adapters.ibkr.codes import ORDER_CODES, Effect, Link, link_effect, order_effect
from robotrading.adapters.ibkr.executions import FillBook, fill_of, split_execution_id
from robotrading.adapters.ibkr.statuses import STATUSES
from robotrading.adapters.ibkr.translator import Heard, SeenOrder, SeenStatus, Translator
from robotrading.domain.orders import BrokerOrder, EventKind, Fill, Side, TicketStatus

D = Decimal
CLIENT, ORDER, PERM = 101, 5, 900_001
KEY = (CLIENT, ORDER)
WANTED = intent()
REF = WANTED.intent_id


def desk(*, acknowledged: bool = False) -> Translator:
    """A translator that has sent one order."""
    translator = Translator(CLIENT)
    translator.sent(WANTED, ORDER)
    if acknowledged:
        said(translator, "Submitted")
    return translator


def said(translator: Translator, word: str, filled: int = 0) -> Heard:
    return translator.order_status(SeenStatus(KEY, PERM, word, D(filled)), NOW)


def kinds(heard: Heard | None) -> list[EventKind]:
    assert heard is not None
    return [event.kind for event in heard.events]


def fill(quantity: int = 10, revision: int = 1, fill_id: str = "0001.01", reference: str = REF) -> Fill:
    return Fill(fill_id, reference, AAPL, Side.BUY, D(quantity), D(100), NOW, revision)


def listed(status: TicketStatus, filled: int = 0) -> BrokerOrder:
    return BrokerOrder(REF, PERM, AAPL, Side.BUY, D(10), D(filled), status)


# Statuses

TOLD = {
    "ApiPending": [],
    "PendingSubmit": [],
    "PreSubmitted": [EventKind.ACKNOWLEDGED],
    "Submitted": [EventKind.ACKNOWLEDGED],
    "PendingCancel": [],
    "Cancelled": [EventKind.CANCELLED],
    "ApiCancelled": [EventKind.CANCELLED],
    "Filled": [EventKind.FILLED],
    "Inactive": [],
    "ValidationError": [],
    "SomethingNew": [],
}


@pytest.mark.parametrize("word", TOLD)
def test_a_status_of_a_new_order(word: str) -> None:
    heard = said(desk(), word)
    assert kinds(heard) == TOLD[word]
    assert heard.doubts == ((REF,) if word == "Inactive" else ())


def test_every_status_of_the_libraries_is_in_the_table() -> None:
    assert set(TOLD) - {"SomethingNew"} == set(STATUSES)


@pytest.mark.parametrize("word", ["Submitted", "Cancelled", "Filled"])
def test_a_status_said_twice_is_told_once(word: str) -> None:
    translator = desk()
    assert kinds(said(translator, word))
    assert said(translator, word) == Heard()


def test_inactive_with_its_code_is_a_rejection_in_either_order() -> None:
    translator = desk()
    heard = translator.message(ORDER, 201, "no margin", NOW)
    assert heard is not None
    assert [(e.kind, e.code, e.reason) for e in heard.events] == [(EventKind.REJECTED, 201, "no margin")]
    assert said(translator, "Inactive") == Heard()
    other = desk()
    assert said(other, "Inactive").doubts == (REF,)
    assert kinds(other.message(ORDER, 201, "no margin", NOW)) == [EventKind.REJECTED]


@pytest.mark.parametrize("code", [109, 10329, 20_001])
def test_inactive_after_a_code_that_is_no_certain_refusal_is_asked_about(code: int) -> None:
    """A person in TWS may send such an order on; one that no list has any more was refused."""
    translator = desk()
    translator.message(ORDER, code, "held, or refused", NOW)
    assert said(translator, "Inactive").doubts == (REF,)
    assert kinds(translator.settle(REF, [listed(TicketStatus.REJECTED)], [], [], NOW)) == []
    assert kinds(translator.settle(REF, [], [], [], NOW)) == [EventKind.REJECTED]


def test_inactive_on_a_working_order_is_asked_about() -> None:
    translator = desk(acknowledged=True)
    translator.message(ORDER, 201, "no margin", NOW)
    assert said(translator, "Inactive").doubts == (REF,)


def test_a_cancelled_after_10349_is_asked_about_unless_we_asked_for_it() -> None:
    translator = desk(acknowledged=True)
    assert translator.message(ORDER, 10349, "tif changed", NOW) == Heard()
    assert said(translator, "Cancelled") == Heard(doubts=(REF,))
    assert translator.message(ORDER, 202, "cancelled", NOW) == Heard(doubts=(REF,))
    translator.cancel_asked(REF)
    assert kinds(said(translator, "Cancelled")) == [EventKind.CANCELLED]


def test_filled_after_cancelled_is_told_and_working_after_cancelled_is_asked() -> None:
    translator = desk(acknowledged=True)
    said(translator, "Cancelled")
    assert said(translator, "Submitted").doubts == (REF,)
    assert kinds(said(translator, "Filled")) == [EventKind.FILLED]
    assert said(translator, "Submitted") == Heard()
    assert said(translator, "Inactive") == Heard()


def test_a_filled_order_short_of_executions_is_known_to_be_short() -> None:
    translator = desk(acknowledged=True)
    said(translator, "Filled", 10)
    assert translator.is_short(REF)
    translator.execution(fill(), PERM, NOW)
    assert not translator.is_short(REF)


@pytest.mark.parametrize("word", ["Cancelled", "ApiCancelled"])
def test_a_cancelled_order_short_of_executions_is_asked_about_before_its_end_is_told(word: str) -> None:
    """Who is told that it has ended looks no more: executions that come afterwards would be booked by nobody."""
    translator = desk(acknowledged=True)
    assert said(translator, word, 4) == Heard(doubts=(REF,))
    translator.execution(fill(4), PERM, NOW)
    assert kinds(translator.settle(REF, [], [listed(TicketStatus.CANCELLED, 4)], [fill(4)], NOW)) == [
        EventKind.CANCELLED
    ]


def test_a_202_does_not_end_an_order_that_is_short_of_executions() -> None:
    translator = desk(acknowledged=True)
    said(translator, "Submitted", 4)
    assert translator.message(ORDER, 202, "Order Canceled", NOW) == Heard(doubts=(REF,))
    translator.execution(fill(4), PERM, NOW)
    assert kinds(translator.message(ORDER, 202, "Order Canceled", NOW)) == [EventKind.CANCELLED]


def test_a_part_that_is_named_after_the_end_is_asked_for() -> None:
    translator = desk(acknowledged=True)
    assert kinds(translator.message(ORDER, 202, "Order Canceled", NOW)) == [EventKind.CANCELLED]
    assert said(translator, "Cancelled", 4) == Heard(doubts=(REF,))
    assert translator.settle(REF, [], [listed(TicketStatus.CANCELLED, 4)], [], NOW) == Heard()
    translator.execution(fill(4), PERM, NOW)
    assert said(translator, "Cancelled", 4) == Heard()


@pytest.mark.parametrize("status", [TicketStatus.CANCELLED, TicketStatus.REJECTED])
@pytest.mark.parametrize("told", [0, 3])
def test_an_end_with_more_executed_than_is_told_is_unknown(status: TicketStatus, told: int) -> None:
    translator = desk(acknowledged=True)
    fills = [fill(told)] if told else []
    for one in fills:
        translator.execution(one, PERM, NOW)
    (event,) = translator.settle(REF, [], [listed(status, 4)], fills, NOW).events
    assert event.kind is EventKind.UNKNOWN
    assert f"with 4 executed, and tells of {told}" in event.reason
    assert REF in translator.living()


def test_statuses_of_unknown_orders_and_references_of_others_are_silence() -> None:
    translator = desk()
    assert translator.order_status(SeenStatus((7, 9), 5, "Filled"), NOW) == Heard()
    assert translator.open_order(SeenOrder((7, 9), 5, "mine-not-yours", "Submitted"), NOW) == Heard()


def test_an_order_of_an_earlier_run_is_known_by_its_reference() -> None:
    translator = Translator(CLIENT)
    heard = translator.open_order(SeenOrder((CLIENT, 12), PERM, REF, "Submitted", AAPL), NOW)
    assert [(e.intent_id, e.kind, e.broker_id) for e in heard.events] == [(REF, EventKind.ACKNOWLEDGED, PERM)]
    assert translator.order_id(REF) == (CLIENT, 12)
    assert kinds(translator.order_status(SeenStatus((CLIENT, 12), PERM, "Filled"), NOW)) == [EventKind.FILLED]


def test_order_ids_end_with_their_connection_and_permanent_ids_do_not() -> None:
    translator = desk(acknowledged=True)
    translator.forget_order_ids()
    assert translator.order_id(REF) is None
    assert translator.message(ORDER, 201, "about another order", NOW) is None
    assert kinds(said(translator, "Cancelled")) == [EventKind.CANCELLED]


def test_an_order_shown_without_an_id_does_not_take_that_of_another() -> None:
    translator = Translator(CLIENT)
    translator.open_order(SeenOrder((CLIENT, 0), PERM, REF, "Submitted"), NOW)
    assert translator.order_id(REF) is None


def test_an_order_that_did_not_leave_is_forgotten() -> None:
    translator = desk()
    translator.unsent(REF)
    assert REF not in translator.standings


# Codes


@pytest.mark.parametrize("word", ["", "Inactive"])
def test_a_refusal_of_what_was_executed_in_part_is_asked_about_although_no_status_came(word: str) -> None:
    """Executions may come before the first status: what has traded has worked, and a 201 may be a refused change."""
    translator = desk()
    translator.execution(fill(3), PERM, NOW)
    if word:
        translator.standings[REF].heard(201, "no")
    heard = said(translator, word) if word else translator.message(ORDER, 201, "no", NOW)
    assert heard == Heard(doubts=(REF,))
    assert translator.settle(REF, [listed(TicketStatus.PARTIAL, 3)], [], [fill(3)], NOW).events[0].kind is (
        EventKind.ACKNOWLEDGED
    )


@pytest.mark.parametrize("code", sorted(code for code, (effect, _) in ORDER_CODES.items() if effect is Effect.REFUSED))
def test_a_refusal_rejects_a_new_order_and_only_questions_a_working_one(code: int) -> None:
    heard = desk().message(ORDER, code, "no", NOW)
    assert heard is not None
    assert [(e.kind, e.code) for e in heard.events] == [(EventKind.REJECTED, code)]
    assert desk(acknowledged=True).message(ORDER, code, "no", NOW) == Heard(doubts=(REF,))


@pytest.mark.parametrize("code", [399, 404, 10349, 2109, 2137, 10167])
def test_warnings_reject_nothing(code: int) -> None:
    assert desk().message(ORDER, code, "warning", NOW) == Heard()
    assert desk(acknowledged=True).message(ORDER, code, "warning", NOW) == Heard()


@pytest.mark.parametrize("code", [110, 161, 10147, 10148, 77_777])
def test_what_may_mean_either_is_asked(code: int) -> None:
    assert desk().message(ORDER, code, "?", NOW) == Heard(doubts=(REF,))


def test_202_is_a_cancel_with_its_reason_and_a_warning_does_not_hide_a_refusal() -> None:
    translator = desk(acknowledged=True)
    heard = translator.message(ORDER, 202, "Order Canceled - reason:", NOW)
    assert heard is not None
    assert [(e.kind, e.code) for e in heard.events] == [(EventKind.CANCELLED, 202)]
    assert translator.message(ORDER, 201, "late", NOW) == Heard()
    other = desk()
    other.message(ORDER, 110, "off the tick", NOW)
    other.message(ORDER, 399, "by the way", NOW)
    assert other.standings[REF].code == 110


def test_link_codes() -> None:
    assert [link_effect(code) for code in (1100, 2110, 1101, 1102, 2104)] == [
        Link.LOST,
        Link.LOST,
        Link.RESTORED,
        Link.RESTORED,
        None,
    ]
    assert order_effect(2199) is Effect.NOTE


# Settling


SETTLED: list[tuple[str, TicketStatus | None, bool, int | None, int, list[EventKind]]] = [
    ("open and new", TicketStatus.WORKING, False, 110, 0, [EventKind.ACKNOWLEDGED]),
    ("open and known", TicketStatus.PARTIAL, True, 201, 4, []),
    ("on its way", TicketStatus.SENT, False, None, 0, []),
    ("inactive, refused", TicketStatus.REJECTED, False, 201, 0, [EventKind.REJECTED]),
    ("cancelled at once, with a refusal", TicketStatus.CANCELLED, False, 110, 0, [EventKind.REJECTED]),
    ("cancelled at once, without", TicketStatus.CANCELLED, False, None, 0, [EventKind.CANCELLED]),
    ("cancelled after working", TicketStatus.CANCELLED, True, 201, 0, [EventKind.CANCELLED]),
    ("cancelled after a part", TicketStatus.CANCELLED, False, 110, 4, [EventKind.CANCELLED]),
    ("filled", TicketStatus.FILLED, True, 10148, 10, [EventKind.FILLED]),
    ("a word nobody knows", TicketStatus.UNKNOWN, True, None, 0, [EventKind.UNKNOWN]),
    ("nowhere, but executed", None, True, 10147, 10, [EventKind.FILLED]),
    ("nowhere, refused", None, False, 110, 0, [EventKind.REJECTED]),
    ("nowhere, refused, yet partly executed", None, False, 110, 4, [EventKind.UNKNOWN]),
    ("nowhere, after working", None, True, 201, 0, [EventKind.UNKNOWN]),
    ("nowhere, cancel not found", None, False, 10147, 0, [EventKind.UNKNOWN]),
    ("nowhere, nothing said", None, False, None, 0, [EventKind.UNKNOWN]),
]


@pytest.mark.parametrize(
    ("code", "expected"), [(None, []), (399, []), (109, []), (20_001, []), (201, [EventKind.REJECTED])]
)
def test_an_inactive_order_that_nobody_has_refused_is_neither_alive_nor_over(code, expected) -> None:
    """Shares are located for it, or TWS waits for a person: it is waited for, then cancelled like any other."""
    translator = desk()
    if code is not None:
        translator.standings[REF].heard(code, "said")
    assert kinds(translator.settle(REF, [listed(TicketStatus.REJECTED)], [], [], NOW)) == expected
    assert kinds(desk().settle(REF, [], [listed(TicketStatus.REJECTED)], [], NOW)) == [EventKind.REJECTED], "completed"


@pytest.mark.parametrize(("case", "status", "acknowledged", "code", "executed", "expected"), SETTLED)
def test_a_doubt_is_settled_by_the_lists(  # noqa: PLR0917  one column each
    case: str,
    status: TicketStatus | None,
    acknowledged: bool,
    code: int | None,
    executed: int,
    expected: list[EventKind],
) -> None:
    translator = desk(acknowledged=acknowledged)
    if code is not None:
        translator.standings[REF].heard(code, "said")
    lists = [] if status is None else [listed(status, executed)]
    fills = [fill(executed)] if executed else []
    assert kinds(translator.settle(REF, lists, [], fills, NOW)) == expected, case


def test_a_cancel_that_was_not_true_is_taken_back_and_a_true_end_is_not_told_twice() -> None:
    translator = desk(acknowledged=True)
    said(translator, "Cancelled")
    assert kinds(translator.settle(REF, [listed(TicketStatus.WORKING)], [], [], NOW)) == [EventKind.ACKNOWLEDGED]
    said(translator, "Filled")
    assert translator.settle(REF, [], [listed(TicketStatus.FILLED)], [], NOW) == Heard()
    assert translator.settle(REF, [], [], [], NOW) == Heard()


def test_open_orders_speak_before_completed_ones() -> None:
    translator = desk()
    both = translator.settle(REF, [listed(TicketStatus.WORKING)], [listed(TicketStatus.CANCELLED)], [], NOW)
    assert kinds(both) == [EventKind.ACKNOWLEDGED]


def test_silence_about_a_doubt_is_unknown_never_rejected() -> None:
    heard = desk().unanswered(REF, "no answer", NOW)
    assert [(e.kind, e.reason) for e in heard.events] == [(EventKind.UNKNOWN, "no answer")]


# Executions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0000e0d5.6511a4f6.01.02", ("0000e0d5.6511a4f6.01", 2)),
        ("0000e0d5.01", ("0000e0d5", 1)),
        ("nodots", ("nodots", 1)),
        ("ends.with.text", ("ends.with.text", 1)),
    ],
)
def test_the_last_part_of_an_execution_id_is_its_revision(text: str, expected: tuple[str, int]) -> None:
    assert split_execution_id(text) == expected


@given(st.permutations([(1, 10), (2, 9), (3, 8)]))
def test_corrections_never_add_up_in_any_order(arrivals: list[tuple[int, int]]) -> None:
    translator = desk(acknowledged=True)
    for revision, quantity in arrivals:
        translator.execution(fill(quantity, revision), PERM, NOW)
    assert translator.fills.executed(REF) == 8


def test_an_execution_is_told_once_and_again_with_its_commission() -> None:
    translator = desk(acknowledged=True)
    assert kinds(translator.execution(fill(), PERM, NOW)) == [EventKind.FILL]
    assert translator.execution(fill(), PERM, NOW) == Heard()
    told = translator.commission("0001.01.01", 1.25, "USD", NOW).events
    assert [(e.fill.commission, e.fill.fill_id, e.fill.revision) for e in told if e.fill] == [(D("1.25"), "0001.01", 1)]
    assert translator.commission("0001.01.01", 1.25, "USD", NOW) == Heard()
    assert translator.execution(fill(), PERM, NOW) == Heard()


def test_a_commission_that_comes_first_waits_for_its_execution() -> None:
    book = FillBook()
    assert book.commission("0001.01.01", 2.0, "USD") is None
    told = book.execution(fill())
    assert told is not None
    assert (told.commission, told.commission_currency) == (D(2), "USD")


def test_a_commission_not_set_is_no_commission() -> None:
    book = FillBook()
    book.execution(fill())
    assert book.commission("0001.01.01", 1.7976931348623157e308, "USD") is None


def test_an_execution_that_was_asked_for_is_still_told_when_it_comes_by_itself() -> None:
    translator = desk(acknowledged=True)
    translator.fills.note(fill())
    assert kinds(translator.execution(fill(), PERM, NOW)) == [EventKind.FILL]


def test_an_execution_that_was_merely_asked_for_does_not_count_as_told() -> None:
    translator = desk(acknowledged=True)
    said(translator, "Filled", 10)
    translator.fills.note(fill())
    assert translator.is_short(REF)


def test_executions_of_others_are_known_but_not_told() -> None:
    translator = desk()
    assert translator.execution(fill(reference=""), 77, NOW) == Heard()
    assert translator.commission("0001.01.01", 1.0, "USD", NOW) == Heard()


def test_a_reference_lost_on_the_way_is_found_by_the_permanent_id() -> None:
    translator = desk(acknowledged=True)
    assert translator.reference_of("", PERM) == REF
    assert translator.reference_of("", 5) == ""
    assert translator.reference_of("theirs", PERM) == ""
    assert translator.reference_of("rt-eq-20200101-X-B-1", 5) == "rt-eq-20200101-X-B-1"


def test_an_execution_of_an_earlier_run_is_told() -> None:
    translator = Translator(CLIENT)
    heard = translator.execution(fill(), PERM, NOW)
    assert [(e.intent_id, e.broker_id) for e in heard.events] == [(REF, PERM)]


def test_the_latest_revisions_come_in_order_of_time() -> None:
    early = replace(fill(fill_id="b"), at=NOW.replace(hour=1))
    assert FillBook().latest([fill(9, 2), fill(10, 1), early]) == (early, fill(9, 2))


def test_an_execution_is_read_exactly() -> None:
    wire = SimpleNamespace(execId="a.b.01", side="SLD", shares=0.1, price=100.35, time=NOW)
    read = fill_of(wire, AAPL, REF)
    assert (read.side, read.quantity, read.price, read.fill_id) == (Side.SELL, D("0.1"), D("100.35"), "a.b")
