"""Services for tests, each in a folder of its own, with the table of trading days made once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from robotrading.adapters.calendar import ExchangeCalendar
from robotrading.adapters.calendar_table import write_table, years_around
from tests.service.services import Service


@pytest.fixture(scope="session")
def trading_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("days") / "calendar.json"
    first, last = years_around(datetime.now(UTC).date())  # the service runs on the wall clock
    write_table(path, ExchangeCalendar(first, last), first, last)
    return path


@pytest.fixture
def service(tmp_path: Path, trading_days: Path) -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def make(**words: object) -> Service:
        one = Service(tmp_path, **words)  # type: ignore[arg-type]
        one.state.mkdir(exist_ok=True)
        shutil.copy(trading_days, one.state / "calendar.json")
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()
