"""The one frozen value that holds everything a person can set.

Entry points: `Config`, `BrokerSettings`.
Invariants: a `Config` from `load` obeys every rule of `rules.py`; secrets never appear in its `repr`; the client ids of
the sessions differ from each other and from the base, which `status` and other short visits use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from robotrading.adapters.feeds.settings import FeedSettings
from robotrading.adapters.ibkr.settings import GatewaySettings
from robotrading.adapters.logs.settings import LogSettings
from robotrading.adapters.notify.settings import MailSettings, ReportSettings
from robotrading.domain.instrument import AssetClass
from robotrading.execution.quiet import QuietTimes, restart, window
from robotrading.service.alerts.settings import AlertSettings
from robotrading.service.post.settings import OutboxSettings
from robotrading.service.settings import ServiceSettings
from robotrading.session.settings import CapitalSettings, SessionSettings

CLIENT_ID_OFFSETS = {AssetClass.EQUITIES: 1, AssetClass.BONDS: 2, AssetClass.CRYPTO: 3}
PRICES_OFFSET = 10


class GatewayKind(StrEnum):
    """Where orders go."""

    EMBEDDED = "embedded"
    """The pretend exchange inside this program: no account, no money."""
    EXTERNAL = "external"
    """A TWS or IB Gateway that a person has started and logged in."""


class Mode(StrEnum):
    """Whether money is real."""

    PAPER = "paper"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class BrokerSettings:
    """Which gateway, which account, and whether its money is real; times in seconds.

    `client_id` is the base: each session adds its own offset. `confirm_live` must be the sentence that
    `live_confirmation` gives for the account before `mode` may be live. `quiet_times` are the broker's resets and
    `gateway_restart` the gateway's own, of `gateway_restart_minutes`; no order leaves in the last `quiet_margin`
    seconds before either. The embedded gateway has none of them.
    """

    gateway: GatewayKind = GatewayKind.EMBEDDED
    mode: Mode = Mode.PAPER
    account: str = ""
    confirm_live: str = ""
    host: str = "127.0.0.1"
    port: int = 4002
    client_id: int = 100
    connect_timeout: float = 15.0
    request_timeout: float = 20.0
    messages_per_second: int = 45
    market_data_type: int = 3
    quiet_times: tuple[str, ...] = ("23:45-01:45", "Fri 23:00-03:00")
    gateway_restart: str = ""
    gateway_restart_minutes: int = 10
    quiet_margin: float = 60.0


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be set, checked as a whole.

    `origins` tells where a value came from (`config.yaml:12:5`, `environment variable IBKR_PORT`), by dotted key;
    a key that is not in it has its default. `database_url` is the PostgreSQL database of the paper or live account's
    ledger, for copies on several hosts; '' keeps it in a file below `state_dir`.
    """

    capital: CapitalSettings
    broker: BrokerSettings
    sessions: Mapping[AssetClass, SessionSettings]
    feeds: FeedSettings
    mail: MailSettings
    state_dir: Path
    log: LogSettings
    service: ServiceSettings = field(default_factory=ServiceSettings)
    report: ReportSettings = field(default_factory=ReportSettings)
    outbox: OutboxSettings = field(default_factory=OutboxSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    database_url: str = field(default="", repr=False)
    origins: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def enabled(self) -> tuple[AssetClass, ...]:
        """The sessions that run, in their fixed order."""
        return tuple(kind for kind, session in self.sessions.items() if session.enabled)

    def gateway(self, kind: AssetClass | None = None, *, prices: bool = False) -> GatewaySettings:
        """How `kind` reaches the gateway under its own client id; None is for short visits under the base id.

        With `prices`, under an id apart, for a second connection that fetches history beside the session's own.
        """
        broker = self.broker
        client_id = broker.client_id if kind is None else self.sessions[kind].client_id
        return GatewaySettings(
            host=broker.host,
            port=broker.port,
            client_id=client_id + (PRICES_OFFSET if prices else 0),
            account=broker.account,
            paper=broker.mode is Mode.PAPER,
            connect_timeout=broker.connect_timeout,
            request_timeout=broker.request_timeout,
            messages_per_second=broker.messages_per_second,
            market_data_type=broker.market_data_type,
        )

    @property
    def quiet(self) -> QuietTimes:
        """When nobody logs in and no order leaves. Raises ValueError for words that are no times."""
        broker = self.broker
        if broker.gateway is GatewayKind.EMBEDDED:
            return QuietTimes()
        own = restart(broker.gateway_restart, broker.gateway_restart_minutes)
        return QuietTimes((*map(window, broker.quiet_times), *own), broker.quiet_margin)

    def sources(self, kind: AssetClass) -> tuple[str, ...]:
        """The session's price sources in order of fallback, without Alpha Vantage when no key for it is known."""
        keyless = {"alpha_vantage"} if not self.feeds.alpha_vantage.api_key else set()
        return tuple(name for name in self.sessions[kind].sources if name not in keyless)


def live_confirmation(account: str) -> str:
    """The sentence a person has to write before real money moves."""
    return f"I trade real money on {account}"
