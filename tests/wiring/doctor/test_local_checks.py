"""Checks of this machine alone, both ways."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.calendar_table import write_table
from robotrading.adapters.clock import FixedClock, SystemClock
from robotrading.config.defaults import default_config
from robotrading.domain.instrument import AssetClass
from robotrading.wiring.doctor import calendar, clock, disk, machine, program, settings
from robotrading.wiring.doctor.finding import Finding, Level, broken, fine, size, warning, worst
from tests.scripted_http import Reply, ScriptedServer

NOW = datetime(2025, 9, 26, 16, 0, tzinfo=UTC)


def levels(findings) -> list[Level]:
    return [one.level for one in findings]


def only(findings) -> Finding:
    (found,) = findings
    return found


# Findings --------------------------------------------------------------------------------------------------------------


def test_the_worst_finding_decides():
    assert worst([]) is Level.FINE
    assert worst([fine("a", "b"), broken("a", "b", "c"), warning("a", "b", "c")]) is Level.BROKEN


@pytest.mark.parametrize(("amount", "words"), [(0, "0 MB"), (50_000_000, "50 MB"), (2_500_000_000, "2.5 GB")])
def test_sizes_are_read_by_people(amount, words):
    assert size(amount) == words


# Program ---------------------------------------------------------------------------------------------------------------


def test_only_tested_interpreters_are_fine():
    assert program.python().level is Level.FINE
    assert program.python((3, 10, 9)).level is Level.BROKEN
    assert "3.11 to 3.13" in program.python((3, 14, 0)).found


async def test_packages_are_imported_for_real():
    found = [one async for one in program.packages(("msgspec", "no_such_package"))]
    assert found[0].part == "broker library"
    assert found[0].level is Level.FINE
    assert found[1].level is Level.BROKEN
    assert "no_such_package: ModuleNotFoundError" in found[1].found


async def test_packages_that_take_for_ever_are_given_up():
    found = [one async for one in program.packages(("pandas",), seconds=0.001)]
    assert "longer than" in found[-1].found


def test_an_interpreter_that_dies_of_a_package_is_told():
    assert "signal 4" in program.imported(3, -4, "").found
    assert "exit code 1" in program.imported(3, 1, "").found
    assert program.imported(3, 0, "{}\n") == fine("packages", "all 3 can be imported")


@pytest.mark.parametrize(("present", "level"), [((), "broken"), (("ib_async",), "fine"), (program.LIBRARIES, "broken")])
def test_just_one_library_of_the_broker(present, level):
    assert program.library(present).level == level


def test_an_unknown_time_zone_is_broken():
    assert program.time_zones().level is Level.FINE
    assert program.time_zones(("Nowhere/Land",)).level is Level.BROKEN


# Configuration ---------------------------------------------------------------------------------------------------------


def test_every_mistake_of_the_file_is_a_finding(tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text("broker: {port: none, mode: fast}\n", encoding="utf-8")
    config, found = settings.read(file, {})
    assert config is None
    assert len(found) == 2
    assert set(levels(found)) == {Level.BROKEN}
    assert "broker.port" in found[0].found


def test_a_file_that_is_not_there_is_a_finding(tmp_path: Path):
    config, found = settings.read(tmp_path / "absent.yaml", {})
    assert config is None
    assert levels(found) == [Level.BROKEN]


def test_remarks_are_warnings_and_what_other_checks_say_is_not_said_twice(tmp_path: Path):
    file = tmp_path / "config.yaml"
    file.write_text("broker: {host: elsewhere}\nmail: {port: 587}\n", encoding="utf-8")
    config, found = settings.read(file, {})
    assert config is not None
    assert levels(found) == [Level.FINE, Level.WARNING, Level.LEFT_OUT]


# Disk ------------------------------------------------------------------------------------------------------------------


def test_a_state_folder_that_works_is_fine_and_left_as_it_was(tmp_path: Path):
    assert levels(disk.state_folder(tmp_path)) == [Level.FINE]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_to_come_is_made_by_the_run_and_not_by_the_doctor(tmp_path: Path):
    assert "made by the first run" in only(disk.state_folder(tmp_path / "a" / "b")).found
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_broken(tmp_path: Path):
    (tmp_path / "state").write_text("")
    assert only(disk.state_folder(tmp_path / "state")).level is Level.BROKEN
    assert only(disk.state_folder(tmp_path / "state" / "below")).level is Level.BROKEN


def test_a_folder_that_cannot_be_written_is_broken():
    """Not even root writes in /proc."""
    assert "cannot be written" in only(disk.state_folder(Path("/proc/self"))).found


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_made_is_broken(tmp_path: Path):
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "cannot be made" in only(disk.state_folder(tmp_path / "closed" / "state")).found


def test_a_folder_that_everybody_may_write_is_a_warning(tmp_path: Path):
    tmp_path.chmod(0o777)
    assert levels(disk.state_folder(tmp_path)) == [Level.FINE, Level.WARNING]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_a_folder_of_another_user_is_a_warning(tmp_path: Path):
    os.chown(tmp_path, 12345, -1)
    assert "user 12345" in list(disk.state_folder(tmp_path))[1].found


def test_files_of_secrets_are_their_owners_alone(tmp_path: Path):
    file = tmp_path / ".env"
    assert list(disk.secret_files((file,))) == []
    file.write_text("GMAIL_APP_PASSWORD=x")
    file.chmod(0o644)
    assert only(disk.secret_files((file,))).level is Level.WARNING
    file.chmod(0o600)
    assert list(disk.secret_files((file,))) == []


def test_a_secret_in_a_folder_that_we_may_not_enter_is_none_of_ours(shut_out):
    """As the service's user sees the folder of whoever calls `sudo deploy.sh upgrade` from his home."""
    with shut_out() as folder:
        assert list(disk.secret_files((folder / ".env",))) == []


def test_a_full_disk_is_broken(tmp_path: Path, monkeypatch):
    room = os.statvfs(tmp_path)

    def with_free(amount, files=1000):
        values = list(room)
        values[1], values[4], values[5], values[7] = 1, amount, 1000, files
        monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((*values, 0)[:10]))
        return disk.free_space(tmp_path / "to" / "come").level

    assert with_free(1_000_000) is Level.BROKEN
    assert with_free(100_000_000) is Level.WARNING
    assert with_free(10_000_000_000) is Level.FINE
    assert with_free(10_000_000_000, files=0) is Level.BROKEN


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /data rw - nfs4 host:/export rw
31 30 0:41 / /data/fast rw master:2 - tmpfs tmpfs rw
32 22 8:2 / /with\\040blank rw - overlay overlay rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/etc", "ext4"), ("/data/x", "nfs4"), ("/data/fast/y", "tmpfs"), ("/database", "ext4"), ("/with blank/z", "overlay")],
)  # fmt: skip
def test_the_kind_of_a_file_system_is_that_of_the_nearest_mount(folder, kind):
    assert disk.kind_of(Path(folder), MOUNTS) == kind


def test_a_disk_that_forgets_or_is_far_away_is_a_warning(tmp_path: Path):
    def on(kind: str):
        return levels(disk.file_system(tmp_path, f"22 1 8:1 / / rw - {kind} x rw\n"))

    assert on("ext4") == []
    assert on("nfs4") == [Level.WARNING]
    assert on("tmpfs") == [Level.WARNING]
    assert levels(disk.file_system(tmp_path, "")) == []


def test_the_runs_files_are_counted(tmp_path: Path, monkeypatch):
    run = tmp_path / "books" / "demo" / "runs" / "one"
    run.mkdir(parents=True)
    (run / "log.txt").write_bytes(b"x" * 2_000_000)
    assert disk.logs(tmp_path) == fine("logs", "1 files of runs, 2 MB")
    monkeypatch.setattr(disk, "_MOST_FILES", 1)
    assert disk.logs(tmp_path).level is Level.WARNING


# Clock -----------------------------------------------------------------------------------------------------------------


def test_a_clock_before_the_installation_is_wrong():
    assert clock.plausible(NOW, NOW - timedelta(days=3)).level is Level.FINE
    assert clock.plausible(datetime(1970, 1, 1, tzinfo=UTC), NOW).level is Level.BROKEN


def test_this_machine_has_a_clock():
    assert clock.installed_at() > datetime(1980, 1, 1, tzinfo=UTC)
    assert clock.synchronised() in (True, False, None)


def test_a_clock_that_nobody_keeps_is_a_warning():
    assert levels(clock.kept(state=False)) == [Level.WARNING]
    assert levels(clock.kept(state=True)) == levels(clock.kept(None)) == []


@pytest.mark.parametrize(("offset", "level"), [(1.0, "fine"), (-7.0, "warning"), (3600.0, "broken"), (-60.0, "broken")])
def test_the_distance_to_another_clock_decides(offset, level):
    found = clock.compared(offset, "the gateway's")
    assert found.level == level
    assert level == "fine" or ("behind" in found.found) is (offset < 0)


def test_the_date_of_any_answer_tells_the_time():
    fast = FixedClock(SystemClock().now() + timedelta(hours=1))
    with ScriptedServer(lambda _: Reply(404)) as server:
        assert "ahead" in clock.against_the_web(["http://127.0.0.1:1/", server.url], fast).found
        assert clock.against_the_web([server.url], SystemClock()).level is Level.FINE


def test_without_a_witness_the_clock_is_not_judged():
    assert clock.against_the_web([], FixedClock(NOW)).level is Level.LEFT_OUT
    assert clock.against_the_web(["http://127.0.0.1:1/"], FixedClock(NOW)).level is Level.LEFT_OUT


def test_the_witnesses_are_the_configured_sources():
    config = default_config()
    assert clock.witnesses(config) == ("https://query1.finance.yahoo.com/",)
    with_key = replace(
        config, feeds=replace(config.feeds, alpha_vantage=replace(config.feeds.alpha_vantage, api_key="k"))
    )
    assert clock.witnesses(with_key)[1].startswith("https://www.alphavantage.co")


# Memory ----------------------------------------------------------------------------------------------------------------


def test_memory_is_measured_against_the_largest_session():
    config = default_config()
    assert machine.memory(config, 8_000_000_000).level is Level.FINE
    assert "memory_mb" in machine.memory(config, 1_000_000_000).found
    assert machine.memory(config, 100_000_000).level is Level.BROKEN
    assert machine.memory(config, None).level is Level.LEFT_OUT


def test_the_containers_bound_counts(tmp_path: Path):
    info = tmp_path / "meminfo"
    info.write_text("MemTotal: 9 kB\nMemAvailable: 1000000 kB\nSwapFree: 1000 kB\n")
    assert machine.available(info, tmp_path) == 1_001_000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available(info, tmp_path) == 1_001_000 * 1024
    (tmp_path / "memory.max").write_text("500000000\n")
    (tmp_path / "memory.current").write_text("200000000\n")
    assert machine.available(info, tmp_path) == 300_000_000
    assert machine.available(tmp_path / "absent", tmp_path) is None


# Calendar --------------------------------------------------------------------------------------------------------------


def test_the_next_session_is_named_in_the_exchanges_time():
    friday_night = datetime(2025, 9, 26, 23, 0, tzinfo=UTC)
    assert "Mon 2025-09-29 09:30-16:00 EDT" in calendar.next_day(ExchangeCalendar(), friday_night).found


def test_a_calendar_that_knows_no_day_to_come_is_broken():
    class Shut(ExchangeCalendar):
        def hours(self, _kind: AssetClass, _day):
            return None

    assert calendar.next_day(Shut(), NOW).level is Level.BROKEN


def test_the_services_table_is_looked_at(tmp_path: Path):
    path = tmp_path / "calendar.json"
    assert list(calendar.table(path, NOW)) == []
    path.write_text("{}")
    assert only(calendar.table(path, NOW)).level is Level.WARNING
    write_table(path, ExchangeCalendar(), NOW.date() - timedelta(days=300), NOW.date() + timedelta(days=10))
    assert "anew" in only(calendar.table(path, NOW)).found
    write_table(path, ExchangeCalendar(), NOW.date() - timedelta(days=300), NOW.date() + timedelta(days=300))
    assert list(calendar.table(path, NOW)) == []
