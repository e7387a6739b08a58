"""`schedule`: when the sessions run next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from robotrading.cli.options import AsJson, ConfigPath

if TYPE_CHECKING:
    from rich.console import RenderableType

    from robotrading.domain.claims import Occurrence
    from robotrading.session.timetable import NotDue

Ahead = Annotated[int, typer.Option("--days", min=1, max=120, metavar="NUMBER", help="How many days ahead.")]


def schedule(config: ConfigPath = None, days: Ahead = 7, as_json: AsJson = False) -> None:
    """Show when the service runs each session in the coming days, in the exchange's time and in yours.

    Answers from the configuration and the exchange's calendar alone: holidays, half days and daylight saving included.
    """
    from robotrading.adapters.clock import SystemClock  # noqa: PLC0415  nothing heavy before it is needed
    from robotrading.cli import out  # noqa: PLC0415
    from robotrading.cli.config import load_or_exit  # noqa: PLC0415
    from robotrading.wiring.timetable import coming, next_runs  # noqa: PLC0415

    found = load_or_exit(config)
    now = SystemClock().now()
    entries = coming(found, now, days)
    if as_json:
        out.as_json({"now": now, "days": days, "sessions": next_runs(found, now), "coming": entries})
        return
    rules = [f"{kind}: {found.sessions[kind].schedule}" for kind in found.enabled]
    out.show(*rules, "", _view(entries, days))


def _view(entries: tuple[Occurrence | NotDue, ...], days: int) -> RenderableType:
    from robotrading.cli.render import table, text  # noqa: PLC0415
    from robotrading.domain.claims import Occurrence  # noqa: PLC0415
    from robotrading.session.schedule import zone_of  # noqa: PLC0415

    if not entries:
        return text(f"No session runs in the next {days} days. Try: robotrading schedule --days 120")
    shown = table(("Session", "l"), ("At the exchange", "l"), ("Here", "l"), ("", "l"))
    for entry in entries:
        due = entry.due_at if isinstance(entry, Occurrence) else entry.at
        there, here = due.astimezone(zone_of(entry.kind)), due.astimezone()
        note = "" if isinstance(entry, Occurrence) else f"skipped: {entry.reason}"
        shown.add_row(entry.kind.value, f"{there:%a %Y-%m-%d %H:%M %Z}", f"{here:%a %H:%M %Z}", text(note))
    return shown
