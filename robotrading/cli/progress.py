"""Progress bars while sessions run; only where a terminal is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from robotrading.session.job import Job

Tell = Callable[[Job, str, int, int], None]


@contextmanager
def bars(*, shown: bool) -> Iterator[Tell]:
    """A bar per session on standard error, gone when the work is done; silence without a terminal."""
    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield lambda _job, _step, _done, _total: None
        return
    progress = Progress(
        TextColumn("{task.fields[kind]:9}"),
        TextColumn("{task.description:9}"),
        BarColumn(),
        TextColumn("{task.fields[count]:>7}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    tasks: dict[str, TaskID] = {}

    def tell(job: Job, step: str, done: int, total: int) -> None:
        if job.run_id not in tasks:
            tasks[job.run_id] = progress.add_task(step, kind=job.kind.value, count="")
        count = f"{done}/{total}" if total else ""
        progress.update(tasks[job.run_id], description=step, completed=done, total=total or 1, count=count)

    with progress:
        yield tell
