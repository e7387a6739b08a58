"""Three states of the service, and pieces to build more: well, in trouble, and started for the first time."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from robotrading.domain.alerts import Alert
from robotrading.domain.book import Holding, Position
from robotrading.domain.claims import Lease
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.messages import Urgency
from robotrading.domain.orders import Fill, Intent, OrderType, Side, Ticket, TicketStatus
from robotrading.domain.report import Ended, Outcome
from robotrading.service.facts import (
    BookFacts,
    BrokerFacts,
    EquityPoint,
    Facts,
    LastRun,
    LinkState,
    RegimeShare,
    SessionFacts,
    WeightPair,
)
from robotrading.service.supervisor import ProgramState, Standing

NOW = datetime(2025, 11, 21, 18, 40, 5, tzinfo=UTC)
DAY = date(2025, 11, 21)
ACCOUNT = "DU1234567"
HOSTILE = "<script>alert('x')</script>&\"`\u202e\x00"

EQUITIES = (
    ("NVDA", 9.8, 9.5), ("MSFT", 8.9, 9.1), ("AAPL", 8.6, 8.4), ("AMZN", 5.9, 6.2), ("META", 4.4, 4.3),
    ("GOOGL", 4.1, 4.6), ("AVGO", 3.9, 3.2), ("BRK-B", 3.1, 3.3), ("TSLA", 2.8, 2.1), ("JPM", 2.7, 2.8),
    ("LLY", 2.4, 2.6), ("V", 2.2, 2.2), ("XOM", 1.9, 1.8), ("UNH", 1.6, 0.0), ("COST", 1.5, 1.7), ("MA", 1.5, 1.5),
    ("NFLX", 1.4, 1.3), ("PG", 1.3, 1.4), ("JNJ", 1.3, 1.5), ("HD", 1.2, 1.2),
)  # fmt: skip
BONDS = (("TLT", 24.0, 25.0), ("IEF", 23.1, 22.5), ("LQD", 19.8, 20.0), ("AGG", 17.2, 17.5), ("HYG", 12.4, 12.0))
CRYPTO = (("BTC-USD", 61.5, 60.0), ("ETH-USD", 24.9, 25.0))
PRICES = {
    "NVDA": "182.40", "MSFT": "478.20", "AAPL": "266.10", "AMZN": "220.70", "META": "594.20", "GOOGL": "299.60", "AVGO": "340.20",
    "BRK-B": "489.10", "TSLA": "391.10", "JPM": "298.00", "LLY": "1059.70", "V": "328.00", "XOM": "117.10", "UNH": "319.90",
    "COST": "899.00", "MA": "534.20", "NFLX": "104.30", "PG": "148.70", "JNJ": "203.90", "HD": "343.30",
    "TLT": "89.60", "IEF": "97.10", "LQD": "111.30", "AGG": "100.20", "HYG": "80.90", "BTC-USD": "84250.5", "ETH-USD": "2760.25",
}  # fmt: skip


def thing(symbol: str, kind: AssetClass = AssetClass.EQUITIES) -> Instrument:
    return Instrument(symbol, kind)


def pairs(rows: tuple[tuple[str, float, float], ...]) -> tuple[WeightPair, ...]:
    return tuple(WeightPair(symbol, now / 100, target / 100) for symbol, now, target in rows)


def run(kind: AssetClass, ended: datetime, **changes: object) -> LastRun:
    made = LastRun(
        run_id=f"{kind}-{ended:%Y%m%d-%H%M}-paper",
        mode="paper",
        trading_date=ended.date(),
        started_at=ended - timedelta(seconds=48),
        finished_at=ended,
        outcome=Outcome.DONE,
        verdict="Bought 7 and sold 5 of 12 orders, all filled.",
        newest_bar=ended.date() - timedelta(days=1),
        bars_behind=0,
        orders=12,
        filled=12,
        skips=3,
    )
    return replace(made, **changes)


def equity(count: int = 180) -> tuple[EquityPoint, ...]:
    """A wandering value, its newest point of two minutes ago."""
    chance, value, points = random.Random(52), 1_000_000.0, []
    for index in range(count):
        value *= 1 + chance.gauss(0.0005, 0.0062)
        at = NOW - (timedelta(days=count - 1 - index, hours=-3) if index < count - 1 else timedelta(minutes=2))
        points.append(EquityPoint(at, Decimal(f"{value:.2f}")))
    return tuple(points)


def owned(rows: tuple[tuple[str, float, float], ...], kind: AssetClass, budget: int) -> tuple[Position, ...]:
    made = []
    for symbol, now, _ in rows:
        cost = Decimal(PRICES[symbol])
        quantity = (Decimal(budget) * Decimal(str(now)) / 100 / cost).quantize(
            Decimal("0.0001") if cost > 2000 else Decimal(1)
        )
        if quantity > 0:
            made.append(Position(thing(symbol, kind), quantity, cost, kind.value, NOW - timedelta(days=41)))
    return tuple(made)


def order(symbol: str, status: TicketStatus, side: Side = Side.BUY, filled: int = 0, reason: str = "") -> Ticket:
    intent = Intent(
        f"rt-eq-20251121-{symbol}-{side.value[0].upper()}-1", "run", AssetClass.EQUITIES, DAY, thing(symbol), side, Decimal(42),
        OrderType.LIMIT, Decimal("101.20"), "below its target", Decimal("101.35"),
    )  # fmt: skip
    fills = (
        (Fill("f", intent.intent_id, intent.instrument, side, Decimal(filled), Decimal("101.22"), NOW),)
        if filled
        else ()
    )
    return Ticket(intent, status, 7, fills, reason, updated_at=NOW - timedelta(hours=3, minutes=12))


ETHER = Ticket(
    Intent(
        "rt-cr-20251121-ETH-USD-S-1", "run", AssetClass.CRYPTO, DAY, thing("ETH-USD", AssetClass.CRYPTO), Side.SELL, Decimal("1.85"),
        OrderType.LIMIT, Decimal("2761.40"), "above its target", Decimal("2758.50"),
    ),
    TicketStatus.PARTIAL,
    7,
    (Fill("f", "rt-cr-20251121-ETH-USD-S-1", thing("ETH-USD", AssetClass.CRYPTO), Side.SELL, Decimal("0.6"), Decimal("2760.1"), NOW),),
    updated_at=NOW - timedelta(seconds=21),
)  # fmt: skip


def past(count: int = 24) -> tuple[Ended, ...]:
    """Runs that have ended, newest first: what the sessions' cards show, and three a day before it."""
    made = []
    for one in sorted((one.last for one in SESSIONS if one.last), key=lambda last: last.started_at, reverse=True):
        kind = AssetClass(one.run_id.partition("-")[0])
        made.append(Ended(one.run_id, kind, one.mode, one.started_at, one.finished_at, one.outcome))
    outcomes = (Outcome.DONE, Outcome.DONE, Outcome.NOTHING_TO_DO, Outcome.PARTLY, Outcome.DONE, Outcome.FAILED)
    for index in range(count - len(made)):
        kind = tuple(AssetClass)[index % 3]
        began = datetime(2025, 11, 16, 20, 45, tzinfo=UTC) - timedelta(days=index // 3 * 5, minutes=15 * (index % 3))
        ended = began + timedelta(seconds=31 + 97 * index)
        run_id = f"{began:%Y%m%d-%H%M%S}-scheduled-{kind}"
        made.append(Ended(run_id, kind, "paper", began, ended, outcomes[index % 6]))
    return tuple(made)


SESSIONS = (
    SessionFacts(
        AssetClass.EQUITIES,
        enabled=True,
        schedule="15 minutes before the close",
        deadline=1500.0,
        next_due=NOW.replace(hour=20, minute=45, second=0),
        last=run(
            AssetClass.EQUITIES,
            NOW.replace(day=20, hour=20, minute=46),
            regimes=(RegimeShare("calm, rising", 61), RegimeShare("calm, flat", 24), RegimeShare("wild, falling", 9), RegimeShare("wild, rising", 6)),
            weights=pairs(EQUITIES),
        ),
        last_good_at=NOW.replace(day=20, hour=20, minute=46),
    ),
    SessionFacts(
        AssetClass.BONDS,
        enabled=True,
        schedule="30 minutes before the close on mondays",
        deadline=900.0,
        next_due=datetime(2025, 11, 24, 20, 30, tzinfo=UTC),
        last=run(
            AssetClass.BONDS,
            datetime(2025, 11, 17, 20, 31, tzinfo=UTC),
            outcome=Outcome.NOTHING_TO_DO,
            verdict="All 6 holdings are within their bands.",
            orders=0, filled=0, skips=0,
            regimes=(RegimeShare("calm, flat", 4), RegimeShare("calm, rising", 2)),
            weights=pairs(BONDS),
        ),
        last_good_at=datetime(2025, 11, 17, 20, 31, tzinfo=UTC),
    ),
    SessionFacts(
        AssetClass.CRYPTO,
        enabled=True,
        schedule="at 18:30",
        deadline=600.0,
        next_due=datetime(2025, 11, 22, 18, 30, tzinfo=UTC),
        running_since=NOW - timedelta(minutes=1, seconds=35),
        running_run="crypto-20251121-1838-paper",
        step="send_orders",
        last=run(
            AssetClass.CRYPTO,
            datetime(2025, 11, 20, 18, 31, tzinfo=UTC),
            verdict="Sold 1 of 1 orders, all filled.",
            orders=1, filled=1, skips=0,
            regimes=(RegimeShare("wild, falling", 1), RegimeShare("calm, rising", 1)),
            weights=pairs(CRYPTO),
        ),
        last_good_at=datetime(2025, 11, 20, 18, 31, tzinfo=UTC),
    ),
)  # fmt: skip

WELL = Facts(
    at=NOW - timedelta(seconds=3),
    started_at=NOW - timedelta(days=11, hours=4),
    version="0.1.0",
    mode="paper",
    place="ledger-paper.db",
    holder="trader-1",
    sessions=SESSIONS,
    programs=(
        Standing("exit manager", ProgramState.RUNNING, 411, NOW - timedelta(days=11)),
        Standing("intraday", ProgramState.RUNNING, 412, NOW - timedelta(days=2), 1, 1, "exit code 1"),
    ),
    broker=BrokerFacts(LinkState.UP, ACCOUNT, since=NOW - timedelta(hours=13), seen_at=NOW - timedelta(seconds=12)),
    book=BookFacts(
        read_at=NOW,
        owned=owned(EQUITIES, AssetClass.EQUITIES, 620_000) + owned(BONDS, AssetClass.BONDS, 260_000) + owned(CRYPTO, AssetClass.CRYPTO, 60_000),
        held=(
            Holding(thing("VTI"), Decimal(310), Decimal(0), NOW),
            Holding(thing("AAPL"), Decimal(500), Decimal(325), NOW),
            Holding(thing("GLD"), Decimal(85), Decimal(0), NOW),
        ),
        open_tickets=(ETHER,),
        closed_today=1,
        equity=equity(),
        lease=Lease(f"account:{ACCOUNT}", "trader-1", 41, NOW + timedelta(seconds=20)),
        size_bytes=18_400_000,
        ended=past(),
        summaries=(date(2025, 11, 15), date(2025, 11, 8), date(2025, 11, 1)),
    ),
    free_bytes=61_000_000_000,
    breakers={"yahoo": False, "slickcharts": False, "smtp": False},
)  # fmt: skip

TROUBLE = replace(
    WELL,
    mode="live",
    sessions=(
        replace(
            SESSIONS[0],
            last=run(
                AssetClass.EQUITIES,
                NOW.replace(day=20, hour=20, minute=46),
                outcome=Outcome.FAILED,
                verdict="Step 'prices' failed: no source delivered prices of 2025-11-19 or later.",
                orders=0, filled=0, bars_behind=3, newest_bar=date(2025, 11, 17),
            ),
            last_good_at=NOW - timedelta(days=3),
        ),
        replace(SESSIONS[1], missed=("15:30 on Mon 17 Nov: the service was down from 14:02 to 17:40",), next_due=None),
        replace(SESSIONS[2], enabled=False, running_since=None, last=None),
    ),
    programs=(Standing("exit manager", ProgramState.GIVEN_UP, 0, NOW - timedelta(minutes=9), 5, 5, "signal 9"),),
    broker=BrokerFacts(LinkState.DOWN, "U7654321", paper=False, since=NOW - timedelta(minutes=26), reason="the gateway at 127.0.0.1:4001 refuses connections"),
    book=replace(
        WELL.book,
        halted="lost 6.1 % in a day, U7654321",
        open_tickets=(
            order("AMD", TicketStatus.UNKNOWN, reason="no answer within 60 s"),
            order("QCOM", TicketStatus.UNKNOWN, Side.SELL, 10, HOSTILE),
            order("MU", TicketStatus.PARTIAL, Side.BUY, 5),
        ),
        held=(Holding(thing("NFLX"), Decimal(10), Decimal(15), NOW - timedelta(hours=1)),),
        equity=WELL.book.equity[:120],
        ended=(
            Ended(HOSTILE, AssetClass.CRYPTO, HOSTILE, NOW - timedelta(days=1), NOW - timedelta(hours=23), Outcome.PARTLY),
            *past(6),
        ),
        summaries=(),
    ),
    place="postgresql://trader:hunter2@db/robotrading",
    breakers={"yahoo": True, "alpha_vantage": True, "smtp": False},
    waiting_mails=2,
    alerts=(
        Alert(
            "breaker_open:yahoo", "breaker_open", Urgency.CRITICAL, "yahoo has failed several times", "wait",
            NOW - timedelta(minutes=20), NOW, 240, NOW - timedelta(minutes=20),
        ),
        Alert(
            "halted", "halted", Urgency.WARNING, f"trading is halted: {HOSTILE}", "`robotrading resume` ends it",
            NOW - timedelta(hours=2), NOW, 1440,
        ),
    ),
    free_bytes=310_000_000,
)  # fmt: skip

EMPTY = Facts(
    at=NOW,
    started_at=NOW - timedelta(seconds=4),
    version="0.1.0",
    mode="embedded",
    place="ledger-embedded.db",
    sessions=tuple(SessionFacts(kind, True, "15 minutes before the close", 900.0, NOW + timedelta(hours=2, minutes=5)) for kind in AssetClass),
    book=BookFacts(read_at=NOW),
    free_bytes=61_000_000_000,
)  # fmt: skip

WORLDS = {"well": WELL, "trouble": TROUBLE, "empty": EMPTY}


def crowded(count: int = 500) -> Facts:
    """So many positions and orders in doubt."""
    symbols = [f"SYN{index:03d}" for index in range(count)]
    rows = tuple((symbol, 0.1 + index / count, 0.2) for index, symbol in enumerate(symbols))
    book = replace(
        WELL.book,
        owned=tuple(
            Position(thing(s), Decimal(index + 1), Decimal("33.33"), "equities", NOW) for index, s in enumerate(symbols)
        ),
        held=tuple(Holding(thing(s), Decimal(index + 2), Decimal(index + 1), NOW) for index, s in enumerate(symbols)),
        open_tickets=tuple(
            order(s, TicketStatus.UNKNOWN if index % 2 else TicketStatus.WORKING) for index, s in enumerate(symbols)
        ),
    )
    busy = replace(SESSIONS[0], last=replace(SESSIONS[0].last, weights=pairs(rows)))
    return replace(WELL, sessions=(busy, *SESSIONS[1:]), book=book)
