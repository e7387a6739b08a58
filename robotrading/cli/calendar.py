"""The hidden command that works out trading days for the service, which must not load pandas itself."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from robotrading.cli.options import read_day


def session_calendar(
    file: Annotated[Path, typer.Argument(help="Where the table goes.")],
    around: Annotated[datetime, typer.Argument(parser=read_day, help="Its middle: the year before to the next.")],
) -> None:
    """Write the table of trading days (used by `serve`)."""
    from robotrading.adapters.calendar import ExchangeCalendar  # noqa: PLC0415  brings pandas
    from robotrading.adapters.calendar_table import write_table, years_around  # noqa: PLC0415
    from robotrading.cli.out import write  # noqa: PLC0415

    first, last = years_around(around.date())
    write(f"{write_table(file, ExchangeCalendar(first, last), first, last)} trading days from {first} to {last}")
