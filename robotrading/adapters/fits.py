"""Fitted models between runs, one JSON file per session kind. A file that cannot be read is as good as none."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

from robotrading.adapters.cache.files import write_atomically
from robotrading.domain.instrument import AssetClass
from robotrading.strategy.hmm import FitState

log = logging.getLogger(__name__)


class FitFiles:
    """Implements `session.world.FitStore`: instrument key -> state."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, kind: AssetClass) -> Mapping[str, FitState]:
        """The states of a kind; empty when there are none that this version can read."""
        try:
            return msgspec.json.decode((self._folder / f"{kind}.json").read_bytes(), type=dict[str, FitState])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError, ValueError) as error:
            log.warning("fitted models of %s cannot be read and are fitted anew: %s", kind, error)
            return {}

    def save(self, kind: AssetClass, states: Mapping[str, FitState]) -> None:
        """Keep the states, whole or not at all. Losing them costs time, so a full disk only earns a warning."""
        try:
            write_atomically(self._folder / f"{kind}.json", msgspec.json.encode(dict(states)))
        except OSError as error:
            log.warning("fitted models of %s cannot be kept: %s", kind, error)
