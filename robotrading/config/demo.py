"""The configuration of `robotrading demo`: the sample market instead of a real one, everything else as configured."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from robotrading.adapters.notify.settings import MailSettings
from robotrading.config.model import BrokerSettings, Config
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.portfolio.construct import Scheme
from robotrading.session.settings import CapitalSettings, SessionSettings, UniverseSettings
from robotrading.sim.feed import DEMO_UNIVERSE

DEMO_DAY = date(2025, 9, 26)
"""A Friday with enough of the sample market's history before it."""

_KEEPSAKE = DEMO_UNIVERSE[AssetClass.EQUITIES][0]
DEMO_HOLDINGS: tuple[tuple[Instrument, Decimal, Decimal], ...] = ((_KEEPSAKE, Decimal(50), Decimal("21.50")),)
"""Shares that the person held before the bot came, in a symbol that the bot trades too: they must stay."""


def demo_config(config: Config) -> Config:
    """Paper, embedded gateway, synthetic prices; no mail leaves."""
    return replace(
        config,
        capital=CapitalSettings(),
        broker=BrokerSettings(),
        sessions={kind: _on_samples(session) for kind, session in config.sessions.items()},
        mail=MailSettings(),
    )


def _on_samples(session: SessionSettings) -> SessionSettings:
    samples = DEMO_UNIVERSE[AssetClass(session.kind)]
    rules = samples[0]
    universe = UniverseSettings(
        symbols=tuple(instrument.symbol for instrument in samples),
        exchange=rules.exchange,
        currency=rules.currency,
        tick=rules.tick,
        lot=rules.lot,
        min_quantity=rules.min_quantity,
    )
    construct = replace(session.construct, scheme=Scheme.EQUAL, fixed={})  # weights by name mean nothing here
    return replace(session, universe=universe, sources=("synthetic",), enabled=True, construct=construct)
