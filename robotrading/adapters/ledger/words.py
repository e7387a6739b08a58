"""A database's address and its errors in words that a person may read and a log may keep."""

from __future__ import annotations

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

_DAMAGED = {11, 26}
"""SQLite's codes of a file that is malformed, and of one that is no database."""


def place(url: URL) -> str:
    """The address without password and options."""
    return url.set(query={}).render_as_string(hide_password=True)


def cause(error: Exception, url: URL) -> str:
    """What the driver said, on one line, without secrets and the statement; with the way out of damage."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = " ".join(f"{said.__class__.__name__}: {said}".split())
    if getattr(said, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
        text += " (the file is damaged: trade nothing with it, and see 'The ledger is damaged' in docs/runbook.md)"
    for secret in (url.password, url.query.get("password")):
        if secret:
            text = text.replace(str(secret), "***")
    return text
