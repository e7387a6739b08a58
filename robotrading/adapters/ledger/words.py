"""A database's address and its errors in words that a person may read and a log may keep."""

from __future__ import annotations

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError


def place(url: URL) -> str:
    """The address without password and options."""
    return url.set(query={}).render_as_string(hide_password=True)


def cause(error: Exception, url: URL) -> str:
    """What the driver said, on one line, without the address's secrets and without the statement."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = " ".join(f"{said.__class__.__name__}: {said}".split())
    for secret in (url.password, url.query.get("password")):
        if secret:
            text = text.replace(str(secret), "***")
    return text
