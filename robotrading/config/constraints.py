"""What each key means and which values it may have: the one table behind schema, checks and documents.

Entry points: `Rule`, `rule_for`.
A settings field without an entry is accepted with its type alone; a test sees to it that there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from robotrading.adapters.feeds import settings as feeds
from robotrading.adapters.logs.settings import LogSettings
from robotrading.adapters.notify.settings import MailSettings, ReportSettings
from robotrading.config.model import BrokerSettings, Config
from robotrading.execution.quiet import RESTART, WINDOW
from robotrading.portfolio.bands import BandSettings
from robotrading.portfolio.construct import ConstructSettings
from robotrading.portfolio.costs import CostSettings
from robotrading.portfolio.limits import LimitSettings
from robotrading.portfolio.sizing import SizingSettings
from robotrading.service.alerts.catalogue import NAMES
from robotrading.service.alerts.settings import AlertSettings
from robotrading.service.post.settings import OutboxSettings
from robotrading.service.settings import ServiceSettings
from robotrading.session.settings import CapitalSettings, ExecutionSettings, SessionSettings, UniverseSettings
from robotrading.strategy.chain import SignalSettings
from robotrading.strategy.checks import CheckSettings
from robotrading.strategy.classic import MovingAverageSettings
from robotrading.strategy.hmm import HmmSettings

SOURCES = ("yahoo", "alpha_vantage", "files", "ibkr", "synthetic")
LINKS = ("hmm", "moving_average", "hold")
ORDER_TYPES = ("market", "limit", "midprice", "adaptive", "market_on_close", "limit_on_close")


@dataclass(frozen=True, slots=True)
class Form:
    """A shape of text: the pattern, and how a person would say it."""

    pattern: str
    says: str


SYMBOL = Form(r"^[A-Z0-9^=][A-Z0-9.^=-]{0,19}$", "a symbol in capitals as Yahoo writes it, e.g. AAPL, BRK-B, BTC-USD")
SYMBOL_OR_NONE = Form(r"^([A-Z0-9^=][A-Z0-9.^=-]{0,19})?$", "a symbol in capitals, e.g. SPY, or ''")
CURRENCY = Form(r"^[A-Z]{3}$", "a currency code of three capitals, e.g. USD")
SCHEDULE = Form(r"^\S.{0,299}$", "a schedule, e.g. 15 minutes before the close; see docs/scheduling.md")
ACCOUNT = Form(r"^([A-Z][A-Z0-9]{3,15})?$", "an account id as the broker writes it, e.g. DU1234567, or ''")
HOST = Form(
    r"^([A-Za-z0-9][A-Za-z0-9._-]{0,252}|[0-9A-Fa-f]{1,4}:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$",
    "a host name or an address without a port, e.g. 127.0.0.1",
)
URL_OR_NONE = Form(r"^(https?://[^\s@?#]+)?$", "an address from http:// or https:// on, or ''")
URL = Form(r"^https?://[^\s@?#]+$", "an address from http:// or https:// on, without a key or a password in it")
MAIL = Form(r"^[^@\s,;<>]+@[^@\s,;<>]+$", "a mail address, e.g. someone@example.com")
MAIL_OR_NONE = Form(r"^([^@\s,;<>]+@[^@\s,;<>]+)?$", "a mail address, e.g. someone@example.com, or ''")
LINE = Form(r"^[^\r\n]{0,300}$", "one line of text")
SECRETS = Form(r"^[^\r\n]{0,2000}$", "one line of text")
BEAT = Form(r"^(https?://\S{1,1900})?$", "an address from http:// or https:// on, or ''")
QUIET = Form(WINDOW, "a quiet time, e.g. 23:45-01:45, Fri 23:00-03:00 or 06:25-07:45 Europe/Zurich")
RESTARTS = Form(RESTART, "a time of day with its zone, e.g. 05:40 Europe/London, or ''")
WEEKLY = Form(
    r"^((Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([01]\d|2[0-3]):[0-5]\d( [A-Za-z_]+(/[A-Za-z_+-]+)*)?)?$",
    "a day and a time, e.g. Sat 09:00 or Sun 18:30 Europe/London, or ''",
)
WORD = Form(r"^[A-Z][A-Z0-9.]{1,15}$", "an exchange code of the broker in capitals, e.g. SMART or PAXOS")


@dataclass(frozen=True, slots=True)
class Rule:
    """One key: its meaning and bounds.

    `low`, `high` belong to the range, `above` does not. `form` holds for text and for each item of a list, `choices`
    likewise. `secret` names the environment variable of a value that may not stand in the file; `hidden` keys are
    worked out and not set by a person.
    """

    says: str
    low: Decimal | None = None
    high: Decimal | None = None
    above: Decimal | None = None
    form: Form | None = None
    choices: tuple[str, ...] = ()
    least_items: int = 0
    secret: str = ""
    hidden: bool = False


def _n(says: str, low: str, high: str) -> Rule:
    """From `low` to `high`, both allowed."""
    return Rule(says, low=Decimal(low), high=Decimal(high))


def _p(says: str, high: str) -> Rule:
    """Above 0, up to `high`."""
    return Rule(says, above=Decimal(0), high=Decimal(high))


_MONEY = "1000000000000"
_DAY = "86400"
_YEAR = "31536000"
_HIDDEN = Rule("", hidden=True)

_TABLE: dict[type, dict[str, Rule]] = {
    Config: {
        "capital": Rule("The capital given to the bot."),
        "broker": Rule("Which gateway, which account, and whether its money is real."),
        "sessions": Rule("The asset classes; the shares of the enabled ones sum to at most 1."),
        "feeds": Rule("How each source of prices is asked, and the cache."),
        "report": Rule("What reports show."),
        "outbox": Rule("How long messages are tried that could not be sent; times in seconds."),
        "alerts": Rule("What a person is told without asking, and how; times in seconds."),
        "mail": Rule("The SMTP account reports are sent from; without one, reports stay on disk."),
        "state_dir": Rule("Folder of ledger, reports and cache; relative to this file.", form=LINE, least_items=1),
        "service": Rule("The service that runs the sessions by their schedules; times in seconds."),
        "log": Rule("What is written to the log."),
        "database_url": Rule("The PostgreSQL database of the ledger.", secret="ROBOTRADING_DATABASE_URL", form=LINE),  # noqa: S106  a variable's name
        "origins": _HIDDEN,
    },
    CapitalSettings: {
        "amount": _p("Money given to the bot; null takes `share` of the cash and what the bot owns.", _MONEY),
        "share": _p("Fraction of cash plus what the bot owns, used when `amount` is null.", "1"),
        "currency": Rule("Currency of the capital and of what is traded.", form=CURRENCY),
    },
    BrokerSettings: {
        "gateway": Rule("embedded: the pretend exchange inside; external: a TWS or IB Gateway elsewhere."),
        "mode": Rule("paper or live; live also needs gateway external, `account` and `confirm_live`."),
        "account": Rule("The account id that must match; '' takes the only account of a paper login.", form=ACCOUNT),
        "confirm_live": Rule("For live: `I trade real money on <account>`, word for word.", form=LINE),
        "host": Rule("Where the external gateway listens.", form=HOST),
        "port": _n("Gateway paper 4002, live 4001; TWS paper 7497, live 7496.", "1", "65535"),
        "client_id": _n("Base client id; sessions use the next three, and ten above for prices.", "1", "2000000000"),
        "connect_timeout": _n("Seconds to wait for the connection.", "1", "300"),
        "request_timeout": _n("Seconds to wait for an answer.", "1", "300"),
        "messages_per_second": _n("The most messages sent in a second.", "1", "45"),
        "market_data_type": _n("1 live, 2 frozen, 3 delayed, 4 delayed and frozen.", "1", "4"),
        "quiet_times": Rule("The broker's resets in your region; New York time where no zone is named.", form=QUIET),
        "gateway_restart": Rule("When your gateway restarts every day, with its zone; '' for never.", form=RESTARTS),
        "gateway_restart_minutes": _n("Minutes until the restarted gateway is logged in.", "1", "720"),
        "quiet_margin": _n("No order leaves in the last seconds before a quiet time.", "0", "3600"),
    },
    ServiceSettings: {
        "misfire_grace": _n("How late a missed session may still start; 0 for never.", "0", _DAY),
        "before_close": _n("No missed session is started this short before the market's close.", "0", "14400"),
        "refresh_seconds": _n("The clock is looked at this often even when nothing is due.", "1", "600"),
        "stop_seconds": _n("The longest a stop may take; orders are cancelled or finished in it.", "5", "3600"),
        "host": Rule("Where health, metrics and the page are served; keep it local.", form=HOST),
        "port": _n("Its port; 0 serves nothing.", "0", "65535"),
        "token": Rule("Allows what changes things.", secret="ROBOTRADING_TOKEN", form=LINE),  # noqa: S106  a name
        "watchdog_seconds": _n("A loop that does not answer for this long is ended.", "5", "3600"),
    },
    OutboxSettings: {
        "first_retry": _n("Until a message that did not leave is tried again; then ever later.", "1", "3600"),
        "longest_retry": _n("The longest pause between two attempts.", "60", _DAY),
        "give_up_days": _p("Days after which a message is given up.", "30"),
        "digest_from": _n("Of more waiting messages than this a recipient gets one digest; 0 never.", "0", "1000"),
        "keep_days": _n("Days after which what was sent is forgotten.", "1", "3660"),
    },
    AlertSettings: {
        "mail": Rule("Whether alerts go to `mail.recipients`."),
        "push": Rule("Apprise URLs apart by blanks.", secret="ROBOTRADING_PUSH_URLS", form=SECRETS),  # noqa: S106  a name
        "heartbeat_url": Rule("Asked while all is well.", secret="ROBOTRADING_HEARTBEAT_URL", form=BEAT),  # noqa: S106
        "heartbeat_seconds": _n("How often it is asked.", "10", _DAY),
        "quiet_hours": Rule("When warnings wait, e.g. 22:00-07:00; New York time unless a zone is named.", form=QUIET),
        "muted": Rule("Rules that never raise an alert; docs/alerts.md explains them.", choices=NAMES),
        "remind_critical": _n("How often a critical alert that lasts is told again; 0 for never.", "0", _YEAR),
        "remind_warning": _n("The same for a warning.", "0", _YEAR),
        "clear": _n("How long a cause must be gone until its alert ends.", "0", _DAY),
        "disconnected": _n("The broker is not reached for this long.", "0", _DAY),
        "breaker_open": _n("An outside service failed for this long.", "0", _DAY),
        "in_doubt": _n("An order's end is not known for this long.", "0", _DAY),
        "unable": _n("The bot is not able to trade, for whatever reason, for this long.", "0", _DAY),
        "mail_waiting": _n("A message could not be sent for this long.", "60", "2592000"),
        "drawdown": _n("Loss since the highest value, as a fraction; 0 is not judged.", "0", "1"),
        "win_rate": _n("Fewest of a day's closed positions with a gain, as a fraction; 0 is not judged.", "0", "1"),
        "win_rate_trades": _n("Closed positions that the win rate needs.", "1", "10000"),
        "sharpe": _n("Lowest annual Sharpe ratio, on all days of a week; -100 is not judged.", "-100", "100"),
        "sharpe_days": _n("Trading days that each is taken over.", "2", "75"),
        "backup_age": _n(
            "The newest entry of `backups` in `state_dir` is older than this; 0 is not judged.", "0", _YEAR
        ),
    },
    LogSettings: {
        "level": Rule("The least serious message that is written."),
        "format": Rule("Of the files: json, one object a line, or text. A terminal gets text."),
        "max_megabytes": _n("A file larger than this is closed and numbered.", "1", "10000"),
        "max_days": _n("So is one whose first line is older than this.", "1", "366"),
        "keep": _n("So many of the closed files are kept.", "1", "1000"),
    },
    SessionSettings: {
        "kind": _HIDDEN,
        "client_id": _HIDDEN,
        "share": _n("Fraction of the bot's capital.", "0", "1"),
        "universe": Rule("Which instruments are considered, and how they trade."),
        "sources": Rule("Price sources in order of fallback.", choices=SOURCES, least_items=1),
        "enabled": Rule("Whether `run all` includes this session."),
        "schedule": Rule("When the service runs it, in the exchange's time.", form=SCHEDULE),
        "deadline": _n("Seconds after which the session's process is ended.", "30", _DAY),
        "memory_mb": _n("The most memory of the session's process, in MB.", "256", "1048576"),
        "history_days": _n("Trading days of prices asked for.", "60", "20000"),
        "checks": Rule("Input checks before a model is fitted."),
        "signal": Rule("The chain of models."),
        "construct": Rule("Base weights, and what a signal may do to them."),
        "bands": Rule("How far a holding may drift before it is traded."),
        "costs": Rule("Commission model, and when a trade is not worth its cost."),
        "sizing": Rule("Bounds of one trade."),
        "limits": Rule("Safety rules that every order passes."),
        "execution": Rule("How orders are placed and awaited."),
    },
    UniverseSettings: {
        "kind": Rule("list: `symbols`; sp500: the index members; file: symbols from `file`."),
        "symbols": Rule("The instruments of kind list.", form=SYMBOL),
        "file": Rule("For kind file: a text or CSV file of symbols; relative to this file.", form=LINE),
        "top": _n("Keep the heaviest N of an index; 0 keeps all.", "0", "5000"),
        "exchange": Rule("The broker's code of the exchange.", form=WORD),
        "currency": Rule("Currency the instruments trade in.", form=CURRENCY),
        "tick": _p("Smallest price step, until the broker tells its own.", "1000"),
        "lot": _p("Smallest quantity step.", "1000000"),
        "min_quantity": _n("Smallest order, in units.", "0", "1000000"),
    },
    CheckSettings: {
        "min_days": _n("Fewest days of history.", "30", "5000"),
        "max_gap_days": _n("Longest gap, in trading days.", "0", "60"),
        "max_missing_share": _n("Largest fraction of missing days.", "0", "0.5"),
        "max_stale_days": _n("Oldest last bar, in trading days.", "0", "30"),
        "max_constant_days": _n("Longest run of an unchanged price, in days.", "1", "250"),
        "min_annual_volatility": _n("Smallest annual volatility, as a fraction.", "0", "1"),
        "max_bad_ticks": _n("The most days with a wrong price that may be left out.", "0", "250"),
        "max_daily_factor": _n("Largest believable ratio of one day's adjusted close to the next.", "1", "100"),
        "adf_p_value": _n("Highest p-value of the unit-root test on returns.", "0", "1"),
    },
    SignalSettings: {
        "chain": Rule("Models to try in order; the last is hold.", choices=LINKS, least_items=1),
        "hmm": Rule("The hidden Markov model."),
        "moving_average": Rule("The moving average crossover."),
        "workers": _n("Processes for a universe; 0 is one per core.", "0", "256"),
    },
    HmmSettings: {
        "states": _n("Hidden states.", "2", "5"),
        "starts": _n("Starting points; the likeliest fit is kept.", "1", "50"),
        "lookback_days": _n("Days of returns the model sees.", "60", "10000"),
        "max_iterations": _n("The most steps of a fit.", "5", "10000"),
        "tolerance": _p("Gain in log-likelihood below which a fit has converged.", "10"),
        "covariance_floor": _p("Smallest variance of a state, as a fraction of the sample's.", "1"),
        "refit_after_days": _n("Trading days a fit is reused before it is made anew.", "0", "250"),
    },
    MovingAverageSettings: {
        "fast_days": _n("Fast window, in days.", "2", "1000"),
        "slow_days": _n("Slow window, in days; longer than the fast one.", "3", "2000"),
        "band": _n("Neutral zone, as a fraction of the slow average.", "0", "0.5"),
    },
    ConstructSettings: {
        "scheme": Rule("How base weights come about; market_cap needs an index universe."),
        "fixed": Rule("Symbol: weight, for scheme fixed; sums to at most 1.", Decimal(0), Decimal(1), form=SYMBOL),
        "volatility_days": _n("Window of inverse_volatility, in days.", "10", "1000"),
        "scale_min": _n("Smallest factor a signal may put on a weight.", "0", "1"),
        "scale_max": _n("Largest factor a signal may put on a weight.", "1", "10"),
        "max_weight": _p("Largest weight of one instrument, a fraction of the class budget.", "1"),
        "cash_buffer": _n("Fraction of the class budget never invested.", "0", "0.9"),
    },
    BandSettings: {
        "absolute": _n("Drift allowed, as a fraction of the class budget.", "0", "1"),
        "relative": _n("Drift allowed, as a fraction of the target weight; the smaller band counts.", "0", "1"),
        "trade_to": Rule("target, or edge: only to the nearer edge of the band."),
    },
    CostSettings: {
        "per_unit": _n("Commission per unit.", "0", "1000"),
        "minimum": _n("Smallest commission of an order.", "0", "1000"),
        "maximum_share": _p("Largest commission, as a fraction of the value.", "1"),
        "share": _n("Commission as a fraction of the value (crypto).", "0", "0.5"),
        "max_cost_share": _p("A trade costing more than this fraction of its value is left.", "1"),
    },
    SizingSettings: {
        "min_trade_value": _n("Smallest trade, in the instrument's currency.", "0", "1000000000"),
        "max_quantity": _p("The most units of one order; null for no bound.", "1000000000"),
    },
    LimitSettings: {
        "max_order_value": _p("Largest order, in the session's currency.", "1000000000"),
        "max_position_share": _p("Largest position, as a fraction of the bot's capital.", "1"),
        "max_positions": _n("The most positions of the session.", "1", "5000"),
        "max_turnover_share": _p("Buys plus sells of a day, as a fraction of the class budget.", "20"),
        "max_daily_loss_share": _p("Loss since the day's start that stops new entries, as a fraction.", "1"),
        "price_collar": _p("Furthest a limit price may lie from the quote, as a fraction.", "0.5"),
        "max_price_jump": _p("Furthest a quote may lie from the broker's last close, as a fraction.", "10"),
        "max_source_gap": _p("Furthest a quote may lie from the price source's last close, as a fraction.", "10"),
        "max_quote_age": _p("Oldest usable quote or last trade, in seconds; 1200 more for delayed data.", _DAY),
        "allow_short": Rule("Whether more may be sold than is owned."),
        "block_reentry": Rule("Whether what the bot closed today is left alone for the rest of the day."),
    },
    ExecutionSettings: {
        "order_type": Rule(
            "Kind of order; crypto takes limit only. Those on close need longer waits: docs/sessions.md.",
            choices=ORDER_TYPES,
        ),
        "limit_offset": _n("How far through the arrival price a limit is set, as a fraction.", "0", "0.2"),
        "fill_timeout": _n("Seconds until the rest of an order is cancelled.", "1", "3600"),
        "cancel_timeout": _n("Seconds to wait for the cancel's confirmation.", "1", "600"),
        "max_open_orders": _n("The most orders at the broker at once.", "1", "1000"),
        "tolerance": _n("How far a price may have moved since a shown plan, as a fraction.", "0", "0.5"),
    },
    feeds.FeedSettings: {
        "yahoo": Rule("Yahoo Finance."),
        "alpha_vantage": Rule("Alpha Vantage; its key comes from ALPHA_VANTAGE_KEY."),
        "slickcharts": Rule("Members and weights of the S&P 500."),
        "files": Rule("Price files of your own."),
        "cache": Rule("Prices kept on disk; times in seconds."),
    },
    feeds.YahooSettings: {
        "batch": _n("Symbols per request.", "1", "500"),
        "workers": _n("Requests at once.", "1", "32"),
        "url": Rule("Address asked in place of Yahoo's; '' for Yahoo itself.", form=URL_OR_NONE),
        "currency_check": Rule("Refuse a series quoted in another currency than the instrument's."),
        "retry": Rule("Retries and circuit breaker."),
    },
    feeds.AlphaVantageSettings: {
        "api_key": Rule("The key.", secret="ALPHA_VANTAGE_KEY", form=LINE),  # noqa: S106  a variable's name
        "url": Rule("Address of the service.", form=URL),
        "per_day": _n("The most requests in a day; the free plan has 25.", "0", "1000000"),
        "premium": Rule("Whether the key's plan has adjusted prices over the whole history."),
        "retry": Rule("Retries and circuit breaker."),
    },
    feeds.SlickchartsSettings: {
        "url": Rule("Address of the list.", form=URL),
        "retry": Rule("Retries and circuit breaker."),
    },
    feeds.FileSettings: {
        "paths": Rule("CSV and Parquet files; relative to this file; later ones fill gaps.", form=LINE),
    },
    feeds.RetrySettings: {
        "attempts": _n("Tries of one call, the first included.", "1", "20"),
        "base_wait": _p("Seconds the waits start from.", "600"),
        "max_wait": _p("Longest wait, in seconds.", "3600"),
        "timeout": _n("Seconds one try may take.", "1", "600"),
        "total": _n("Seconds a call may take with all its tries and waits.", "1", "3600"),
        "breaker_failures": _n("Failures in a row that open the breaker.", "1", "1000"),
        "breaker_seconds": _p("Seconds until an open breaker lets one call try.", _DAY),
        "per_minute": _n("The most calls in any 60 s; 0 for no limit.", "0", "6000"),
    },
    feeds.CacheSettings: {
        "directory": Rule("Folder of the cache; '' is `cache` under `state_dir`.", form=LINE),
        "fresh_for": _n("Age below which bars are served without asking.", "0", _YEAR),
        "usable_for": _n("Age up to which bars are served when every source fails.", "0", _YEAR),
        "lists_fresh_for": _n("The same as `fresh_for`, for index members.", "0", _YEAR),
        "lists_usable_for": _n("The same as `usable_for`, for index members.", "0", _YEAR),
        "overlap_days": _n("Days of the tail asked for again, to notice a changed adjustment.", "1", "250"),
        "max_mb": _n("Largest size on disk, in MB.", "16", "1048576"),
    },
    ReportSettings: {
        "benchmark": Rule(
            "Symbol shown beside the account's value, if its prices are cached; or ''.", form=SYMBOL_OR_NONE
        ),
        "pictures": Rule("Whether pictures are drawn."),
        "weekly": Rule("When the week is summed up; New York time unless a zone is named; or ''.", form=WEEKLY),
    },
    MailSettings: {
        "host": Rule("SMTP server.", form=HOST),
        "port": _n("465 for ssl, 587 for starttls.", "1", "65535"),
        "security": Rule("ssl or starttls."),
        "username": Rule("Login name; '' when there is no mail set-up.", form=LINE),
        "password": Rule("The app password.", secret="GMAIL_APP_PASSWORD", form=LINE),  # noqa: S106  a variable's name
        "sender": Rule("Sender's address; '' takes `username`.", form=MAIL_OR_NONE),
        "recipients": Rule("Who gets the reports; each is sent its own mail.", form=MAIL),
        "timeout": _n("Seconds to wait for the server.", "1", "300"),
        "ca_file": Rule("Extra certificate authority (PEM); relative to this file.", form=LINE),
    },
}


def rule_for(owner: type, name: str) -> Rule:
    """The table's entry, or a rule without bounds for a field it does not know."""
    return _TABLE.get(owner, {}).get(name, Rule(""))
