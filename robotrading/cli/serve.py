"""`serve`: the service, and the hidden commands that are its children."""

from __future__ import annotations

from typing import Annotated

import typer

from robotrading.cli.options import ConfigPath, Port


def serve(config: ConfigPath = None) -> None:
    """Run the sessions at their times, unattended, until told to stop.

    Health, metrics and a status page are served on `service.host` and `service.port`. SIGTERM or Ctrl-C stops it within
    `service.stop_seconds`: running sessions finish or cancel what is at work and write their reports. A second signal
    ends it at once. Exit code 0 when it was asked to stop, 70 when it gave up.
    """
    from robotrading.wiring.serve import serve_config  # noqa: PLC0415  nothing heavy before it is needed

    raise typer.Exit(serve_config(config))


def serve_gateway(port: Port = 0, config: ConfigPath = None) -> None:
    """Serve the configured instruments as the embedded gateway (used by `serve`)."""
    import asyncio  # noqa: PLC0415

    from robotrading.wiring.serve import serve_gateway as serving  # noqa: PLC0415

    asyncio.run(serving(config, port))


def session_report(
    run_id: Annotated[str, typer.Argument(help="The run whose report is in the ledger.")], config: ConfigPath = None
) -> None:
    """Draw and mail the report of a run (used by `serve`)."""
    from robotrading.cli.out import printable, write  # noqa: PLC0415
    from robotrading.wiring.serve import deliver_run  # noqa: PLC0415

    write(printable("\n".join(deliver_run(config, run_id))))
