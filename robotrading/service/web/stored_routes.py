"""The routes of pages that lie on the disk: a run's report, a week's summary.

Entry point: `stored_routes`.
Invariants: the ledger is not asked and nothing is made; what is not here is answered with the command that has it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from robotrading.service.web.replies import stored_reply, trouble
from robotrading.service.web.stored import Stored, TooSlow, is_day, is_run_id


def stored_routes(stored: Stored) -> list[Route]:
    """Both."""

    async def report(request: Request) -> Response:
        return await _answer(request, request.path_params["run_id"], stored.report, _no_report)

    async def summary(request: Request) -> Response:
        return await _answer(request, request.path_params["day"], stored.summary, _no_summary)

    return [
        Route("/reports/{run_id}", report, methods=["GET"]),
        Route("/summaries/{day}", summary, methods=["GET"]),
    ]


async def _answer(
    request: Request, name: str, read: Callable[[str], Awaitable[bytes | None]], missing: Callable[[str], str]
) -> Response:
    try:
        page = await read(name)
    except TooSlow:
        return trouble(request, 503, "the disk did not answer in time; ask again", {"retry-after": "5"})
    return trouble(request, 404, missing(name)) if page is None else stored_reply(page)


def _no_report(name: str) -> str:
    if not is_run_id(name):
        return "this is no run's id; see /reports"
    return (
        f"the page of run {name} is not on this host: it is being made, was made elsewhere, is gone or too large to be "
        f"served. `robotrading report {name} --open` shows it"
    )


def _no_summary(name: str) -> str:
    if not is_day(name):
        return "this is no day; the summary of a week goes by its last one, as in /summaries/2025-11-21"
    return (
        f"the summary of the week up to {name} is not on this host. "
        f"`robotrading summary --week {name} --open` makes and shows it"
    )
