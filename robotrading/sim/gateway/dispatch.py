"""From a frame to its handler: who serves which message, and what happens to those that nobody serves.

Entry point: `serve`. Whatever the fields hold, the session gets an answer or an error and lives on.
"""

from __future__ import annotations

from robotrading.domain.errors import DataError
from robotrading.sim.gateway import accounts, history, orders, prices, reference
from robotrading.sim.gateway.codes import Code
from robotrading.sim.gateway.session import Handler, Session
from robotrading.sim.gateway.wire import Fields, MalformedMessage

HANDLERS: dict[int, Handler] = {
    **accounts.SERVES,
    **orders.SERVES,
    **prices.SERVES,
    **history.SERVES,
    **reference.SERVES,
}

UNSERVED = {
    10: ("market depth", 2),
    12: ("news bulletins", 0),
    18: ("advisor configuration", 0),
    19: ("advisor configuration", 0),
    21: ("option exercise", 2),
    22: ("scanners", 1),
    24: ("scanner parameters", 0),
    52: ("fundamental data", 2),
    54: ("implied volatility", 2),
    55: ("option prices", 2),
    67: ("display groups", 2),
    68: ("display groups", 2),
    69: ("display groups", 2),
    78: ("option chains", 1),
    79: ("soft dollar tiers", 1),
    84: ("news articles", 1),
    86: ("historical news", 1),
    88: ("histograms", 1),
    96: ("historical ticks", 1),
    97: ("tick-by-tick data", 1),
    100: ("event calendars", 1),
    102: ("event calendars", 1),
}
"""Known messages that are refused: what they ask for, and the field of their request id (0 for none).

Code 322, because ib_async takes 321 for a warning, after which the request would wait for ever.
"""

CANCELS = frozenset({11, 13, 23, 53, 56, 57, 70, 89, 98, 101, 103})
"""Cancels of what is not served: nothing to say."""

_REQUEST_ID_AT = {
    1: 2,
    2: 2,
    3: 1,
    4: 2,
    7: 2,
    9: 2,
    20: 1,
    50: 2,
    62: 2,
    74: 2,
    76: 2,
    81: 1,
    83: 1,
    87: 1,
    92: 1,
    94: 1,
}


def serve(session: Session, values: list[str]) -> None:
    """Answer one message of a session that has started."""
    fields, kind = Fields(values), -1
    try:
        kind = fields.integer(-1)
        handler = HANDLERS.get(kind)
        if handler is None:
            _refuse(session, kind, values)
        else:
            handler(session, fields)
    except DataError as error:
        text = f"Error processing request: cause - the market's prices cannot be had: {error}"
        session.error(_request_id(values, _REQUEST_ID_AT.get(kind, 0)), Code.NOT_PROCESSED, text)
    except MalformedMessage as error:
        text = f"Error reading request: {error}"
        session.error(_request_id(values, _REQUEST_ID_AT.get(kind, 0)), Code.UNREADABLE, text)


def _refuse(session: Session, kind: int, values: list[str]) -> None:
    if kind in CANCELS:
        return
    if kind in UNSERVED:
        what, position = UNSERVED[kind]
        text = f"Error processing request: cause - not served by this gateway: {what}"
        session.error(_request_id(values, position), Code.NOT_PROCESSED, text)
        return
    session.error(-1, Code.UNKNOWN_MESSAGE, f"Fatal Error: Unknown message id {kind}.")


def _request_id(values: list[str], position: int) -> int:
    """The request id of a message, -1 where it has none that can be read."""
    if not 0 < position < len(values):
        return -1
    try:
        return Fields([values[position]]).integer(-1)
    except MalformedMessage:
        return -1
