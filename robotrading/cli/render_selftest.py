"""The self test for a terminal: what is replaced, progress, and what held."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from robotrading.cli.render import table, text
from robotrading.wiring.selftest.drills import Drill
from robotrading.wiring.selftest.play import Result, Tell, Verdict
from robotrading.wiring.selftest.practise import Practice

_COLOURS = {Verdict.HELD: "green", Verdict.BROKE: "bold red", Verdict.NOT_REACHED: "yellow"}


def heading(notes: Sequence[str], count: int) -> RenderableType:
    """What the person should know before it begins."""
    drills = "1 drill" if count == 1 else f"{count} drills"
    return Group(
        text(f"SELF TEST: {drills} on your configuration. All settings are yours, but:"),
        *(_bullet(note) for note in notes),
    )


def _bullet(note: str) -> RenderableType:
    """Its lines one under the other."""
    grid = Table.grid(padding=(0, 1))
    grid.add_row("-", text(note))
    return grid


@contextmanager
def telling(count: int, *, shown: bool) -> Iterator[Tell]:
    """A bar on standard error with the drills that are being played; silence without a terminal."""
    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield lambda _drill, _verdict: None
        return
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    task = progress.add_task("the day before", total=count)
    playing: list[str] = []

    def tell(drill: Drill, verdict: str) -> None:
        if verdict:
            playing.remove(drill.name)
            progress.advance(task)
            if verdict == Verdict.BROKE:
                progress.print(Text(f"{drill.name}: BROKE", style="bold red"))
        else:
            playing.append(drill.name)
        more = f" +{len(playing) - 2}" if len(playing) > 2 else ""
        progress.update(task, description=", ".join(playing[:2]) + more)

    with progress:
        yield tell


def list_view(drills: Sequence[Drill]) -> RenderableType:
    """Every drill with what happens in it and what must come of it."""
    shown = table(("Drill", "r"), ("What happens", "l"), ("What must hold", "l"))
    shown.columns[0].justify = "left"
    for drill in drills:
        shown.add_row(text(drill.name, "bold"), text(drill.story), text(drill.holds))
    return shown


def practice_view(practice: Practice, config: Path | None, plan: Path | None) -> RenderableType:
    """The table, what broke in full, and the sum of it."""
    shown = table(("Drill", "r"), ("What happened", "l"), ("What held", "l"), ("Seconds", "r"))
    shown.columns[0].justify = "left"
    for result in practice.results:
        shown.add_row(
            text(result.drill.name, "bold"), text(result.drill.story), _held(result), Text(f"{result.seconds:.0f}")
        )
    broken = (part for result in practice.broke for part in _broken(result, config, plan))
    return Group(shown, *broken, _sum(practice))


def _held(result: Result) -> Text:
    colour = _COLOURS[result.verdict]
    if result.verdict is Verdict.HELD:
        return text(result.drill.holds, colour)
    if result.verdict is Verdict.BROKE:
        return text(f"BROKE: {len(result.broke)} of it, see below", colour)
    return text("not reached: no such order came about with these settings", colour)


_MOST_SENTENCES = 8


def _broken(result: Result, config: Path | None, plan: Path | None) -> Iterable[RenderableType]:
    yield text(f"{result.drill.name} BROKE:", "bold red")
    for sentence in result.broke[:_MOST_SENTENCES]:
        yield Padding(_bullet(sentence), (0, 2))
    more = len(result.broke) - _MOST_SENTENCES
    if more > 0:
        yield Padding(text(f"and {more} more like it"), (0, 4))
    where = Path(result.folder)
    words = ["robotrading", "selftest", *(["--plan", str(plan)] if plan else [result.drill.name])]
    words += ["--config", str(config)] if config else []
    yield Padding(_whole(f"ledger, logs, fault plan: {where}"), (0, 2))
    yield Padding(_whole(f"again: {shlex.join(words)}"), (0, 2))
    yield ""


def _whole(words: str) -> Text:
    """Never broken, so that it can be copied."""
    line = text(words)
    line.no_wrap, line.overflow = True, "ignore"
    return line


def _sum(practice: Practice) -> RenderableType:
    count, broke = len(practice.results), len(practice.broke)
    skipped = sum(1 for result in practice.results if result.verdict is Verdict.NOT_REACHED)
    held = count - broke - skipped
    words = [f"{held} of {count} held", *([f"{broke} BROKE"] if broke else [])]
    words += [f"{skipped} not reached"] if skipped else []
    return text(f"{', '.join(words)}, in {practice.seconds:.0f} s.", "bold red" if broke else "bold")
