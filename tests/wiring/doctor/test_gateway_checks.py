"""The gateway over TCP, with everything that it may get wrong: an open port is not enough."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import SystemClock
from robotrading.config.defaults import default_config
from robotrading.config.model import Config, GatewayKind
from robotrading.sim.clock import VirtualClock
from robotrading.sim.exchange_types import AccountSeed
from robotrading.sim.gateway import dispatch
from robotrading.sim.gateway.codes import Code, Incoming
from robotrading.sim.gateway.settings import DataAccess, Faults, GatewayServerSettings
from robotrading.wiring.doctor import gateway
from robotrading.wiring.doctor.finding import Finding, Level
from tests.wire.broker_worlds import AAPL, ACCOUNT, NOON, Stage, stage

D = Decimal


def config_for(port: int, **changes: object) -> Config:
    config = default_config()
    known = {"gateway": GatewayKind.EXTERNAL, "port": port, "account": ACCOUNT, "quiet_times": ()}
    broker = replace(config.broker, **(known | changes))
    return replace(config, broker=broker)


async def asked(here: Stage, *, patience: float = 3.0, instruments: Sequence = (AAPL,), **changes: object):
    config = config_for(here.port, **changes)
    settings = replace(gateway.settings_for(config), connect_timeout=patience, request_timeout=patience)
    return {one.part: one async for one in gateway.external(config, settings, instruments, here.clock)}


def said(found: dict[str, Finding]) -> str:
    return "; ".join(f"{one.found} -> {one.remedy}" for one in found.values())


async def test_a_gateway_that_can_trade_answers_everything():
    async with stage() as here:
        found = await asked(here)
    assert {one.level for one in found.values()} == {Level.FINE}, said(found)
    assert list(found) == ["gateway", "account", "orders allowed", "clock", "market data"]
    assert ACCOUNT in found["account"].found
    assert "100,000.00 USD" in found["account"].found
    assert "AAPL" in found["market data"].found


async def test_no_session_is_disturbed():
    """A client id of its own, gone when it is done; no order is placed."""
    async with stage() as here:
        await here.connected(client_id=101)
        await here.connected(client_id=100)
        found = await asked(here)
        assert found["gateway"].level is Level.FINE
        assert here.exchange.open_orders() == ()  # nothing was sent
        await asyncio.sleep(0.05)
        assert len(here.server.sessions) == 2


async def test_a_port_where_nothing_listens_names_the_usual_ones():
    async with stage() as here:
        port = here.port
    found = [
        one
        async for one in gateway.external(config_for(port), gateway.settings_for(config_for(port)), (), SystemClock())
    ]
    assert [one.level for one in found] == [Level.BROKEN]
    assert "4002 paper" in found[0].remedy


@pytest.mark.parametrize(
    ("faults", "words"),
    [(Faults(frozen=True), "did not complete the handshake"), (Faults(refuse_connections=True), "closed the connection"),
     (Faults(withhold_positions=True), "positions: no answer")],
)  # fmt: skip
async def test_an_open_port_is_not_able_to_trade(faults: Faults, words: str):
    async with stage() as here:
        here.server.faults = faults
        found = await asked(here, patience=0.4)
        here.server.faults = Faults()
    assert found["gateway"].level is Level.BROKEN
    assert words in said(found)


async def test_a_port_that_somebody_else_has_is_told():
    """A web server, say: it reads the greeting and says nothing that a gateway would."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        await asyncio.sleep(0.2)
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = replace(gateway.settings_for(config_for(port)), connect_timeout=1.0)
    async with server:
        found = [one async for one in gateway.external(config_for(port), settings, (), SystemClock())]
    assert [one.level for one in found] == [Level.BROKEN]


async def test_the_wrong_account_is_broken():
    async with stage() as here:
        found = await asked(here, account="DU9999999")
    assert found["account"].level is Level.BROKEN
    assert "not one of this login's" in found["account"].found


async def test_live_where_paper_was_promised_is_broken():
    async with stage(seeds=[AccountSeed("U7654321", {"USD": D(1)})]) as here:
        found = await asked(here, account="U7654321")
    assert "the configuration says paper" in found["account"].found


async def test_a_client_id_that_is_taken_is_told():
    async with stage() as here:
        await here.connected(client_id=100 + gateway.CLIENT_ID_OFFSET)
        found = await asked(here)
    assert "is in use" in found["gateway"].found
    assert "the other robotrading doctor" in found["gateway"].remedy


async def test_a_read_only_api_is_for_a_person_to_change(monkeypatch: pytest.MonkeyPatch):
    def read_only(session, _fields) -> None:
        session.error(-1, 321, "Error validating request: The API interface is currently in Read-Only mode.")

    monkeypatch.setitem(dispatch.HANDLERS, Incoming.REQ_ALL_OPEN_ORDERS, read_only)
    async with stage() as here:
        found = await asked(here)
    assert found["gateway"].level is Level.BROKEN
    assert "untick 'Read-Only API'" in found["gateway"].remedy


async def test_an_empty_account_is_a_warning():
    async with stage(seeds=[AccountSeed(ACCOUNT, {"USD": D(0)})]) as here:
        found = await asked(here)
    assert "nothing to trade with" in found["account"].found


async def test_cash_in_another_currency_is_a_warning():
    async with stage(seeds=[AccountSeed(ACCOUNT, {"EUR": D(10)}, base_currency="EUR")]) as here:
        found = await asked(here)
    assert found["account"].level is Level.WARNING
    assert "capital.currency" in found["account"].remedy


async def test_data_without_a_subscription_is_a_warning():
    async with stage(GatewayServerSettings(data_access=DataAccess.NONE)) as here:
        found = await asked(here)
    assert found["market data"].level is Level.WARNING
    assert "market_data_type" in found["market data"].remedy


async def test_delayed_data_are_named():
    async with stage(GatewayServerSettings(data_access=DataAccess.DELAYED)) as here:
        found = await asked(here)
    assert "(delayed)" in found["market data"].found


async def test_a_symbol_that_the_broker_does_not_know_is_a_warning():
    async with stage() as here:
        found = await asked(here, instruments=(replace(AAPL, symbol="NOSUCH"),))
    assert found["market data"].level is Level.WARNING
    assert "NOSUCH" in found["market data"].found


async def test_a_wrong_clock_shows_at_the_gateway():
    async with stage() as here:
        ours = VirtualClock(NOON + timedelta(hours=1))
        config = config_for(here.port)
        settings = gateway.settings_for(config)
        found = {one.part: one async for one in gateway.external(config, settings, (), ours)}
    assert found["clock"].level is Level.BROKEN
    assert "ahead" in found["clock"].found


async def test_broken_farms_and_a_lost_line_are_told(monkeypatch: pytest.MonkeyPatch):
    """The gateway says so right after the login."""
    from robotrading.sim.gateway.drill import Drill

    class Told(Drill):
        def logged_in(self, session) -> None:
            session.notice(Code.DATA_FARM_BROKEN)
            session.notice(Code.LINK_LOST)

    async with stage() as here:
        here.server.drill = Told()
        found = [one async for one in gateway.external(
            config_for(here.port), gateway.settings_for(config_for(here.port)), (), here.clock)]  # fmt: skip
    assert any(one.level is Level.BROKEN and "1100" in one.found for one in found)
    assert any(one.level is Level.WARNING and "2103" in one.found for one in found)


async def test_a_snapshot_is_waited_for_as_long_as_the_gateway_takes():
    """Eleven seconds outside of market hours; the usual waits are cut, and never made longer."""
    assert gateway.settings_for(config_for(1)).request_timeout > 11
    assert gateway.settings_for(config_for(1, request_timeout=3.0)).request_timeout == 3.0


async def test_in_its_quiet_times_nobody_asks():
    async with stage() as here:
        config = config_for(here.port)
        quiet = replace(config, broker=replace(config.broker, quiet_times=("11:00-13:00",)))
        found = [one async for one in gateway.external(quiet, gateway.settings_for(quiet), (), here.clock)]
        assert not here.server.sessions
    assert [one.level for one in found] == [Level.LEFT_OUT]
    assert "until" in found[0].found


async def test_the_embedded_gateway_is_tried_on_a_state_of_its_own(tmp_path: Path):
    book = gateway.scratch_book(tmp_path)
    clock, calendar = SystemClock(), ExchangeCalendar()
    found = {one.part: one async for one in gateway.embedded(default_config(), book, clock, calendar)}
    assert {one.level for one in found.values()} == {Level.FINE}
    assert "1,000,000.00 USD" in found["account"].found
