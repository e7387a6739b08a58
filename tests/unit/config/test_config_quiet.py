"""Quiet times in a person's words: read, refused at their key, and never the embedded gateway's."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from robotrading.config.load import load
from robotrading.config.model import Config
from robotrading.config.problems import InvalidConfig
from robotrading.execution.quiet import QuietTimes

EXTERNAL = "broker: {gateway: external, GIVEN}\nsessions: {equities: {sources: [yahoo]}}\n"
NIGHT = datetime(2025, 9, 25, 4, 30, tzinfo=UTC)


def loaded(folder: Path, given: str) -> Config:
    path = folder / "config.yaml"
    path.write_text(EXTERNAL.replace("GIVEN", given))
    return load(path, {})


def test_by_default_the_night_at_the_brokers_is_quiet(tmp_path: Path) -> None:
    quiet = loaded(tmp_path, "port: 4002").quiet
    assert str(quiet.now(NIGHT)) == "the broker's reset (23:45-01:45 America/New_York), until 2025-09-25 05:45 UTC"
    friday = quiet.now(datetime(2025, 9, 27, 6, 0, tzinfo=UTC))
    assert friday is not None
    assert friday.ends == datetime(2025, 9, 27, 7, 0, tzinfo=UTC)


def test_the_embedded_gateway_has_no_quiet_times(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("broker: {gateway: embedded, gateway_restart: '00:25'}\n")
    assert load(tmp_path / "config.yaml", {}).quiet == QuietTimes()


def test_regions_restarts_and_margins_are_a_persons_to_set(tmp_path: Path) -> None:
    given = (
        "quiet_times: ['06:25-07:45 Europe/Zurich'], gateway_restart: '12:40 Europe/London', "
        "gateway_restart_minutes: 5, quiet_margin: 30"
    )
    quiet = loaded(tmp_path, given).quiet
    assert quiet.now(NIGHT) is not None, "the reset in Zurich, at half past four UTC"
    own = quiet.now(datetime(2025, 9, 25, 4, 20, tzinfo=UTC))
    assert own is None
    own = quiet.now(datetime(2025, 12, 25, 12, 41, tzinfo=UTC))
    assert own is not None
    assert own.name == "the gateway's restart (12:40-12:45 Europe/London)"
    assert quiet.margin == 30.0


def test_no_quiet_times_may_be_asked_for(tmp_path: Path) -> None:
    assert loaded(tmp_path, "quiet_times: []").quiet.now(NIGHT) is None


@pytest.mark.parametrize(
    ("given", "key", "words"),
    [
        ("quiet_times: ['23:45']", "broker.quiet_times[0]", "23:45-01:45"),
        ("quiet_times: ['10:00-10:00']", "broker.quiet_times[0]", "no length"),
        ("quiet_times: ['10:00-11:00 Mars/Base']", "broker.quiet_times[0]", "IANA"),
        ("gateway_restart: '25:00'", "broker.gateway_restart", "time of day"),
        ("gateway_restart: '05:00 Mars/Base'", "broker.gateway_restart", "IANA"),
        ("gateway_restart_minutes: 0", "broker.gateway_restart_minutes", "1"),
    ],
)
def test_other_words_are_refused_at_their_key(tmp_path: Path, given: str, key: str, words: str) -> None:
    with pytest.raises(InvalidConfig) as caught:
        loaded(tmp_path, given)
    assert words in {problem.key: problem.text for problem in caught.value.problems}[key]
