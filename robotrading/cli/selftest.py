"""`selftest`: misfortunes played against a person's own configuration, and what held."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robotrading.cli.options import AsJson, ConfigPath, Quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from robotrading.wiring.selftest.drills import Drill
    from robotrading.wiring.selftest.practise import Practice

Names = Annotated[
    list[str] | None, typer.Argument(metavar="DRILL", help="Drills to play, by name. Default: all of them.")
]
Listed = Annotated[bool, typer.Option("--list", metavar="", help="Say which drills there are, and play none.")]
Keep = Annotated[
    Path | None,
    typer.Option(
        "--keep",
        metavar="FOLDER",
        help="Keep every drill's ledger, logs and reports there (an empty folder). Without it only those of drills "
        "that broke are kept.",
        show_default=False,
    ),
]
PlanFile = Annotated[
    Path | None,
    typer.Option(
        "--plan", metavar="FILE", help="Play your own fault plan (JSON) instead of the drills.", show_default=False
    ),
]
Simulate = Annotated[
    int,
    typer.Option(
        "--simulate",
        metavar="NUMBER",
        min=0,
        help="Instead of the drills, play so many made-up stories in a simulated world of its own: thousands in "
        "minutes, but not with your settings.",
        show_default=False,
    ),
]
SeedFrom = Annotated[
    int, typer.Option("--seed-from", metavar="SEED", min=0, help="With --simulate: the first story's seed.")
]


def selftest(  # noqa: PLR0913, PLR0917  one parameter per option
    names: Names = None,
    config: ConfigPath = None,
    listed: Listed = False,
    plan: PlanFile = None,
    keep: Keep = None,
    simulate: Simulate = 0,
    seed_from: SeedFrom = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Play misfortunes against your configuration, and say what held.

    Lost connections, lost and doubled answers, corrected executions, a full disk, kill -9, and more. Each drill is a
    real run with your settings at the embedded gateway, and a second run that must recover from it. Nothing leaves
    this machine; no account, no internet and no mail is used, and your own ledger is not touched. Takes two to
    three minutes on two cores. Exit code 4 when something broke: the drill's folder is kept, and the command that
    repeats it is printed.
    """
    from asyncio import CancelledError  # noqa: PLC0415  nothing heavy before it is needed

    from robotrading.cli.exits import Exit  # noqa: PLC0415
    from robotrading.domain.errors import ConfigError  # noqa: PLC0415

    if seed_from and not simulate:
        raise ConfigError(
            f"--seed-from {seed_from} is of the simulation: give --simulate NUMBER with it, or leave it out"
        )
    if simulate:
        _alone(named=bool(names or plan or listed or keep or as_json))
        raise typer.Exit(Exit.OK if _simulated(simulate, seed_from, quiet=quiet) else Exit.FAILED)
    drills = _drills(names or [], plan)
    if listed:
        _show_list(drills, as_json=as_json)
        return
    try:
        practice = _practise(config, drills, keep, as_json=as_json, quiet=quiet)
    except CancelledError:
        typer.echo("robotrading: told to stop; the drills were ended", err=True)
        raise typer.Exit(Exit.TERMINATED) from None
    code = Exit.FAILED if practice.broke else Exit.OK
    _tell_programs(practice, code) if as_json else _tell_people(practice, config, plan)
    raise typer.Exit(code)


def _alone(*, named: bool) -> None:
    """Raises `ConfigError`: what belongs to the drills would be passed over in silence."""
    from robotrading.domain.errors import ConfigError  # noqa: PLC0415

    if named:
        raise ConfigError(
            "--simulate NUMBER plays stories instead of drills, and tells of them in a table: leave the names of "
            "drills, --plan, --list, --keep and --json out"
        )


def _drills(names: Sequence[str], plan: Path | None) -> tuple[Drill, ...]:
    from robotrading.domain.errors import ConfigError  # noqa: PLC0415
    from robotrading.wiring.selftest.drills import DRILLS, drill_named  # noqa: PLC0415

    if plan is None:
        chosen = tuple(dict.fromkeys(drill_named(name) for name in names))
        return chosen or DRILLS
    if names:
        raise ConfigError("--plan FILE is played by itself: leave the names of drills out")
    from robotrading.wiring.selftest.practise import drill_of_plan  # noqa: PLC0415

    return (drill_of_plan(plan),)


def _practise(
    config: Path | None, drills: Sequence[Drill], keep: Path | None, *, as_json: bool, quiet: bool
) -> Practice:
    from robotrading.cli.out import show  # noqa: PLC0415
    from robotrading.cli.render_selftest import heading, telling  # noqa: PLC0415
    from robotrading.wiring.selftest.practise import practise  # noqa: PLC0415

    with telling(len(drills), shown=not (quiet or as_json)) as tell:
        return practise(
            config, drills, keep, tell, announce=lambda notes: None if as_json else show(heading(notes, len(drills)))
        )


def _tell_people(practice: Practice, config: Path | None, plan: Path | None) -> None:
    from robotrading.cli.out import show  # noqa: PLC0415
    from robotrading.cli.render_selftest import practice_view  # noqa: PLC0415

    show(practice_view(practice, config, plan))


def _tell_programs(practice: Practice, code: int) -> None:
    """One JSON object; its keys are documented in docs/commands.md."""
    from robotrading.cli.out import as_json  # noqa: PLC0415

    drills = [
        {
            "name": result.drill.name,
            "story": result.drill.story,
            "holds": result.drill.holds,
            "verdict": result.verdict,
            "broke": result.broke,
            "sessions": result.kinds,
            "orders": result.orders,
            "seconds": round(result.seconds, 1),
            "folder": result.folder,
        }
        for result in practice.results
    ]
    seconds = round(practice.seconds, 1)
    as_json({"version": 1, "exit_code": int(code), "notes": practice.notes, "seconds": seconds, "drills": drills})


def _show_list(drills: Sequence[Drill], *, as_json: bool) -> None:
    from robotrading.cli import out  # noqa: PLC0415
    from robotrading.cli.render_selftest import list_view  # noqa: PLC0415

    if as_json:
        out.as_json([{"name": one.name, "story": one.story, "holds": one.holds} for one in drills])
    else:
        out.show(list_view(drills))


def _simulated(count: int, first: int, *, quiet: bool) -> bool:
    """Whether every promise was kept."""
    import sys  # noqa: PLC0415

    from robotrading.adapters.clock import SystemClock  # noqa: PLC0415
    from robotrading.cli.out import write  # noqa: PLC0415
    from robotrading.wiring.drills.simulate import simulate, table  # noqa: PLC0415
    from robotrading.wiring.selftest.practise import jobs  # noqa: PLC0415

    def progress(done: int) -> None:
        if not quiet and sys.stderr.isatty():
            sys.stderr.write(f"\r{done} of {count} stories" + ("\n" if done == count else ""))

    began = SystemClock().monotonic()
    summary = simulate(range(first, first + count), jobs(), progress)
    seconds = SystemClock().monotonic() - began
    write("\n".join([*(failure.told for failure in summary.failures), *table(summary, seconds)]))
    return summary.ok
