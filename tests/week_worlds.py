"""Weeks of every kind that a summary is made of, built by hand and the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from report_worlds import ACCOUNT, EVIL, filled, intent, share, weekdays

from robotrading.adapters.notify.report.backdrop import Benchmark
from robotrading.adapters.notify.weekly.figures import KindRuns, WeekFigures, span
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import Side, Ticket, TicketStatus
from robotrading.domain.report import Outcome
from robotrading.execution.trips import PositionGain, Trip
from robotrading.portfolio.flows import Flows, Unclear
from robotrading.portfolio.performance import Flow, Snapshot, costs, daily_values, measure

D = Decimal
SATURDAY = date(2025, 9, 27)
FRIDAY = SATURDAY - timedelta(days=1)
FIRST, QUARTER = SATURDAY - timedelta(days=6), SATURDAY - timedelta(days=90)


def evening(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 19, 46, tzinfo=UTC)


def walk(last_week: Sequence[float], drift: float = 0.0007) -> list[Snapshot]:
    """A value every weekday of three months, with a wobble, then the returns of the last days."""
    days = weekdays(66, FRIDAY)
    changes = [drift + ((number * 7919) % 101 - 50) / 50 * 0.006 for number in range(len(days) - 1 - len(last_week))]
    values = [D("980000.00")]
    for change in [*changes, *last_week]:
        values.append((values[-1] * (1 + D(repr(change)))).quantize(D("0.01")))
    return [(evening(day), value) for day, value in zip(days, values, strict=True)]


def market() -> Benchmark:
    days = weekdays(90, FRIDAY)
    closes = [600 * (1 + 0.0006 * number + ((number * 31) % 17 - 8) * 0.0008) for number in range(len(days))]
    return Benchmark("SPY", tuple(days), tuple(closes))


def runs(kind: AssetClass, **outcomes: int) -> KindRuns:
    return KindRuns(kind, {Outcome(name): amount for name, amount in outcomes.items()}, evening(FRIDAY))


def week(points: Sequence[Snapshot], tickets: Sequence[Ticket] = (), trips: Sequence[Trip] = (), **more: object):
    """The figures of a history and of one week's orders, which are the three months' too."""
    flows = more.get("flows", Flows(points[0][0], points[-1][0]) if len(points) > 1 else Flows())
    there = more.get("benchmark")

    def spanned(first: date):
        performance = measure(points, flows.found, first, SATURDAY)
        beside = None
        if there and performance.since:
            beside = there.change(performance.since.date(), FRIDAY)
        return span(performance, costs(tickets), tuple(trips), "USD", beside)

    made = WeekFigures(
        SATURDAY, FIRST, "paper", spanned(FIRST), spanned(QUARTER), ACCOUNT, "USD",
        worth=points[-1][1] if points else None,
        worth_at=points[-1][0] if points else None,
        curve=daily_values(points),
        flows=flows,
        benchmark_name="SPY",
    )  # fmt: skip
    return replace(made, **{name: value for name, value in more.items() if name != "flows"})


def trip(symbol: str, gain: str | None, kind: AssetClass = AssetClass.EQUITIES) -> Trip:
    return Trip(share(symbol), kind, evening(FRIDAY), None if gain is None else D(gain))


def gain(symbol: str, brought: str, put_in: str = "40000") -> PositionGain:
    return PositionGain(share(symbol), D(brought), D(put_in))


def normal() -> WeekFigures:
    """A good week: three sessions, some trades, one position closed without a known cost."""
    tickets = (
        filled(intent("AAPL", quantity="120", price="255.46"), "255.51", "1.00"),
        filled(intent("MSFT", quantity="40", price="509.90"), "509.70", "1.00"),
        filled(intent("OLDCO", Side.SELL, "50", "80.00"), "79.98", "1.12"),
        filled(intent("KO", Side.SELL, "300", "66.10"), "66.05", "1.40"),
        Ticket(intent("NVDA"), TicketStatus.CANCELLED, reason="not filled within 60 s"),
    )
    names = ("AAPL", "BRK-B", "MSFT", "NVDA", "AVGO", "V", "JPM", "LLY", "XOM", "COST", "PG", "KO", "OLDCO")
    brought = (
        "1830.50",
        "640.10",
        "512",
        "410.33",
        "300",
        "120.9",
        "80",
        "12",
        "0",
        "-35.2",
        "-88",
        "-140.1",
        "-412.75",
    )
    return week(
        walk((0.004, -0.002, 0.006, 0.001, 0.0035)),
        tickets,
        (trip("OLDCO", "-412.75"), trip("KO", "940.20"), trip("GIFT", None)),
        runs=(
            runs(AssetClass.EQUITIES, done=3, nothing_to_do=1, partly=1),
            runs(AssetClass.BONDS, nothing_to_do=5),
            runs(AssetClass.CRYPTO, done=2, nothing_to_do=5),
        ),
        statuses={"filled": 4, "cancelled": 1},
        gains=tuple(gain(name, value) for name, value in zip(names, brought, strict=True)),
        unpriced=1,
        benchmark=market(),
    )


def empty() -> WeekFigures:
    """Nothing ran, nothing is known."""
    return week(())


def no_run() -> WeekFigures:
    """Nothing ran in a week after weeks of runs."""
    return week(walk((0.001,))[:-6], benchmark=market())


def money_zero() -> WeekFigures:
    """An account that holds nothing, in which nothing was filled."""
    points = [(evening(day), D(0)) for day in weekdays(6, FRIDAY)]
    refused = Ticket(intent("AAPL"), TicketStatus.REJECTED, reason="margin too small", code=201)
    return week(points, (refused,), runs=(runs(AssetClass.EQUITIES, failed=5),), statuses={"rejected": 1})


def loss_and_deposit() -> WeekFigures:
    """A bad week in which money was paid in, and a change of cash that nobody can explain."""
    points = walk((-0.011, -0.023, 0.004, -0.017, -0.008))
    paid = D("250000.00")
    jumped = [(at, value + (paid if number >= len(points) - 3 else D(0))) for number, (at, value) in enumerate(points)]
    flow = Flow(points[-4][0], points[-3][0], paid)
    doubt = Unclear(
        points[20][0], points[21][0], D("-14250.55"), "USD", "holdings changed too that the bot did not trade"
    )
    return week(
        jumped,
        (filled(intent("AAA", quantity="1500", price="100.00"), "100.41", "7.50"),),
        (trip("BBB", "-5120.00"), trip("CCC", "-310.5")),
        flows=Flows(points[0][0], points[-1][0], (flow,), (doubt,)),
        runs=(runs(AssetClass.EQUITIES, done=3, partly=1, failed=1), runs(AssetClass.CRYPTO, done=7)),
        statuses={"filled": 1, "unknown": 1},
        gains=(gain("AAA", "-615.00"), gain("DDD", "-9000.12"), gain("BBB", "-31111.11")),
        benchmark=market(),
    )


def hostile() -> WeekFigures:
    """Symbols and names that hold HTML, a template, line breaks and half characters."""
    evil = f"{EVIL}\r\nBcc: thief@example.com\x00\u202e\ud800"
    odd = share(evil, evil)
    order = replace(intent("X"), instrument=odd)
    made = normal()
    doubt = Unclear(evening(FRIDAY), evening(FRIDAY), D(1), evil, evil)
    return replace(
        made,
        mode=evil,
        account_id=f"A{evil}",
        currency=evil,
        week=replace(
            made.week,
            costs=costs((filled(order, "100.02"),)),
            trips=(Trip(odd, AssetClass.BONDS, evening(FRIDAY), D(1)),),
        ),
        gains=(PositionGain(odd, D(5), D(10)), PositionGain(share("<b>"), D(-5), D(0))),
        flows=replace(made.flows, unclear=(doubt,)),
        statuses={evil: 1},
        benchmark_name=evil,
    )


ALL = {
    "normal": normal,
    "empty": empty,
    "no_run": no_run,
    "money_zero": money_zero,
    "loss_and_deposit": loss_and_deposit,
    "hostile": hostile,
}
