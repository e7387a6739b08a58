"""Of a person's configuration the drills replace what they say, and nothing reaches out of their folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.notify.settings import MailSettings
from robotrading.config.load import load
from robotrading.config.model import Config, GatewayKind, Mode, live_confirmation
from robotrading.config.rules import violations
from robotrading.config.show import show
from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import OrderType
from robotrading.portfolio.construct import Scheme
from robotrading.session.settings import SessionSettings, UniverseKind
from robotrading.wiring.selftest.play import environment
from robotrading.wiring.selftest.settings import MOST_SYMBOLS, Prepared, prepared

EQ, BO, CR = AssetClass.EQUITIES, AssetClass.BONDS, AssetClass.CRYPTO


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load(None, {"HOME": str(tmp_path), "ROBOTRADING_STATE_DIR": str(tmp_path / "mine")})


def with_session(config: Config, kind: AssetClass, session: SessionSettings) -> Config:
    return replace(config, sessions={**config.sessions, kind: session})


def told(ready: Prepared, words: str) -> bool:
    return any(words in note for note in ready.notes)


def test_a_live_account_its_mail_and_its_database_are_out_of_reach(config: Config, tmp_path: Path) -> None:
    broker = replace(
        config.broker,
        gateway=GatewayKind.EXTERNAL,
        mode=Mode.LIVE,
        account="U77",
        confirm_live=live_confirmation("U77"),
        host="10.0.0.9",
    )
    live = replace(config, broker=broker, mail=MailSettings(username="me@x.org"), database_url="postgresql://h/name")
    ready = prepared(live, tmp_path / "drill")
    for made in (ready.first, ready.then):
        assert (made.broker.gateway, made.broker.mode, made.broker.account) == (GatewayKind.EMBEDDED, Mode.PAPER, "")
        assert made.broker.host == "127.0.0.1"
        assert (made.mail, made.database_url) == (MailSettings(), "")
        assert made.state_dir.is_relative_to(tmp_path / "drill")
        assert Path(made.feeds.cache.directory).is_relative_to(tmp_path / "drill")
        assert {session.sources for session in made.sessions.values()} == {("synthetic",)}
        assert "U77" not in show(made)


def test_what_is_not_replaced_is_the_persons_own(config: Config, tmp_path: Path) -> None:
    mine = config.sessions[EQ]
    limits = replace(mine.limits, max_order_value=Decimal(12345))
    execution = replace(mine.execution, order_type=OrderType.MIDPRICE, max_open_orders=2)
    ready = prepared(with_session(config, EQ, replace(mine, limits=limits, execution=execution)), tmp_path)
    made = ready.then.sessions[EQ]
    assert made.limits == limits
    assert (made.execution.order_type, made.execution.max_open_orders) == (OrderType.MIDPRICE, 2)
    assert made.construct.scheme is mine.construct.scheme
    assert (made.bands, made.costs, made.sizing, made.checks, made.share) == (
        mine.bands,
        mine.costs,
        mine.sizing,
        mine.checks,
        mine.share,
    )


def test_both_days_are_valid_configurations_in_a_file(config: Config, tmp_path: Path) -> None:
    ready = prepared(config, tmp_path / "drill")
    for made in (ready.first, ready.then):
        path = tmp_path / "config.yaml"
        path.write_text(show(made, origins=False), encoding="utf-8")
        again = load(path, {})
        assert again.sessions == made.sessions
        assert again.broker == made.broker
        assert again.state_dir == made.state_dir


def test_large_universes_are_cut_and_something_leaves_them(config: Config, tmp_path: Path) -> None:
    ready = prepared(config, tmp_path)
    first, then = ready.first.sessions[EQ], ready.then.sessions[EQ]
    assert len(first.universe.symbols) == MOST_SYMBOLS
    assert then.universe.symbols == first.universe.symbols[2:]
    assert set(first.construct.fixed) - set(then.universe.symbols), "nothing to sell"
    assert set(then.universe.symbols) - set(first.construct.fixed), "nothing to buy"
    assert told(ready, "equities: the first 6 of 20")
    assert told(ready, "AAPL, MSFT")
    assert ready.then.sessions[CR].universe.symbols == config.sessions[CR].universe.symbols


def test_an_index_without_a_list_is_the_sample_market_with_equal_weights(config: Config, tmp_path: Path) -> None:
    mine = config.sessions[EQ]
    universe = replace(mine.universe, kind=UniverseKind.SP500, symbols=())
    mine = replace(mine, universe=universe, construct=replace(mine.construct, scheme=Scheme.MARKET_CAP))
    ready = prepared(with_session(config, EQ, mine), tmp_path)
    made = ready.then.sessions[EQ]
    assert all(symbol.startswith("SYNA") for symbol in made.universe.symbols)
    assert made.construct.scheme is Scheme.EQUAL
    assert told(ready, "never fetched here")
    assert told(ready, "equal weights instead of market_cap")


def test_fixed_weights_of_symbols_that_are_cut_away_are_equal_ones(config: Config, tmp_path: Path) -> None:
    mine = config.sessions[BO]
    fixed = replace(mine.construct, scheme=Scheme.FIXED, fixed={mine.universe.symbols[-1]: Decimal("0.2")})
    ready = prepared(with_session(config, BO, replace(mine, construct=fixed)), tmp_path)
    assert ready.then.sessions[BO].construct.scheme is Scheme.EQUAL
    assert told(ready, "none of the fixed ones")


def test_the_account_has_what_is_the_persons_and_enough_money(config: Config, tmp_path: Path) -> None:
    rich = replace(config, capital=replace(config.capital, amount=Decimal(5_000_000)))
    account = prepared(rich, tmp_path).account
    assert account.cash["USD"] == Decimal(10_000_000)
    assert {one.symbol for one, _, _ in account.holdings} == {"AAPL", "JPM", "AGG", "HYG", "BTC-USD", "ETH-USD"}


def test_only_enabled_sessions_are_tried_and_one_is_needed(config: Config, tmp_path: Path) -> None:
    off = {kind: replace(session, enabled=kind is CR) for kind, session in config.sessions.items()}
    assert prepared(replace(config, sessions=off), tmp_path).kinds == (CR,)
    none = {kind: replace(session, enabled=False) for kind, session in config.sessions.items()}
    with pytest.raises(ConfigError, match="no session to try"):
        prepared(replace(config, sessions=none), tmp_path)


def test_the_environment_configures_no_drill() -> None:
    given: Mapping[str, str] = {
        "PATH": "/bin",
        "ROBOTRADING_STATE_DIR": "/mine",
        "GMAIL_APP_PASSWORD": "secret",
        "ALPHA_VANTAGE_KEY_FILE": "/key",
        "USE_PAPER": "false",
        "CREDENTIALS_DIRECTORY": "/creds",
    }
    assert environment(given) == {"PATH": "/bin"}


def test_orders_on_close_are_limit_orders_in_drills_and_that_is_said(config: Config, tmp_path: Path) -> None:
    """The clock of a drill never comes to a close; what the drills are given is a configuration that passes its check."""
    one = config.sessions[EQ]
    session = replace(
        one, execution=replace(one.execution, order_type=OrderType.MOC, fill_timeout=1860.0), deadline=1920
    )
    ready = prepared(with_session(config, EQ, session), tmp_path / "drill")
    assert told(ready, "equities: limit orders instead of market_on_close")
    for made in (ready.first, ready.then):
        assert made.sessions[EQ].execution.order_type is OrderType.LIMIT
        assert not [one for one in violations(made) if "fill_timeout" in one.path]
    assert not told(prepared(config, tmp_path / "usual"), "instead of")
