"""Remarks on what is allowed but perhaps not meant.

Entry point: `notes`. Nothing is read but a built `Config` and the existence of named files.
"""

from __future__ import annotations

from pathlib import Path

from robotrading.adapters.notify.nomail import missing
from robotrading.adapters.notify.settings import Security
from robotrading.config.lateid import another_book
from robotrading.config.model import BrokerSettings, Config, GatewayKind, Mode
from robotrading.config.onclose import remarks


def notes(config: Config) -> list[str]:
    """What a person should know although it is allowed."""
    wanting = missing(config.mail)
    found = [f"mail is not set up ({', '.join(wanting)}): reports stay on disk"] if wanting else []
    if any(config.sources(kind) != config.sessions[kind].sources for kind in config.enabled):
        found.append("alpha_vantage is left out as a price source: ALPHA_VANTAGE_KEY is not set")
    usual = {Security.SSL: 465, Security.STARTTLS: 587}
    other = {587: Security.STARTTLS, 465: Security.SSL}.get(config.mail.port, config.mail.security)
    if other is not config.mail.security:
        security = config.mail.security
        found.append(f"mail.port {config.mail.port} is usually {other}; {security} uses {usual[security]}")
    if config.mail.ca_file and not Path(config.mail.ca_file).is_file():
        found.append(f"mail.ca_file {config.mail.ca_file} is not there: mail will wait")
    if unused := _unused_by_embedded(config):
        found.append(
            f"{', '.join(unused)} is not used: broker.gateway is embedded; for TWS or IB Gateway write external"
        )
    if config.broker.gateway is GatewayKind.EMBEDDED and config.database_url:
        found.append("ROBOTRADING_DATABASE_URL is not used: broker.gateway is embedded, whose ledger is a file")
    if config.broker.mode is Mode.LIVE and config.broker.port in {4002, 7497}:
        found.append(f"broker.port {config.broker.port} is usually a paper login; live is 4001 (gateway) or 7496 (TWS)")
    external = config.broker.gateway is GatewayKind.EXTERNAL
    if external and config.broker.mode is Mode.PAPER and config.broker.port in {4001, 7496}:
        found.append(f"broker.port {config.broker.port} is usually a live login; paper is 4002 (gateway) or 7497 (TWS)")
    found += another_book(config)
    found += remarks(config.sessions.values())
    if not config.enabled:
        found.append("no session is enabled: `run all` does nothing")
    return found


def _unused_by_embedded(config: Config) -> list[str]:
    """What a person has said of a gateway that is not asked, with its value."""
    given, usual = config.broker, BrokerSettings()
    if given.gateway is not GatewayKind.EMBEDDED:
        return []
    names = ("host", "port", "account")
    return [f"broker.{name} {getattr(given, name)}" for name in names if getattr(given, name) != getattr(usual, name)]
