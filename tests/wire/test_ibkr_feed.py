"""The Feed port over the wire: prices that were paid, prices for returns, and reasons where there are none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from robotrading.adapters.ibkr.broker import IbkrBroker
from robotrading.adapters.ibkr.feed import IbkrFeed
from robotrading.adapters.ibkr.history import duration_text
from robotrading.adapters.ibkr.pacing import HistoryRules
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.domain.errors import FeedUnavailable
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Bars
from robotrading.domain.skip import Skip
from robotrading.sim.clock import VirtualClock
from robotrading.sim.exchange import Exchange
from robotrading.sim.exchange_types import AccountSeed
from robotrading.sim.gateway import dispatch
from robotrading.sim.gateway.codes import Incoming
from robotrading.sim.gateway.server import GatewayServer
from robotrading.sim.gateway.session import Session
from robotrading.sim.gateway.settings import Faults, GatewayServerSettings
from robotrading.sim.gateway.wire import Fields
from robotrading.sim.market import FeedMarket

pytestmark = pytest.mark.wire
NOW = datetime(2025, 9, 26, 22, 0, tzinfo=UTC)
FIRST, LAST = date(2025, 9, 15), date(2025, 9, 25)
AAPL = Instrument("AAPL", AssetClass.EQUITIES)
EMPTY = Instrument("EMPTY", AssetClass.EQUITIES)
COIN = Instrument("BTC-USD", AssetClass.CRYPTO, exchange="PAXOS")
UNKNOWN = Instrument("NOSUCH", AssetClass.EQUITIES)
QUICK = HistoryRules(most=1000, burst=1000, repeat=0.0)


class Rising:
    """A series that rises by one a weekday; `adj_close` is half of `close`."""

    name = "rising"

    def daily(self, asked: Sequence[Instrument], _first: date, last: date) -> Mapping[Instrument, Bars | Skip]:
        days = np.busday_offset(np.datetime64(last, "D"), np.arange(-29, 1), roll="backward")
        close = np.arange(100.0, 130.0)
        return {
            one: Bars.from_closes(one, days, close, adj_close=close / 2, as_of=NOW, source=self.name)
            if one != EMPTY
            else Skip(one.symbol, self.name, "nothing")
            for one in asked
        }


@contextmanager
def gateway(settings: GatewayServerSettings | None = None) -> Iterator[tuple[GatewayServer, int]]:
    """A gateway in a thread of its own, since the feed blocks its caller."""
    loop = asyncio.new_event_loop()
    clock = VirtualClock(NOW)
    market = FeedMarket(Rising(), clock, [AAPL, COIN, EMPTY])
    exchange = Exchange(market, clock, [AccountSeed("DU1234567", {"USD": Decimal(1000)})])
    server = GatewayServer(exchange, clock, settings)
    started: Future[int] = Future()

    async def start() -> None:
        started.set_result(await server.start())

    loop.create_task(start())  # noqa: RUF006  the loop is ours and runs until the end of the block
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server, started.result(5)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def feed(port: int, rules: HistoryRules = QUICK, **terms: float) -> IbkrFeed:
    settings = {"port": port, "request_timeout": 5.0, "connect_timeout": 5.0, **terms}
    return IbkrFeed(GatewaySettings(**settings), VirtualClock(NOW), rules)  # type: ignore[arg-type]


def test_bars_lie_within_the_days_asked_and_both_prices_are_kept_apart() -> None:
    with gateway() as (_, port):
        answer = feed(port).daily([AAPL, COIN, UNKNOWN, EMPTY], FIRST, LAST)
    bars = answer[AAPL]
    assert isinstance(bars, Bars)
    assert (bars.first_day, bars.last_day, len(bars), bars.source) == (FIRST, LAST, 9, "ibkr")
    assert np.allclose(bars.adj_close * 2, bars.close)
    assert np.isnan(bars.volume).all()
    assert bars.as_of == NOW
    coins = answer[COIN]
    assert isinstance(coins, Bars)
    assert np.array_equal(coins.adj_close, coins.close)
    skips = [answer[one].rule for one in (UNKNOWN, EMPTY) if isinstance(answer[one], Skip)]  # type: ignore[union-attr]
    assert skips == ["unknown_contract", "no_data"]


async def test_it_may_be_asked_from_within_a_running_loop_and_beside_the_sessions_broker() -> None:
    with gateway() as (_, port):
        broker = IbkrBroker(GatewaySettings(port=port, client_id=7), VirtualClock(NOW))
        await broker.connect()
        assert isinstance(feed(port).daily([AAPL], FIRST, LAST)[AAPL], Bars)
        await broker.disconnect()


def test_bars_that_are_not_answered_are_the_sources_failure_when_none_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(_session: Session, _fields: Fields) -> None:
        """No answer."""

    monkeypatch.setitem(dispatch.HANDLERS, Incoming.REQ_HISTORICAL_DATA, deaf)
    with gateway() as (_, port), pytest.raises(FeedUnavailable, match="none of 1"):
        feed(port, request_timeout=0.3).daily([AAPL], FIRST, LAST)


def test_a_connection_that_breaks_is_the_sources_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(session: Session, _fields: Fields) -> None:
        session.abort()

    monkeypatch.setitem(dispatch.HANDLERS, Incoming.REQ_HISTORICAL_DATA, break_off)
    with gateway() as (_, port), pytest.raises(FeedUnavailable, match="closed the connection"):
        feed(port).daily([AAPL], FIRST, LAST)


def test_days_without_bars_are_a_skip_and_nothing_asked_is_nothing() -> None:
    with gateway() as (_, port):
        answer = feed(port).daily([AAPL], date(2025, 9, 20), date(2025, 9, 21))[AAPL]
        assert isinstance(answer, Skip)
        assert answer.rule == "no_data"
    assert feed(1).daily([], FIRST, LAST) == {}


def test_its_pacing_keeps_the_services_rules() -> None:
    """The gateway refuses what comes too soon; the second call waits for the repetition to be allowed."""
    with gateway(GatewayServerSettings(history_pacing=True)) as (_, port):
        careless = feed(port)
        assert isinstance(careless.daily([AAPL], FIRST, LAST)[AAPL], Bars)
        refused = careless.daily([AAPL], FIRST, LAST)[AAPL]
        assert isinstance(refused, Skip)
        assert refused.rule == "pacing"
        careful = feed(port, HistoryRules(), history_deadline=1.0)
        careful.daily([COIN], FIRST, LAST)
        patient = careful.daily([COIN], FIRST, LAST)[COIN]
        assert isinstance(patient, Skip)
        assert "wait too long" in patient.reason


def test_nobody_there_and_silence_are_the_sources_failure() -> None:
    with gateway() as (server, port):
        server._thawed.clear()
        server._faults = Faults(frozen=True)
        with pytest.raises(FeedUnavailable, match="handshake"):
            feed(port, connect_timeout=0.3).daily([AAPL], FIRST, LAST)
    with pytest.raises(FeedUnavailable, match="no gateway"):
        feed(port).daily([AAPL], FIRST, LAST)


@pytest.mark.parametrize(
    ("first", "text"),
    [(date(2025, 9, 26), "1 D"), (date(2024, 9, 27), "365 D"), (date(2024, 9, 26), "2 Y"), (date(2020, 9, 26), "6 Y")],
)
def test_a_duration_reaches_the_first_day(first: date, text: str) -> None:
    assert duration_text(first, NOW.date()) == text
