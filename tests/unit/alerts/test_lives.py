"""A life that ends without a word is found by the next one; one that says goodbye, or lasts, is not."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from robotrading.service.alerts.lives import Life

NOW = datetime(2025, 9, 26, 12, 0, tzinfo=UTC)
DYING = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from robotrading.service.alerts.lives import Life
life = Life.begin(Path(sys.argv[1]), "host:1:a", datetime(2025, 9, 26, 11, 0, tzinfo=UTC))
print("alive", flush=True)
time.sleep(60)
"""


def found(folder: Path, name: str) -> str:
    """What a life of its own finds, which says goodbye."""
    life = Life.begin(folder, name, NOW)
    life.goodbye()
    return life.last_end


def test_who_says_goodbye_leaves_nothing(tmp_path: Path) -> None:
    life = Life.begin(tmp_path / "lives", "host:1:a", NOW)
    assert life.last_end == ""
    life.goodbye()
    assert found(tmp_path / "lives", "host:2:b") == ""


def test_a_copy_that_lives_is_no_dead_one(tmp_path: Path) -> None:
    first = Life.begin(tmp_path, "host:1:a", NOW)
    second = Life.begin(tmp_path, "host:2:b", NOW)
    assert second.last_end == ""
    first.goodbye()
    second.goodbye()


def test_who_is_killed_is_found_once(tmp_path: Path) -> None:
    words = [sys.executable, "-c", DYING, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "alive\n"
        assert found(tmp_path, "host:2:b") == ""
        process.send_signal(signal.SIGKILL)
    life = Life.begin(tmp_path, "host:3:c", NOW)
    assert "its last life, begun 2025-09-26 11:00 UTC, ended without a word" in life.last_end
    assert found(tmp_path, "host:4:d") == ""
    life.goodbye()


def test_what_cannot_be_read_is_dead_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.life").write_text("")
    (tmp_path / "b.life").write_text("no time")
    said = found(tmp_path, "host:3:c")
    assert said == "the service was started again: its last life ended without a word (and 1 before it)"


def test_a_folder_that_cannot_be_made_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    life = Life.begin(tmp_path / "file" / "lives", "host:1:a", NOW)
    assert life.last_end == ""
    life.goodbye()
