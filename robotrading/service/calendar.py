"""The daemon's calendar: a table of trading days that a child process works out.

Entry points: `current_calendar`, `keep_current`.
Invariants: pandas is never loaded in the calling process; a table that is damaged, missing or nearly used up is made
anew; when that fails, an old one that still has days ahead is better than none, and the log says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

from robotrading.adapters.calendar_table import CalendarUnusable, TableCalendar, read_table
from robotrading.domain.instrument import AssetClass
from robotrading.domain.ports import Clock
from robotrading.session.processes import command, stop_group

_PATIENCE = 120.0
_LOOK_SECONDS = 60.0
_RENEW_SECONDS = 6 * 3600.0
_LONGEST = 300

log = logging.getLogger(__name__)


async def current_calendar(path: Path, today: date, patience: float = _PATIENCE) -> TableCalendar:
    """The table at `path`, made anew first where it must be. Takes `patience` seconds and a few at most.

    Raises `CalendarUnusable` when there is none that knows the coming days.
    """
    calendar, why = _look(path, today)
    if calendar is not None and not why:
        return calendar
    log.info("trading days are worked out anew: %s", why)
    trouble = await _make(path, today, patience)
    made, still = _look(path, today)
    if made is not None and not trouble:
        if still:
            log.warning("the new table of trading days is not as it should be: %s", still)
        return made
    if calendar is not None and calendar.last > today:
        log.error("trading days could not be worked out anew (%s); known ones end on %s", trouble, calendar.last)
        return calendar
    raise CalendarUnusable(f"{why}; working it out anew failed: {trouble or still}. Try `robotrading schedule`")


async def keep_current(
    known: TableCalendar,
    clock: Clock,
    make: Callable[[date], Awaitable[TableCalendar]],
    use: Callable[[TableCalendar], None],
) -> None:
    """Hand over a newer table now and then, until cancelled; within a minute where `known` has not today in it.

    A machine that starts with a wrong date, and learns the right one later, begins with a table of other years.
    """
    rested = 0.0
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        rested += _LOOK_SECONDS
        today = clock.now().date()
        if rested < _RENEW_SECONDS and _knows(known, today):
            continue
        rested = 0.0
        with suppress(CalendarUnusable):  # the one in use tells when it is used up
            known = await make(today)
            use(known)


def _knows(calendar: TableCalendar, day: date) -> bool:
    try:
        calendar.is_trading_day(AssetClass.EQUITIES, day)
    except CalendarUnusable:
        return False
    return True


def _look(path: Path, today: date) -> tuple[TableCalendar | None, str]:
    """What is there, and why it should be made anew ('' when it need not)."""
    try:
        calendar = read_table(path)
    except CalendarUnusable as error:
        return None, str(error)
    return calendar, calendar.stale(today)


async def _make(path: Path, today: date, patience: float) -> str:
    """Have a child write the table; what went wrong, '' when nothing did."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command("session-calendar", str(path), today.isoformat()),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return f"the process could not be started: {error}"
    try:
        async with asyncio.timeout(patience):
            _, said = await process.communicate()
    except TimeoutError:
        return f"it took longer than {patience:g} s"
    finally:
        await stop_group(process)
    words = said.decode(errors="replace").strip()[-_LONGEST:]
    return f"exit code {process.returncode}: {words}" if process.returncode else ""
