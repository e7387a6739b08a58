"""The sentence on a run's orders: what was wanted is counted, and what is not known is not said to be not filled."""

from __future__ import annotations

import pytest
from report_worlds import D, fill, filled, intent, report

from robotrading.domain.orders import Side, Ticket, TicketStatus
from robotrading.domain.report import Outcome
from robotrading.session.verdict import verdict

BUY, SELL = intent("AAPL"), intent("KO", Side.SELL)
LOST, GONE = Ticket(BUY, TicketStatus.UNKNOWN), Ticket(BUY, TicketStatus.CANCELLED)
PART = Ticket(BUY, TicketStatus.CANCELLED, fills=(fill(BUY, D(4), D(100)),))


@pytest.mark.parametrize(
    ("tickets", "said"),
    [
        ([filled(BUY, "100")] * 3, "Bought 3 of 3 orders, all filled."),
        ([filled(SELL, "100")], "Sold 1 of 1 order, all filled."),
        ([filled(BUY, "100"), filled(SELL, "100")], "Bought 1 and sold 1 of 2 orders, all filled."),
        ([filled(BUY, "100"), Ticket(SELL, TicketStatus.REJECTED)],
         "Bought 1 and sold 0 of 2 orders; the rest: 1 rejected."),
        ([GONE, GONE], "Nothing was filled of 2 orders: 2 cancelled."),
        ([GONE, LOST], "No fill is known of 2 orders: 1 cancelled, 1 unknown."),
        ([PART, LOST], "No order was filled in whole of 2 orders: 1 cancelled with a part filled, 1 unknown."),
        ([filled(BUY, "100"), PART, GONE, LOST],
         "Bought 1 of 4 orders; the rest: 1 cancelled, 1 cancelled with a part filled, 1 unknown."),
    ],
)  # fmt: skip
def test_the_orders_are_told_in_one_sentence(tickets: list[Ticket], said: str) -> None:
    assert verdict(report(Outcome.PARTLY, tickets=tuple(tickets))) == said
