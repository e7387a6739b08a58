"""`demo`, `plan` and `run`: three names for the same sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from robotrading.cli.options import AsJson, AsOf, ConfigPath, Session, Which

if TYPE_CHECKING:
    from robotrading.domain.instrument import AssetClass
    from robotrading.domain.report import SessionReport
    from robotrading.wiring.books import Orders

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]


def plan(
    which: Session = Which.ALL,
    config: ConfigPath = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what [bold]run[/bold] would do: each trade and each refusal with its reason.

    Nothing is ordered. The hash under a plan lets you run exactly that plan later.
    """
    from robotrading.wiring.books import Orders  # noqa: PLC0415

    orders = Orders(config=config, as_of=as_of.date() if as_of else None, trade=False)
    _finish(_carry_out(orders, which, quiet=quiet or as_json), as_json=as_json, planned=True)


def run(  # noqa: PLR0913, PLR0917  one parameter per option
    which: Session = Which.ALL,
    config: ConfigPath = None,
    as_of: AsOf = None,
    plan_id: Annotated[
        str, typer.Option("--plan", metavar="HASH", help="Execute this plan and nothing else.", show_default=False)
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="The same as `plan`: stop before the first order.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run the sessions: plan, order, wait for the fills, report.

    Each session runs in a process of its own. Orders go where the configuration says: the embedded gateway
    (the default, no account needed), a paper account, or, with two deliberate words, a live one.
    """
    from robotrading.domain.errors import ConfigError  # noqa: PLC0415
    from robotrading.wiring.books import Orders  # noqa: PLC0415

    if plan_id and which is Which.ALL:
        raise ConfigError("--plan HASH belongs to one session: name it, as in `robotrading run equities --plan HASH`")
    orders = Orders(config=config, as_of=as_of.date() if as_of else None, trade=not dry_run, plan_id=plan_id)
    _finish(_carry_out(orders, which, quiet=quiet or as_json), as_json=as_json, planned=dry_run)


def demo(as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Run all three sessions on a made-up market: no account, no keys, no internet.

    The prices are synthetic (seeded, with regimes, gaps and a crash in them); everything else is real: the
    pipeline, the broker's client library, and the wire protocol to the embedded gateway.
    """
    from robotrading.wiring.books import Orders  # noqa: PLC0415

    _finish(_carry_out(Orders(demo=True), Which.ALL, quiet=quiet or as_json), as_json=as_json, planned=False)


def _carry_out(orders: Orders, which: Which, *, quiet: bool) -> list[SessionReport]:
    import asyncio  # noqa: PLC0415

    from robotrading.cli.progress import bars  # noqa: PLC0415
    from robotrading.wiring.runs import carry_out  # noqa: PLC0415

    with bars(shown=not quiet) as progress:
        return asyncio.run(carry_out(orders, _kinds(which), progress))


def _kinds(which: Which) -> tuple[AssetClass, ...]:
    from robotrading.domain.instrument import AssetClass  # noqa: PLC0415

    return tuple(AssetClass) if which is Which.ALL else (AssetClass(which.value),)


def _finish(reports: list[SessionReport], *, as_json: bool, planned: bool) -> None:
    from robotrading.cli.exits import for_reports  # noqa: PLC0415

    if as_json:
        import msgspec  # noqa: PLC0415

        typer.echo(msgspec.json.format(msgspec.json.encode(reports), indent=2).decode())
    else:
        from robotrading.cli.render import console, plan_view, summary_view  # noqa: PLC0415

        out = console()
        for report in reports:
            out.print(plan_view(report) if planned else summary_view(report))
    raise typer.Exit(for_reports(reports))
