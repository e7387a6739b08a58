"""Reports made by hand: what a terminal must be able to show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Fill, Intent, OrderType, Side, Ticket, TicketStatus
from robotrading.domain.planning import Plan, Refusal, RefusalRule
from robotrading.domain.report import Outcome, SessionReport, StepResult
from robotrading.domain.skip import Skip

DAY = date(2025, 9, 26)
AT = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
NASTY = "[bold]A<b>\x1b[31m\r\u202eZ[/]"
"""Markup of Rich, HTML, a terminal's escape sequence, a carriage return and a switch of the writing direction."""


def share(symbol: str) -> Instrument:
    return Instrument(symbol, AssetClass.EQUITIES)


def intent(symbol: str, side: Side = Side.BUY, quantity: str = "12", price: str = "101.5", reason: str = "") -> Intent:
    said = reason or "holds 0.0 %, target 5.0 % +-1.0 %"
    return Intent(
        f"rt-eq-20250926-{symbol}-B-1", "run-1", AssetClass.EQUITIES, DAY, share(symbol), side, Decimal(quantity),
        OrderType.LIMIT, Decimal(price), said, Decimal(price) + Decimal("0.1"),
    )  # fmt: skip


def plan(intents: Sequence[Intent] = (), refusals: Sequence[Refusal] = ()) -> Plan:
    return Plan(
        "4a2664d85ef3b6bb", AssetClass.EQUITIES, "DU1", DAY, AT, "USD", Decimal(60_000), Decimal("1234.5"),
        tuple(intents), tuple(refusals),
    )  # fmt: skip


def filled(wanted: Intent, quantity: str | None = None, price: str = "101.55") -> Ticket:
    done = Decimal(quantity or wanted.quantity)
    fill = Fill("f1", wanted.intent_id, wanted.instrument, wanted.side, done, Decimal(price), AT, 1, Decimal(1), "USD")
    status = TicketStatus.FILLED if done == wanted.quantity else TicketStatus.CANCELLED
    return Ticket(wanted, status, 7, (fill,), "" if done == wanted.quantity else "not filled within 120 s")


def report(outcome: Outcome, verdict: str, **more: object) -> SessionReport:
    return SessionReport("run-1", AssetClass.EQUITIES, "rehearsal", DAY, AT, AT, outcome, verdict, **more)  # type: ignore[arg-type]


def good() -> SessionReport:
    orders = [intent("MSFT", Side.SELL, "3", "510.25", "no longer wanted"), intent("AAPL"), intent("BRK-B", price="99")]
    return report(Outcome.DONE, "Bought 2 and sold 1 of 3 orders, all filled.", plan=plan(orders),
                  tickets=tuple(filled(order) for order in orders), notes=("GOOG: prices from the cache",))  # fmt: skip


def nothing() -> SessionReport:
    held = [Refusal(share(f"S{number}"), RefusalRule.WITHIN_BAND, f"drift of 0.{number} %") for number in range(3)]
    return report(Outcome.NOTHING_TO_DO, "Nothing to do: every holding is within its band.", plan=plan((), held))


def failed() -> SessionReport:
    error = "no prices for any of 100 instruments; see the skipped sources"
    skips = tuple(Skip(f"SYM{number}", "prices", "no source has prices") for number in range(100))
    return report(Outcome.FAILED, f"Stopped at step 'prices': {error}.",
                  steps=(StepResult("prices", 0.1, skips, error=error),))  # fmt: skip


def partly() -> SessionReport:
    first, second, third = intent("AAPL", quantity="100"), intent("KO"), intent("PEP")
    lost = Ticket(third, TicketStatus.UNKNOWN, reason="the broker did not answer within 20 s")
    refused = Refusal(share("XOM"), RefusalRule.NO_QUOTE, "XOM has no quote")
    skips = tuple(Skip(f"source{number}", "prices", f"answered with error {500 + number}") for number in range(10))
    return report(Outcome.PARTLY, "Bought 1 of 3 orders; the rest: 1 cancelled, 1 unknown.",
                  plan=plan((first, second, third), (refused,)), steps=(StepResult("prices", 0.1, skips),),
                  tickets=(filled(first, "40"), filled(second), lost))  # fmt: skip


def many_refusals() -> SessionReport:
    refusals = [Refusal(share(f"SYM{number}"), RefusalRule.COSTS, f"costs {number}") for number in range(100)]
    return report(Outcome.DONE, "Would place 1 order: 0 to sell, 1 to buy.", plan=plan([intent("AAPL")], refusals))


def closed() -> SessionReport:
    """Each of a hundred orders held back by the same rule, each with a sentence of its own."""
    skips = tuple(Skip(f"SYM{number}", "door", f"buy {number} SYM{number}: the market is closed", "trading_hours")
                  for number in range(100))  # fmt: skip
    refused = Refusal(share("KO"), RefusalRule.NOT_OWNED, "KO: the ledger owns 5, the account holds only 0")
    return report(Outcome.FAILED, "None of 100 planned orders was sent.", plan=plan((), (refused,)),
                  steps=(StepResult("orders", 0.1, skips),))  # fmt: skip


def long_symbols() -> SessionReport:
    order = intent("A" * 60)
    refused = Refusal(share("B" * 90), RefusalRule.LOT, "less than a lot")
    return report(Outcome.DONE, "Would place 1 order.", plan=plan([order], [refused]), tickets=(filled(order),))


def nasty() -> SessionReport:
    order = intent(NASTY, reason=f"because {NASTY}")
    refused = Refusal(share(NASTY), RefusalRule.LOT, f"less than {NASTY}")
    many = [Refusal(share(NASTY), RefusalRule.COSTS, "") for _ in range(7)]
    skip = Skip(NASTY, "prices", f"none of {NASTY}")
    lost = Ticket(order, TicketStatus.REJECTED, reason=f"broker says {NASTY}")
    return report(Outcome.PARTLY, f"Verdict {NASTY}", plan=plan([order], [refused, *many]), notes=(NASTY,),
                  steps=(StepResult("prices", 0.1, (skip,)),), tickets=(filled(order), lost))  # fmt: skip


CASES = {
    "good": good,
    "nothing": nothing,
    "failed": failed,
    "partly": partly,
    "many_refusals": many_refusals,
    "closed": closed,
    "long_symbols": long_symbols,
    "nasty": nasty,
}
