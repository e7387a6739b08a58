"""Mail, prices, lists and the service, asked at real servers on loopback."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from robotrading.adapters.cache.lists import ListCache
from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.clock import FixedClock, SystemClock
from robotrading.adapters.feeds.slickcharts import INDEX
from robotrading.adapters.notify.settings import MailSettings, Security
from robotrading.config.defaults import default_config
from robotrading.config.model import Config, GatewayKind
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Constituent
from robotrading.service.settings import ServiceSettings
from robotrading.session.settings import UniverseKind, UniverseSettings
from robotrading.wiring.doctor import mail, prices, service
from robotrading.wiring.doctor.finding import Finding, Level
from tests.mail_servers import PASSWORD, Mailbox, account, serving
from tests.scripted_http import Reply, ScriptedServer

EQ, BONDS, CRYPTO = AssetClass.EQUITIES, AssetClass.BONDS, AssetClass.CRYPTO
NOW = FixedClock(datetime(2025, 9, 26, 16, 0, tzinfo=UTC))


def only(findings) -> Finding:
    (found,) = findings
    return found


# Mail ------------------------------------------------------------------------------------------------------------------


def test_no_mail_at_all_is_left_out_and_half_an_account_is_a_warning():
    assert only(mail.addresses(MailSettings())).level is Level.LEFT_OUT
    half = only(mail.addresses(MailSettings(username="bot@example.com")))
    assert half.level is Level.WARNING
    assert "GMAIL_APP_PASSWORD" in half.found


def test_addresses_and_authorities_are_looked_at_before_anybody_is_asked():
    wrong = account(1, Security.SSL, "/no/such/file.pem", recipients=("ann at example.com",))
    assert [one.level for one in mail.addresses(wrong)] == [Level.BROKEN, Level.BROKEN]
    assert list(mail.addresses(account(1, Security.SSL))) == []


@pytest.mark.parametrize("security", list(Security))
def test_a_login_is_tried_and_no_mail_is_sent(authority, ca_file, security):
    with serving(Mailbox(), authority, security) as box:
        found = mail.server(account(box.port, security, ca_file))
    assert found.level is Level.FINE
    assert "1 recipient" in found.found
    assert (box.logins, box.mails) == (1, [])


def test_a_wrong_password_is_broken_and_not_shown(authority, ca_file):
    with serving(Mailbox(), authority, Security.SSL) as box:
        found = mail.server(account(box.port, Security.SSL, ca_file, password="not-this-one"))
    assert found.level is Level.BROKEN
    assert "app password" in found.found
    assert "not-this-one" not in found.found + found.remedy


def test_a_certificate_of_nobody_and_a_port_of_nobody_are_broken(authority):
    with serving(Mailbox(), authority, Security.SSL) as box:
        assert "certificate" in mail.server(account(box.port, Security.SSL)).found
        port = box.port
    assert mail.server(account(port, Security.SSL)).level is Level.BROKEN


def test_a_test_mail_goes_to_everybody_and_says_who_did_not_get_it(authority, ca_file):
    box = Mailbox(rcpt={"bob@example.com": "550 nobody here"})
    with serving(box, authority, Security.SSL):
        settings = account(box.port, Security.SSL, ca_file, recipients=("ann@example.com", "bob@example.com"))
        found = list(mail.try_mail(settings, SystemClock(), "a-host"))
    assert [one.level for one in found] == [Level.FINE, Level.BROKEN]
    assert box.recipients == ["ann@example.com"]
    assert "a-host" in box.mails[0][2].get_body().get_content()
    assert PASSWORD not in str(found)


# Prices ----------------------------------------------------------------------------------------------------------------


def with_sources(*names: str, **feeds: object) -> Config:
    config = default_config()
    sessions = {kind: replace(one, sources=names, enabled=kind is EQ) for kind, one in config.sessions.items()}
    return replace(config, sessions=sessions, feeds=replace(config.feeds, **feeds))


def cached(config: Config, folder: Path) -> Config:
    return replace(config, feeds=replace(config.feeds, cache=replace(config.feeds.cache, directory=str(folder))))


def ask(config: Config, scratch: Path) -> tuple[list[prices.Asked], list[Finding]]:
    wanted = prices.questions(cached(config, scratch), NOW, offline=False)
    found = [prices.ask(config, one, ExchangeCalendar(), NOW, scratch) for one in wanted]
    return found, list(prices.judge(found))


def test_a_source_that_answers_is_fine(tmp_path: Path):
    config = with_sources("synthetic")
    samples = UniverseSettings(symbols=("SYNAA",))
    config = replace(config, sessions={EQ: replace(config.sessions[EQ], universe=samples)})
    _, found = ask(config, tmp_path)
    assert only(found).level is Level.FINE
    assert "SYNAA up to 2025-09-25" in only(found).found


def test_files_are_read_and_their_age_is_told(tmp_path: Path):
    file = tmp_path / "prices.csv"
    days = [date(2025, 9, day) for day in (15, 16, 17, 18)]
    rows = "".join(f"{day},AAPL,1,1,1,1,1,10\n" for day in days)
    file.write_text("Date,Symbol,Open,High,Low,Close,Adj Close,Volume\n" + rows, encoding="utf-8")
    config = with_sources("files")
    config = replace(config, feeds=replace(config.feeds, files=replace(config.feeds.files, paths=(str(file),))))
    found = only(ask(config, tmp_path)[1])
    assert found.level is Level.WARNING
    assert "2025-09-18, 5 trading days late" in found.found


def test_one_small_request_is_sent_and_a_refusal_is_told_without_the_key(tmp_path: Path):
    refusal = json.dumps({"Information": "the daily rate limit for your key SECRETKEY1 is 25 requests per day"})
    with ScriptedServer(lambda _: Reply(body=refusal)) as server:
        settings = replace(default_config().feeds.alpha_vantage, api_key="SECRETKEY1", url=server.url)
        found = only(ask(with_sources("alpha_vantage", alpha_vantage=settings), tmp_path)[1])
        assert len(server.requests) == 1
    assert found.level is Level.BROKEN
    assert "used up for today" in found.found
    assert "25 requests a day" in found.remedy
    assert "SECRETKEY1" not in str(found)


def test_a_source_that_hangs_is_given_up(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(prices, "_SECONDS", 0.3)
    with ScriptedServer(lambda _: Reply(hang=True)) as server:
        settings = replace(default_config().feeds.alpha_vantage, api_key="k", url=server.url)
        found = only(ask(with_sources("alpha_vantage", alpha_vantage=settings), tmp_path)[1])
    assert "did not answer within" in found.found


def asked(source: str, kinds: Sequence[AssetClass], trouble: str = "") -> prices.Asked:
    return prices.Asked(prices.Question(source, tuple(kinds), Instrument("AAPL", EQ)), "AAPL up to today", trouble)


def test_a_source_that_fails_is_a_warning_while_another_serves_all_its_sessions():
    both = list(prices.judge([asked("yahoo", [EQ, BONDS], "silent"), asked("alpha_vantage", [EQ, BONDS])]))
    assert [one.level for one in both] == [Level.WARNING, Level.FINE]
    one = list(prices.judge([asked("yahoo", [EQ, CRYPTO], "silent"), asked("alpha_vantage", [EQ])]))
    assert one[0].level is Level.BROKEN
    assert "no other source serves crypto" in one[0].found


def test_sources_without_a_key_or_network_are_left_out(tmp_path: Path):
    found = list(prices.not_asked(with_sources("yahoo", "alpha_vantage", "synthetic"), NOW, offline=True))
    assert [(one.part, one.level) for one in found] == [
        ("prices yahoo", Level.LEFT_OUT), ("prices alpha_vantage", Level.LEFT_OUT)
    ]  # fmt: skip
    assert prices.questions(cached(with_sources("yahoo"), tmp_path), NOW, offline=True) == ()
    nothing = list(prices.not_asked(with_sources("alpha_vantage"), NOW, offline=False))
    assert [one.level for one in nothing] == [Level.LEFT_OUT, Level.BROKEN]


def test_the_gateways_history_is_not_asked_in_its_quiet_times(tmp_path: Path):
    config = cached(with_sources("ibkr"), tmp_path)
    quiet = replace(config.broker, gateway=GatewayKind.EXTERNAL, quiet_times=("11:00-13:00",))
    config = replace(config, broker=quiet)
    assert prices.questions(config, NOW, offline=False) == ()
    assert "until" in only(prices.not_asked(config, NOW, offline=False)).found
    later = FixedClock(datetime(2025, 9, 26, 18, 0, tzinfo=UTC))
    assert len(prices.questions(config, later, offline=False)) == 1


def test_the_gateways_history_is_asked_under_an_id_of_its_own(tmp_path: Path):
    """Nobody is there: the refusal names the gateway."""
    config = with_sources("ibkr")
    config = replace(config, broker=replace(config.broker, gateway=GatewayKind.EXTERNAL, port=1, quiet_times=()))
    found = only(ask(config, tmp_path)[1])
    assert found.level is Level.BROKEN
    assert "no gateway at 127.0.0.1:1" in found.found


# Universes -------------------------------------------------------------------------------------------------------------


def index(folder: Path, url: str = "http://127.0.0.1:1/") -> Config:
    config = cached(with_sources("yahoo"), folder)
    config = replace(config, feeds=replace(config.feeds, slickcharts=replace(config.feeds.slickcharts, url=url)))
    settings = UniverseSettings(kind=UniverseKind.SP500)
    return replace(config, sessions={EQ: replace(config.sessions[EQ], universe=settings)})


def page(count: int) -> str:
    weight = Decimal(100) / count
    rows = "".join(f"<tr><td>Firm {n}</td><td>S{n}</td><td>{weight:.4f}%</td></tr>" for n in range(count))
    return f"<table><tr><th>Company</th><th>Symbol</th><th>Weight</th></tr>{rows}</table>"


def test_a_list_in_the_cache_needs_nobody(tmp_path: Path):
    config = index(tmp_path)
    ListCache(config.feeds.cache, SystemClock()).get(INDEX, lambda: (Constituent("AAPL", "Apple", Decimal(1)),))
    assert prices.universe(config, EQ, SystemClock(), offline=True).level is Level.FINE
    assert prices.first_instruments(config, SystemClock())[EQ].symbol == "AAPL"


def test_a_list_that_is_not_there_is_fetched_and_not_kept(tmp_path: Path):
    with ScriptedServer(lambda _: Reply(body=page(500))) as server:
        found = prices.universe(index(tmp_path, server.url), EQ, NOW, offline=False)
    assert "500 members" in found.found
    assert list(tmp_path.rglob("*.json")) == []


def test_a_list_that_cannot_be_had_is_broken_and_offline_a_warning(tmp_path: Path):
    assert prices.universe(index(tmp_path), EQ, NOW, offline=False).level is Level.BROKEN
    assert prices.universe(index(tmp_path), EQ, NOW, offline=True).level is Level.WARNING
    assert prices.first_instruments(index(tmp_path), NOW) == {}


def test_symbols_that_are_none_are_told(tmp_path: Path):
    config = with_sources("yahoo")

    def of(*symbols: str) -> Finding:
        session = replace(config.sessions[EQ], universe=UniverseSettings(symbols=symbols))
        return prices.universe(cached(replace(config, sessions={EQ: session}), tmp_path), EQ, NOW, offline=True)

    assert of("AAPL", "MSFT").level is Level.FINE
    assert of("AAPL", "no symbol!").level is Level.WARNING
    assert of("no symbol!").level is Level.BROKEN


# Service ---------------------------------------------------------------------------------------------------------------


def at(server: ScriptedServer, unit: str = "") -> Finding:
    return service.health(ServiceSettings(port=int(server.url.rpartition(":")[2])), unit)


def test_the_service_speaks_for_itself():
    with ScriptedServer(lambda _: Reply(body='{"healthy": true, "sentence": "able to trade"}')) as server:
        assert at(server).level is Level.FINE
    with ScriptedServer(lambda _: Reply(503, '{"healthy": false, "sentence": "not able to trade: halted"}')) as server:
        assert "halted" in at(server).found
        assert at(server).level is Level.WARNING


@pytest.mark.parametrize("body", ["<html>", "[]", "{}"])
def test_another_program_on_the_port_is_a_warning(body: str):
    with ScriptedServer(lambda _: Reply(body=body)) as server:
        assert "set service.port" in at(server).remedy


def test_a_service_that_hangs_is_a_warning(monkeypatch):
    monkeypatch.setattr(service, "_SECONDS", 0.2)
    with ScriptedServer(lambda _: Reply(hang=True)) as server:
        assert "ReadTimeout" in at(server).found


@pytest.mark.parametrize(
    ("unit", "level"), [("", "left out"), ("failed", "broken"), ("active", "warning"), ("inactive", "warning")]
)
def test_silence_means_what_systemd_says(unit: str, level: str):
    assert service.health(ServiceSettings(host="0.0.0.0", port=1), unit).level == level  # noqa: S104


def test_every_address_is_asked_from_this_machine():
    assert service._own("::") == "[::1]"
    assert service._own("fd00::1") == "[fd00::1]"
    assert service._own("10.0.0.5") == "10.0.0.5"


def test_without_systemd_there_is_no_unit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert service.unit_state() == ""


def test_systemd_is_asked_for_its_word(tmp_path: Path, monkeypatch):
    program = tmp_path / "systemctl"
    program.write_text("#!/bin/sh\necho ${SAID:-failed}\n")
    program.chmod(0o755)
    (tmp_path / service.UNIT).write_text("")
    monkeypatch.setattr(service, "_UNIT_FOLDERS", (str(tmp_path),))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert service.unit_state() == "failed"
    monkeypatch.setenv("SAID", "Failed to connect to bus")
    assert service.unit_state() == ""
