"""What the gateway's numbered messages mean to us.

Entry points: `order_effect`, `link_effect`, `FARM_CODES`, `is_answer`, `NO_QUOTE`.
Invariant: a code that is not listed here is never taken for a refusal; about an order it makes us ask what became of
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Effect(StrEnum):
    """What a numbered message does to the order it names."""

    NOTE = "note"
    """Worth remembering as a reason; the order lives on as it was."""
    REFUSED = "refused"
    """Certain for an order that never worked; one that works keeps working (the message is about a change of it)."""
    CANCELLED = "cancelled"
    ASK = "ask"
    """May mean either: the open orders decide."""


ORDER_CODES: Mapping[int, tuple[Effect, str]] = MappingProxyType(
    {
        103: (Effect.REFUSED, "order id used before"),
        104: (Effect.ASK, "a filled order cannot be changed"),
        106: (Effect.REFUSED, "order cannot be transmitted"),
        109: (Effect.ASK, "price out of the precautionary range"),
        110: (Effect.ASK, "price off the tick; refused by some versions, corrected by none, so the open orders decide"),
        161: (Effect.ASK, "cancel refused: no longer in a state to be cancelled, so filled or cancelled already"),
        200: (Effect.REFUSED, "no such contract"),
        201: (Effect.REFUSED, "rejected; on a working order a refused change, which the libraries show as Cancelled"),
        202: (Effect.CANCELLED, "cancelled"),
        203: (Effect.REFUSED, "instrument not allowed for this account"),
        320: (Effect.REFUSED, "the gateway could not read the order"),
        321: (Effect.REFUSED, "order not valid, or the API is read-only"),
        322: (Effect.ASK, "the gateway could not process a request"),
        354: (Effect.NOTE, "no market data subscription"),
        382: (Effect.REFUSED, "price limits broken"),
        383: (Effect.REFUSED, "size limit of the gateway's presets broken"),
        387: (Effect.REFUSED, "order type not supported there"),
        388: (Effect.REFUSED, "below the smallest size"),
        391: (Effect.REFUSED, "time in force not valid"),
        399: (Effect.NOTE, "warning, e.g. held until the exchange opens"),
        404: (Effect.NOTE, "held while shares to borrow are looked for"),
        434: (Effect.REFUSED, "size is zero"),
        439: (Effect.REFUSED, "no such algorithm"),
        463: (Effect.REFUSED, "price or size out of bounds"),
        10147: (Effect.ASK, "order to cancel not found, so filled or cancelled already"),
        10148: (Effect.ASK, "order cannot be cancelled in its state"),
        10243: (Effect.REFUSED, "fractional quantity"),
        10244: (Effect.REFUSED, "cash quantity not allowed for this order"),
        10268: (Effect.REFUSED, "an attribute is no longer supported"),
        10289: (Effect.REFUSED, "cash quantity needed for this order"),
        10311: (Effect.NOTE, "warning about direct routing"),
        10329: (Effect.ASK, "asks for a confirmation that nobody can give"),
        10349: (Effect.NOTE, "time in force changed by a preset; the libraries show Cancelled while the order lives"),
    }
)
ABOUT_CANCELS = frozenset({161, 202, 10147, 10148})
"""These say nothing about why an order was not taken."""
DISTRUSTED_AFTER = frozenset({201, 10349})
"""After these a 'Cancelled' that nobody asked for is not believed until the lists say so."""


def order_effect(code: int) -> Effect:
    """Warnings (2100 to 2199, 10167) are notes, unknown codes make us ask."""
    if 2100 <= code < 2200 or code == 10167:
        return Effect.NOTE
    return ORDER_CODES.get(code, (Effect.ASK, ""))[0]


class Link(StrEnum):
    """What a numbered message says about the gateway's own connection to the broker."""

    LOST = "lost"
    RESTORED = "restored"
    """1101 (data lost) and 1102 (data kept): fills may have happened unseen, so recovery asks for executions."""


LINK_CODES: Mapping[int, Link] = MappingProxyType(
    {1100: Link.LOST, 2110: Link.LOST, 1101: Link.RESTORED, 1102: Link.RESTORED}
)


def link_effect(code: int) -> Link | None:
    return LINK_CODES.get(code)


FARM_CODES: Mapping[int, Link] = MappingProxyType(
    {
        2103: Link.LOST,
        2104: Link.RESTORED,
        2105: Link.LOST,
        2106: Link.RESTORED,
        2107: Link.RESTORED,
        2108: Link.RESTORED,
        2157: Link.LOST,
        2158: Link.RESTORED,
    }
)
"""Data farms; 2107 and 2108 are asleep until they are asked, which is well. The text ends with the farm's name."""
HISTORY_FARM_BROKEN = frozenset({2105})

CLIENT_ID_IN_USE = 326
REFUSED_LOGINS = frozenset({CLIENT_ID_IN_USE, 501, 502, 503, 504, 506, 507})
"""Said before the handshake is complete, these end it."""

NO_QUOTE: Mapping[int, str] = MappingProxyType(
    {
        200: "unknown_contract",
        321: "not_valid",
        354: "not_subscribed",
        10089: "not_subscribed",
        10090: "not_subscribed",
        10168: "not_subscribed",
        10186: "not_subscribed",
        10197: "competing_session",
        101: "too_many_lines",
        300: "no_such_request",
    }
)
"""Codes that end a request for a quote or for bars, with the rule named in the skip."""

NOT_AN_ANSWER = frozenset({366, 10167})


def is_answer(code: int) -> bool:
    """Whether a message about a request ends it; warnings, and delayed data shown instead, do not."""
    return code not in NOT_AN_ANSWER and not 2100 <= code < 2200


REFUSED_STREAMS = frozenset({321, 322})
"""Without a request's id these refuse what has none, such as the open orders where the API is read-only."""


def is_read_only(code: int, text: str) -> bool:
    """Whether the gateway says that its API is read-only, which only a person can change."""
    return code == 321 and "read-only" in text.lower()
