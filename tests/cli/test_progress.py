"""Bars are for terminals, and on standard error."""

from __future__ import annotations

import sys
from io import StringIO

import pytest

from robotrading.cli.progress import bars
from robotrading.domain.instrument import AssetClass
from robotrading.session.job import Job

JOBS = [Job(f"run-{kind}", kind, "folder") for kind in AssetClass]


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def drawn(monkeypatch: pytest.MonkeyPatch, stream: StringIO, *, shown: bool = True) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    with bars(shown=shown) as tell:
        for job in JOBS:
            tell(job, "prices", 0, 0)
            tell(job, "signals", 1, 12)
            tell(job, "orders", 12, 12)
    return stream.getvalue()


def test_a_terminal_sees_a_bar_per_session(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    seen = drawn(monkeypatch, Terminal())
    assert all(kind.value in seen for kind in AssetClass)
    assert "orders" in seen
    assert "12/12" in seen
    assert "prices" in seen
    assert "0/0" not in seen
    assert capsys.readouterr().out == ""


def test_a_pipe_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, StringIO()) == ""


def test_quiet_is_quiet_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, Terminal(), shown=False) == ""
