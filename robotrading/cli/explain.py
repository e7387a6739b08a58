"""`explain`: one instrument in one run, from its prices to its orders."""

from __future__ import annotations

from typing import Annotated

import typer

from robotrading.cli.options import AsJson, AsOfBook, ConfigPath, OfDemo

Symbol = Annotated[str, typer.Argument(metavar="SYMBOL", help="As in the configuration, e.g. BRK-B or BTC-USD.")]
RunId = Annotated[
    str,
    typer.Option(
        "--run",
        metavar="RUN",
        help="A run's id or a part of it that no other has. Default: the last run that knows the symbol.",
        show_default=False,
    ),
]


def explain(  # noqa: PLR0913, PLR0917  one parameter per option
    symbol: Symbol,
    run: RunId = "",
    config: ConfigPath = None,
    as_of: AsOfBook = None,
    demo: OfDemo = False,
    as_json: AsJson = False,
) -> None:
    """Tell why an instrument was traded in a run, or why not, from its prices to its executions.

    From what is stored; nothing is fetched and nothing is reckoned anew.
    """
    from robotrading.cli import out  # noqa: PLC0415  nothing heavy before it is needed
    from robotrading.wiring.books import Orders  # noqa: PLC0415
    from robotrading.wiring.explain import explained  # noqa: PLC0415

    found = explained(Orders(config, demo=demo, as_of=as_of.date() if as_of else None), symbol, run)
    if as_json:
        out.as_json(found)
        return
    from robotrading.cli.render_explain import explain_view  # noqa: PLC0415

    out.show(explain_view(found))
