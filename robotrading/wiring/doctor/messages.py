"""Who is told of alerts, and whether somebody outside would notice that nobody is told any more."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from robotrading.adapters.notify.push import unusable
from robotrading.adapters.notify.push_urls import named
from robotrading.config.model import Config, GatewayKind
from robotrading.domain.messages import Channel, LetterKind, Waiting
from robotrading.wiring.doctor.finding import Finding, broken, fine, left_out, warning
from robotrading.wiring.post import addresses_for

PART = "messages"
_SECONDS = 5.0
_LATE = timedelta(hours=1)
_LOOK = "`robotrading messages` shows which and why"


def pushes(urls: str) -> Iterator[Finding]:
    """Whether their URLs can be used; nobody is asked, and no URL is in a finding."""
    bad = unusable(urls)
    for sentence in bad.values():
        found, _, remedy = sentence.partition("; ")
        yield broken("push", found, remedy)
    good = [name for name in named(urls) if name not in bad]
    if good:
        yield fine("push", f"{', '.join(good)}; `robotrading messages test` sends a test to each")


def audience(config: Config) -> Finding:
    """Who hears of alerts; that nobody does is no fault as long as no account is traded."""
    people = addresses_for(config, LetterKind.ALERT)
    mails = sum(one.channel is Channel.MAIL for one in people)
    told = [f"{count} by {way}" for count, way in ((mails, "mail"), (len(people) - mails, "push")) if count]
    if told:
        return fine("alerts", f"they go to {' and '.join(told)}")
    remedy = "set up mail, or ROBOTRADING_PUSH_URLS: docs/alerts.md"
    if config.broker.gateway is GatewayKind.EMBEDDED:
        return left_out("alerts", "they are told to nobody: neither mail nor push is set up for them", remedy)
    return warning("alerts", "they would be told to nobody: neither mail nor push is set up for them", remedy)


def heartbeat(url: str, *, offline: bool) -> Finding:
    """Whether its address is reached; it is not asked, since that would count as a beat of the service."""
    part = "heartbeat"
    if not url:
        found = "none; nobody outside notices when this machine is dead"
        return left_out(part, found, "set ROBOTRADING_HEARTBEAT_URL: docs/alerts.md, 'Silence is an alarm'")
    if offline:
        return left_out(part, "not asked (--offline)")
    trouble = _unreached(url)
    if trouble:
        return warning(part, f"its address (not shown) is not reached: {trouble}", "correct ROBOTRADING_HEARTBEAT_URL")
    return fine(part, "its address is reached (and was not asked: only the service beats)")


def _unreached(url: str) -> str:
    """Why nobody can be connected to there, in words without the address; '' where somebody can."""
    try:
        parts = urlsplit(url)
        host, port, secure = parts.hostname or "", parts.port, parts.scheme == "https"
    except ValueError:
        return "it is no address"
    if parts.scheme not in {"http", "https"} or not host:
        return "it is none of http or https"
    try:
        with socket.create_connection((host, port or (443 if secure else 80)), timeout=_SECONDS) as line:
            if secure:
                ssl.create_default_context().wrap_socket(line, server_hostname=host).close()
    except (OSError, ValueError) as error:  # its words may name the host
        return type(error).__name__
    return ""


def outbox(waiting: Waiting, now: datetime) -> Iterator[Finding]:
    """What did not leave."""
    if waiting.given_up:
        found = f"{waiting.given_up} given up within a day, which will not be tried again"
        yield warning(PART, found, f"{_LOOK}; when that is mended: robotrading messages retry ID")
    if waiting.oldest is not None and now - waiting.oldest > _LATE:
        hours = (now - waiting.oldest).total_seconds() / 3600
        found = f"{waiting.deliveries} not sent yet, the oldest for {hours:.0f} h"
        yield warning(PART, found, f"{_LOOK}; when that is mended: robotrading messages send")
    elif waiting.deliveries:
        yield fine(PART, f"{waiting.deliveries} on their way")
