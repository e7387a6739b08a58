"""What is known of files without opening them; a folder that is not there is an empty one."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from robotrading.service.folders import kept_days, size_of


def test_kept_days_are_those_of_pages_newest_first(tmp_path: Path) -> None:
    for name in (
        "2025-11-15.html",
        "2025-11-22.html",
        "2025-11-31.html",
        "2025-11-08.html.partial",
        "aaaa-bb-cc.html",
        "x.html",
    ):
        (tmp_path / name).touch()
    assert kept_days(tmp_path) == (date(2025, 11, 22), date(2025, 11, 15))
    assert kept_days(tmp_path / "nothing") == kept_days(tmp_path / "x.html") == kept_days(None) == ()


def test_kept_days_do_not_grow_without_bound(tmp_path: Path) -> None:
    first = date(2020, 1, 4)
    for week in range(100):
        (tmp_path / f"{first + timedelta(weeks=week)}.html").touch()
    found = kept_days(tmp_path)
    assert len(found) == 60
    assert found[0] == first + timedelta(weeks=99)


def test_the_size_is_of_the_file_and_its_log(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"12345")
    assert size_of(tmp_path / "ledger.db") == 5
    (tmp_path / "ledger.db-wal").write_bytes(b"123")
    assert size_of(tmp_path / "ledger.db") == 8
    assert size_of(tmp_path / "nothing") == size_of(None) == 0
