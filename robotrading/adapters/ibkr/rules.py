"""What the broker said of a contract (id, tick, lot, smallest order), kept for a day.

Contract rules change rarely and cost a message each: five hundred of them are eleven seconds at the broker's pace. What
is kept here is asked again when it is older than `FRESH_FOR`. A file that cannot be read is as good as none.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec

from robotrading.domain.instrument import Instrument
from robotrading.domain.ports import Clock

FRESH_FOR = timedelta(days=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rule:
    """One contract's rules, as told `at` (aware UTC)."""

    con_id: int
    tick: Decimal
    lot: Decimal
    min_quantity: Decimal
    name: str
    at: datetime

    def refine(self, instrument: Instrument) -> Instrument:
        """The instrument with these rules."""
        return replace(
            instrument, tick=self.tick, lot=self.lot, min_quantity=self.min_quantity, name=instrument.name or self.name
        )


class RuleBook:
    """Rules by instrument key, in memory, and on disk where a path is given. One process writes a file."""

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self._clock = clock
        self._path = path
        self._rules = _read(path) if path is not None else {}

    def con_id(self, instrument: Instrument) -> int:
        """The broker's contract id, 0 while unknown."""
        rule = self._rules.get(instrument.key)
        return 0 if rule is None else rule.con_id

    def fresh(self, instrument: Instrument) -> Instrument | None:
        """The instrument refined from memory; None when its rules are unknown or too old."""
        rule = self._rules.get(instrument.key)
        if rule is None or not timedelta(0) <= self._clock.now() - rule.at <= FRESH_FOR:
            return None
        return rule.refine(instrument)

    def learn(self, found: Mapping[Instrument, int]) -> None:
        """Keep the rules of refined instruments with their contract ids, whole or not at all."""
        now = self._clock.now()
        for instrument, con_id in found.items():
            self._rules[instrument.key] = Rule(
                con_id, instrument.tick, instrument.lot, instrument.min_quantity, instrument.name, now
            )
        if self._path is not None and found:
            self._write(self._path)

    def _write(self, path: Path) -> None:
        partial = path.with_suffix(".partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(msgspec.json.encode(self._rules))
            partial.replace(path)
        except OSError as error:
            log.warning("contract rules cannot be kept and are asked again next time: %s", error)


def _read(path: Path) -> dict[str, Rule]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Rule])
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        log.warning("contract rules in %s cannot be read and are asked again: %s", path, error)
        return {}
