"""Where a command works, in words: whose prices, which gateway, which account, and whether the money is real."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robotrading.config.model import BrokerSettings, Config
    from robotrading.wiring.books import Orders


def heading(config: Config, orders: Orders, account: str) -> str:
    """The first two lines of `demo`, `plan` and `run`; `account` is the embedded gateway's."""
    from robotrading.wiring.books import is_embedded  # noqa: PLC0415  nothing heavy before it is needed

    if not is_embedded(config, orders):
        from robotrading.config.lateid import another_book  # noqa: PLC0415

        return "\n".join([_external(config.broker), *another_book(config)])
    if orders.demo:
        mode = f"DEMO on {orders.day}: the market is made up, its prices are synthetic."
    elif orders.day is not None:
        mode = f"REHEARSAL of {orders.day}: prices of that day, from your sources."
    else:
        mode = "PRACTICE: prices of now, from your sources."
    return f"{mode}\nEmbedded gateway, account {account}; no order leaves this machine.{without_file(orders)}"


def _external(broker: BrokerSettings) -> str:
    account = broker.account or "the login's only one"
    mode = "LIVE: real money." if broker.mode == "live" else "PAPER: pretend money, at the broker."
    return f"{mode}\nGateway at {broker.host}:{broker.port}, account {account}."


def without_file(orders: Orders) -> str:
    """A further line where nobody's configuration is in force: perhaps the command was called in another folder."""
    if orders.demo or orders.file is not None:
        return ""
    return "\nThere is no config.yaml in this folder: the built-in defaults hold."


def whose(config: Config, orders: Orders) -> str:
    """Which account's book a person's word is about; said where the wrong one would be believed to be the right one."""
    from robotrading.wiring.books import book_for  # noqa: PLC0415  nothing heavy before it is needed

    root = book_for(config, orders).root
    return f"This is of the book {root.name} in {root.parent} alone.{without_file(orders)}"


def same_place(orders: Orders) -> str:
    """The options that make another command work in the same place, each with a blank before it."""
    options = ["--demo"] if orders.demo else []
    if orders.as_of is not None:
        options += ["--as-of", str(orders.as_of)]
    if orders.config is not None:
        options += ["--config", str(orders.config)]
    return "".join(f" {shlex.quote(option)}" for option in options)


def short(path: Path) -> str:
    """The path as seen from the current folder, where it lies below."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path.absolute())
