"""`robotrading config`: check, show and schema."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from robotrading.cli.options import AsJson, ConfigPath, Origins
from robotrading.cli.out import write

if TYPE_CHECKING:
    from robotrading.config.model import Config

app = typer.Typer(no_args_is_help=True, help="Check and show the configuration.")


def load_or_exit(path: Path | None) -> Config:
    """The configuration in force; its mistakes go to stderr, and the exit code is 2."""
    from robotrading.cli.exits import Exit  # noqa: PLC0415  nothing heavy before it is needed
    from robotrading.config.load import load  # noqa: PLC0415
    from robotrading.config.source import find_file  # noqa: PLC0415
    from robotrading.domain.errors import ConfigError  # noqa: PLC0415

    try:
        return load(path or find_file(Path()), os.environ)
    except ConfigError as error:
        _say_what_is_wrong(str(error))
        raise typer.Exit(Exit.USAGE) from None


@app.command()
def check(config: ConfigPath = None) -> None:
    """Say whether the configuration can be used, or everything that is wrong with it (exit code 2)."""
    from robotrading.config.notes import notes  # noqa: PLC0415
    from robotrading.config.source import find_file  # noqa: PLC0415

    file = config or find_file(Path())
    found = load_or_exit(file)
    sessions = "; ".join(
        f"{kind} {float(found.sessions[kind].share) * 100:g} %, {_when(found, kind)}" for kind in found.enabled
    )
    where = f"mode {found.broker.mode}, gateway {found.broker.gateway}, sessions: {sessions or 'none'}"
    write("\n".join([f"{file or 'built-in defaults'}: fine", where, *(f"note: {note}" for note in notes(found))]))


@app.command()
def show(
    config: ConfigPath = None,
    *,
    as_json: AsJson = False,
    origins: Origins = True,
) -> None:
    """Print every setting in force, secrets masked."""
    from robotrading.config.show import show as render  # noqa: PLC0415
    from robotrading.config.show import shown_tree  # noqa: PLC0415

    found = load_or_exit(config)
    if as_json:
        write(json.dumps(shown_tree(found), indent=2))
    else:
        _print_yaml(render(found, origins=origins))


@app.command()
def schema() -> None:
    """Print the JSON Schema of config.yaml (draft 2020-12)."""
    from robotrading.config.document import schema_text  # noqa: PLC0415

    write(schema_text())


def _when(config: Config, kind: str) -> str:
    from robotrading.domain.instrument import AssetClass  # noqa: PLC0415

    session = config.sessions[AssetClass(kind)]
    return session.schedule


def _say_what_is_wrong(text: str) -> None:
    lines = text.splitlines()
    for line in lines:
        typer.echo(line, err=True)
    typer.echo(f"{len(lines)} to mend; nothing was started. All keys: robotrading config schema", err=True)


def _print_yaml(text: str) -> None:
    """In colour on a terminal, as it is into a pipe."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        write(text)
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.syntax import Syntax  # noqa: PLC0415

    Console().print(Syntax(text, "yaml", background_color="default", word_wrap=False))
