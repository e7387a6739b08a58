"""The command line's root. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from robotrading import __version__
from robotrading.cli import (
    calendar,
    config,
    doctor,
    explain,
    gateway,
    halt,
    health,
    ledger,
    messages,
    positions,
    report,
    resolve,
    run,
    schedule,
    selftest,
    serve,
    session,
    status,
    summary,
)


class _Commands(TyperGroup):
    """The commands; an interrupt, of which typer would make a silent exit, is told."""

    def make_context(self, *words: Any, **options: Any) -> Any:
        try:
            return super().make_context(*words, **options)
        except KeyboardInterrupt as interrupt:
            raise typer.Exit(_interrupted(interrupt)) from None

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            raise typer.Exit(_interrupted(interrupt)) from None


app = typer.Typer(
    name="robotrading",
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Rebalance a portfolio at Interactive Brokers, unattended.\n\n"
    "Start with `robotrading demo`: no account, no keys, no internet. Then edit config.yaml, look at "
    "`robotrading plan all`, and let `robotrading run all` do just that. Paper trading and the "
    "embedded gateway are the default; live trading must be asked for by four settings.",
    epilog="Exit codes: 0 fine, 2 wrong usage or configuration, 3 done in part, 4 failed, 5 another "
    "copy has the account, 1 a bug, 130 interrupted.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"robotrading {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


app.command(rich_help_panel="Trade")(run.demo)
app.command(rich_help_panel="Trade")(run.plan)
app.command("run", rich_help_panel="Trade")(run.run)
app.command(rich_help_panel="Trade")(serve.serve)
app.command(rich_help_panel="Trade")(halt.halt)
app.command(rich_help_panel="Trade")(halt.resume)
app.command(rich_help_panel="Look")(status.status)
app.command(rich_help_panel="Look")(health.health)
app.command(rich_help_panel="Look")(report.report)
app.command(rich_help_panel="Look")(explain.explain)
app.command(rich_help_panel="Look")(summary.summary)
app.command(rich_help_panel="Look")(schedule.schedule)
app.command(rich_help_panel="Look")(doctor.doctor)
app.add_typer(positions.positions, name="positions", rich_help_panel="Look")
app.command("resolve", rich_help_panel="Look")(resolve.resolve)
app.add_typer(ledger.app, name="ledger", rich_help_panel="Look")
app.add_typer(messages.app, name="messages", rich_help_panel="Look")
app.add_typer(config.app, name="config", rich_help_panel="Look")
app.command("gateway", rich_help_panel="Practise")(gateway.gateway)
app.command("selftest", rich_help_panel="Practise")(selftest.selftest)
app.command("session", hidden=True)(session.session)
app.command("session-calendar", hidden=True)(calendar.session_calendar)
app.command("make-pages", hidden=True)(report.make_pages)
app.command("send-summary", hidden=True)(summary.send_summary)
app.command("session-report", hidden=True)(serve.session_report)
app.command("send-messages", hidden=True)(messages.send_messages)
app.command("serve-gateway", hidden=True)(serve.serve_gateway)


def main() -> None:
    """Run the command line; our own errors are one message and an exit code, never a traceback."""
    from robotrading.cli.exits import for_error  # noqa: PLC0415
    from robotrading.domain.errors import RobotradingError  # noqa: PLC0415

    _accept_every_character()
    # Our children take their modules from where ours are, never from the folder that we were called in.
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        app()
    except RobotradingError as error:
        sys.stderr.write(f"robotrading: {error}\n")
        raise SystemExit(for_error(error)) from error
    except KeyboardInterrupt as interrupt:  # before a command was called
        raise SystemExit(_interrupted(interrupt)) from None


def _interrupted(interrupt: KeyboardInterrupt) -> int:
    """Say so, with what the one who was interrupted has to add; the exit code."""
    from robotrading.cli.exits import Exit  # noqa: PLC0415

    sys.stderr.write("; ".join(["robotrading: interrupted", *map(str, interrupt.args)]) + "\n")
    return Exit.INTERRUPTED


def _accept_every_character() -> None:
    """A terminal with a small code page shows an escape instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
