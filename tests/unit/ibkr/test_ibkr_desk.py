"""Laws of the desk that hears the gateway, and of the decoder in front of it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from ibkr_values import AAPL, ACCOUNT, NOW, intent

from robotrading.adapters.ibkr import library
from robotrading.adapters.ibkr.callbacks import Callbacks, CarefulDecoder, DeafEars
from robotrading.adapters.ibkr.contracts import contract_for
from robotrading.adapters.ibkr.desk import OrderDesk
from robotrading.adapters.ibkr.library import Contract, Execution, Order
from robotrading.adapters.ibkr.requests import Requests
from robotrading.domain.errors import BrokerUnavailable, LedgerError
from robotrading.domain.orders import BrokerOrder, EventKind, OrderEvent, Side, TicketStatus
from robotrading.sim.clock import VirtualClock

CLIENT = 101
WANTED = intent()
REF = WANTED.intent_id


class Told:
    """A desk, what it told, how often it wanted to ask, and the ids it reserved."""

    def __init__(self) -> None:
        self.events: list[OrderEvent] = []
        self.asked = 0
        self.reserved: list[int] = []
        self.desk = OrderDesk(VirtualClock(NOW), CLIENT, self._ask)
        self.desk.account = ACCOUNT
        self.desk.attach(self.reserved.append)
        self.desk.subscribe(self.events.append)

    def _ask(self) -> None:
        self.asked += 1

    def open_order(self, order_id: int = 5, client: int = CLIENT, account: str = ACCOUNT, word: str = "Submitted"):
        order = Order(orderId=order_id, clientId=client, permId=9, orderRef=REF, account=account)
        self.desk.heard_open_order(contract_for(AAPL), order, library._library.OrderState(status=word))


def execution(account: str = ACCOUNT, **terms: Any) -> Execution:
    fields = {"execId": "a.01", "shares": 10.0, "price": 100.0, "side": "BOT", "orderRef": REF, "permId": 9}
    return Execution(**{**fields, "acctNumber": account, "time": NOW, **terms})


async def test_ids_of_our_open_orders_are_never_handed_out_again() -> None:
    told = Told()
    told.open_order(41)
    told.open_order(99, client=7)
    assert told.reserved == [41]


async def test_listeners_hear_later_and_in_order() -> None:
    """While the library decodes, whatever is raised would be swallowed."""
    told = Told()
    told.open_order()
    told.desk.heard_execution(contract_for(AAPL), execution())
    assert not told.events
    await asyncio.sleep(0)
    assert [event.kind for event in told.events] == [EventKind.ACKNOWLEDGED, EventKind.FILL]


async def test_other_accounts_are_not_ours() -> None:
    told = Told()
    told.open_order(account="DU_OTHER")
    told.desk.heard_execution(contract_for(AAPL), execution("DU_OTHER"))
    await asyncio.sleep(0)
    assert not told.events
    assert told.desk.fills_of([(contract_for(AAPL), execution("DU_OTHER"))]) == ()


async def test_executions_in_other_kinds_are_none_of_our_fills() -> None:
    told = Told()
    option = Contract(secType="OPT", symbol="SPY", currency="USD")
    told.desk.heard_execution(option, execution())
    await asyncio.sleep(0)
    assert not told.events
    assert len(told.desk.fills_of([(option, execution()), (contract_for(AAPL), execution())])) == 1


@pytest.mark.parametrize("terms", [{"shares": float("nan")}, {"price": sys.float_info.max}])
async def test_an_execution_that_is_no_number_is_not_left_out_and_not_booked(terms: dict[str, float]) -> None:
    told = Told()
    with pytest.raises(BrokerUnavailable, match=r"execution a\.01 of STK AAPL USD cannot be read"):
        told.desk.fills_of([(contract_for(AAPL), execution(**terms))])
    with pytest.raises(ValueError, match="number"):  # which the decoder takes for damage
        told.desk.heard_execution(contract_for(AAPL), execution(**terms))


async def test_the_first_failure_of_a_listener_is_kept() -> None:
    told = Told()
    errors = iter((LedgerError("first"), LedgerError("second")))

    def fail(_: OrderEvent) -> None:
        raise next(errors)

    told.desk.subscribe(fail)
    told.open_order()
    told.open_order(word="Filled")
    await asyncio.sleep(0)
    assert str(told.desk.failure) == "first"
    assert len(told.events) == 2


async def test_missing_executions_are_asked_for_unless_they_came_or_nobody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("robotrading.adapters.ibkr.desk.EXECUTION_GRACE", 0.01)
    for came, stopped, asked in ((False, False, 1), (True, False, 0), (False, True, 0)):
        told = Told()
        told.open_order()
        told.desk.heard_status((CLIENT, 5), 9, "Filled", 10.0)
        if came:
            told.desk.heard_execution(contract_for(AAPL), execution())
        if stopped:
            told.desk.stop_waiting()
        await asyncio.sleep(0.03)
        assert told.asked == asked, (came, stopped)


async def test_an_order_called_filled_twice_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that still had it at work may come between the two; a second timer would find nothing to do and fail."""
    monkeypatch.setattr("robotrading.adapters.ibkr.desk.EXECUTION_GRACE", 0.01)
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: failures.append(what))
    told = Told()
    told.open_order()
    for _ in range(2):
        told.desk.heard_status((CLIENT, 5), 9, "Filled", 10.0)
        working = BrokerOrder(REF, 9, AAPL, Side.BUY, Decimal(10), Decimal(0), TicketStatus.WORKING)
        told.desk.tell(told.desk.translator.settle(REF, [working], [], [], NOW))
    told.desk.heard_status((CLIENT, 5), 9, "Filled", 10.0)
    await asyncio.sleep(0.05)
    assert (told.asked, failures) == (1, [])


class Heard(DeafEars):
    """Keeps executions."""

    def __init__(self) -> None:
        self.times: list[datetime] = []

    def heard_execution(self, contract: Any, execution: Any) -> None:  # noqa: ARG002  as the ears have it
        self.times.append(execution.time)


def execution_fields(at: str) -> list[str]:
    """Message 11 as a gateway of version 176 writes it."""
    contract = ["265598", "AAPL", "STK", "", "0.0", "", "", "NASDAQ", "USD", "AAPL", "NMS"]
    return [
        *["11", "-1", "5", *contract, "a.01", at, ACCOUNT, "NASDAQ", "BOT", "10", "100.0", "9", "101", "0", "10"],
        *["100.0", REF, "", "", "", "2"],
    ]


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The computer's own time zone, for a while."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
@pytest.mark.parametrize("text", ["20260304-15:30:00", "20260304 10:30:00 US/Eastern", "20260304  10:30:00"])
def test_execution_times_are_read_by_us_and_not_as_local_time(text: str) -> None:
    heard, damage = Heard(), []
    callbacks = Callbacks(Requests(), heard, lambda *_: None, lambda _: None, damage.append)
    decoder = CarefulDecoder(callbacks, "America/New_York")
    decoder.serverVersion = 176
    decoder.interpret(execution_fields(text))
    assert [moment.astimezone(UTC) for moment in heard.times] == [NOW]
    assert not damage


def test_an_execution_whose_time_cannot_be_read_is_damage_and_not_silence() -> None:
    damage: list[str] = []
    callbacks = Callbacks(Requests(), Heard(), lambda *_: None, lambda _: None, damage.append)
    CarefulDecoder(callbacks, "UTC").interpret(execution_fields("20260304 10:30:00 Mars/Olympus"))
    assert "tzdata" in damage[0]


STATUS = ["3", "5", "Submitted", "4", "6", "100", "9", "0", "100", "101", "", "0"]


def test_a_status_is_read_whole() -> None:
    told, damage = Told(), []
    seen: list[tuple[object, ...]] = []
    told.desk.heard_status = lambda *row: seen.append(row)  # type: ignore[method-assign]
    callbacks = Callbacks(Requests(), told.desk, lambda *_: None, lambda _: None, damage.append)
    decoder = CarefulDecoder(callbacks, "UTC")
    decoder.interpret(STATUS)
    decoder.interpret([*STATUS[:3], "", *STATUS[4:]])
    assert seen == [((101, 5), 9, "Submitted", 4.0), ((101, 5), 9, "Submitted", 0.0)]
    assert not damage


@pytest.mark.parametrize("trouble", ["a number that is none", "a listener that fails"])
def test_a_status_that_cannot_be_taken_in_is_damage_and_not_silence(trouble: str) -> None:
    """The library's own handler of plain messages would log it and go on."""
    told, damage = Told(), []
    fields = list(STATUS)
    if trouble == "a number that is none":
        fields[3] = "many"
    else:

        def fails(*_: object) -> None:
            raise LookupError("no such order")

        told.desk.heard_status = fails  # type: ignore[method-assign]
    callbacks = Callbacks(Requests(), told.desk, lambda *_: None, lambda _: None, damage.append)
    CarefulDecoder(callbacks, "UTC").interpret(fields)
    assert "message 3" in damage[0]


async def test_a_plain_answer_that_cannot_be_read_ends_the_question() -> None:
    callbacks = Callbacks(requests := Requests(), DeafEars(), lambda *_: None, lambda _: None, lambda _: None)
    decoder = CarefulDecoder(callbacks, "UTC")

    async def send() -> None:
        decoder.interpret(["55", "1", "seven"])

    with pytest.raises(BrokerUnavailable, match="message 55 of the gateway could not be read"):
        await requests.numbered(7, send, "executions", 5.0)
