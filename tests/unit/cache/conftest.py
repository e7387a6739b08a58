"""A calendar shared by the tests of the cache: building one takes a while."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from robotrading.adapters.calendar import ExchangeCalendar

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def calendar() -> ExchangeCalendar:
    return ExchangeCalendar()
