"""`halt` and `resume`: a person's hand on the brake."""

from __future__ import annotations

from typing import Annotated

import typer

from robotrading.cli.options import AsOfBook, ConfigPath, OfDemo

Why = Annotated[
    str, typer.Argument(metavar="REASON", help="In your words; it stands in every report until you resume.")
]


def halt(why: Why, config: ConfigPath = None, as_of: AsOfBook = None, demo: OfDemo = False) -> None:
    """Send no order any more until `resume`, over restarts; a session that runs now stops before its next order.

    What is at the broker already is left there. Plans are made as before, and say that trading is halted.
    """
    from robotrading.cli import out  # noqa: PLC0415  nothing heavy before it is needed
    from robotrading.cli.place import same_place, whose  # noqa: PLC0415
    from robotrading.wiring import resolve  # noqa: PLC0415
    from robotrading.wiring.books import Orders, load_config  # noqa: PLC0415

    orders = Orders(config, demo=demo, as_of=as_of.date() if as_of else None)
    in_force = resolve.halt(orders, why)
    again = f"robotrading resume{same_place(orders)}"
    out.write(out.printable(f"Trading is halted: {in_force}. No order leaves until `{again}`."))
    out.write(whose(load_config(orders), orders))


def resume(config: ConfigPath = None, as_of: AsOfBook = None, demo: OfDemo = False) -> None:
    """Let orders leave again."""
    from robotrading.cli import out  # noqa: PLC0415
    from robotrading.cli.place import whose  # noqa: PLC0415
    from robotrading.wiring import resolve  # noqa: PLC0415
    from robotrading.wiring.books import Orders, load_config  # noqa: PLC0415

    orders = Orders(config, demo=demo, as_of=as_of.date() if as_of else None)
    reason = resolve.resume(orders)
    said = f"The halt is over; its reason was: {reason}." if reason else "Trading was not halted."
    out.write(out.printable(said))
    out.write(whose(load_config(orders), orders))
