"""Shared fixtures, and how Hypothesis looks for examples: the same ones each time, or new ones at night."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from robotrading.wiring.logs import CLIENTS, NOISY
from tests.postgres import bare_postgres_url, database_url, postgres_server, postgres_url, sqlite_url

__all__ = ["bare_postgres_url", "database_url", "postgres_server", "postgres_url", "shared", "sqlite_url"]

# A test's answer does not hang on how fast the machine is, nor on luck: `make nightly` looks for new examples.
_OWN_PACE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("steady", derandomize=True, **_OWN_PACE)
settings.register_profile("searching", derandomize=False, **_OWN_PACE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

_CANDIDATES = [os.environ.get("ROBOTRADING_SHARED", ""), str(Path(__file__).parents[2] / "shared")]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real market data and recorded answers, or a skip with a reason."""
    for candidate in _CANDIDATES:
        if candidate and (Path(candidate) / "data").is_dir():
            return Path(candidate)
    pytest.skip("real market data not present (set ROBOTRADING_SHARED to its folder)")


@pytest.fixture
def shut_out(tmp_path: Path) -> Callable[[], AbstractContextManager[Path]]:
    """A folder that this process may not enter while the block runs; root gives its rights away for so long."""

    @contextmanager
    def closed() -> Iterator[Path]:
        folder, user = tmp_path / "closed", os.geteuid()
        folder.mkdir(mode=0o700 if user == 0 else 0)
        try:
            os.seteuid(65534 if user == 0 else user)
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o700)

    return closed


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """Commands that are run within a test set the whole process's log and umask; the next test finds it as the first."""
    levels = {name: logging.getLogger(name).level for name in ("", *NOISY, *CLIENTS)}
    disabled, handlers, hook = logging.root.manager.disable, list(logging.root.handlers), sys.excepthook
    umask = os.umask(0o022)
    os.umask(umask)
    yield
    os.umask(umask)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    for handler in [one for one in logging.root.handlers if one not in handlers]:
        logging.root.removeHandler(handler)
        handler.close()
    logging.disable(disabled)
    sys.excepthook = hook
