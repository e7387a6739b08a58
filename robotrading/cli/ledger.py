"""`robotrading ledger`: check it, and read who changed what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from robotrading.cli.options import AsJson, AsOfBook, ConfigPath, Lines, OfDemo

if TYPE_CHECKING:
    from rich.console import RenderableType

    from robotrading.domain.audit import AuditEntry
    from robotrading.wiring.ledgers import Checked

app = typer.Typer(no_args_is_help=True, help="Check the ledger, and read who changed what.")


@app.command()
def check(config: ConfigPath = None, as_of: AsOfBook = None, demo: OfDemo = False, as_json: AsJson = False) -> None:
    """Say whether the ledger holds together, or everything that does not (exit code 4).

    The file's own soundness, each order and each position against a replay of what happened, executions and
    commissions without their counterpart, runs without a report, halts. Nothing is changed.
    """
    from robotrading.cli import out  # noqa: PLC0415  nothing heavy before it is needed
    from robotrading.cli.exits import Exit  # noqa: PLC0415
    from robotrading.wiring.books import Orders  # noqa: PLC0415
    from robotrading.wiring.ledgers import checked  # noqa: PLC0415

    found = checked(Orders(config, demo=demo, as_of=as_of.date() if as_of else None))
    if as_json:
        out.as_json(found)
    else:
        out.write("\n".join(_words(found)))
    if found.findings:
        raise typer.Exit(Exit.FAILED)


@app.command()
def log(
    config: ConfigPath = None,
    as_of: AsOfBook = None,
    lines: Lines = 50,
    demo: OfDemo = False,
    as_json: AsJson = False,
) -> None:
    """Show what people and the program itself have changed (halts, positions by hand), newest first."""
    from robotrading.cli import out  # noqa: PLC0415
    from robotrading.wiring.books import Orders  # noqa: PLC0415
    from robotrading.wiring.ledgers import audit_lines  # noqa: PLC0415

    found = audit_lines(Orders(config, demo=demo, as_of=as_of.date() if as_of else None), lines)
    if as_json:
        out.as_json(found)
    elif found:
        out.show(*(_line(entry) for entry in found))
    else:
        out.write("Nobody has changed anything yet.")


def _words(found: Checked) -> list[str]:
    from robotrading.cli.out import printable  # noqa: PLC0415

    if not found.findings:
        return [f"{found.ledger}: fine"]
    lines = [f"{one.what}: {printable(one.subject)}: {printable(one.detail)}" for one in found.findings]
    count = len(found.findings)
    head = f"{found.ledger}: {count} thing{'s' if count > 1 else ''} not right"
    return [head, *lines, "Trade nothing with it until this is understood; keep a copy of the ledger as it is now."]


def _line(entry: AuditEntry) -> RenderableType:
    from rich.text import Text  # noqa: PLC0415

    from robotrading.cli.out import printable  # noqa: PLC0415

    change = " -> ".join(printable(side) or "nothing" for side in (entry.before, entry.after))
    when = f"{entry.at:%Y-%m-%d %H:%M:%S} UTC"
    who, what, subject = (printable(word) for word in (entry.who, entry.what, entry.subject))
    return Text(f"{when}  {who}  {what}  {subject}: {change}")
