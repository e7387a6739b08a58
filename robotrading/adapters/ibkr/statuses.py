"""What the gateway's order statuses mean, as a table, and the judgement on one of them.

Entry points: `STATUSES`, `Standing`, `judge_status`, `judge_message`.
Pure: a standing (what has been said about an order so far) and something new in, a verdict out. Neither 'Cancelled' nor
'Inactive' decides alone where it is known to be said of orders that live.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from robotrading.adapters.ibkr.codes import ABOUT_CANCELS, DISTRUSTED_AFTER, Effect, order_effect
from robotrading.domain.instrument import Instrument
from robotrading.domain.orders import EventKind, TicketStatus

TERMINAL = frozenset({EventKind.FILLED, EventKind.CANCELLED, EventKind.REJECTED})


@dataclass(frozen=True, slots=True)
class StatusRule:
    """A status word: the event it stands for (None: nothing new), and how it is listed."""

    event: EventKind | None
    listed: TicketStatus
    note: str = ""


STATUSES: Mapping[str, StatusRule] = MappingProxyType(
    {
        "ApiPending": StatusRule(None, TicketStatus.SENT, "not yet sent on by the gateway"),
        "PendingSubmit": StatusRule(None, TicketStatus.SENT, "sent on, not yet accepted by the broker"),
        "PreSubmitted": StatusRule(
            EventKind.ACKNOWLEDGED, TicketStatus.WORKING, "held by the broker: a stop, or the exchange is shut"
        ),
        "Submitted": StatusRule(EventKind.ACKNOWLEDGED, TicketStatus.WORKING),
        "PendingCancel": StatusRule(None, TicketStatus.WORKING, "a cancel was asked; it may still fill"),
        "Cancelled": StatusRule(
            EventKind.CANCELLED,
            TicketStatus.CANCELLED,
            "also seen on orders that live, after 10349; what was filled before stays filled",
        ),
        "ApiCancelled": StatusRule(
            EventKind.CANCELLED, TicketStatus.CANCELLED, "cancelled before the broker had accepted it"
        ),
        "Filled": StatusRule(EventKind.FILLED, TicketStatus.FILLED, "may come before the executions, twice, or never"),
        "Inactive": StatusRule(
            EventKind.REJECTED, TicketStatus.REJECTED, "how a rejection arrives; its code comes before or after it"
        ),
        "ValidationError": StatusRule(
            None, TicketStatus.SENT, "made up by ib_async for warnings and read-only refusals; decides nothing"
        ),
    }
)
UNLISTED = StatusRule(None, TicketStatus.UNKNOWN, "a word we do not know decides nothing")


class Verdict(StrEnum):
    NOTHING = "nothing"
    TELL = "tell"
    ASK = "ask"
    """The open orders, the completed ones and the executions decide."""


@dataclass(slots=True)
class Standing:
    """What has been said about one order so far. Mutable: one per intent, kept by the translator alone.

    `executed`: some of it was, so that it has worked, whatever no status has said. `reported` is the filled quantity
    that statuses named, which executions must come up to.
    """

    intent_id: str
    instrument: Instrument | None = None
    quantity: Decimal | None = None
    broker_id: int = 0
    acknowledged: bool = False
    executed: bool = False
    cancel_asked: bool = False
    distrusted: bool = False
    reported: Decimal = Decimal(0)
    ended: EventKind | None = None
    code: int | None = None
    reason: str = ""

    @property
    def worked(self) -> bool:
        return self.acknowledged or self.executed

    def heard(self, code: int, text: str) -> None:
        """Remember a message as the reason for what may follow."""
        self.distrusted = self.distrusted or code in DISTRUSTED_AFTER
        if order_effect(code) is not Effect.NOTE or not self.code:
            self.code, self.reason = code, text


def refusal_code(standing: Standing) -> int | None:
    """The code heard so far, if it is one that can be the reason of a rejection."""
    code = standing.code
    if code is None or code in ABOUT_CANCELS or order_effect(code) is Effect.NOTE:
        return None
    return code


def is_refused(standing: Standing) -> bool:
    """Whether the code heard so far is a refusal in any case: others come with orders that wait to be alive, too."""
    return standing.code is not None and order_effect(standing.code) is Effect.REFUSED


def judge_status(standing: Standing, word: str) -> Verdict:
    """What an `orderStatus` or `openOrder` says."""
    event = STATUSES.get(word, UNLISTED).event
    if event is None or event is standing.ended:
        return Verdict.NOTHING
    if event is EventKind.ACKNOWLEDGED:
        return _judge_working(standing)
    if event is EventKind.FILLED:
        return Verdict.TELL
    if standing.ended is not None:
        return Verdict.NOTHING
    if event is EventKind.CANCELLED:
        return Verdict.ASK if standing.distrusted and not standing.cancel_asked else Verdict.TELL
    # Inactive: after a refusal it is a rejection; without one, or on an order that worked, it is asked about.
    return Verdict.TELL if is_refused(standing) and not standing.worked else Verdict.ASK


def _judge_working(standing: Standing) -> Verdict:
    """An order that is said to work after its end was said: one of the two is wrong, unless it was filled."""
    if standing.ended is EventKind.FILLED:
        return Verdict.NOTHING
    if standing.ended is not None:
        return Verdict.ASK
    return Verdict.NOTHING if standing.acknowledged else Verdict.TELL


def judge_message(standing: Standing, code: int) -> tuple[Verdict, EventKind | None]:
    """What a numbered message about an order says, and the event it stands for when it is certain."""
    effect = order_effect(code)
    if standing.ended is not None or effect is Effect.NOTE:
        return Verdict.NOTHING, None
    if effect is Effect.REFUSED and not standing.worked:
        return Verdict.TELL, EventKind.REJECTED
    if effect is Effect.CANCELLED and (standing.cancel_asked or not standing.distrusted):
        return Verdict.TELL, EventKind.CANCELLED
    return Verdict.ASK, None
