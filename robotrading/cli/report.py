"""`report`: what a run did, in the terminal, in the browser, as JSON; and the list of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from robotrading.cli.options import AsJson, AsOfBook, ConfigPath, Lines, OfDemo

if TYPE_CHECKING:
    from robotrading.domain.report import SessionReport
    from robotrading.wiring.books import Orders

Run = Annotated[str, typer.Argument(metavar="RUN", help="last, or a run's id or a part of it that no other has.")]
Open = Annotated[bool, typer.Option("--open", metavar="", help="Show the page with its pictures in the browser.")]
ListAll = Annotated[
    bool, typer.Option("--list", "-l", metavar="", help="List the runs that have a report, newest first.")
]


def report(  # noqa: PLR0913, PLR0917  one parameter per option
    run: Run = "last",
    show: Open = False,
    list_all: ListAll = False,
    lines: Lines = 20,
    config: ConfigPath = None,
    as_of: AsOfBook = None,
    demo: OfDemo = False,
    as_json: AsJson = False,
) -> None:
    """Show what a run did: money, orders with their reasons, what was left out and why, models and regimes.

    From what is stored; nothing is asked of the broker or the internet.
    """
    from robotrading.cli import out  # noqa: PLC0415  nothing heavy before it is needed
    from robotrading.wiring import pages  # noqa: PLC0415
    from robotrading.wiring.books import Orders  # noqa: PLC0415

    orders = Orders(config, demo=demo, as_of=as_of.date() if as_of else None)
    if list_all:
        _list(orders, lines, as_json=as_json)
        return
    found = pages.stored_report(orders, run)
    if as_json:
        out.as_json(found)
    elif show:
        _open(orders, found)
    else:
        out.write(pages.text_of(orders, found))


def _list(orders: Orders, lines: int, *, as_json: bool) -> None:
    from robotrading.cli import out  # noqa: PLC0415
    from robotrading.cli.render_explain import history_view  # noqa: PLC0415
    from robotrading.wiring.pages import history  # noqa: PLC0415

    found = history(orders, lines)
    if as_json:
        out.as_json(found)
        return
    from robotrading.cli.place import same_place  # noqa: PLC0415
    from robotrading.wiring.books import elsewhere  # noqa: PLC0415

    out.show(history_view(found, same_place(orders), elsewhere(orders)))


def _open(orders: Orders, found: SessionReport) -> None:
    """Where there is no browser, the address is what a person can take elsewhere."""
    import webbrowser  # noqa: PLC0415

    from robotrading.cli.out import write  # noqa: PLC0415
    from robotrading.wiring.pages import page_file  # noqa: PLC0415

    page = page_file(orders, found).absolute()
    opened = webbrowser.open(page.as_uri())
    write(f"{page}" if opened else f"No browser could be opened. The page is {page}")


def make_pages(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs.")],
    config: ConfigPath = None,
    as_of: AsOfBook = None,
    demo: OfDemo = False,
) -> None:
    """Make page, text and mail of runs, with pictures (used after `run`, `plan` and `demo`)."""
    from robotrading.wiring import pages  # noqa: PLC0415
    from robotrading.wiring.books import Orders  # noqa: PLC0415

    pages.make_pages(Orders(config, demo=demo, as_of=as_of.date() if as_of else None), runs)
