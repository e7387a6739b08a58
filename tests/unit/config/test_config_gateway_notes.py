"""A gateway that is configured by half is told by `config check`: nothing would break, and nothing would reach it."""

from __future__ import annotations

from pathlib import Path

import pytest

from robotrading.config.load import load
from robotrading.config.notes import notes


def said(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return [note for note in notes(load(path, {})) if note.startswith("broker")]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("broker: {port: 7497}\n", "broker.port 7497"),
        ("broker: {account: DU1234567}\n", "broker.account DU1234567"),
        ("broker: {host: gw, port: 7497}\n", "broker.host gw, broker.port 7497"),
    ],
)
def test_what_is_said_of_a_gateway_that_is_not_asked(tmp_path: Path, text: str, named: str) -> None:
    """The port and the account of TWS are written, and `gateway: external` is forgotten."""
    (note,) = said(tmp_path, text)
    assert note == f"{named} is not used: broker.gateway is embedded; for TWS or IB Gateway write external"


@pytest.mark.parametrize("port", [4001, 7496])
def test_paper_at_a_port_of_real_money(tmp_path: Path, port: int) -> None:
    (note,) = said(tmp_path, f"broker: {{gateway: external, port: {port}}}\n")
    assert f"broker.port {port} is usually a live login" in note


@pytest.mark.parametrize("text", ["broker: {}\n", "broker: {gateway: external, port: 7497, account: DU1234567}\n"])
def test_what_fits_is_not_remarked_upon(tmp_path: Path, text: str) -> None:
    assert said(tmp_path, text) == []


LATE = "broker: {gateway: external, account: DU1234567}\n"


def test_an_account_that_gets_its_id_late_is_told_of_the_ledger_from_before(tmp_path: Path) -> None:
    """What was bought without the id would count as the person's own, and be bought once more."""
    books = tmp_path / "state" / "books"
    (books / "paper-only-account").mkdir(parents=True)
    assert said(tmp_path, LATE) == []
    (books / "paper-only-account" / "ledger.db").touch()
    (books / "paper-DU1234567").mkdir()
    (books / "paper-DU1234567" / "ledger.db").touch()  # somebody has looked, and nothing ran
    (note,) = said(tmp_path, LATE)
    assert f"{books}/paper-only-account: if that is the same account, put this folder in the place of {books}" in note
    assert said(tmp_path, "broker: {gateway: external}\n") == []
    (books / "paper-DU1234567" / "runs").mkdir()
    assert said(tmp_path, LATE) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "ib-gateway", "ib_gateway", "fe80::1", "2001:db8::ff00:42:8329"])
def test_hosts_are_names_and_addresses_of_both_kinds(tmp_path: Path, host: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"broker: {{gateway: external, host: '{host}'}}\n", encoding="utf-8")
    assert load(path, {}).broker.host == host
