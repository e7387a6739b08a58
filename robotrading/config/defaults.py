"""What holds when nothing is written: paper, embedded gateway, three sessions.

Entry point: `default_config`.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from robotrading.adapters.feeds.settings import FeedSettings
from robotrading.adapters.logs.settings import LogSettings
from robotrading.adapters.notify.settings import MailSettings
from robotrading.config.model import CLIENT_ID_OFFSETS, BrokerSettings, Config
from robotrading.domain.instrument import AssetClass
from robotrading.portfolio.bands import BandSettings
from robotrading.portfolio.construct import ConstructSettings, Scheme
from robotrading.portfolio.costs import CostSettings
from robotrading.portfolio.limits import LimitSettings
from robotrading.portfolio.sizing import SizingSettings
from robotrading.service.settings import ServiceSettings
from robotrading.session.settings import CapitalSettings, SessionSettings, UniverseSettings
from robotrading.strategy.chain import SignalSettings
from robotrading.strategy.checks import CheckSettings
from robotrading.strategy.hmm import HmmSettings

_EQUITIES = (
    "AAPL MSFT NVDA AMZN GOOGL JPM V UNH JNJ PG KO PEP XOM CVX HD WMT CAT HON MRK NEE"  # large, liquid, many sectors
)
_BONDS = {
    "AGG": "0.20",
    "TLT": "0.10",
    "IEF": "0.15",
    "SHY": "0.15",
    "LQD": "0.10",
    "HYG": "0.08",
    "TIP": "0.10",
    "BIL": "0.12",
}
_BASE_CLIENT_ID = BrokerSettings().client_id


def default_config() -> Config:
    """The configuration of an empty file; paths are still relative."""
    return Config(
        capital=CapitalSettings(),
        broker=BrokerSettings(),
        sessions={
            AssetClass.EQUITIES: _equities(),
            AssetClass.BONDS: _bonds(),
            AssetClass.CRYPTO: _crypto(),
        },
        feeds=FeedSettings(),
        mail=MailSettings(),
        state_dir=Path("state"),
        service=ServiceSettings(),
        log=LogSettings(),
    )


def _equities() -> SessionSettings:
    return SessionSettings(
        kind=AssetClass.EQUITIES,
        share=Decimal("0.60"),
        universe=UniverseSettings(symbols=tuple(_EQUITIES.split())),
        sources=("yahoo", "alpha_vantage"),
        client_id=_BASE_CLIENT_ID + CLIENT_ID_OFFSETS[AssetClass.EQUITIES],
        construct=ConstructSettings(max_weight=Decimal("0.10")),
    )


def _bonds() -> SessionSettings:
    """Bill funds move a quarter of a percent a year and may stand still for days: their checks must let that pass.

    Fixed weights, since by inverse volatility three quarters of the base weight would fall to the bills.
    """
    fixed = {symbol: Decimal(weight) for symbol, weight in _BONDS.items()}
    return SessionSettings(
        kind=AssetClass.BONDS,
        share=Decimal("0.30"),
        universe=UniverseSettings(symbols=tuple(_BONDS)),
        sources=("yahoo", "alpha_vantage"),
        schedule="1 hour before the close",
        client_id=_BASE_CLIENT_ID + CLIENT_ID_OFFSETS[AssetClass.BONDS],
        checks=CheckSettings(max_constant_days=30, min_annual_volatility=0.0001),
        construct=ConstructSettings(scheme=Scheme.FIXED, fixed=fixed, scale_min=Decimal("0.75")),
        limits=LimitSettings(max_source_gap=Decimal("0.25")),
    )


def _crypto() -> SessionSettings:
    """Trades on all 365 days: windows are calendar days, and the only full stop is the gateway's own."""
    return SessionSettings(
        kind=AssetClass.CRYPTO,
        share=Decimal("0.10"),
        universe=UniverseSettings(
            symbols=("BTC-USD", "ETH-USD"), exchange="PAXOS", lot=Decimal("0.00000001"), tick=Decimal("0.0001")
        ),
        sources=("yahoo",),
        schedule="at 14:00",
        client_id=_BASE_CLIENT_ID + CLIENT_ID_OFFSETS[AssetClass.CRYPTO],
        history_days=1900,
        checks=CheckSettings(min_days=365),
        signal=SignalSettings(hmm=HmmSettings(lookback_days=1825)),
        construct=ConstructSettings(volatility_days=90, max_weight=Decimal("0.70")),
        bands=BandSettings(absolute=Decimal("0.03")),
        costs=CostSettings(per_unit=Decimal(0), minimum=Decimal("1.75"), share=Decimal("0.0018")),
        sizing=SizingSettings(min_trade_value=Decimal(200)),
        limits=LimitSettings(max_positions=20, max_source_gap=Decimal("0.45")),
    )
