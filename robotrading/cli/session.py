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

    import msgspec  # noqa: PLC0415

    from robotrading.cli.out import write  # noqa: PLC0415
    from robotrading.session.job import read_job, write_report  # noqa: PLC0415
    from robotrading.session.processes import Counted, Tick  # noqa: PLC0415
    from robotrading.wiring.counts import Counts  # noqa: PLC0415
    from robotrading.wiring.job import run_job  # noqa: PLC0415

    counts = Counts()

    def say(word: Tick | Counted) -> None:
        write(msgspec.json.encode(word).decode())  # where nobody listens any more, nothing ends because of it

    def tell(step: str, done: int, total: int) -> None:
        say(Tick(step, done, total))
        if counted := counts.take():
            say(counted)

    work = read_job(job)
    try:
        write_report(work, asyncio.run(run_job(work, tell, counts, leashed=leashed)))
    finally:
        if counted := counts.take():
            say(counted)
