"""The shared database: its address is a secret, from the environment alone, and belongs to one named account."""

from __future__ import annotations

from pathlib import Path

import pytest

from robotrading.config.load import load
from robotrading.config.notes import notes
from robotrading.config.problems import InvalidConfig
from robotrading.config.show import show
from robotrading.wiring.books import Orders, book_for

URL = "postgresql://bot:hunter2@db.example/ledger"
NAME = "ROBOTRADING_DATABASE_URL"
EXTERNAL = "broker: {gateway: external, account: DU1234567}\n"


def config_of(folder: Path, text: str, env: dict[str, str]):
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    return load(folder / "config.yaml", {"HOME": str(folder), **env})


def refused(folder: Path, text: str, env: dict[str, str]) -> str:
    with pytest.raises(InvalidConfig) as caught:
        config_of(folder, text, env)
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


def test_it_comes_from_the_environment_or_a_file_and_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "url").write_text(URL + "\n", encoding="utf-8")
    for env in ({NAME: URL}, {f"{NAME}_FILE": str(tmp_path / "url")}):
        config = config_of(tmp_path, EXTERNAL, env)
        assert config.database_url == URL
        assert "hunter2" not in repr(config) + show(config)


def test_in_the_configuration_file_it_is_refused_with_the_way_out(tmp_path: Path) -> None:
    assert f"{NAME}_FILE" in refused(tmp_path, f"{EXTERNAL}database_url: {URL}\n", {})


@pytest.mark.parametrize(
    "url",
    ["mysql://bot:hunter2@db/ledger", "hunter2", "postgresql://bot:hunter2@db", "sqlite:///x", "postgresql://[hunter2"],
)
def test_what_is_no_postgresql_database_is_refused_without_being_shown(tmp_path: Path, url: str) -> None:
    assert "write postgresql://user:password@host/name" in refused(tmp_path, EXTERNAL, {NAME: url})


def test_copies_must_name_the_account_that_they_share(tmp_path: Path) -> None:
    text = refused(tmp_path, "broker: {gateway: external}\n", {NAME: URL})
    assert "broker.account" in text
    assert "all copies mean the same" in text


def test_only_the_external_gateways_account_lives_there(tmp_path: Path) -> None:
    external = config_of(tmp_path, EXTERNAL, {NAME: URL})
    assert book_for(external, Orders()).database == URL
    assert book_for(external, Orders()).account == "account:paper-DU1234567"
    assert "hunter2" not in repr(book_for(external, Orders()))
    embedded = config_of(tmp_path, "log: {level: info}\n", {NAME: URL})
    for config, orders in ((embedded, Orders()), (external, Orders(demo=True))):
        assert book_for(config, orders).database.startswith("sqlite:///")
    assert f"{NAME} is not used: broker.gateway is embedded, whose ledger is a file" in notes(embedded)
