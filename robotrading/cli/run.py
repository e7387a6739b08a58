"""`demo`, `plan` and `run`: three names for the same sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from robotrading.cli.options import AsJson, AsOf, ConfigPath, DryRun, PlanId, Quiet, Session, Wait, Which

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from robotrading.cli.closing import Ran
    from robotrading.domain.instrument import AssetClass
    from robotrading.domain.report import SessionReport
    from robotrading.wiring.books import Orders


def plan(
    which: Session = Which.ALL,
    config: ConfigPath = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what `run` would do: each trade and each refusal with its reason.

    Nothing is ordered. The hash under a plan lets you run exactly that plan later.
    """
    from robotrading.wiring.books import Orders  # noqa: PLC0415  nothing heavy before it is needed

    orders = Orders(config=config, as_of=as_of.date() if as_of else None, trade=False)
    _perform(orders, which, as_json=as_json, quiet=quiet)


def run(  # noqa: PLR0913, PLR0917  one parameter per option
    which: Session = Which.ALL,
    config: ConfigPath = None,
    as_of: AsOf = None,
    plan_id: PlanId = "",
    dry_run: DryRun = False,
    wait: Wait = 0.0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run the sessions: plan, order, wait for the fills, report.

    Each session runs in a process of its own. Orders go where the configuration says: the embedded gateway
    (the default, no account needed), a paper account, or, where four settings agree on it, a live one.
    """
    from robotrading.domain.errors import ConfigError  # noqa: PLC0415
    from robotrading.wiring.books import Orders  # noqa: PLC0415

    if plan_id and which is Which.ALL:
        raise ConfigError("--plan HASH belongs to one session: name it, as in `robotrading run equities --plan HASH`")
    if not plan_id.isascii():
        raise ConfigError(f"--plan {plan_id!r} is no plan's hash; `robotrading plan {which.value}` shows one")
    orders = Orders(config=config, as_of=as_of.date() if as_of else None, trade=not dry_run, plan_id=plan_id)
    _perform(orders, which, as_json=as_json, quiet=quiet, wait=wait)


def demo(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Run all three sessions on a made-up market: no account, no keys, no internet.

    The prices are synthetic (seeded, with regimes, gaps and a crash in them). Everything else is real: the pipeline,
    the broker's client library, and the wire protocol to the embedded gateway. Each demo starts afresh.
    """
    from robotrading.wiring.books import Orders  # noqa: PLC0415

    _perform(Orders(demo=True), Which.ALL, as_json=as_json, quiet=quiet)


def _perform(orders: Orders, which: Which, *, as_json: bool, quiet: bool, wait: float = 0.0) -> None:
    """Say where, run, show, and leave with the exit code."""
    from robotrading.cli.closing import Ran  # noqa: PLC0415
    from robotrading.cli.exits import for_reports  # noqa: PLC0415
    from robotrading.cli.out import write  # noqa: PLC0415
    from robotrading.cli.place import heading  # noqa: PLC0415
    from robotrading.wiring.books import book_for, load_config  # noqa: PLC0415
    from robotrading.wiring.gateway import EMBEDDED_ACCOUNT  # noqa: PLC0415
    from robotrading.wiring.logs import log_command  # noqa: PLC0415
    from robotrading.wiring.runs import deliver_reports  # noqa: PLC0415

    config = load_config(orders)
    log_command(config)
    if not as_json:
        write(heading(config, orders, EMBEDDED_ACCOUNT))
    reports = _carry_out(orders, which, wait, quiet=quiet or as_json)
    notes = deliver_reports(config, orders, reports).notes
    ran = Ran(orders, reports, book_for(config, orders).root, notes)
    _tell_programs(ran) if as_json else _tell_people(ran)
    raise typer.Exit(for_reports(reports))


def _tell_people(ran: Ran) -> None:
    """The sessions one under the other, then files, notes and what to do next."""
    from robotrading.cli.closing import closing  # noqa: PLC0415
    from robotrading.cli.out import show, write  # noqa: PLC0415
    from robotrading.cli.place import same_place  # noqa: PLC0415
    from robotrading.cli.render import plan_view, summary_view  # noqa: PLC0415

    again = same_place(ran.orders)
    show(*(summary_view(report) if ran.orders.trade else plan_view(report, again) for report in ran.reports))
    write("\n".join(closing(ran)))


def _tell_programs(ran: Ran) -> None:
    """One JSON object; its keys are documented in docs/commands.md."""
    from robotrading.cli.exits import for_reports  # noqa: PLC0415
    from robotrading.cli.out import as_json  # noqa: PLC0415

    folders = {report.run_id: str(ran.folder(report).absolute()) for report in ran.reports}
    code = int(for_reports(ran.reports))
    as_json({"version": 1, "exit_code": code, "folders": folders, "notes": ran.notes, "reports": ran.reports})


def _carry_out(orders: Orders, which: Which, wait: float, *, quiet: bool) -> list[SessionReport]:
    import asyncio  # noqa: PLC0415

    from robotrading.cli.exits import Exit  # noqa: PLC0415
    from robotrading.cli.progress import bars  # noqa: PLC0415
    from robotrading.wiring.runs import carry_out  # noqa: PLC0415

    try:
        with bars(shown=not quiet) as progress:
            return asyncio.run(_until_told(carry_out(orders, _kinds(which), progress, wait)))
    except KeyboardInterrupt:
        said, code = "interrupted", Exit.INTERRUPTED
    except asyncio.CancelledError:
        said, code = "told to stop", Exit.TERMINATED
    typer.echo(f"robotrading: {said}; the sessions were ended, and the next run settles what they left open", err=True)
    raise typer.Exit(code)


async def _until_told(work: Awaitable[list[SessionReport]]) -> list[SessionReport]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does: the children are stopped before we leave."""
    import asyncio  # noqa: PLC0415
    import signal  # noqa: PLC0415

    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task


def _kinds(which: Which) -> tuple[AssetClass, ...]:
    from robotrading.domain.instrument import AssetClass  # noqa: PLC0415

    return tuple(AssetClass) if which is Which.ALL else (AssetClass(which.value),)
