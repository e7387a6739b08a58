"""Log lines: every one tells who and when, none tells a secret, and the files stay bounded."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from robotrading.adapters.logs.files import RollingFile
from robotrading.adapters.logs.lines import json_lines, text_lines
from robotrading.adapters.logs.settings import LogSettings

AT = datetime(2025, 9, 26, 19, 45, 0, 123000, UTC).timestamp()
KNOWN = {"run_id": "run-1", "session": "equities"}
SECRETS = st.text(st.characters(exclude_categories=["Cs"]), min_size=8, max_size=30).filter(
    lambda s: s.strip("* ") == s
)


def record(message: str, *args: object, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("robotrading.session.door", level, "door.py", 1, message, args, None)
    made.created = AT
    vars(made).update(extra)
    return made


def test_a_json_line_tells_who_and_when_and_what_the_call_added() -> None:
    line = json_lines(KNOWN).format(record("sent %s", "AAPL", intent_id="rt-1", quantity=3))
    assert json.loads(line) == {
        "at": "2025-09-26T19:45:00.123Z",
        "level": "info",
        "logger": "robotrading.session.door",
        "message": "sent AAPL",
        "run_id": "run-1",
        "session": "equities",
        "intent_id": "rt-1",
        "quantity": 3,
    }
    assert "\n" not in line


def test_the_call_knows_better_than_the_process() -> None:
    line = json.loads(json_lines(KNOWN).format(record("due", run_id="run-2")))
    assert line["run_id"] == "run-2"


def test_a_text_line_is_for_people() -> None:
    line = text_lines({"run_id": "run-1"}).format(record("late by %d s", 3, level=logging.WARNING, intent_id="rt-1"))
    assert line == "2025-09-26T19:45:00.123Z warning session.door (run-1, rt-1): late by 3 s"
    assert text_lines().format(record("plain")) == "2025-09-26T19:45:00.123Z info session.door: plain"


@given(SECRETS, st.sampled_from([json_lines, text_lines]))
def test_a_secret_is_in_no_line_however_it_gets_there(secret: str, lines) -> None:
    made = record("logged in with %s at https://host/%s and %r", secret, quote(secret, safe=""), secret, key=secret)
    made.exc_info = (ValueError, ValueError(secret), None)
    line = lines(KNOWN, [secret]).format(made)
    spellings = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    words = line.replace("ValueError", "")
    assert not [spelling for spelling in spellings if spelling in words and spelling not in LETTERS]


LETTERS = json_lines(KNOWN).format(record("logged in with at https://host/ and", key=""))


def test_the_longer_of_two_secrets_goes_whole_and_a_tiny_one_stays() -> None:
    line = text_lines({}, ["hunter2", "hunter2-and-more", "a"]).format(record("hunter2-and-more, a hunter2"))
    assert line.endswith(": ***, a ***")


def written(folder: Path, *instants: float, **changes: int) -> list[Path]:
    handler = RollingFile(folder / "logs" / "service.log", LogSettings(**changes))
    handler.setFormatter(json_lines())
    for number, instant in enumerate(instants):
        line = record("line %d " + "x" * 300_000, number)
        line.created = instant
        handler.handle(line)
    handler.close()
    return sorted((folder / "logs").iterdir())


def test_a_large_file_is_closed_and_so_many_are_kept(tmp_path: Path) -> None:
    files = written(tmp_path, *[AT] * 20, max_megabytes=1, keep=2)
    assert [path.name for path in files] == ["service.log", "service.log.1", "service.log.2"]
    assert all(path.stat().st_size <= 1_000_000 for path in files)
    assert '"line 19 ' in files[0].read_text()


def test_an_old_file_is_closed_whatever_its_size_and_over_a_restart(tmp_path: Path) -> None:
    week = 7 * 86_400.0
    assert len(written(tmp_path, AT, AT + week - 1)) == 1
    files = written(tmp_path, AT + week)
    assert [path.name for path in files] == ["service.log", "service.log.1"]
    assert '"line 0 ' in files[0].read_text()


@pytest.mark.parametrize("first", ["no instant at all\n", ""])
def test_a_strange_file_is_written_on(tmp_path: Path, first: str) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "service.log").write_text(first)
    now = (tmp_path / "logs" / "service.log").stat().st_mtime
    assert len(written(tmp_path, now)) == 1


def test_a_full_disk_costs_the_line_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

    handler = RollingFile(Path("/dev/null"), LogSettings())
    handler.stream = Full()
    handler.handle(record("lost"))
    assert capsys.readouterr().err == ""


def test_programs_that_share_a_file_go_on_in_the_new_one_when_one_of_them_has_closed_it(tmp_path: Path) -> None:
    first, second = (RollingFile(tmp_path / "service.log", LogSettings(max_megabytes=1)) for _ in range(2))
    second.handle(record("second, early"))
    for number in range(4):
        first.handle(record(f"first {number} " + "x" * 300_000))
    second.handle(record("second, late"))
    first.close()
    second.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["service.log", "service.log.1"]
    assert "second, late" in (tmp_path / "service.log").read_text()
    assert "second, early" in (tmp_path / "service.log.1").read_text()


class NeverEmptied(io.FileIO):
    """A file on a disk that is full until somebody leaves it: what is written stays in the buffer above."""

    def write(self, _data: object) -> int:
        raise OSError(28, "No space left on device")


def on_a_full_disk(path: Path, settings: LogSettings) -> RollingFile:
    """A handler with a line that could not be written."""
    handler = RollingFile(path, settings)
    handler.stream = io.TextIOWrapper(io.BufferedWriter(NeverEmptied(path, "a")), encoding="utf-8")
    handler.handle(record("lost"))
    return handler


def test_lines_are_written_again_after_the_file_of_a_full_disk_was_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    handler = on_a_full_disk(path, LogSettings())
    path.unlink()
    handler.handle(record("after it"))
    handler.close()
    assert "after it" in path.read_text()


def test_lines_are_written_again_after_a_file_could_not_be_finished(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    handler = on_a_full_disk(path, LogSettings(max_days=1))
    for words in ("a day later", "and after it"):
        later = record(words)
        later.created = AT + 90_000
        handler.handle(later)
    handler.close()
    assert "and after it" in path.read_text()
