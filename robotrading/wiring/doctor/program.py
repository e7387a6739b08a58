"""The program itself: the interpreter, the packages it needs, the time zones."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator, Sequence
from zoneinfo import ZoneInfo

from robotrading.session.processes import stop_group
from robotrading.wiring.doctor.finding import Finding, broken, fine

OLDEST, NEWEST = (3, 11), (3, 13)
PACKAGES = (
    "alembic",
    "apscheduler",
    "bs4",
    "curl_cffi",
    "exchange_calendars",
    "hmmlearn.hmm",
    "jinja2",
    "jsonschema",
    "msgspec",
    "numpy",
    "pandas",
    "prometheus_client",
    "psycopg",
    "pyarrow.parquet",
    "requests",
    "scipy.optimize",
    "sqlalchemy",
    "starlette",
    "statsmodels.tsa.stattools",
    "uvicorn",
    "yaml",
    "yfinance",
)
"""What a run or the service imports, sooner or later."""
LIBRARIES = ("ib_insync", "ib_async")
ZONES = ("America/New_York", "UTC")
_AGAIN = "install again: ./deploy.sh install, or pip install -r requirements.txt"
_IMPORTING = """
import importlib, json, sys
trouble = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception as error:
        trouble[name] = f"{type(error).__name__}: {error}"
print(json.dumps(trouble))
"""


def python(version: tuple[int, int, int] = sys.version_info[:3]) -> Finding:
    """Whether the interpreter is one of those that are tested."""
    found = ".".join(map(str, version))
    if OLDEST <= version[:2] <= NEWEST:
        return fine("python", found)
    wanted = f"{_dotted(OLDEST)} to {_dotted(NEWEST)}"
    return broken("python", f"{found} is not {wanted}", "name one in ROBOTRADING_PYTHON, then ./deploy.sh install")


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


async def packages(names: Sequence[str] = PACKAGES, seconds: float = 24.0) -> AsyncIterator[Finding]:
    """Whether they can be imported, by a process of its own: a library made for another processor kills whoever tries.

    The library of the broker is one of two, and never both: `library` says which.
    """
    present = [name for name in LIBRARIES if importlib.util.find_spec(name)]
    yield library(present)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _IMPORTING, *names, *present[:1],
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    except TimeoutError:
        yield broken("packages", f"importing them took longer than {seconds:g} s", "is the machine overloaded?")
        return
    finally:
        await stop_group(process)
    yield imported(len(names), process.returncode or 0, said.decode(errors="replace"))


def imported(count: int, code: int, said: str) -> Finding:
    """What the importing process said."""
    if code:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        found = f"the interpreter died while it imported them ({how}): one is not made for this machine"
        return broken("packages", found, _AGAIN)
    trouble: dict[str, str] = json.loads(said.strip().splitlines()[-1])
    if not trouble:
        return fine("packages", f"all {count} can be imported")
    return broken("packages", "; ".join(f"{name}: {why}" for name, why in trouble.items()), _AGAIN)


def library(present: Sequence[str]) -> Finding:
    """Whether just one of the two client libraries is there."""
    part = "broker library"
    if len(present) == 1:
        return fine(part, present[0])
    if not present:
        return broken(part, "neither ib_insync nor ib_async is installed", "pip install ib_insync")
    remedy = "pip uninstall ib_async ib_insync eventkit aeventkit, then pip install one of the two"
    return broken(part, "ib_insync and ib_async are both installed and overwrite each other's eventkit", remedy)


def time_zones(names: Sequence[str] = ZONES) -> Finding:
    """Whether the exchange's time is known."""
    for name in names:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            return broken(
                "time zones", f"{name} is not known: {error}", "apt-get install tzdata, or pip install tzdata"
            )
    return fine("time zones", "known")
