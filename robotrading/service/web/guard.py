"""Who may ask at all: the door before every route.

Entry points: `Guard`, `host_allowed`.
"""

from __future__ import annotations

from ipaddress import ip_address

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from robotrading.service.web.replies import trouble

_ANYWHERE = {"0.0.0.0", "::"}  # noqa: S104  compared with, not bound to


class Guard:
    """Refuses foreign host names, methods nobody serves, and bodies beyond the bound.

    The host name is checked because a page on the internet can have its own name lead to this machine (DNS rebinding)
    and then read what is served here as if it were its own.
    """

    def __init__(self, app: ASGIApp, host: str, methods: frozenset[str], most_bytes: int) -> None:
        self._app = app
        self._host = host
        self._methods = methods
        self._most = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refuse(Request(scope)) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    def _refuse(self, request: Request) -> Response | None:
        named = request.headers.getlist("host")
        if len(named) != 1 or not host_allowed(named[0], self._host):
            said = "this name is not served here: ask by 127.0.0.1, localhost or the configured service.host"
            return trouble(request, 421, said, {"connection": "close"})
        if request.method not in self._methods:
            said = "only GET and HEAD are served here" + ("" if "POST" in self._methods else "; no token is configured")
            return trouble(request, 405, said, {"allow": ", ".join(sorted(self._methods)), "connection": "close"})
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most:
            return trouble(request, 413, f"a body may have {self._most} bytes at most", {"connection": "close"})
        return None


def host_allowed(named: str, configured: str) -> bool:
    """Whether a Host header names this service.

    Loopback names and the configured one do. A service that listens on all addresses cannot know its names; there
    addresses do, and names without a dot, as containers have: nobody can register such a name on the internet.
    """
    name = _without_port(named).lower().rstrip(".")
    if name in {"localhost", configured.lower()} and name:
        return True
    try:
        address = ip_address(name)
    except ValueError:
        return configured in _ANYWHERE and bool(name) and "." not in name
    return address.is_loopback or configured in _ANYWHERE


def _without_port(named: str) -> str:
    if named.startswith("["):
        return named[1:].partition("]")[0]
    return named.partition(":")[0]
