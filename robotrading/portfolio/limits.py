"""The safety rules that every order passes at the broker's door.

Entry points: `check_order` (raises for the first breach), `breaches` (all of them), `OrderView`, `RULES`, `day_loss`.
One rule is one function and one sentence, '' when it is kept. Scopes say which orders a rule looks at: `EVERY` order;
`ENTRY`, what opens or adds to a position (any buy, and a sell beyond what is owned); `BUY`; `SELL`. A sell that only
reduces is thus never held back by the bounds on entries. The table of rules is in docs/planning.md.
Invariants: an order whose numbers make no sense is refused before anything is computed with them; what is not known
(a quote, the day's first equity, cash in the currency) refuses, it does not pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from robotrading.domain.book import Account
from robotrading.domain.errors import LimitBreached
from robotrading.domain.market import Quote
from robotrading.domain.orders import Intent, Side
from robotrading.portfolio.sizing import usable_price
from robotrading.portfolio.wording import money, percent, plain

DELAY = 1200.0
"""Seconds by which delayed data may lag: the broker says 15 to 20 minutes."""


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """Bounds no sequence of orders may exceed.

    Values in the session's currency; shares are fractions. `max_position_share` is of the bot's capital,
    `max_positions` counts those of the session alone, `max_turnover_share` is of the class budget per trading day (buys
    plus sells), `max_daily_loss_share` of the day's starting equity. `price_collar` is the furthest a limit price may
    lie from the current quote. `max_quote_age` in seconds: of the broker's answer, and of the last trade in it where
    that has a time; of delayed data the trade may be `DELAY` older. `max_price_jump` is the furthest a quote may lie
    from the broker's own last close, `max_source_gap` the furthest from the last close of the source of prices
    (`portfolio/agreement.py`). With `block_reentry` the bot does not buy what it closed on the same trading day.
    """

    max_order_value: Decimal = Decimal(100_000)
    max_position_share: Decimal = Decimal("0.25")
    max_positions: int = 600
    max_turnover_share: Decimal = Decimal("2.0")
    max_daily_loss_share: Decimal = Decimal("0.05")
    price_collar: Decimal = Decimal("0.05")
    max_price_jump: Decimal = Decimal("0.5")
    max_source_gap: Decimal = Decimal("0.4")
    max_quote_age: float = 900.0
    allow_short: bool = False
    block_reentry: bool = True


@dataclass(frozen=True, slots=True)
class OrderView:
    """The world as one order finds it at the door; money in `currency`, the session's.

    `owned` is the bot's quantity of the instrument, `open_sell_quantity` and `open_buy_quantity` what its own orders
    still have to execute of it. `positions_count` counts the session's positions, those that its buys will make
    included. `turnover_today` is what the session traded today, open orders included. `cash_available` is free cash in
    the instrument's currency, None when the account shows none. `commission` is what the order is expected to cost.
    `open_ticket` says which earlier order of the instrument is not settled, '' when all are. `quiet` names the broker's
    quiet time that it is, or soon will be, and its end, '' outside of any. `day_stopped` says why no entry is made
    for the rest of the day, '' when nothing forbids it; `closed_today` whether the bot sold the last of the instrument
    today. `day_start_value` falls back to the account's. Equities for the daily loss are in the account's base
    currency.
    """

    account: Account
    expected_account_id: str
    expected_paper: bool
    quote: Quote | None
    now: datetime
    market_open: bool
    halted: str
    capital: Decimal
    budget: Decimal
    currency: str
    owned: Decimal
    positions_count: int
    turnover_today: Decimal
    cash_available: Decimal | None
    open_sell_quantity: Decimal = Decimal(0)
    open_buy_quantity: Decimal = Decimal(0)
    day_start_value: Decimal | None = None
    commission: Decimal = Decimal(0)
    open_ticket: str = ""
    quiet: str = ""
    day_stopped: str = ""
    closed_today: bool = False


class Scope(StrEnum):
    """Which orders a rule looks at."""

    EVERY = "every"
    ENTRY = "entry"
    BUY = "buy"
    SELL = "sell"


def check_order(intent: Intent, view: OrderView, settings: LimitSettings) -> None:
    """Raise `LimitBreached` for the first rule that forbids the order."""
    for breach in breaches(intent, view, settings):
        raise breach


def breaches(intent: Intent, view: OrderView, settings: LimitSettings) -> tuple[LimitBreached, ...]:
    """Every rule that forbids the order, in the order of `RULES`; only the first kind for senseless numbers."""
    senseless = sound_numbers(intent, view, settings)
    if senseless:
        return (_breach("sound_numbers", intent, senseless),)
    found = ((rule, _applies(scope, intent, view) and rule(intent, view, settings)) for rule, scope in RULES)
    return tuple(_breach(rule.__name__, intent, sentence) for rule, sentence in found if sentence)


def sound_numbers(intent: Intent, _view: OrderView, _settings: LimitSettings) -> str:
    """Quantity and prices are finite and above zero, in whole lots, not below the smallest order, on the tick."""
    item, quantity = intent.instrument, intent.quantity
    prices = [p for p in (intent.limit_price, intent.stop_price) if p is not None]
    for number in (quantity, intent.arrival_price, *prices):
        if not number.is_finite() or number <= 0:
            return f"quantity and prices must be numbers above zero, one is {number}"
    if quantity % item.lot:
        return f"quantity {plain(quantity)} is not a multiple of the lot of {plain(item.lot)}"
    if quantity < item.min_quantity:
        return f"quantity {plain(quantity)} is below the smallest order of {plain(item.min_quantity)}"
    off = [plain(p) for p in prices if p % item.tick]
    return f"price {off[0]} is not on the tick of {plain(item.tick)}" if off else ""


def account_id(_intent: Intent, view: OrderView, _settings: LimitSettings) -> str:
    """The account is the configured one."""
    if view.account.account_id == view.expected_account_id:
        return ""
    return f"the broker's account is {view.account.account_id}, the configuration names {view.expected_account_id}"


def paper_mode(_intent: Intent, view: OrderView, _settings: LimitSettings) -> str:
    """Paper stays paper and live stays live."""
    if view.account.paper == view.expected_paper:
        return ""
    found, wanted = (("paper" if p else "live") for p in (view.account.paper, view.expected_paper))
    return f"the account is a {found} account, the configuration says {wanted}"


def halted(_intent: Intent, view: OrderView, _settings: LimitSettings) -> str:
    """Nothing is sent while trading is halted."""
    return f"trading is halted: {view.halted}" if view.halted else ""


def open_ticket(_intent: Intent, view: OrderView, _settings: LimitSettings) -> str:
    """One order per instrument at a time; an unknown outcome blocks it."""
    return f"an earlier order of it is not settled: {view.open_ticket}" if view.open_ticket else ""


def currency(intent: Intent, view: OrderView, _settings: LimitSettings) -> str:
    """The instrument trades in the currency that all bounds are in."""
    if intent.instrument.currency == view.currency:
        return ""
    return f"it trades in {intent.instrument.currency} and the session's bounds are in {view.currency}"


def trading_hours(_intent: Intent, view: OrderView, _settings: LimitSettings) -> str:
    """The market is open."""
    return "" if view.market_open else f"the market is closed at {view.now:%Y-%m-%d %H:%M} UTC"


def quiet_time(_intent: Intent, view: OrderView, _settings: LimitSettings) -> str:
    """Nothing is sent around the broker's nightly reset and the gateway's restart."""
    return f"it is, or is about to be, a quiet time: {view.quiet}" if view.quiet else ""


def quote_known(_intent: Intent, view: OrderView, _settings: LimitSettings) -> str:
    """There is a price."""
    return "there is no usable quote" if usable_price(view.quote) is None else ""


def quote_fresh(_intent: Intent, view: OrderView, settings: LimitSettings) -> str:
    """The quote, and the last trade where its time is known, are no older than allowed."""
    quote, bound = view.quote, settings.max_quote_age
    if quote is None:
        return ""
    age = (view.now - quote.at).total_seconds()
    if age > bound:
        return f"the quote is {age:.0f} s old, limits.max_quote_age is {bound:.0f} s"
    since = 0.0 if quote.traded_at is None else (view.now - quote.traded_at).total_seconds()
    if since <= bound + (DELAY if quote.delayed else 0):
        return ""
    more = f" and {DELAY:.0f} s more for delayed data" if quote.delayed else ""
    return f"the last trade is {since:.0f} s old, limits.max_quote_age is {bound:.0f} s{more}"


def price_jump(_intent: Intent, view: OrderView, settings: LimitSettings) -> str:
    """The quote is not implausibly far from the last close, where one is known."""
    price, close = usable_price(view.quote), view.quote.close if view.quote else None
    if price is None or close is None or not close.is_finite() or close <= 0:
        return ""
    jump = abs(price / close - 1)
    if jump <= settings.max_price_jump:
        return ""
    bound = percent(settings.max_price_jump)
    return f"the quote {plain(price)} lies {percent(jump)} from the last close {plain(close)}, the bound is {bound}"


def price_collar(intent: Intent, view: OrderView, settings: LimitSettings) -> str:
    """The limit price, or without one the price that was decided on, is near the current quote."""
    price = usable_price(view.quote)
    if price is None:
        return ""
    asked = intent.limit_price or intent.arrival_price
    distance = abs(asked / price - 1)
    if distance <= settings.price_collar:
        return ""
    bound = percent(settings.price_collar)
    return f"the price {plain(asked)} lies {percent(distance)} from the quote {plain(price)}, the collar is {bound}"


def order_value(intent: Intent, view: OrderView, settings: LimitSettings) -> str:
    """One order is not larger than allowed, whichever way it goes."""
    value = _value(intent, view)
    if value <= settings.max_order_value:
        return ""
    return f"it is worth {money(value, view.currency)}, more than {money(settings.max_order_value, view.currency)}"


def ownership(intent: Intent, view: OrderView, settings: LimitSettings) -> str:
    """No more is sold than the bot owns, its open sells counted; nor than the account holds.

    With `allow_short` more may be sold, unless the account holds units that the bot did not buy:
    selling would take those.
    """
    held = view.account.holding(intent.instrument)
    after = intent.quantity + view.open_sell_quantity
    if after <= min(view.owned, held):
        return ""
    protected = held - view.owned
    if settings.allow_short and protected <= 0:
        return ""
    own, selling = plain(view.owned), plain(after)
    return f"{selling} would be sold with open sells, the bot owns {own} and the account holds {plain(held)}"


def daily_loss(_intent: Intent, view: OrderView, settings: LimitSettings) -> str:
    """No entry after the day has lost more than allowed, or while its first equity is not known."""
    if settings.max_daily_loss_share >= 1:
        return ""
    start = view.day_start_value if view.day_start_value is not None else view.account.day_start_value
    if start is None or start <= 0:
        return "the equity at the start of the day is not known, so the daily loss cannot be judged"
    return day_loss(view.account.net_liquidation, start, settings)


def day_loss(equity: Decimal, start: Decimal | None, settings: LimitSettings) -> str:
    """The sentence of a day that has lost more than allowed, '' of one that has not, or whose start is not known."""
    if start is None or start <= 0 or settings.max_daily_loss_share >= 1:
        return ""
    loss = 1 - equity / start
    if loss < settings.max_daily_loss_share:
        return ""
    return f"the day has lost {percent(loss)}, the bound is {percent(settings.max_daily_loss_share)}"


def day_stopped(_intent: Intent, view: OrderView, _settings: LimitSettings) -> str:
    """A day that has once lost more than allowed stays without entries, even when it recovers."""
    return f"no entry for the rest of the day: {view.day_stopped}" if view.day_stopped else ""


def reentry(_intent: Intent, view: OrderView, settings: LimitSettings) -> str:
    """What was closed today is not bought again today."""
    return CLOSED_TODAY if view.closed_today and settings.block_reentry else ""


def position_value(intent: Intent, view: OrderView, settings: LimitSettings) -> str:
    """A position does not outgrow its share of the capital, open buys counted."""
    price = _price(intent, view)
    after = abs(view.owned + view.open_buy_quantity + intent.side.sign * intent.quantity) * price
    bound = settings.max_position_share * view.capital
    if after <= bound:
        return ""
    return f"the position would be worth {money(after, view.currency)}, more than {money(bound, view.currency)}"


def positions_count(_intent: Intent, view: OrderView, settings: LimitSettings) -> str:
    """A new position finds a free place."""
    if view.owned or view.open_buy_quantity or view.positions_count < settings.max_positions:
        return ""
    return f"there are {view.positions_count} positions, limits.max_positions is {settings.max_positions}"


def turnover(intent: Intent, view: OrderView, settings: LimitSettings) -> str:
    """The day's buys and sells stay within their share of the budget."""
    after = view.turnover_today + _value(intent, view)
    bound = settings.max_turnover_share * view.budget
    if after <= bound:
        return ""
    return f"the day's turnover would be {money(after, view.currency)}, more than {money(bound, view.currency)}"


def cash(intent: Intent, view: OrderView, _settings: LimitSettings) -> str:
    """A buy is paid from cash in the instrument's own currency."""
    if view.cash_available is None:
        return f"the account shows no cash in {intent.instrument.currency}, and nothing is converted by guessing"
    needed = _value(intent, view) + view.commission
    if needed <= view.cash_available:
        return ""
    have = money(view.cash_available, view.currency)
    return f"it needs {money(needed, view.currency)} with commission, and {have} is free"


def buying_power(intent: Intent, view: OrderView, _settings: LimitSettings) -> str:
    """An entry fits into the broker's buying power, where both are in one currency."""
    if view.account.base_currency != view.currency:
        return ""
    needed = _value(intent, view) + view.commission
    if needed <= view.account.buying_power:
        return ""
    have = money(view.account.buying_power, view.currency)
    return f"it needs {money(needed, view.currency)}, and the buying power is {have}"


CLOSED_TODAY = "the bot closed it today, and does not enter it again on the same day (limits.block_reentry)"

Rule = Callable[[Intent, OrderView, LimitSettings], str]

RULES: tuple[tuple[Rule, Scope], ...] = (
    (account_id, Scope.EVERY),
    (paper_mode, Scope.EVERY),
    (halted, Scope.EVERY),
    (open_ticket, Scope.EVERY),
    (currency, Scope.EVERY),
    (trading_hours, Scope.EVERY),
    (quiet_time, Scope.EVERY),
    (quote_known, Scope.EVERY),
    (quote_fresh, Scope.EVERY),
    (price_jump, Scope.EVERY),
    (price_collar, Scope.EVERY),
    (order_value, Scope.EVERY),
    (ownership, Scope.SELL),
    (day_stopped, Scope.ENTRY),
    (daily_loss, Scope.ENTRY),
    (reentry, Scope.BUY),
    (position_value, Scope.ENTRY),
    (positions_count, Scope.ENTRY),
    (turnover, Scope.ENTRY),
    (cash, Scope.BUY),
    (buying_power, Scope.ENTRY),
)
"""Rule and scope, in the order in which an order meets them; `sound_numbers` stands before all."""


def _applies(scope: Scope, intent: Intent, view: OrderView) -> bool:
    buys = intent.side is Side.BUY
    opens = buys or intent.quantity + view.open_sell_quantity > view.owned
    return {Scope.EVERY: True, Scope.ENTRY: opens, Scope.BUY: buys, Scope.SELL: not buys}[scope]


def _price(intent: Intent, view: OrderView) -> Decimal:
    """The dearest of limit, arrival price and quote: bounds are judged at the worst of them."""
    known = (intent.limit_price, intent.arrival_price, usable_price(view.quote))
    return max(price for price in known if price is not None)


def _value(intent: Intent, view: OrderView) -> Decimal:
    return intent.quantity * _price(intent, view)


def _breach(rule: str, intent: Intent, sentence: str) -> LimitBreached:
    return LimitBreached(rule, f"{intent.side} {plain(intent.quantity)} {intent.instrument}: {sentence} ({rule})")
