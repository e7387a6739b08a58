"""The rules that span several keys: each refuses its breach at the right key and lets the honest case pass."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.config.defaults import default_config
from robotrading.config.demo import demo_config
from robotrading.config.load import check, load
from robotrading.config.model import Config, Mode
from robotrading.config.notes import notes
from robotrading.config.problems import InvalidConfig
from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass

LIVE = "broker: {gateway: external, mode: live, account: U1234567, confirm_live: I trade real money on U1234567}\n"


def loaded(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load(path, env or {})


def refused(tmp_path: Path, text: str, env: dict[str, str] | None = None) -> dict[str, str]:
    with pytest.raises(InvalidConfig) as caught:
        loaded(tmp_path, text, env)
    return {problem.key: problem.text for problem in caught.value.problems}


def bonds(text: str) -> str:
    return f"sessions: {{bonds: {{{text}}}}}\n"


BREACHES = [
    ("broker: {mode: live}\n", "broker.gateway", "external"),
    ("broker: {mode: live, gateway: external}\n", "broker.account", "own id"),
    ("broker: {mode: live, gateway: external, account: DU1234567}\n", "broker.account", "does not begin with D"),
    ("broker: {mode: live, gateway: external, account: U1234567}\n", "broker.confirm_live", "'I trade real money on U1234567'"),
    (LIVE.replace("money on U1234567", "money on U7654321"), "broker.confirm_live", "does not confirm"),
    (LIVE.replace("external", "embedded"), "broker.gateway", "cannot trade live"),
    ("broker: {account: U1234567}\n", "broker.account", "paper account ids begin with D"),
    (bonds("share: 0.31"), "sessions.bonds.share", "sum to 1.01"),
    (bonds("universe: {symbols: [AAPL]}"), "sessions.bonds.universe.symbols[0]", "sessions.equities too"),
    (bonds("universe: {symbols: []}"), "sessions.bonds.universe.symbols", "no symbols"),
    (bonds("universe: {kind: sp500}"), "sessions.bonds.universe.kind", "for equities"),
    (bonds("universe: {kind: file}"), "sessions.bonds.universe.file", "name a file"),
    (bonds("universe: {symbols: [BRK.B]}"), "sessions.bonds.universe.symbols[0]", "BRK-B"),
    (bonds("universe: {symbols: [SOL-USD]}"), "sessions.bonds.universe.symbols[0]", "sessions.crypto"),
    ("sessions: {crypto: {universe: {symbols: [BTC]}}}\n", "sessions.crypto.universe.symbols[0]", "BTC-USD"),
    ("sessions: {crypto: {execution: {order_type: midprice}}}\n", "sessions.crypto.execution.order_type", "write limit"),
    ("sessions: {crypto: {execution: {order_type: market}}}\n", "sessions.crypto.execution.order_type", "write limit"),
    (bonds("sources: [ibkr]"), "sessions.bonds.sources[0]", "external"),
    ("broker: {gateway: external}\n" + bonds("sources: [synthetic]"), "sessions.bonds.sources[0]", "invented"),
    (bonds("sources: [alpha_vantage]"), "sessions.bonds.sources", "ALPHA_VANTAGE_KEY"),
    (bonds("sources: [files]"), "feeds.files.paths", "sessions.bonds.sources"),
    ("feeds: {files: {paths: [no.csv]}}\n" + bonds("sources: [files]"), "feeds.files.paths[0]", "not there"),
    ("state_dir: /\n", "state_dir", "folder of its own"),
    ("state_dir: config.yaml\n", "state_dir", "folder of its own"),
    ("feeds: {cache: {fresh_for: 10, usable_for: 5}}\n", "feeds.cache.fresh_for", "above usable_for"),
    ("feeds: {yahoo: {retry: {base_wait: 9, max_wait: 5}}}\n", "feeds.yahoo.retry.base_wait", "above max_wait"),
    (bonds("signal: {chain: [hmm]}"), "sessions.bonds.signal.chain", "end with hold"),
    (bonds("signal: {chain: [hold, hmm, moving_average]}"), "sessions.bonds.signal.chain", "end with hold"),
    (bonds("signal: {moving_average: {fast_days: 200}}"), "sessions.bonds.signal.moving_average.fast_days", "200"),
    (bonds("history_days: 300"), "sessions.bonds.history_days", "lookback_days"),
    (bonds("construct: {scheme: fixed, fixed: {}}"), "sessions.bonds.construct.fixed", "no weights"),
    (bonds("construct: {fixed: {TLT: 0.6, IEF: 0.6}}"), "sessions.bonds.construct.fixed", "sum to 1.2"),
    (bonds("construct: {fixed: {TLTT: 0.6}}"), "sessions.bonds.construct.fixed.TLTT", "Did you mean TLT?"),
    (bonds("universe: {symbols: [EMB]}"), "sessions.bonds.construct.fixed", "take scheme equal"),
    (bonds("construct: {scheme: market_cap}"), "sessions.bonds.construct.scheme", "index"),
    (bonds("execution: {limit_offset: 0.1}"), "sessions.bonds.execution.limit_offset", "price_collar"),
    (bonds("sizing: {min_trade_value: 600000}"), "sessions.bonds.sizing.min_trade_value", "max_order_value"),
    (bonds("deadline: 100"), "sessions.bonds.deadline", "140.0 s"),
    ("sessions: {crypto: {execution: {order_type: market_on_close}}}\n", "sessions.crypto.execution.order_type", "no close"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "part"), BREACHES)
def test_a_breach_is_refused_at_its_key(tmp_path: Path, text: str, key: str, part: str) -> None:
    assert part in refused(tmp_path, text)[key]


def on_close(schedule: str, fill_timeout: float, deadline: float, kind: str = "market_on_close", more: str = "") -> str:
    execution = f"execution: {{order_type: {kind}, fill_timeout: {fill_timeout}}}"
    return bonds(f"schedule: '{schedule}', deadline: {deadline}, {execution}{more}")


@pytest.mark.parametrize("kind", ["market_on_close", "limit_on_close"])
def test_orders_on_close_with_everything_else_as_usual_are_refused_with_the_way_out(tmp_path: Path, kind: str) -> None:
    """They would be cancelled two minutes after they were sent, long before they can fill."""
    said = refused(tmp_path, f"sessions: {{equities: {{execution: {{order_type: {kind}}}}}}}\n")
    assert set(said) == {"sessions.equities.execution.fill_timeout", "sessions.equities.deadline"}
    for words in ("120 s", f"'{kind}'", "'30 minutes before the close'", "write 1860 or more", "order_type limit"):
        assert words in said["sessions.equities.execution.fill_timeout"]
    for words in ("1500 s", f"'{kind}'", "'30 minutes before the close'", "write 1920 or more", "order_type limit"):
        assert words in said["sessions.equities.deadline"]


@pytest.mark.parametrize(
    ("schedule", "reach"),
    [
        ("30 minutes before the close", 1860),
        ("1 minute before the close on mondays", 120),
        ("380 minutes after the open", 660),
        ("at 15:30 every 2 weeks", 1860),
        ("cron 30,45 15 * * mon-fri", 1860),
    ],
)
def test_orders_on_close_pass_with_just_the_seconds_that_are_asked_for(
    tmp_path: Path, schedule: str, reach: int
) -> None:
    """Of several starts the earliest counts."""
    needed = math.ceil(min(reach + 60, reach / 0.75))
    execution = loaded(tmp_path, on_close(schedule, reach, needed)).sessions[AssetClass.BONDS].execution
    assert execution.fill_timeout == reach
    said = refused(tmp_path, on_close(schedule, reach - 1, needed))
    assert f"write {reach} or more" in said["sessions.bonds.execution.fill_timeout"]
    said = refused(tmp_path, on_close(schedule, reach, needed - 1, "limit_on_close"))
    assert f"write {needed} or more" in said["sessions.bonds.deadline"]


def test_orders_on_close_from_too_early_a_start_are_sent_to_a_later_one(tmp_path: Path) -> None:
    """No `fill_timeout` that is allowed reaches from there; what it would have to be is not advised."""
    said = refused(tmp_path, on_close("1 hour before the close", 3600, 9000))
    assert set(said) == {"sessions.bonds.schedule"}
    assert "59 minutes before the close at the earliest" in said["sessions.bonds.schedule"]
    assert loaded(tmp_path, on_close("59 minutes before the close", 3600, 3661))


def test_orders_on_close_of_a_session_that_is_off_or_of_no_time_bring_no_complaint_of_their_own(tmp_path: Path) -> None:
    assert loaded(tmp_path, on_close("30 minutes before the close", 120, 1500, more=", enabled: false"))
    assert set(refused(tmp_path, on_close("at noon", 120, 1500))) == {"sessions.bonds.schedule"}


def test_what_orders_on_close_cannot_do_is_said(tmp_path: Path) -> None:
    """Buys wait for the sells' cash, which comes at the close."""
    (said,) = [
        one for one in notes(loaded(tmp_path, on_close("20 minutes before the close", 1260, 1500))) if "close" in one
    ]
    assert said.startswith("sessions.bonds.execution.order_type market_on_close: ")
    assert "the buys are left" in said
    assert not [one for one in notes(loaded(tmp_path, "log: {}\n")) if "close" in one]


@pytest.mark.parametrize("token", ["tiny-one", "fifteen-letters", "sixteen-letters-\u00e4"])
def test_a_token_that_can_be_guessed_is_refused_and_not_shown(tmp_path: Path, token: str) -> None:
    said = refused(tmp_path, "log: {}\n", {"ROBOTRADING_TOKEN": token})["service.token"]
    assert "16 characters or more" in said
    assert token not in said
    assert loaded(tmp_path, "log: {}\n", {"ROBOTRADING_TOKEN": "sixteen-letters."}).service.token
    assert not loaded(tmp_path, "log: {}\n", {"ROBOTRADING_TOKEN": ""}).service.token


def test_live_with_everything_said_is_live(tmp_path: Path) -> None:
    config = loaded(tmp_path, LIVE)
    assert config.broker.mode is Mode.LIVE
    assert config.gateway().paper is False
    assert config.gateway().account == "U1234567"
    assert any("4002" in note for note in notes(config))


def test_an_empty_file_of_settings_is_paper(tmp_path: Path) -> None:
    """Live is never what comes about by leaving something out."""
    config = loaded(tmp_path, "log: {level: info}\n")
    assert config.broker.mode is Mode.PAPER
    assert config.gateway(AssetClass.BONDS).paper


def test_environment_alone_cannot_make_it_live(tmp_path: Path) -> None:
    assert set(refused(tmp_path, "log: {}\n", {"USE_PAPER": "false"})) == {"broker.gateway", "broker.account"}


def test_environment_can_force_paper(tmp_path: Path) -> None:
    """USE_PAPER=true over a live file leaves a live account id behind, which paper refuses: nothing is guessed."""
    assert set(refused(tmp_path, LIVE, {"USE_PAPER": "true"})) == {"broker.account"}


def test_a_wrong_value_brings_no_second_complaint(tmp_path: Path) -> None:
    """A rule over several keys is silent while one of them is wrong in itself."""
    assert set(refused(tmp_path, bonds("share: 7"))) == {"sessions.bonds.share"}


def test_a_disabled_session_takes_no_share(tmp_path: Path) -> None:
    config = loaded(tmp_path, "sessions: {equities: {share: 0.7}, bonds: {enabled: false}}\n")
    assert config.enabled == (AssetClass.EQUITIES, AssetClass.CRYPTO)


def test_client_ids_differ_whatever_the_base(tmp_path: Path) -> None:
    config = loaded(tmp_path, "log: {}\n", {"IBKR_CLIENT_ID": "7"})
    ids = [config.gateway(kind).client_id for kind in (None, *AssetClass)]
    assert ids == [7, 8, 9, 10]
    ids += [config.gateway(kind, prices=True).client_id for kind in (None, *AssetClass)]
    assert len(set(ids)) == len(ids)


def test_a_config_made_by_hand_is_checked_too() -> None:
    config = default_config()
    check(config)
    sessions = {**config.sessions, AssetClass.BONDS: replace(config.sessions[AssetClass.BONDS], client_id=101)}
    with pytest.raises(ConfigError, match=r"client id of sessions\.equities"):
        check(replace(config, sessions=sessions))


def test_numbers_arrive_digit_for_digit(tmp_path: Path) -> None:
    """What is a Decimal has never been a float, and bounds are exact at their edge."""
    text = "capital: {amount: 100000.10, share: 0.1000000000000000000}\n" + bonds("limits: {price_collar: 0.5}")
    config = loaded(tmp_path, text)
    assert str(config.capital.amount) == "100000.10"
    assert config.capital.share == Decimal("0.1")
    assert config.sessions[AssetClass.BONDS].limits.price_collar == Decimal("0.5")


def test_words_that_old_yaml_turns_into_something_else_stay_words(tmp_path: Path) -> None:
    text = "sessions: {equities: {schedule: at 15:30, universe: {symbols: [ON, NO, Y, TRUE, 1COV, 1E5]}}}\n"
    session = loaded(tmp_path, text).sessions[AssetClass.EQUITIES]
    assert session.schedule == "at 15:30"
    assert session.universe.symbols == ("ON", "NO", "Y", "TRUE", "1COV", "1E5")


def test_an_alias_repeats_a_value(tmp_path: Path) -> None:
    text = "sessions:\n  equities: {checks: &c {min_days: 300}}\n  bonds: {checks: *c}\n"
    config = loaded(tmp_path, text)
    assert config.sessions[AssetClass.BONDS].checks.min_days == 300


def test_paths_start_at_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a command is started changes nothing; `~` is the home folder; the environment's start where one stands."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (tmp_path / "prices.csv").touch()
    text = "feeds: {files: {paths: [prices.csv]}}\nmail: {ca_file: ~/ca.pem}\n"
    config = loaded(tmp_path, text, {"HOME": "/home/someone"})
    assert config.state_dir == tmp_path / "state"
    assert config.feeds.cache.directory == str(tmp_path / "state" / "cache")
    assert config.feeds.files.paths == (str(tmp_path / "prices.csv"),)
    assert config.mail.ca_file == "/home/someone/ca.pem"
    assert loaded(tmp_path, text, {"ROBOTRADING_STATE_DIR": "st"}).state_dir == elsewhere / "st"


def test_a_config_travels_to_another_process() -> None:
    config = load(None, {"GMAIL_APP_PASSWORD": "hunter2"})
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301  our own bytes
    with pytest.raises(InvalidConfig) as caught:
        load(None, {"IBKR_PORT": "x"})
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301


def test_sources_without_a_key_are_left_out() -> None:
    assert load(None, {}).sources(AssetClass.EQUITIES) == ("yahoo",)
    assert load(None, {"ALPHA_VANTAGE_KEY": "k"}).sources(AssetClass.EQUITIES) == ("yahoo", "alpha_vantage")


def test_notes_say_what_may_not_be_meant(tmp_path: Path) -> None:
    text = (
        "broker: {host: gw}\nmail: {port: 587, ca_file: none.pem}\n"
        "sessions: {equities: {enabled: false}, bonds: {enabled: false}, crypto: {enabled: false}}\n"
    )
    said = "\n".join(notes(loaded(tmp_path, text)))
    for part in ("mail is not set up", "usually starttls", "none.pem", "gw is not used", "no session is enabled"):
        assert part in said


def test_the_demo_obeys_the_rules_whatever_is_configured(tmp_path: Path) -> None:
    """Fixed weights name real funds, and the sample market has others: the demo must not stand still over that."""
    config = demo_config(loaded(tmp_path, LIVE))
    check(config)
    assert config.broker.mode is Mode.PAPER
    assert config.enabled == tuple(AssetClass)
    assert not any(session.construct.fixed for session in config.sessions.values())
