"""`summary`: how the account did in a week, in the terminal, in the browser, as JSON, by mail."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from robotrading.cli.options import AsJson, AsOfBook, ConfigPath, OfDemo, read_day

if TYPE_CHECKING:
    from datetime import date

    from robotrading.wiring.books import Orders

Week = Annotated[
    datetime | None,
    typer.Option(
        "--week",
        parser=read_day,
        metavar="YYYY-MM-DD",
        help="The seven days up to and including this one. Default: up to today in New York.",
        show_default=False,
    ),
]
Open = Annotated[bool, typer.Option("--open", metavar="", help="Show the page with its pictures in the browser.")]
Mail = Annotated[bool, typer.Option("--mail", metavar="", help="Send it to the recipients of reports, now and once.")]


def summary(  # noqa: PLR0913, PLR0917  one parameter per option
    week: Week = None,
    show: Open = False,
    mail: Mail = False,
    config: ConfigPath = None,
    as_of: AsOfBook = None,
    demo: OfDemo = False,
    as_json: AsJson = False,
) -> None:
    """Sum up a week: return, volatility, Sharpe ratio, deepest loss, turnover, costs, slippage, hit rate.

    Beside them are the three months before. From what is stored; nothing is asked of the broker or the internet. The
    service mails it when `report.weekly` says.
    """
    from robotrading.cli import out  # noqa: PLC0415  nothing heavy before it is needed
    from robotrading.wiring.books import Orders  # noqa: PLC0415
    from robotrading.wiring.summary import page_of, summary_of, text_of  # noqa: PLC0415

    if show + mail + as_json > 1:
        raise typer.BadParameter("--open, --mail and --json exclude each other; give one of them")
    orders = Orders(config, demo=demo, as_of=as_of.date() if as_of else None)
    day = week.date() if week else None
    if mail:
        _mail(orders, day)
        return
    found = summary_of(orders, day)
    if as_json:
        out.as_json(found)
    elif show:
        import webbrowser  # noqa: PLC0415

        page = page_of(orders, found).absolute()
        opened = webbrowser.open(page.as_uri())
        out.write(f"{page}" if opened else f"No browser could be opened. The page is {page}")
    else:
        out.write(text_of(found))


def _mail(orders: Orders, day: date | None) -> None:
    """Post it and empty the outbox; what does not leave now is tried again by the service or `messages send`."""
    from robotrading.adapters.notify.nomail import how_to_set_up  # noqa: PLC0415
    from robotrading.cli import out  # noqa: PLC0415
    from robotrading.cli.exits import Exit  # noqa: PLC0415
    from robotrading.domain.errors import ConfigError  # noqa: PLC0415
    from robotrading.domain.messages import LetterKind  # noqa: PLC0415
    from robotrading.wiring.books import load_config  # noqa: PLC0415
    from robotrading.wiring.messages import send_now  # noqa: PLC0415
    from robotrading.wiring.post import addresses_for  # noqa: PLC0415
    from robotrading.wiring.summary import post_summary  # noqa: PLC0415

    config = load_config(orders)
    if not addresses_for(config, LetterKind.SUMMARY):
        raise ConfigError(how_to_set_up(config.mail))
    posted = post_summary(orders, day)
    if not posted.new:
        out.write(f"{posted.letter_id} was posted before; see `robotrading messages show {posted.letter_id}`.")
        return
    done = send_now(orders)
    out.write("\n".join(map(out.printable, done.lines())) or f"{posted.letter_id} is being sent by another process.")
    if done.put_off or done.given_up:
        raise typer.Exit(Exit.FAILED if done.given_up else Exit.PARTLY)


def send_summary(week: Week = None, config: ConfigPath = None) -> None:
    """Post the week's summary to the outbox, once (used by `serve`)."""
    from robotrading.wiring.books import Orders, load_config  # noqa: PLC0415
    from robotrading.wiring.logs import log_command  # noqa: PLC0415
    from robotrading.wiring.summary import post_summary  # noqa: PLC0415

    orders = Orders(config)
    log_command(load_config(orders))
    posted = post_summary(orders, week.date() if week else None)
    people = f"{len(posted.addresses)} address{'' if len(posted.addresses) == 1 else 'es'}"
    said = "was posted before" if not posted.new else f"is posted, for {people}"
    typer.echo(f"{posted.letter_id} {said}")
