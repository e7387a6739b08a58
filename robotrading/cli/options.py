"""Options that commands share: each is declared once, so that a name means the same everywhere."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


def read_day(text: str) -> datetime:
    """A day as it is typed; of the months' and days' order nothing is guessed."""
    try:
        return datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007  a day has no zone
    except ValueError:
        raise typer.BadParameter(f"'{text}' is no day; write it as 2025-09-26: year, month, day") from None


class Which(StrEnum):
    """Which sessions a command is about."""

    ALL = "all"
    EQUITIES = "equities"
    BONDS = "bonds"
    CRYPTO = "crypto"


class OwnerName(StrEnum):
    """Which session owns a position."""

    EQUITIES = "equities"
    BONDS = "bonds"
    CRYPTO = "crypto"


Session = Annotated[Which, typer.Argument(metavar="SESSION", help="all, equities, bonds or crypto.", show_default=True)]
ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        envvar="ROBOTRADING_CONFIG",
        help="Configuration file. Default: ./config.yaml if there is one, else the built-in defaults.",
        show_default=False,
    ),
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        parser=read_day,
        metavar="YYYY-MM-DD",
        help="Rehearse on a past day: the clock stands 15 minutes before that day's close, prices come from the "
        "configured sources, orders go to the embedded gateway, and the ledger is the rehearsals' own.",
        show_default=False,
    ),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0.0,
        max=3600.0,
        help="How long to wait while another copy has the account, or until the right of one that died has run out "
        "(80 seconds).",
    ),
]
AsOfBook = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        parser=read_day,
        metavar="YYYY-MM-DD",
        help="Of the rehearsals' ledger (one for all rehearsed days).",
        show_default=False,
    ),
]
OfDemo = Annotated[bool, typer.Option("--demo", metavar="", help="Of the last demo.")]
AsJson = Annotated[
    bool,
    typer.Option("--json", metavar="", help="JSON for programs on standard output, and nothing else there."),
]
Lines = Annotated[int, typer.Option("--lines", "-n", min=1, metavar="NUMBER", help="How many of the newest lines.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", metavar="", help="No progress bars.")]
PlanId = Annotated[
    str,
    typer.Option(
        "--plan",
        metavar="HASH",
        help="Execute the plan with this hash and nothing else; refused when the world has moved. Needs one SESSION.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", metavar="", help="The same as `plan`: stop before the first order.")]
Origins = Annotated[
    bool, typer.Option("--origins/--no-origins", metavar="", help="Say beside each value where it was set.")
]

Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, metavar="PORT", help="Port to listen on; 0 takes a free one.")
]
Host = Annotated[
    str,
    typer.Option("--host", metavar="ADDRESS", help="Address to listen on. There is no password: keep it local."),
]
GatewayMemory = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="FILE",
        help="File that keeps account, orders and executions over restarts.",
        show_default=False,
    ),
]
Seed = Annotated[
    int,
    typer.Option("--seed", metavar="NUMBER", help="Seed of the made-up market: the same seed, the same prices."),
]
ClockDay = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        parser=read_day,
        metavar="YYYY-MM-DD",
        help="Hold the clock on a past day, 15 minutes before its close.",
        show_default=False,
    ),
]
AlwaysOpen = Annotated[bool, typer.Option("--always-open", metavar="", help="Fill orders outside market hours too.")]
Owner = Annotated[
    OwnerName, typer.Option("--owner", metavar="SESSION", help="equities, bonds or crypto: which session owns it.")
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why, in your words; it is kept for ever.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Record it without asking.")]
