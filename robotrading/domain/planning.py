"""From wishes to orders: targets, refusals, and the plan that a person can read and name by its hash."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Intent


@dataclass(frozen=True, slots=True)
class TargetWeight:
    """One instrument's share of its session's budget, with the sentence that explains it.

    `base` is the weight before the signal, `weight` after signal and bounds; both fractions of the budget in [0, 1].
    `frozen` means: keep what is held, order nothing (no usable data or signal).
    """

    instrument: Instrument
    base: Decimal
    weight: Decimal
    reason: str
    frozen: bool = False


@dataclass(frozen=True, slots=True)
class Targets:
    """What a session wants to hold. Weights and `cash_weight` are fractions of the budget and sum to at most 1."""

    kind: AssetClass
    weights: tuple[TargetWeight, ...]
    cash_weight: Decimal
    as_of: date


class RefusalRule(StrEnum):
    """Why a difference between target and holding is not traded."""

    WITHIN_BAND = "within_band"
    TOO_SMALL = "too_small"
    COSTS = "costs"
    NO_CASH = "no_cash"
    LOT = "lot"
    FROZEN = "frozen"
    NO_QUOTE = "no_quote"
    OPEN_ORDER = "open_order"
    NOT_OWNED = "not_owned"
    LIMIT = "limit"
    CURRENCY = "currency"
    REENTRY = "reentry"
    DAY_STOPPED = "day_stopped"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A trade that was considered and left; `reason` is the sentence a person reads."""

    instrument: Instrument
    rule: RefusalRule
    reason: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the plan's table: the instrument before and after.

    Quantities are the bot's own, never the account's; weights are fractions of the budget.
    """

    instrument: Instrument
    price: Decimal | None
    owned: Decimal
    weight_now: Decimal
    weight_target: Decimal
    weight_after: Decimal


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be ordered, in order: sells first.

    `plan_id` is a hash over the decisions (see `portfolio/plan.py`), not over times or run ids: the same world gives
    the same plan. `budget`, `cash` in `currency`; `cash` is the session's free part of its budget before trading.
    """

    plan_id: str
    kind: AssetClass
    account_id: str
    trading_date: date
    created_at: datetime
    currency: str
    budget: Decimal
    cash: Decimal
    intents: tuple[Intent, ...]
    refusals: tuple[Refusal, ...]
    lines: tuple[Line, ...] = field(default=())
