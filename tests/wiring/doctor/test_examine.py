"""All checks together: none hides another, none takes longer than it may, and no secret gets out."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from robotrading.adapters.clock import SystemClock
from robotrading.wiring.doctor import examine as examining
from robotrading.wiring.doctor.apart import apart
from robotrading.wiring.doctor.examine import Request, examine
from robotrading.wiring.doctor.finding import Finding, Level, fine

SECRET = "app-pass-word-that-nobody-may-see"


@pytest.fixture
def env(tmp_path: Path, monkeypatch) -> dict[str, str]:
    monkeypatch.chdir(tmp_path)
    return {"HOME": str(tmp_path), "ROBOTRADING_STATE_DIR": str(tmp_path / "state"), "PATH": os.environ["PATH"]}


async def _fine(_scene):
    yield fine("fine", f"all well, {SECRET}")


async def _fails(_scene):
    yield fine("before", "something was found")
    raise ZeroDivisionError("no such luck")


async def _hangs(_scene):
    yield fine("first", "something was found")
    await asyncio.sleep(60)


async def _hangs_in_a_thread(_scene):
    yield await apart(lambda: time.sleep(5) or fine("late", "too late"))


def parts(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {one.part: one for one in findings}


async def test_one_that_fails_or_hangs_hides_no_other(env, monkeypatch):
    monkeypatch.setattr(
        examining, "CHECKS", {"fails": _fails, "hangs": _hangs, "thread": _hangs_in_a_thread, "fine": _fine}
    )
    monkeypatch.setattr(examining, "_program", lambda: _fine(None))
    began = time.monotonic()
    found = await examine(Request(env=env | {"GMAIL_APP_PASSWORD": SECRET}, seconds=0.3), SystemClock())
    assert time.monotonic() - began < 4.5
    said = parts(found.findings)
    assert "the check itself failed: ZeroDivisionError" in said["fails"].found
    assert said["first"].level is Level.FINE
    assert "no end within 0.3 s" in said["hangs"].found
    assert said["thread"].level is Level.BROKEN
    assert said["fine"].found == "all well, ***"
    assert found.level is Level.BROKEN


async def test_a_configuration_that_cannot_be_used_leaves_the_checks_that_need_none(env, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(examining, "_program", lambda: _fine(None))
    (tmp_path / "config.yaml").write_text("broker: 7\n", encoding="utf-8")
    found = await examine(Request(env=env), SystemClock())
    assert found.level is Level.BROKEN
    assert set(parts(found.findings)) == {"fine", "configuration", "clock"}


async def test_offline_asks_nobody_and_leaves_nothing_behind(env, tmp_path: Path, monkeypatch):
    """An untouched machine without a network is able to begin; the packages are the command's own test."""
    monkeypatch.setattr(examining, "_program", lambda: _fine(None))
    found = await examine(Request(offline=True, env=env), SystemClock())
    said = parts(found.findings)
    assert not [one for one in found.findings if one.level is Level.BROKEN]
    assert said["gateway"].level is Level.FINE
    assert said["prices yahoo"].level is Level.LEFT_OUT
    assert os.listdir(tmp_path) == []  # noqa: PTH208  a test may block


async def test_a_paper_account_without_network_says_what_was_left_out(env, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(examining, "_program", lambda: _fine(None))
    (tmp_path / "config.yaml").write_text("broker: {gateway: external, account: DU1234567}\n", encoding="utf-8")
    wanted = env | {
        "ROBOTRADING_DATABASE_URL": "postgresql://bot:hunter2@127.0.0.1:1/ledger",
        "GMAIL_ADDRESS": "bot@example.com", "GMAIL_APP_PASSWORD": SECRET, "RECIPIENT_EMAIL": "ann@example.com",
    }  # fmt: skip
    said = parts((await examine(Request(offline=True, env=wanted), SystemClock())).findings)
    assert {said[part].level for part in ("gateway", "database", "mail")} == {Level.LEFT_OUT}


async def test_everything_that_is_out_of_reach_is_told_at_once(env, tmp_path: Path, monkeypatch):
    """Nothing answers: gateway, database, mail, prices, lists; no secret is in what is said of them."""
    monkeypatch.setattr(examining, "_program", lambda: _fine(None))
    (tmp_path / "config.yaml").write_text(
        "broker: {gateway: external, account: DU1234567, port: 1, quiet_times: []}\n"
        "mail: {host: 127.0.0.1, port: 1}\n"
        "feeds: {yahoo: {url: 'http://127.0.0.1:1'}, slickcharts: {url: 'http://127.0.0.1:1'}}\n"
        "sessions: {equities: {universe: {kind: sp500, symbols: []}}}\n",
        encoding="utf-8",
    )
    wanted = env | {
        "ROBOTRADING_DATABASE_URL": "postgresql://bot:hunter2@127.0.0.1:1/ledger",
        "GMAIL_ADDRESS": "bot@example.com", "GMAIL_APP_PASSWORD": SECRET, "RECIPIENT_EMAIL": "ann@example.com",
    }  # fmt: skip
    found = await examine(Request(env=wanted, test_mail=True), SystemClock())
    said = parts(found.findings)
    for part in ("gateway", "database", "mail", "prices yahoo", "universe equities"):
        assert part in said, found
        assert said[part].level is Level.BROKEN, said[part]
    assert "hunter2" not in str(found)
    assert SECRET not in str(found)
    assert found.seconds < 25
