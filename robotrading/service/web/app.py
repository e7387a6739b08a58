"""The routes: what the daemon answers over HTTP.

Entry point: `make_app`.
Invariants: read-only unless a token is configured and somebody carries out `Actions`; every answer comes from the
newest `Facts`, or is a page that was stored (`stored_routes`), and carries the headers of `replies`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from importlib.resources import files

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from robotrading.domain.errors import ConfigError
from robotrading.domain.ports import Clock
from robotrading.service.facts import Facts
from robotrading.service.metrics import CONTENT_TYPE
from robotrading.service.settings import LEAST_TOKEN, ServiceSettings, is_weak
from robotrading.service.web.actions import Actions, action_routes
from robotrading.service.web.answers import Answers, Meters
from robotrading.service.web.guard import Guard
from robotrading.service.web.limits import Limits
from robotrading.service.web.replies import HTML, JSON, TEXT, reply, trouble
from robotrading.service.web.stored import NoPages, Pages, Stored
from robotrading.service.web.stored_routes import stored_routes

log = logging.getLogger(__name__)


def make_app(  # noqa: PLR0913, PLR0917  one per part that knows the outside
    look: Callable[[], Facts],
    meters: Meters,
    clock: Clock,
    settings: ServiceSettings,
    actions: Actions | None = None,
    pages: Pages | None = None,
) -> Starlette:
    """The application. `look` gives the newest facts at once; `pages` are those that lie on this host.

    Raises ConfigError for a token that can be guessed.
    """
    bounds, token = Limits(), settings.token
    if is_weak(token):
        raise ConfigError(f"service.token has to have {LEAST_TOKEN} plain characters at least; make a longer one")
    routes = _routes(Answers(look, meters, clock)) + stored_routes(Stored(pages or NoPages(), bounds))
    methods = {"GET", "HEAD"}
    if token and actions is not None:
        routes += action_routes(actions, token, clock, bounds)
        methods.add("POST")
    guard = Middleware(Guard, host=settings.host, methods=frozenset(methods), most_bytes=bounds.body)
    app = Starlette(
        routes=routes, middleware=[guard], exception_handlers={HTTPException: _not_served, Exception: _broken}
    )
    app.router.redirect_slashes = False
    return app


def _routes(answers: Answers) -> list[Route]:
    async def ping(_: Request) -> Response:
        return reply(b"pong\n", TEXT)

    async def health(_: Request) -> Response:
        healthy, body = answers.health()
        return reply(body, JSON, 200 if healthy else 503)

    async def detailed(_: Request) -> Response:
        healthy, body = answers.detailed()
        return reply(body, JSON, 200 if healthy else 503)

    async def status(_: Request) -> Response:
        return reply(await answers.status(), JSON)

    async def metrics(_: Request) -> Response:
        return reply(answers.metrics(), CONTENT_TYPE)

    async def page(_: Request) -> Response:
        return reply(await answers.page(), HTML)

    async def reports(_: Request) -> Response:
        return reply(await answers.reports(), HTML)

    async def style(_: Request) -> Response:
        return reply(_file("style.css"), "text/css; charset=utf-8")

    async def icon(_: Request) -> Response:
        return reply(_file("favicon.svg"), "image/svg+xml")

    served = {
        "/ping": ping,
        "/health": health,
        "/health/detailed": detailed,
        "/status": status,
        "/metrics": metrics,
        "/": page,
        "/reports": reports,
        "/style.css": style,
        "/favicon.svg": icon,
        "/favicon.ico": icon,
    }
    return [Route(path, endpoint, methods=["GET"]) for path, endpoint in served.items()]


@cache
def _file(name: str) -> bytes:
    return files(__package__).joinpath(name).read_bytes()


async def _not_served(request: Request, error: Exception) -> Response:
    """What Starlette refuses: an unknown path, or a method that a path does not have."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(getattr(error, "headers", None) or {})
    said = "there is nothing here; see /" if status == 404 else f"not by {request.method}"
    return trouble(request, status, said, {name.lower(): value for name, value in headers.items()})


async def _broken(request: Request, _error: Exception) -> Response:
    """A fault of ours; its text may hold anything, so it goes to the log alone (by the server)."""
    return trouble(request, 500, "this could not be answered; the service's log says why")
