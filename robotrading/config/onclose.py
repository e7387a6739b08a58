"""Orders that fill at the close: whether a session's seconds reach from its start to the close.

Entry points: `ON_CLOSE`, `Short`, `falls_short`, `remarks`.
Invariant: the close is an ordinary day's (16:00 in New York); on a half day no start is further from it. Of several
starts a day the earliest counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from robotrading.config.constraints import rule_for
from robotrading.config.problems import quoted
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import OrderType
from robotrading.session.reach import deadline_for
from robotrading.session.schedule import longest_to_close, parse_schedule
from robotrading.session.settings import ExecutionSettings, SessionSettings

ON_CLOSE = frozenset({OrderType.MOC, OrderType.LOC})
_SPARE = 60.0
"""Seconds past the close in which the closing auction's executions come."""


@dataclass(frozen=True, slots=True)
class Short:
    """The key (below the session) whose seconds do not reach, and a sentence with the way out."""

    key: tuple[str, ...]
    text: str


def falls_short(session: SessionSettings) -> Iterator[Short]:
    """What keeps a session from seeing its orders fill at the close; nothing for a schedule that is none.

    Crypto has no close: there such orders are refused altogether.
    """
    execution = session.execution
    if not session.enabled or session.kind is AssetClass.CRYPTO or execution.order_type not in ON_CLOSE:
        return
    try:
        ahead = longest_to_close(parse_schedule(session.schedule, session.kind).moment).total_seconds()
    except ValueError:  # told where the schedule stands
        return
    needed, most = math.ceil(ahead + _SPARE), int(rule_for(ExecutionSettings, "fill_timeout").high or 0)
    kind, start = quoted(str(execution.order_type)), quoted(session.schedule)
    fills = f"{kind} fills at the close, {ahead:g} s after the start {start}"
    if needed > most:
        latest = f"start {int(most - _SPARE) // 60} minutes before the close at the earliest"
        text = f"{start} is {ahead:g} s before the close, at which {kind} fills, and fill_timeout is {most} s at most"
        yield Short(("schedule",), f"{text}; {latest}, or write order_type limit")
        return
    if execution.fill_timeout < needed:
        text = f"after {execution.fill_timeout:g} s the orders are cancelled, and {fills}"
        yield Short(("execution", "fill_timeout"), f"{text}; write {needed} or more, or order_type limit")
    if session.deadline < (least := math.ceil(deadline_for(needed))):
        text = f"{session.deadline:g} s do not reach the close and leave time for the report: {fills}"
        yield Short(("deadline",), f"{text}; write {least} or more, or order_type limit")


def remarks(sessions: Iterable[SessionSettings]) -> list[str]:
    """What orders on close cannot do with any schedule, for each session that sends them."""
    return [
        f"sessions.{one.kind}.execution.order_type {one.execution.order_type}: sells fill at the close, and buys wait "
        "for their cash, so that of a plan with both the buys are left. Exchanges take such orders only until some "
        "minutes before the close (NYSE: 10); see docs/sessions.md"
        for one in sessions
        if one.enabled and one.execution.order_type in ON_CLOSE
    ]
