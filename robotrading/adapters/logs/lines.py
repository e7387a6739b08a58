"""One log record as a line: JSON for machines, text for people; secrets in neither.

Entry points: `json_lines`, `text_lines`, `Masked`.
Invariants: every line starts with its instant in UTC; `run_id`, `session` and `intent_id` are there when they are
known, from the process (`known`) or the call (`extra={"intent_id": ...}`); a secret that is part of any text, an
exception's included, leaves as `***`, in the spelling of JSON and of URLs too.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_plus

from pythonjsonlogger.json import JsonFormatter

MASK = "***"
_SHORTEST = 4
"""Shorter words than this would blacken half of every text; no service hands out such secrets."""
_FIELDS = ("run_id", "session", "intent_id")


class Masked(logging.Formatter):
    """Another formatter's lines without the secrets."""

    def __init__(self, inner: logging.Formatter, secrets: Collection[str]) -> None:
        super().__init__()
        self._inner = inner
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        # The longest first: a secret may be the beginning of another.
        words = sorted(spellings, key=lambda word: (-len(word), word))
        self._pattern = re.compile("|".join(map(re.escape, words))) if words else None

    def format(self, record: logging.LogRecord) -> str:
        line = self._inner.format(record)
        return line if self._pattern is None else self._pattern.sub(MASK, line)


def _spellings(secret: str) -> set[str]:
    if len(secret) < _SHORTEST:
        return set()
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
    }


def json_lines(known: Mapping[str, str] | None = None, secrets: Collection[str] = ()) -> logging.Formatter:
    """One JSON object a line; `known` is what this process knows of itself."""
    return Masked(_Json(known or {}), secrets)


def text_lines(known: Mapping[str, str] | None = None, secrets: Collection[str] = ()) -> logging.Formatter:
    """For people."""
    return Masked(_Text(known or {}), secrets)


class _Json(JsonFormatter):
    """Instant, level, where from, what; then the ids, then whatever the call added."""

    def __init__(self, known: Mapping[str, str]) -> None:
        super().__init__(json_ensure_ascii=False)
        self._known = dict(known)

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        extra: dict[str, Any] = {}
        super().add_fields(extra, record, message_dict)
        extra.pop("message", None)
        log_data["at"] = _instant(record)
        log_data["level"] = record.levelname.lower()
        log_data["logger"] = record.name
        log_data["message"] = record.getMessage()
        log_data.update(self._known)
        log_data.update({name: str(extra.pop(name)) for name in _FIELDS if name in extra})
        log_data.update(extra)


class _Text(logging.Formatter):
    """`2025-09-26 19:45:00.123Z warning session.door (rt-eq-...): text`."""

    def __init__(self, known: Mapping[str, str]) -> None:
        super().__init__()
        self._known = dict(known)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the library's name
        ids = {**self._known, **{name: str(vars(record)[name]) for name in _FIELDS if name in vars(record)}}
        about = f" ({', '.join(ids.values())})" if ids else ""
        where = record.name.removeprefix("robotrading.")
        return f"{_instant(record)} {record.levelname.lower()} {where}{about}: {record.getMessage()}"


def _instant(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
