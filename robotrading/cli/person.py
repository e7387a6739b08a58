"""What the commands that record a person's word share: who trades just now, and the question before it is recorded."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robotrading.wiring.books import Orders


def warn_if_running(orders: Orders) -> None:
    """Say on standard error that a session trades this account now: it may know better in a moment."""
    from robotrading.wiring.resolve import running  # noqa: PLC0415  nothing heavy before it is needed

    lease = running(orders)
    if lease is not None:
        sys.stderr.write(
            f"robotrading: {lease.holder} trades this account just now and may settle it by itself; "
            "better wait until it has ended\n"
        )


def confirmed(question: str, *, yes: bool) -> None:
    """Go on only with a typed 'yes', or `--yes`.

    Raises `RobotradingError`, `ConfigError` where nobody can type, and `KeyboardInterrupt` with what there is to add.
    """
    from robotrading.domain.errors import ConfigError, RobotradingError  # noqa: PLC0415

    if yes:
        return
    try:
        sys.stderr.write(f"{question}\nType yes to record this: ")
        sys.stderr.flush()
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        raise KeyboardInterrupt("nothing was recorded") from None
    if not answer:
        raise ConfigError("nobody is there to confirm it; add --yes. Nothing was recorded")
    if answer.strip().lower() != "yes":
        raise RobotradingError("not confirmed; nothing was recorded")
