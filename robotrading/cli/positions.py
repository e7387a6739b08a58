"""`positions`: what the bot owns, and a person's word on it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from robotrading.cli.options import AsJson, AsOfBook, ConfigPath, OfDemo, Owner, OwnerName, Reason, Yes

if TYPE_CHECKING:
    from decimal import Decimal

positions = typer.Typer(
    help="What the bot owns; put it right after a split, a transfer or a sale by hand.",
    invoke_without_command=True,
    rich_markup_mode="markdown",
)

Symbol = Annotated[str, typer.Argument(metavar="SYMBOL", help="As in the configuration, e.g. BRK-B or BTC-USD.")]
Quantity = Annotated[str, typer.Argument(metavar="QTY", help="How many units of it are the bot's from now on.")]
Cost = Annotated[
    str,
    typer.Option(
        "--cost",
        metavar="C",
        help="Cost per unit. Default: what the position has cost altogether stays as it is.",
        show_default=False,
    ),
]


@positions.callback()
def list_positions(
    context: typer.Context,
    config: ConfigPath = None,
    as_of: AsOfBook = None,
    demo: OfDemo = False,
    as_json: AsJson = False,
) -> None:
    """List what the bot owns, and what of the same instruments the account held beyond that when last seen."""
    if context.invoked_subcommand is not None:
        return
    from robotrading.cli import out  # noqa: PLC0415  nothing heavy before it is needed
    from robotrading.cli.render_person import positions_view  # noqa: PLC0415
    from robotrading.wiring.books import Orders  # noqa: PLC0415
    from robotrading.wiring.resolve import held  # noqa: PLC0415

    found = held(Orders(config, demo=demo, as_of=as_of.date() if as_of else None))
    if as_json:
        out.as_json(found)
        return
    out.show(positions_view(found))


@positions.command("set")
def set_position(  # noqa: PLR0913, PLR0917  one parameter per option
    symbol: Symbol,
    quantity: Quantity,
    owner: Owner,
    reason: Reason,
    cost: Cost = "",
    yes: Yes = False,
    config: ConfigPath = None,
    as_of: AsOfBook = None,
    demo: OfDemo = False,
) -> None:
    """Say how many units of an instrument are the bot's: after a split, or to hand holdings of yours over to it.

    It may sell what is its own, and nothing else. An instrument that was blocked by a change in the account is free
    again afterwards.
    """
    _record(symbol, quantity, owner, reason, cost, (config, as_of, demo), yes=yes)


@positions.command()
def forget(  # noqa: PLR0913, PLR0917  one parameter per option
    symbol: Symbol,
    owner: Owner,
    reason: Reason,
    yes: Yes = False,
    config: ConfigPath = None,
    as_of: AsOfBook = None,
    demo: OfDemo = False,
) -> None:
    """Say that nothing of an instrument is the bot's any more: sold by hand, transferred, or to be kept by you."""
    _record(symbol, "0", owner, reason, "", (config, as_of, demo), yes=yes)


def _record(  # noqa: PLR0913, PLR0917  what the two commands have in common
    symbol: str,
    quantity: str,
    owner: OwnerName,
    reason: str,
    cost: str,
    place: tuple[Path | None, datetime | None, bool],
    *,
    yes: bool,
) -> None:
    from robotrading.cli import out  # noqa: PLC0415
    from robotrading.cli.person import confirmed, warn_if_running  # noqa: PLC0415
    from robotrading.domain.errors import ConfigError  # noqa: PLC0415
    from robotrading.domain.instrument import AssetClass  # noqa: PLC0415
    from robotrading.wiring.books import Orders  # noqa: PLC0415
    from robotrading.wiring.resolve import Ownership, set_position, who  # noqa: PLC0415

    config, as_of, demo = place
    orders = Orders(config, demo=demo, as_of=as_of.date() if as_of else None)
    if not reason.strip():
        raise ConfigError("say why with --reason: it stays in the record")
    kind = AssetClass(owner.value)
    word = Ownership(symbol, kind, _number(quantity), reason, who(), _number(cost) if cost else None)
    warn_if_running(orders)
    confirmed(f"From now on {quantity} {symbol} are the {kind} session's ({reason})", yes=yes)
    before, after = set_position(orders, word)
    was, now = (f"{one.quantity.normalize():f} at {one.avg_cost:.4f}" if one else "none" for one in (before, after))
    out.write(out.printable(f"{symbol} of the {kind} session: {was} before, {now} from now on."))


def _number(text: str) -> Decimal:
    from decimal import Decimal, InvalidOperation  # noqa: PLC0415

    from robotrading.domain.errors import ConfigError  # noqa: PLC0415

    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise ConfigError(f"{text!r} is no number; write it as in 12 or 0.25") from error
