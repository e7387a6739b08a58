"""Options that several commands share."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Which(StrEnum):
    """Which sessions a command is about."""

    ALL = "all"
    EQUITIES = "equities"
    BONDS = "bonds"
    CRYPTO = "crypto"


ConfigPath = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="ROBOTRADING_CONFIG",
        help="Configuration file. Default: ./config.yaml if there is one, else the built-in defaults.",
        show_default=False,
    ),
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        formats=["%Y-%m-%d"],
        metavar="DATE",
        help="Rehearse on a past day: clock fixed 15 minutes before that day's close, prices from the feeds, "
        "embedded gateway, a ledger of its own.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of tables for people.")]
Session = Annotated[Which, typer.Argument(help="Which session: all of them, or one.")]
