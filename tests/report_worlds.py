"""Reports of every kind a run can end in, built by hand and the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from robotrading.adapters.notify.report.backdrop import Backdrop, Benchmark, Chart, Worth
from robotrading.domain.book import Account, Position
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Fill, Intent, OrderType, Side, Ticket, TicketStatus
from robotrading.domain.planning import Line, Plan, Refusal, RefusalRule, Targets, TargetWeight
from robotrading.domain.report import Outcome, SessionReport, Source, StepResult
from robotrading.domain.signals import Regime, Signal, Stance
from robotrading.domain.skip import Skip
from robotrading.portfolio.flows import Flows
from robotrading.portfolio.performance import Flow
from robotrading.session.verdict import verdict

D = Decimal
ONE = D("1.00")
NOW = datetime(2025, 9, 26, 19, 45, tzinfo=UTC)
DAY = date(2025, 9, 26)
BAR_DAY = date(2025, 9, 25)
ACCOUNT = "DU7654321"
EVIL = '<img src=x onerror="alert(1)">&amp;{{7*7}}'


def share(symbol: str, currency: str = "USD") -> Instrument:
    return Instrument(symbol, AssetClass.EQUITIES, currency=currency)


def intent(
    symbol: str, side: Side = Side.BUY, quantity: str = "10", price: str = "100.00", **changes: object
) -> Intent:
    made = Intent(
        intent_id=f"rt-eq-20250926-{symbol}-{side[0].upper()}-1",
        session_id="run-1",
        kind=AssetClass.EQUITIES,
        trading_date=DAY,
        instrument=share(symbol),
        side=side,
        quantity=D(quantity),
        order_type=OrderType.LIMIT,
        arrival_price=D(price),
        reason="holds 0.0 %, target 8.5 % +-1.0 % (8.2 % equal weight x 1.04 (calm, rising 98 %))",
        limit_price=D(price) * (1 + side.sign * D("0.003")),
    )
    return replace(made, **changes)


def fill(of: Intent, quantity: D, price: D, commission: D | None = ONE, number: int = 1) -> Fill:
    return Fill(
        f"f-{of.intent_id}-{number}", of.intent_id, of.instrument, of.side, quantity, price, NOW, 1, commission, "USD"
    )


def filled(of: Intent, price: str, commission: str = "1.00") -> Ticket:
    return Ticket(
        of, TicketStatus.FILLED, 1900000001, (fill(of, of.quantity, D(price), D(commission)),), updated_at=NOW
    )


def account(**changes: object) -> Account:
    made = Account(
        ACCOUNT, "USD", D("1002345.67"), D("250000"), {"USD": D("412345.67"), "EUR": D("-12.5")}, (), NOW, D("1000000")
    )
    return replace(made, **changes)


def regime() -> Regime:
    return Regime(
        ("turbulent, falling", "calm, rising"), (0.02, 0.98), (-0.001, 0.0009), (0.031, 0.011), 3579.9, True, 5, 3
    )


def signal(symbol: str, model: str = "hmm", stance: Stance = Stance.LONG, strength: float = 0.55) -> Signal:
    return Signal(share(symbol), stance, strength, model, BAR_DAY, regime() if model == "hmm" else None)


def line(  # noqa: PLR0917
    symbol: str, now: str, target: str, after: str, owned: str = "0", price: str | None = "100.00"
) -> Line:
    return Line(share(symbol), D(price) if price else None, D(owned), D(now), D(target), D(after))


def plan(
    intents: Sequence[Intent], refusals: Sequence[Refusal] = (), lines: Sequence[Line] = (), budget: str = "600000"
) -> Plan:
    return Plan(
        "8a178f8dd4eb7970", AssetClass.EQUITIES, ACCOUNT, DAY, NOW, "USD", D(budget), D("550000"),
        tuple(intents), tuple(refusals), tuple(lines),
    )  # fmt: skip


def targets(*weights: tuple[str, str]) -> Targets:
    made = tuple(TargetWeight(share(s), D(w), D(w), f"{D(w) * 100:.1f} % equal weight") for s, w in weights)
    return Targets(AssetClass.EQUITIES, made, D("0.02"), BAR_DAY)


def report(outcome: Outcome, **changes: object) -> SessionReport:
    """A report with the verdict the session would give it."""
    known = {"run_id": "20250926-194500-equities-6fbd77", "kind": AssetClass.EQUITIES, "mode": "paper"}
    known |= {"trading_date": DAY, "started_at": NOW, "finished_at": NOW, "outcome": outcome, "verdict": ""}
    made = SessionReport(**(known | changes))
    return made if made.verdict else replace(made, verdict=verdict(made))


def good_day() -> SessionReport:
    sell = intent("OLDCO", Side.SELL, "50", "80.00", reason="holds 1.9 %, target 0.0 %: it left the universe")
    buys = (intent("AAPL", quantity="120", price="255.46"), intent("BRK-B", quantity="33", price="491.20"))
    refusals = (
        Refusal(share("MSFT"), RefusalRule.WITHIN_BAND, "holds 8.3 %, target 8.5 % +-1.0 %: within its band"),
        Refusal(share("NVDA"), RefusalRule.COSTS, "a trade of 130.00 USD would cost 1.00 USD, more than 0.5 % of it"),
    )
    lines = (
        line("AAPL", "0", "0.051", "0.0511", price="255.46"),
        line("BRK-B", "0", "0.027", "0.027", price="491.20"),
        line("MSFT", "0.083", "0.085", "0.083", "98", "509.90"),
        line("NVDA", "0.0301", "0.0303", "0.0301", "101", "178.19"),
        line("OLDCO", "0.019", "0", "0", "50", "80.00"),
    )
    owned = (
        Position(share("AAPL"), D(120), D("255.53"), "equities", NOW),
        Position(share("BRK-B"), D(33), D("491.3303030303"), "equities", NOW),
        Position(share("MSFT"), D(98), D("402.118"), "equities", None),
        Position(share("NVDA"), D(101), D("120.5"), "equities", datetime(2025, 3, 4, 15, 0, tzinfo=UTC)),
    )
    sources = (
        Source("AAPL", "yahoo", BAR_DAY), Source("BRK-B", "yahoo", BAR_DAY, from_cache=True),
        Source("MSFT", "files", BAR_DAY, adjusted_only=True), Source("NVDA", "yahoo", BAR_DAY),
    )  # fmt: skip
    healed = Skip("NVDA", "checks", "split of 2024-06-10 was not in the real prices and is put right", "unbooked_split")
    fell = Skip("MSFT", "signals", "hmm: the fit did not converge in 200 iterations; the next model is asked", "hmm")
    return report(
        Outcome.DONE,
        steps=(
            StepResult("recover", 0.011),
            StepResult("prices", 2.4),
            StepResult("checks", 0.3, (healed,)),
            StepResult("signals", 1.1, (fell,), note="2 fits reused"),
            StepResult("plan", 0.05),
            StepResult("sells", 0.4),
            StepResult("buys", 130.2),
        ),
        notes=("settled from an earlier run: rt-eq-20250925-AAPL-B-1",),
        sources=sources,
        signals=(
            signal("AAPL"),
            signal("BRK-B", strength=0.1, stance=Stance.NEUTRAL),
            signal("MSFT", "moving_average", Stance.REDUCE, -0.4),
            replace(signal("NVDA", "hold", Stance.HOLD, 0.0), as_of=date(2025, 9, 24)),
        ),
        targets=targets(("AAPL", "0.051"), ("BRK-B", "0.027"), ("MSFT", "0.085"), ("NVDA", "0.0303")),
        plan=plan((sell, *buys), refusals, lines),
        tickets=(filled(sell, "79.98"), filled(buys[0], "255.51", "1.00"), filled(buys[1], "491.20", "1.23")),
        owned=owned,
        protected=(Position(share("AAPL"), D(500), D("31.337")), Position(share("KO"), D("10.5"), D(60))),
        account=account(),
    )


def nothing_to_do() -> SessionReport:
    kept = Refusal(share("AAPL"), RefusalRule.WITHIN_BAND, "holds 8.3 %, target 8.5 % +-1.0 %: within its band")
    return report(
        Outcome.NOTHING_TO_DO,
        steps=(StepResult("recover", 0.01), StepResult("plan", 0.02)),
        plan=plan((), (kept,), (line("AAPL", "0.083", "0.085", "0.083", "100"),)),
        account=account(day_start_value=None),
    )


def failed_early() -> SessionReport:
    error = f"127.0.0.1:4002 refused the connection of {ACCOUNT}; start the gateway"
    return report(Outcome.FAILED, mode="live", steps=(StepResult("recover", 30.0, (), error),))


def partly() -> SessionReport:
    names = ("AAA", "BBB", "CCC", "DDD", "EEE")
    intents = tuple(intent(name, quantity="100") for name in names)
    half = (fill(intents[3], D(40), D("100.10"), None),)
    tickets = (
        filled(intents[0], "100.02"),
        Ticket(intents[1], TicketStatus.REJECTED, reason="margin too small", code=201),
        Ticket(intents[2], TicketStatus.UNKNOWN),
        Ticket(intents[3], TicketStatus.CANCELLED, fills=half, reason="not filled within 60 s"),
    )
    stopped = Skip("EEE", "door", "an order of 10,000.00 USD is above limits.max_order_value 9,000", "max_order_value")
    return report(
        Outcome.PARTLY,
        steps=(StepResult("plan", 0.1), StepResult("buys", 61.0, (stopped,)), StepResult("compare", 10.0)),
        plan=plan(intents),
        tickets=tickets,
        owned=(
            Position(share("AAA"), D(100), D("100.03"), "equities", NOW),
            Position(share("DDD"), D(40), D("100.10")),
        ),
        account=account(),
    )


def many_trades(amount: int = 500) -> SessionReport:
    """So many orders, and hundreds of instruments that were left for the same few reasons."""
    intents = tuple(intent(f"T{number:03d}", quantity=str(number + 1)) for number in range(amount))
    tickets = [filled(item, "100.05") for item in intents]
    tickets[7] = Ticket(intents[7], TicketStatus.REJECTED, reason="no permission", code=203)
    budget = sum((item.quantity for item in intents), D(0)) * 100
    shares = [f"{item.quantity * 100 / budget:.5f}" for item in intents]
    refusals = [
        Refusal(share(f"R{number:03d}"), RefusalRule.WITHIN_BAND, "holds 0.1 %, target 0.1 %: within its band of 0.2 %")
        for number in range(300)
    ]
    skips = tuple(
        Skip(f"S{number:03d}", "prices", f"the newest price is of day {number} and older than 5 days", "stale")
        for number in range(120)
    )
    return report(
        Outcome.PARTLY,
        steps=(StepResult("prices", 2.0, skips), StepResult("buys", 15.0)),
        plan=plan(
            intents,
            refusals,
            [line(item.instrument.symbol, "0", much, much) for item, much in zip(intents, shares, strict=True)],
            str(budget),
        ),
        tickets=tuple(tickets),
        signals=tuple(signal(item.instrument.symbol) for item in intents),
        sources=tuple(Source(item.instrument.symbol, "yahoo", BAR_DAY) for item in intents),
        owned=tuple(
            Position(ticket.intent.instrument, ticket.filled, D("100.06"), "equities", NOW)
            for ticket in tickets
            if ticket.filled
        ),
        account=account(net_liquidation=D("15023456.78"), day_start_value=D("15000000")),
    )


def hostile() -> SessionReport:
    """Every text that comes from outside holds HTML, a template, line breaks and half characters."""
    evil = f"{EVIL}\r\nBcc: thief@example.com\x00\u202e\ud800"
    order = replace(intent("X", reason=evil), instrument=share(evil), intent_id=evil)
    sold = replace(order, side=Side.SELL, intent_id="other")
    return report(
        Outcome.PARTLY,
        verdict=evil,
        mode=evil,
        steps=(StepResult(evil, 1.0, (Skip(evil, evil, f"skipped {evil}", evil),), evil, evil),),
        notes=(evil,),
        sources=(Source(evil, evil, BAR_DAY, adjusted_only=True),),
        signals=(replace(signal("X", evil), instrument=share(evil), regime=replace(regime(), labels=(evil, evil))),),
        targets=Targets(AssetClass.EQUITIES, (TargetWeight(share(evil), D(0), D(0), evil),), D(0), BAR_DAY),
        plan=replace(plan((order,), (Refusal(share(evil), RefusalRule.LIMIT, evil),)), plan_id=evil, currency=evil),
        tickets=(Ticket(sold, TicketStatus.UNKNOWN, reason=evil),),
        owned=(Position(share(evil, evil), D(1), D(1)),),
        protected=(Position(share(evil, evil), D(1), D(1)),),
        account=account(account_id="A" + evil, base_currency=evil, cash={evil: D(1)}),
        currency=evil,
    )


def odd_names() -> SessionReport:
    """Words that never end, letters that are written from right to left, marks on top of marks, pictures as letters."""
    names = ("W" * 300, "\u05e9\u05dc\u05d5\u05dd", "Z" + "\u0301" * 40, "\U0001f680" * 12)
    orders = tuple(intent(name, reason=f"because {name * 3}") for name in names)
    tickets = (
        *(filled(order, "100.02") for order in orders[:3]),
        Ticket(orders[3], TicketStatus.REJECTED, reason="r" * 400, code=201),
    )
    return report(
        Outcome.PARTLY,
        steps=(StepResult("buys", 1.0, (Skip(names[0], "fill", "v" * 500),)),),
        plan=plan(orders, (Refusal(share(names[0]), RefusalRule.COSTS, "c" * 200),)),
        notes=("n" * 300,),
        sources=tuple(Source(name, "files", BAR_DAY) for name in names),
        signals=tuple(signal(name) for name in names),
        tickets=tickets,
        owned=tuple(Position(share(name), D(10), D(100)) for name in names[:3]),
        account=account(),
    )


def nothing_spent() -> SessionReport:
    """Orders left, none was filled, and the session has no budget: every ratio has a zero beneath it."""
    intents = (intent("AAPL", quantity="120", price="255.46"), intent("MSFT", quantity="3", price="0.00"))
    tickets = tuple(
        Ticket(item, TicketStatus.CANCELLED, 1900000001, reason="not filled within 60 s", updated_at=NOW)
        for item in intents
    )
    return report(
        Outcome.PARTLY,
        steps=(StepResult("plan", 0.1), StepResult("buys", 0.0)),
        plan=replace(
            plan(
                intents, (), (line("AAPL", "0", "0", "0", price="255.46"), line("MSFT", "0", "0", "0", price=None)), "0"
            ),
            cash=D(0),
        ),
        targets=targets(("AAPL", "0"), ("MSFT", "0")),
        tickets=tickets,
        account=account(net_liquidation=D(0), cash={}, day_start_value=D(0)),
    )


def all_failed() -> SessionReport:
    """Every order was refused, and the halt is on."""
    intents = tuple(intent(name, quantity="100") for name in ("AAA", "BBB", "CCC"))
    reasons = (("margin too small", 201), ("no permission to trade it", 203), ("", None))
    tickets = tuple(
        Ticket(item, TicketStatus.REJECTED, reason=reason, code=code)
        for item, (reason, code) in zip(intents, reasons, strict=True)
    )
    return report(
        Outcome.FAILED,
        steps=(StepResult("plan", 0.1), StepResult("buys", 1.0, (), f"the broker took no order of {ACCOUNT}")),
        plan=plan(intents, (), [line(item.instrument.symbol, "0", "0.08", "0.08") for item in intents]),
        notes=("trading is halted, no order leaves until `robotrading resume`: the person wants to look",),
        tickets=tickets,
        account=account(net_liquidation=D("990000")),
    )


def blocked() -> SessionReport:
    """One order of unknown fate, one holding that a split has changed, one order of an earlier run."""
    made = intent("AAA", quantity="100")
    split = (
        "BBB: 50 were held on 2025-09-25 and 100 are held now, which looks like a 2:1 split; nothing is traded in it "
        "until you say how many of them are the bot's, e.g. `robotrading positions set BBB 100 --owner SESSION --reason "
        "split`"
    )
    refusals = (
        Refusal(share("BBB"), RefusalRule.OPEN_ORDER, split),
        Refusal(share("CCC"), RefusalRule.OPEN_ORDER, "rt-eq-20250925-CCC-B-1 has no known end (unknown since 19:46)"),
        Refusal(share("DDD"), RefusalRule.WITHIN_BAND, "holds 8.3 %, target 8.5 %: within the band of +-1.0 %"),
    )
    lines = tuple(line(name, "0.08", "0.085", "0.08", "80") for name in ("BBB", "CCC", "DDD"))
    return report(
        Outcome.PARTLY,
        steps=(StepResult("plan", 0.1), StepResult("buys", 61.0)),
        plan=plan((made,), refusals, (line("AAA", "0", "0.085", "0.085"), *lines)),
        tickets=(Ticket(made, TicketStatus.UNKNOWN),),
        account=account(),
    )


def first_run() -> SessionReport:
    """No history, no holdings, everything is bought for the first time."""
    names = ("AAPL", "MSFT", "NVDA", "KO")
    intents = tuple(intent(name, quantity="400") for name in names)
    return report(
        Outcome.DONE,
        steps=(StepResult("buys", 12.0),),
        plan=plan(intents, (), [line(name, "0", "0.0667", "0.0667") for name in names]),
        targets=targets(*((name, "0.0667") for name in names)),
        signals=tuple(signal(name) for name in names),
        sources=tuple(Source(name, "yahoo", BAR_DAY) for name in names),
        tickets=tuple(filled(item, "100.02") for item in intents),
        owned=tuple(Position(item.instrument, item.quantity, D("100.03"), "equities", NOW) for item in intents),
        account=account(day_start_value=None),
    )


def _walk(first: float, swings: Sequence[tuple[int, float]]) -> list[float]:
    """Values that drift by so much a day for so many days, with a wobble that is the same on every machine."""
    values = [first]
    for days, drift in swings:
        for _ in range(days):
            wobble = ((len(values) * 7919) % 101 - 50) / 50 * (0.004 if drift >= 0 else 0.012)
            values.append(values[-1] * (1 + drift + wobble))
    return values


def weekdays(amount: int, last: date = BAR_DAY) -> list[date]:
    """So many weekdays up to and including `last`."""
    days = [last - timedelta(days=back) for back in range(amount * 2)]
    return [day for day in days if day.weekday() < 5][:amount][::-1]


SWINGS = ((90, 0.0012), (28, -0.0045), (80, 0.0018), (20, -0.0012), (31, 0.001))


def good_backdrop() -> Backdrop:
    """A year of history beside a benchmark, and the charts of two instruments with two regimes."""
    values = _walk(1.0, SWINGS)
    values = [value / values[-1] * 1_000_000 for value in values]
    days = weekdays(len(values))
    equity = tuple(
        Worth(datetime.combine(day, NOW.timetz()), D(f"{value:.2f}")) for day, value in zip(days, values, strict=True)
    )
    market = _walk(560.0, ((90, 0.0009), (28, -0.003), (80, 0.0011), (51, 0.0005)))
    states = [0 if drift < 0 else 1 for many, drift in SWINGS for _ in range(many)]
    labels = ("turbulent, falling", "calm, rising")
    closes = tuple(value / values[-1] * 255.46 for value in values)
    charts = tuple(
        Chart(name, tuple(days), tuple(close * much for close in closes), (-1, *states), labels, "yahoo")
        for name, much in (("AAPL", 1.0), ("BRK-B", 1.92))
    )
    benchmark = Benchmark("SPY", tuple(days), tuple(market))
    return Backdrop(equity, "SPY", benchmark, charts, datetime(2025, 9, 29, 19, 45, tzinfo=UTC))


def first_backdrop() -> Backdrop:
    """What there is before anything has happened: a name for the benchmark, and the next run."""
    return Backdrop(benchmark_name="SPY", next_run=datetime(2025, 9, 29, 19, 45, tzinfo=UTC))


def paid_in() -> SessionReport:
    """A good day, on whose morning money came."""
    return replace(good_day(), account=replace(account(), net_liquidation=D("1251234.56")))


def paid_backdrop() -> Backdrop:
    """And some was taken in May."""
    made = good_backdrop()
    taken = next(number for number, point in enumerate(made.equity) if point.at.date() > date(2025, 5, 20))
    flows = (
        Flow(made.equity[taken - 1].at, made.equity[taken].at, D(-100000)),
        Flow(made.equity[-2].at, NOW, D(250000)),
    )
    equity = tuple(
        replace(point, value=point.value + (100000 if number < taken else 0))
        for number, point in enumerate(made.equity)
    )
    return replace(made, equity=equity, flows=Flows(made.equity[0].at, NOW, flows))


BACKDROPS = {"good_day": good_backdrop, "first_run": first_backdrop, "paid_in": paid_backdrop}
"""What some of the reports are seen against; the others stand alone."""

ALL = {
    "good_day": good_day,
    "paid_in": paid_in,
    "nothing_to_do": nothing_to_do,
    "failed_early": failed_early,
    "partly": partly,
    "many_trades": many_trades,
    "hostile": hostile,
    "odd_names": odd_names,
    "nothing_spent": nothing_spent,
    "all_failed": all_failed,
    "blocked": blocked,
    "first_run": first_run,
}
