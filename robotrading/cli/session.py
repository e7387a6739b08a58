"""The hidden command that is a session process: read the job, run the pipeline, leave the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Leashed = Annotated[bool, typer.Option("--leashed", help="End when standard input ends, as it does with the parent.")]


def session(
    job: Annotated[Path, typer.Argument(help="The job file written by `robotrading run`.")], leashed: Leashed = False
) -> None:
    """Run one session job (used by `run`, `plan` and `demo`)."""
    import asyncio  # noqa: PLC0415
    import logging  # noqa: PLC0415
    import sys  # noqa: PLC0415

    import msgspec  # noqa: PLC0415

    from robotrading.session.job import read_job, write_report  # noqa: PLC0415
    from robotrading.session.processes import Tick  # noqa: PLC0415
    from robotrading.wiring.job import run_job  # noqa: PLC0415
    from robotrading.wiring.logs import FORMAT  # noqa: PLC0415

    logging.basicConfig(level=logging.INFO, format=FORMAT)

    def tell(step: str, done: int, total: int) -> None:
        sys.stdout.write(msgspec.json.encode(Tick(step, done, total)).decode() + "\n")
        sys.stdout.flush()

    work = read_job(job)
    write_report(work, asyncio.run(run_job(work, tell, leashed=leashed)))
