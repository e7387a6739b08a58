"""The command line's root. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from robotrading import __version__
from robotrading.cli import config, gateway, run, session, status

app = typer.Typer(
    name="robotrading",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Rebalance a portfolio at Interactive Brokers, unattended.\n\n"
    "Start with [bold]robotrading demo[/bold]: no account, no keys, no internet. Then edit config.yaml, look at "
    "[bold]robotrading plan all[/bold], and let [bold]robotrading run all[/bold] do just that. Paper trading and the "
    "embedded gateway are the default; live trading needs two deliberate words.",
    epilog="Exit codes: 0 fine, 2 wrong usage or configuration, 3 done in part, 4 failed, 1 a bug.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"robotrading {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


app.command(rich_help_panel="Trade")(run.demo)
app.command(rich_help_panel="Trade")(run.plan)
app.command("run", rich_help_panel="Trade")(run.run)
app.command(rich_help_panel="Look")(status.status)
app.add_typer(config.app, name="config", rich_help_panel="Look")
app.command("gateway", rich_help_panel="Practise")(gateway.gateway)
app.command("session", hidden=True)(session.session)


def main() -> None:
    """Run the command line; our own errors are one message and an exit code, never a traceback."""
    from robotrading.cli.exits import Exit, for_error  # noqa: PLC0415
    from robotrading.domain.errors import RobotradingError  # noqa: PLC0415

    try:
        app()
    except RobotradingError as error:
        sys.stderr.write(f"robotrading: {error}\n")
        raise SystemExit(for_error(error)) from error
    except KeyboardInterrupt:
        sys.stderr.write("robotrading: interrupted\n")
        raise SystemExit(Exit.INTERRUPTED) from None
