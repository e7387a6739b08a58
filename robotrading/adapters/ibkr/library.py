"""The one place that knows which of the two client libraries is installed.

ib_insync and ib_async have the same names but ship the same `eventkit` package, so exactly one of them may be there.
Importing this module imports the library; `ConfigError` when there is none or there are both.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from types import ModuleType
from typing import Any

from robotrading.domain.errors import ConfigError

CANDIDATES = ("ib_insync", "ib_async")


def choose(installed: tuple[str, ...]) -> str:
    """The library to use; `ConfigError` unless exactly one is installed."""
    if not installed:
        raise ConfigError(
            "the broker's client library is missing: install one of ib_insync and ib_async, e.g. pip install ib_insync"
        )
    if len(installed) > 1:
        raise ConfigError(
            "ib_insync and ib_async are both installed, but they overwrite each other's eventkit: "
            "pip uninstall ib_async ib_insync eventkit aeventkit, then install one of them again"
        )
    return installed[0]


def _load(name: str) -> ModuleType:
    """Import with an event loop in place.

    eventkit asks for one as it is imported, which fails after `asyncio.run` and in threads.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            return importlib.import_module(name)
        finally:
            asyncio.set_event_loop(None)
            loop.close()
    return importlib.import_module(name)


NAME = choose(tuple(name for name in CANDIDATES if importlib.util.find_spec(name)))
_library: Any = _load(NAME)
_decoder: Any = importlib.import_module(f"{NAME}.decoder")

VERSION: str = _library.__version__
Client: Any = _library.Client
Contract: Any = _library.Contract
ContractDetails: Any = _library.ContractDetails
Decoder: Any = _decoder.Decoder
Execution: Any = _library.Execution
ExecutionFilter: Any = _library.ExecutionFilter
Order: Any = _library.Order
TagValue: Any = _library.TagValue
