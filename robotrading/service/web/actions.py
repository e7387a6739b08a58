"""What a person may change over HTTP, when a token is configured.

Entry points: `Actions` (the port that the daemon fills), `Refused`, `action_routes`.
Invariants: without the right token nothing is looked at but the header; the token is in no log, no answer and no
address; what is done is done under the name that the caller gives, which the ledger's audit keeps.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from robotrading.adapters.notify.report.words import clean
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import Clock
from robotrading.service.web.limits import Limits
from robotrading.service.web.replies import json_reply, trouble

log = logging.getLogger(__name__)

WHO_HEADER = "x-who"
_LONGEST_WHO, _LONGEST_REASON = 64, 300
_SCHEME = "bearer "


class Refused(Exception):
    """It cannot be done now; the text says why and what to do."""


class Actions(Protocol):
    """Each returns a sentence on what was done, audits it under `who`, and raises `Refused`."""

    async def run(self, kind: AssetClass, who: str) -> str: ...

    async def halt(self, reason: str, who: str) -> str: ...

    async def resume(self, who: str) -> str: ...

    async def start_program(self, name: str, who: str) -> str:
        """Start a program that was given up or waits. Raises `Refused` for a name unknown, too."""
        ...


Action = Callable[[Request, str, dict[str, Any]], Awaitable[str]]


def action_routes(actions: Actions, token: str, clock: Clock, limits: Limits) -> list[Route]:
    """The routes that change things."""
    desk = _Desk(actions, token, clock, limits)
    return [
        Route("/run/{kind}", desk.endpoint(desk.run), methods=["POST"]),
        Route("/halt", desk.endpoint(desk.halt), methods=["POST"]),
        Route("/resume", desk.endpoint(desk.resume), methods=["POST"]),
        Route("/programs/{name}/start", desk.endpoint(desk.start), methods=["POST"]),
    ]


class _Desk:
    """Takes requests: token first, then body, then the deed."""

    def __init__(self, actions: Actions, token: str, clock: Clock, limits: Limits) -> None:
        self._actions = actions
        self._token = token.encode()
        self._clock = clock
        self._limits = limits
        self._taken: deque[float] = deque(maxlen=limits.actions_a_minute)
        self._told = float("-inf")

    def endpoint(self, action: Action) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            if not self._knows(request):
                return self._stranger(request)
            if not self._has_time():
                said = f"{self._limits.actions_a_minute} requests a minute are taken; wait a moment"
                return trouble(request, 429, said, {"retry-after": "60"})
            return await self._do(action, request)

        return answer

    async def _do(self, action: Action, request: Request) -> Response:
        try:
            words = await _body(request, self._limits.body)
            who = _who(request)
            async with asyncio.timeout(self._limits.action_seconds):
                done = await action(request, who, words)
        except _Wrong as error:
            return trouble(request, error.status, str(error))
        except ClientDisconnect:
            return trouble(request, 400, "the caller went away")
        except Refused as error:
            return trouble(request, 409, str(error))
        except TimeoutError:
            said = "it takes longer than expected and may still happen: look at the status before you ask again"
            return trouble(request, 504, said)
        log.info("%s asked over HTTP: %s", who, done)
        return json_reply({"done": done, "who": who})

    async def run(self, request: Request, who: str, _words: dict[str, Any]) -> str:
        name = request.path_params["kind"]
        if name not in list(AssetClass):
            raise _Wrong(404, f"no session {clean(name)[:40]!r}: {', '.join(AssetClass)}")
        return await self._actions.run(AssetClass(name), who)

    async def halt(self, _request: Request, who: str, words: dict[str, Any]) -> str:
        reason = words.get("reason")
        if not isinstance(reason, str) or not clean(reason):
            raise _Wrong(400, 'say why, as JSON: {"reason": "..."}')
        return await self._actions.halt(clean(reason)[:_LONGEST_REASON], who)

    async def resume(self, _request: Request, who: str, _words: dict[str, Any]) -> str:
        return await self._actions.resume(who)

    async def start(self, request: Request, who: str, _words: dict[str, Any]) -> str:
        return await self._actions.start_program(request.path_params["name"], who)

    def _knows(self, request: Request) -> bool:
        given = request.headers.getlist("authorization")
        if len(given) != 1 or given[0][: len(_SCHEME)].lower() != _SCHEME:
            return False
        return hmac.compare_digest(given[0][len(_SCHEME) :].encode(), self._token)

    def _stranger(self, request: Request) -> Response:
        """Told once a minute at most, so that guessing does not fill the log."""
        now = self._clock.monotonic()
        if now - self._told >= 60:
            self._told = now
            client = request.client.host if request.client else "nobody"
            log.warning("a request to %s from %s had no valid token", clean(request.url.path)[:60], client)
        said = "this needs the header 'Authorization: Bearer TOKEN' with the configured service.token"
        return trouble(request, 401, said, {"www-authenticate": 'Bearer realm="robotrading"'})

    def _has_time(self) -> bool:
        now = self._clock.monotonic()
        if len(self._taken) == self._taken.maxlen and now - self._taken[0] < 60:
            return False
        self._taken.append(now)
        return True


class _Wrong(Exception):
    """The request is not one we understand."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


async def _body(request: Request, most: int) -> dict[str, Any]:
    """The body as a JSON object; {} where there is none."""
    taken = bytearray()
    async for chunk in request.stream():
        taken += chunk
        if len(taken) > most:
            raise _Wrong(413, f"a body may have {most} bytes at most")
    if not taken:
        return {}
    try:
        return msgspec.json.decode(bytes(taken), type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise _Wrong(400, f"the body is not a JSON object: {error}") from error


def _who(request: Request) -> str:
    """The name for the audit: what the caller says, and from where."""
    client = request.client.host if request.client else "nobody"
    named = clean(request.headers.get(WHO_HEADER, ""))[:_LONGEST_WHO] or "somebody"
    return f"{named} over http from {client}"
