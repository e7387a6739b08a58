"""What a plan is made from: the world as it was found, and the rules."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from robotrading.domain.errors import ConfigError
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.market import Quote
from robotrading.domain.orders import OrderType
from robotrading.domain.planning import Targets
from robotrading.domain.skip import Skip
from robotrading.portfolio.bands import BandSettings
from robotrading.portfolio.costs import CostSettings
from robotrading.portfolio.limits import LimitSettings
from robotrading.portfolio.sizing import LIMITED, UNLIMITED, SizingSettings
from robotrading.portfolio.wish import TradeRules


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """The world at the moment of planning; money in `currency`.

    `budget` is the session's share of the capital (above zero), `cash` its free part, `account_cash` what the account
    has of the currency: the smaller of both is spent. `owned` are the bot's own quantities in this session. `quotes`
    has a `Skip` where there is no price. `attempts` counts today's intents by (instrument key, side); `blocked` says by
    instrument key why nothing may be ordered (an open or unknown ticket). `capital` (default: the budget) is what
    position limits are a share of; `turnover_today` is what the session has traded already. `day_stopped` says why
    nothing is bought for the rest of the day, `closed_today` are the keys of what the bot closed today. `elsewhere` is
    what other sessions own, which counts towards the limit of a position as it does at the door.
    """

    kind: AssetClass
    session_id: str
    account_id: str
    trading_date: date
    now: datetime
    currency: str
    budget: Decimal
    cash: Decimal
    account_cash: Decimal
    owned: Mapping[Instrument, Decimal]
    targets: Targets
    quotes: Mapping[Instrument, Quote | Skip]
    attempts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    blocked: Mapping[str, str] = field(default_factory=dict)
    capital: Decimal | None = None
    turnover_today: Decimal = Decimal(0)
    day_stopped: str = ""
    closed_today: Collection[str] = ()
    elsewhere: Mapping[Instrument, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.budget.is_finite() or self.budget <= 0:
            raise ConfigError(
                f"the budget of the {self.kind} session is {self.budget} {self.currency}: weights are fractions of it, "
                f"so it must be above zero; give the session a share of the capital or disable it"
            )


@dataclass(frozen=True, slots=True)
class PlanSettings:
    """The rules of planning. `limit_offset` is how far a limit lies through the arrival price, as a fraction.

    `cash_buffer` is the fraction of the budget that buys leave alone; commissions and the way from the arrival price to
    the limit are paid out of it.
    """

    bands: BandSettings = field(default_factory=BandSettings)
    costs: CostSettings = field(default_factory=CostSettings)
    sizing: SizingSettings = field(default_factory=SizingSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    cash_buffer: Decimal = Decimal("0.02")
    order_type: OrderType = OrderType.LIMIT
    limit_offset: Decimal = Decimal("0.003")

    def __post_init__(self) -> None:
        if self.order_type not in LIMITED | UNLIMITED:
            allowed = ", ".join(sorted(LIMITED | UNLIMITED))
            raise ConfigError(f"execution.order_type is {self.order_type}: a rebalancing order is one of {allowed}")

    @property
    def rules(self) -> TradeRules:
        """The part that decides whether one trade is worth making."""
        return TradeRules(self.costs, self.sizing)
