"""Environment, secret files and systemd credentials: who wins, and that secrets stay secret."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.logs.settings import LogLevel
from robotrading.config.load import load
from robotrading.config.model import Config
from robotrading.config.problems import InvalidConfig
from robotrading.config.show import MASK, show, shown_tree
from robotrading.config.source import find_file
from robotrading.domain.instrument import AssetClass

SECRET = "abcd efgh ijkl mnop"


def refused(env: dict[str, str]) -> str:
    with pytest.raises(InvalidConfig) as caught:
        load(None, env)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def test_every_variable_of_the_list_arrives() -> None:
    config = load(
        None,
        {
            "GMAIL_ADDRESS": "bot@example.com",
            "GMAIL_APP_PASSWORD": SECRET,
            "RECIPIENT_EMAIL": "a@example.com, b@example.com,",
            "ALPHA_VANTAGE_KEY": "KEY1",
            "IBKR_HOST": "gateway.local",
            "IBKR_PORT": "4001",
            "IBKR_CLIENT_ID": "40",
            "USE_PAPER": "yes",
            "SHARES_PER_TRADE": "25",
            "DEBUG": "1",
            "ROBOTRADING_STATE_DIR": "/var/lib/robotrading",
        },
    )
    assert (config.mail.username, config.mail.sender, config.mail.password) == ("bot@example.com",) * 2 + (SECRET,)
    assert config.mail.recipients == ("a@example.com", "b@example.com")
    assert config.feeds.alpha_vantage.api_key == "KEY1"
    gateway = config.gateway(AssetClass.EQUITIES)
    assert (gateway.host, gateway.port, gateway.client_id, gateway.paper) == ("gateway.local", 4001, 41, True)
    quantities = [config.sessions[kind].sizing.max_quantity for kind in AssetClass]
    assert quantities == [Decimal(25), Decimal(25), None]
    assert config.log.level is LogLevel.DEBUG
    assert config.state_dir == Path("/var/lib/robotrading")


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("broker: {port: 7497}\nlog: {level: error}\n")
    config = load(path, {"IBKR_PORT": "4444", "DEBUG": "false"})
    assert config.broker.port == 4444
    assert config.log.level is LogLevel.ERROR
    assert config.origins["broker.port"] == "environment variable IBKR_PORT"
    assert config.origins["log.level"] == f"{path}:2:14"


def test_empty_means_not_set() -> None:
    assert load(None, dict.fromkeys(["IBKR_PORT", "GMAIL_APP_PASSWORD", "GMAIL_APP_PASSWORD_FILE"], " ")) == load(
        None, {}
    )


def test_a_file_gives_a_secret(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    assert load(None, {"GMAIL_APP_PASSWORD_FILE": str(file)}).mail.password == SECRET
    port = tmp_path / "port"
    port.write_text("4444")
    assert load(None, {"IBKR_PORT_FILE": str(port)}).broker.port == 4444


def test_credentials_of_systemd_come_last(tmp_path: Path) -> None:
    (tmp_path / "ALPHA_VANTAGE_KEY").write_text("from-systemd")
    env = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    config = load(None, env)
    assert config.feeds.alpha_vantage.api_key == "from-systemd"
    assert config.origins["feeds.alpha_vantage.api_key"] == "systemd credential ALPHA_VANTAGE_KEY"
    assert load(None, {**env, "ALPHA_VANTAGE_KEY": "nearer"}).feeds.alpha_vantage.api_key == "nearer"


ShutOut = Callable[[], AbstractContextManager[Path]]


def test_a_folder_of_credentials_that_cannot_be_entered_is_said_once(shut_out: ShutOut) -> None:
    """Taking it for empty would mean a ledger without its database."""
    load(None, {})  # what it imports is read while we may
    with shut_out() as folder:
        said = refused({"CREDENTIALS_DIRECTORY": str(folder)})
    assert said == (
        f"environment variable CREDENTIALS_DIRECTORY: {folder} cannot be searched (permission denied); let this user "
        "enter that folder, or unset the variable"
    )


def test_a_folder_of_the_configuration_that_cannot_be_entered_is_no_lack_of_one(shut_out: ShutOut) -> None:
    load(None, {})
    with shut_out() as folder, pytest.raises(InvalidConfig, match=r"config.yaml: cannot be read \(permission denied\)"):
        load(find_file(folder), {})


@pytest.mark.parametrize("folder", ["plain", "sealed"])
def test_a_folder_of_credentials_names_its_files_after_itself(tmp_path: Path, folder: str) -> None:
    """Systemd puts the credential's name before the file's: LoadCredential=plain:/etc/robotrading/credentials."""
    (tmp_path / f"{folder}_ALPHA_VANTAGE_KEY").write_text("from-systemd")
    config = load(None, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert config.feeds.alpha_vantage.api_key == "from-systemd"


@pytest.mark.parametrize(
    ("env", "parts"),
    [
        ({"IBKR_PORT": "abc"}, ["variable IBKR_PORT: broker.port: 'abc'", "1 to 65535"]),
        ({"IBKR_PORT": "0"}, ["IBKR_PORT", "0 is too low"]),
        ({"IBKR_HOST": "a b"}, ["IBKR_HOST", "'a b'"]),
        ({"IBKR_CLIENT_ID": "1.5"}, ["IBKR_CLIENT_ID", "'1.5'"]),
        ({"USE_PAPER": "maybe"}, ["USE_PAPER", "'maybe'", "true or false"]),
        ({"DEBUG": "loud"}, ["DEBUG", "'loud'"]),
        ({"SHARES_PER_TRADE": "many"}, ["SHARES_PER_TRADE", "'many'"]),
        ({"SHARES_PER_TRADE": "0"}, ["SHARES_PER_TRADE", "above 0"]),
        ({"GMAIL_ADDRESS": "nobody"}, ["GMAIL_ADDRESS", "mail.sender", "'nobody'"]),
        ({"RECIPIENT_EMAIL": "a@b.c;d@e.f"}, ["RECIPIENT_EMAIL", "a mail address"]),
        ({"RECIPIENT_EMAIL": "a@b.c,a@b.c"}, ["RECIPIENT_EMAIL", "twice"]),
        ({"GMAIL_APP_PASSWORD": SECRET, "GMAIL_APP_PASSWORD_FILE": "/x"}, ["GMAIL_APP_PASSWORD_FILE", "both set"]),
        ({"GMAIL_APP_PASSWORD": SECRET + "\n" + SECRET}, ["GMAIL_APP_PASSWORD", "not shown"]),
        ({"GMAIL_APP_PASSWORD": SECRET * 300}, ["GMAIL_APP_PASSWORD", "2000 characters"]),
        ({"ALPHA_VANTAGE_KEY_FILE": "/nowhere/at/all"}, ["ALPHA_VANTAGE_KEY_FILE", "/nowhere/at/all", "no such file"]),
        ({"ALPHA_VANTAGE_KEY_FILE": "/"}, ["not a regular file"]),
        ({"ALPHA_VANTAGE_KEY_FILE": "a\0b"}, ["cannot be read"]),
        ({"ROBOTRADING_STATE_DIR": "/"}, ["ROBOTRADING_STATE_DIR", "folder of its own"]),
    ],
)
def test_a_mistake_names_the_variable(env: dict[str, str], parts: list[str]) -> None:
    message = refused(env)
    assert not [part for part in parts if part not in message], message


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (f"{SECRET}\n{SECRET}".encode(), "more than one line"),
        (b"\xff\xfe", "not UTF-8"),
        (SECRET.encode() * 500, "larger than"),
    ],
)
def test_a_secret_file_holds_one_line(tmp_path: Path, raw: bytes, part: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(raw)
    message = refused({"GMAIL_APP_PASSWORD_FILE": str(file)})
    assert part in message
    assert "GMAIL_APP_PASSWORD_FILE" in message


def secretive() -> Config:
    return load(None, {"GMAIL_APP_PASSWORD": SECRET, "ALPHA_VANTAGE_KEY": "KEY-OF-MINE"})


def test_secrets_are_shown_nowhere() -> None:
    config = secretive()
    for text in (repr(config), str(config), show(config), str(shown_tree(config))):
        assert SECRET not in text
        assert "KEY-OF-MINE" not in text
    assert f"# mail.password: {MASK} (from environment variable GMAIL_APP_PASSWORD)" in show(config)
    assert shown_tree(config)["mail"]["password"] == MASK
    assert shown_tree(load(None, {}))["mail"]["password"] is None


def test_what_is_shown_loads_to_the_same(tmp_path: Path) -> None:
    """`config show` may be saved and used."""
    config = load(None, {"SHARES_PER_TRADE": "3", "RECIPIENT_EMAIL": "a@example.com"})
    path = tmp_path / "config.yaml"
    path.write_text(show(config))
    assert load(path, {}) == config
    path.write_text(show(config, origins=False))
    assert load(path, {}) == config
    assert "# from environment variable SHARES_PER_TRADE" in show(config)
