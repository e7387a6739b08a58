"""The pretend world of one story: an exchange, an account with a person's own holdings, a ledger in a file.

Entry point: `DrillWorld`. Everything is on virtual time; the ledger is the real one on SQLite, in memory where the
machine has a place for that. The file outlives every process of the story, connections do not.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from robotrading.adapters.ledger.database import open_database
from robotrading.adapters.ledger.store import SqlLedger
from robotrading.domain.book import Account
from robotrading.domain.claims import Lease
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import Intent, OrderType, Side
from robotrading.domain.ports import Clock
from robotrading.domain.skip import Skip
from robotrading.session.lease import LeaseTerms
from robotrading.sim.clock import VirtualClock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed, ExchangeSettings, OrderRequest
from robotrading.sim.faults.orders import OrderFaults
from robotrading.sim.faults.script import Script
from robotrading.wiring.drills.facts import OURS, Commitment, Facts, Run, Sight, Tape
from robotrading.wiring.drills.market import CALENDAR, INSTRUMENTS, PRICES, DrillMarket
from robotrading.wiring.drills.story import SYMBOLS, Setting
from robotrading.wiring.drills.watch import Eyes

D = Decimal
ACCOUNT = "DU1"
OPEN = datetime(2025, 9, 24, 15, 0, tzinfo=UTC)
"""A Wednesday, half an hour after the stock exchange's opening."""
PERSON = 7
"""The person's own client id at the exchange."""
HALF_A_DAY = timedelta(hours=12)


class Desk:
    """The place of the ledger's file, used by one story after the other: statements are compiled once for all.

    In memory where the machine has a place for that.
    """

    def __init__(self) -> None:
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  memory, and a random name in it
        self._folder = tempfile.TemporaryDirectory(prefix="robotrading-", dir=memory)
        self.path = Path(self._folder.name) / "ledger.db"
        self.database = open_database(f"sqlite:///{self.path}")
        self.database.close()
        self._empty = self.path.read_bytes()

    def clear(self) -> None:
        """An empty ledger, and no connection from before."""
        self.database.close()
        for left in self.path.parent.glob("ledger.db-*"):
            left.unlink()
        self.path.write_bytes(self._empty)

    def close(self) -> None:
        self.database.close()
        self._folder.cleanup()


class DrillWorld:
    """Make one for a story, and close it at its end."""

    def __init__(self, setting: Setting, desk: Desk) -> None:
        desk.clear()
        self.setting = setting
        self.clock = VirtualClock(OPEN)
        self.market = DrillMarket(self.clock)
        self.log: list[str] = []
        self.counts: Counter[str] = Counter()
        self.runs: list[Run] = []
        self.occurrences: dict[str, list[str]] = {}
        self.commitments: list[Commitment] = []
        self.equities: list[tuple[datetime, Decimal]] = []
        self.surprises: set[str] = set()
        self.ways: dict[str, str] = {}
        self.mishaps: list[OrderFaults] = []
        self.scripts: list[Script] = []
        self.person = {INSTRUMENTS[s]: held for s, held in zip(SYMBOLS, setting.holdings, strict=True)}
        seed = AccountSeed(
            ACCOUNT, {"USD": setting.cash}, tuple((i, q, PRICES[i]) for i, q in self.person.items() if q)
        )
        self.exchange = Exchange(self.market, self.clock, [seed], ExchangeSettings(), CALENDAR)
        self.database = desk.database
        self.ledger = self.open_ledger()
        self._rows = sqlite3.connect(desk.path, isolation_level=None)
        self.tape = Tape(self.exchange, self.clock.monotonic, self.clock.now, self._journalled, self.tell)
        self.exchange.subscribe(self.tape.hear)

    def open_ledger(self, lease: Lease | None = None, clock: Clock | None = None) -> SqlLedger:
        """The ledger of a new process; `close` ends the connections that nobody is using."""
        return SqlLedger(self.database, lease, clock, LeaseTerms().margin)

    def close(self) -> None:
        self.ledger.close()
        self._rows.close()

    def tell(self, text: str) -> None:
        """One line of the event log."""
        self.log.append(f"{self.clock.now():%m-%d %H:%M:%S.%f} {text}")

    # The market and the person -------------------------------------------------------------------------------------

    def beat(self) -> None:
        """The exchange matches, and the aftermath of earlier misfortunes comes when its time has come."""
        for mishaps in self.mishaps:
            mishaps.agenda.catch_up()
        self.exchange.step()

    def set_liquidity(self, units: Decimal | None) -> None:
        self.exchange.set_rules(ExchangeSettings(liquidity=units))

    def trade_as_person(self, instrument: Instrument, units: Decimal) -> None:
        """At market, at once, at the exchange itself; a sale never of more than the person's own."""
        side = Side.BUY if units > 0 else Side.SELL
        quantity = min(-units, self.person[instrument]) if units < 0 else units
        if not quantity:
            return
        before = self.held(instrument)
        request = OrderRequest(instrument=instrument, side=side, order_type=OrderType.MARKET, quantity=quantity)
        placed = self.exchange.place(PERSON, self.exchange.next_order_id(PERSON), request)
        ours = self.tape.owned(instrument)
        self.exchange.step()
        self.exchange.cancel_all(PERSON)
        done = self.held(instrument) - before - (self.tape.owned(instrument) - ours)
        self.person[instrument] += done
        self.tell(f"the person has traded {done} {instrument}" + ("" if placed else ", refused"))

    def held(self, instrument: Instrument) -> Decimal:
        return sum((h.quantity for h in self.exchange.positions(ACCOUNT) if h.instrument == instrument), D(0))

    # What is written down ------------------------------------------------------------------------------------------

    def _journalled(self, reference: str) -> str:
        """A ticket's status on the disk, '' where there is no intent."""
        row = self._rows.execute("SELECT status FROM intents WHERE intent_id = ?", (reference,)).fetchone()
        return str(row[0]) if row else ""

    def look(self, account: Account) -> Sight:
        """What an answer of the broker hides of what the bot owns."""
        owned = self._owned()
        hidden = frozenset(
            instrument.key
            for instrument in PRICES
            if owned[instrument] > 0 and account.holding(instrument) < self.held(instrument)
        )
        return Sight(account.account_id, account.net_liquidation, account.day_start_value, hidden)

    def judge(  # noqa: PLR0913  what a commitment is made of
        self, run: Run, intent: Intent, at: datetime, eyes: Eyes, *, by_plan: bool, lease_valid: bool
    ) -> Commitment:
        instrument = intent.instrument
        working = self.tape.working(instrument)
        mine = (p for p in self.ledger.positions(intent.kind) if p.instrument == instrument)
        quote = eyes.quotes.get(instrument)
        return Commitment(
            intent=intent,
            run_id=run.run_id,
            halted=self.ledger.halted(),
            day_stopped=self.ledger.day_stopped(ACCOUNT, intent.trading_date),
            open_tickets=tuple(t.intent.intent_id for t in self.ledger.open_tickets(instrument)),
            working=tuple(order.request.order_ref for order in working),
            owned=self.tape.knowable(instrument),
            owned_ledger=sum((p.quantity for p in mine), D(0)),
            pending_buys=sum((o.remaining for o in working if o.request.side is Side.BUY), D(0)),
            turnover=self._turnover(intent),
            sight=eyes.sight,
            quote_age=(at - (quote.traded_at or quote.at)).total_seconds() if isinstance(quote, Quote) else None,
            quote_gap=self._gap(quote),
            way=self.ways.get(instrument.symbol, "well"),
            by_plan=by_plan,
            capital=eyes.capital,
            first_equity=self._first_equity(_day_start(intent)),
            lease_valid=lease_valid,
        )

    def _gap(self, quote: Quote | Skip | None) -> Decimal | None:
        """How far a price is from the close of the last day that is over."""
        if not isinstance(quote, Quote) or quote.price is None:
            return None
        return abs(quote.price / self.market.close(quote.instrument) - 1)

    def _first_equity(self, since: datetime) -> Decimal | None:
        """The first that any session has written down since an instant."""
        day = [one for one in self.equities if one[0] >= since]
        return min(day, key=lambda one: one[0])[1] if day else None

    def _turnover(self, intent: Intent) -> Decimal:
        """Of the intent's session and trading day: executed, at the cheapest of all corrections, and still at work."""
        beginning = intent.intent_id[: intent.intent_id.index(f"{intent.trading_date:%Y%m%d}") + 8] + "-"
        least: dict[str, Decimal] = {}
        for strike in self.tape.strikes:
            one = strike.execution
            if one.order_ref.startswith(beginning):
                value = one.quantity * one.price
                least[one.fill_id] = min(value, least.get(one.fill_id, value))
        working = (
            order.remaining * (order.request.limit_price or self.market.price(order.request.instrument))
            for order in self.exchange.open_orders()
            if order.request.order_ref.startswith(beginning)
        )
        return sum((*least.values(), *working), D(0))

    def facts(self) -> Facts:
        references = {p.reference for p in self.tape.placements} | {c.intent.intent_id for c in self.commitments}
        return Facts(
            setting=self.setting,
            placements=self.tape.placements,
            strikes=self.tape.strikes,
            open_references=frozenset(
                o.request.order_ref for o in self.exchange.open_orders() if o.request.order_ref.startswith(OURS)
            ),
            commitments=self.commitments,
            runs=self.runs,
            tickets=self.ledger.tickets(sorted(references)),
            owned=self._owned(),
            held={instrument: self.held(instrument) for instrument in PRICES},
            person=self.person,
            reports=dict(self._rows.execute("SELECT run_id, report IS NOT NULL FROM session_runs")),
            occurrences=self.occurrences,
            surprises=sorted(self.surprises),
        )

    def _owned(self) -> Mapping[Instrument, Decimal]:
        owned = dict.fromkeys(PRICES, D(0))
        for position in self.ledger.positions():
            owned[position.instrument] += position.quantity
        return owned


def _day_start(intent: Intent) -> datetime:
    """Half a day before the exchange opens on the intent's day."""
    hours = CALENDAR.hours(intent.kind, intent.trading_date)
    opens = hours[0] if hours else datetime.combine(intent.trading_date, datetime.min.time(), UTC)
    return opens - HALF_A_DAY


def trading_day_of(kind: AssetClass, at: datetime) -> bool:
    """Whether the session's exchange trades on the day of an instant."""
    return CALENDAR.is_trading_day(kind, at.date())
