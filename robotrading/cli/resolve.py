"""`resolve`: what became of an order, by a person's word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from robotrading.cli.options import AsJson, AsOfBook, ConfigPath, OfDemo, Reason, Yes

if TYPE_CHECKING:
    from robotrading.execution.word import Word
    from robotrading.wiring.books import Orders

OrderId = Annotated[
    str,
    typer.Argument(metavar="ID", help="The order's id; without one, those in doubt are listed.", show_default=False),
]
Filled = Annotated[
    str,
    typer.Option(
        "--filled",
        metavar="QTY@PRICE",
        help="So much of what is not booked yet was executed, at that price on average; the rest was not.",
        show_default=False,
    ),
]
NotFilled = Annotated[
    bool, typer.Option("--not-filled", metavar="", help="Nothing more of it was executed than is booked.")
]


def resolve(  # noqa: PLR0913, PLR0917  one parameter per option
    order: OrderId = "",
    filled: Filled = "",
    not_filled: NotFilled = False,
    reason: Reason = "",
    yes: Yes = False,
    config: ConfigPath = None,
    as_of: AsOfBook = None,
    demo: OfDemo = False,
    as_json: AsJson = False,
) -> None:
    """Say what became of an order whose end is not known; without an id, list those in doubt.

    Look it up in the broker's statement first. Your word is recorded with your name, ends the order, and frees its
    instrument. Should the broker tell of the executions later, they take the place of what you said.
    """
    from robotrading.cli import out  # noqa: PLC0415  nothing heavy before it is needed
    from robotrading.cli.person import confirmed, warn_if_running  # noqa: PLC0415
    from robotrading.cli.place import same_place  # noqa: PLC0415
    from robotrading.cli.render_person import doubts_view  # noqa: PLC0415
    from robotrading.wiring import resolve as words  # noqa: PLC0415
    from robotrading.wiring.books import Orders  # noqa: PLC0415

    orders = Orders(config, demo=demo, as_of=as_of.date() if as_of else None)
    if not order:
        _list(orders, filled or not_filled, as_json=as_json)
        return
    word = _word(filled, reason, not_filled=not_filled)
    warn_if_running(orders)
    ticket = words.ticket_of(orders, order)
    if not as_json and not yes:
        out.show(doubts_view([one for one in words.doubts(orders) if one.ticket == ticket], same_place(orders)))
    confirmed(f"{order}: {word.sentence}", yes=yes)
    after = words.resolve(orders, order, word)
    if as_json:
        out.as_json(after)
        return
    done = f"{after.filled.normalize():f} of {after.intent.quantity.normalize():f}"
    out.write(out.printable(f"{order} is {after.status} with {done} filled: {word.sentence}."))


def _list(orders: Orders, said: object, *, as_json: bool) -> None:
    from robotrading.cli import out  # noqa: PLC0415
    from robotrading.cli.place import same_place  # noqa: PLC0415
    from robotrading.cli.render_person import doubts_view  # noqa: PLC0415
    from robotrading.domain.errors import ConfigError  # noqa: PLC0415
    from robotrading.wiring.resolve import doubts  # noqa: PLC0415

    if said:
        raise ConfigError("say which order: robotrading resolve ID --filled QTY@PRICE; without options it lists them")
    found = doubts(orders)
    if as_json:
        out.as_json(found)
        return
    out.show(doubts_view(found, same_place(orders)))


def _word(filled: str, reason: str, *, not_filled: bool) -> Word:
    from robotrading.domain.errors import ConfigError  # noqa: PLC0415
    from robotrading.execution.word import Word, parse_filled  # noqa: PLC0415
    from robotrading.wiring.resolve import who  # noqa: PLC0415

    if bool(filled) is not_filled:
        raise ConfigError("say either --filled QTY@PRICE or --not-filled")
    quantity, price = parse_filled(filled) if filled else (None, None)
    return Word(who(), quantity, price, reason)
