"""`status`: what is known without asking anybody."""

from __future__ import annotations

import typer

from robotrading.cli.options import AsJson, AsOf, ConfigPath


def status(config: ConfigPath = None, as_of: AsOf = None, as_json: AsJson = False) -> None:
    """Show the last runs, what the bot owns, and which orders have no known end.

    Answers from the ledger alone; nothing is asked of the broker. With --as-of, of the rehearsals' ledger.
    """
    from robotrading.wiring.books import Orders, status_of  # noqa: PLC0415

    found = status_of(Orders(config, as_of=as_of.date() if as_of else None))
    if as_json:
        import msgspec  # noqa: PLC0415

        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return
    from robotrading.cli.render import console  # noqa: PLC0415
    from robotrading.cli.render_status import status_view  # noqa: PLC0415

    console().print(status_view(found))
