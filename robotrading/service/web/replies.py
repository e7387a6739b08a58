"""What goes out over HTTP: every answer with the headers that keep a browser from doing more than to show it.

Entry points: `reply`, `stored_reply`, `json_reply`, `trouble`.
"""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from robotrading.service.web.words import pieces

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
STORED_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""For a page that brings its styles and pictures along, as reports do: they are files for a mail and a disk, too."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}

_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title><link rel="stylesheet" href="/style.css">
<link rel="icon" href="/favicon.svg" type="image/svg+xml"></head>
<body><main class="small"><h1>{title}</h1><p>{said}</p><p><a href="/">To the status page</a></p></main></body></html>
"""


def reply(body: bytes, content_type: str, status: int = 200, extra: dict[str, str] | None = None) -> Response:
    """An answer with all headers."""
    return Response(body, status, {**HEADERS, **(extra or {}), "content-type": content_type})


def stored_reply(body: bytes) -> Response:
    """A page from the disk, with the bounds of its own; no script runs in it either."""
    return reply(body, HTML, extra={"content-security-policy": STORED_POLICY})


def json_reply(value: Any, status: int = 200, extra: dict[str, str] | None = None) -> Response:
    return reply(msgspec.json.encode(value), JSON, status, extra)


def trouble(request: Request, status: int, said: str, extra: dict[str, str] | None = None) -> Response:
    """A sentence on what is wrong: a small page for a browser, JSON for everybody else."""
    title = HTTPStatus(status).phrase
    if "text/html" in request.headers.get("accept", ""):
        page = _PAGE.format(title=escape(title), said=_marked(said))
        return reply(page.encode(), HTML, status, extra)
    return json_reply({"error": title, "message": said}, status, extra)


def _marked(said: str) -> str:
    """A sentence as HTML, its commands as such."""
    return "".join(f"<code>{escape(one.text)}</code>" if one.code else escape(one.text) for one in pieces(said))
