"""The rules that span several keys.

Entry point: `violations`. What is allowed but perhaps not meant is in `config/notes.py`.
Invariant: one rule, one function; a rule reads a built `Config` and nothing else but the existence of named files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from robotrading.adapters.feeds.settings import RetrySettings
from robotrading.config.model import Config, GatewayKind, Mode, live_confirmation
from robotrading.config.onclose import ON_CLOSE, falls_short
from robotrading.config.problems import KeyPath, dotted, nearest, quoted
from robotrading.domain.instrument import AssetClass
from robotrading.domain.orders import OrderType
from robotrading.execution.quiet import restart, window
from robotrading.portfolio.construct import Scheme
from robotrading.service.settings import LEAST_TOKEN, is_weak
from robotrading.service.weekly import parse as parse_weekly
from robotrading.session.schedule import parse_schedule
from robotrading.session.settings import SessionSettings, UniverseKind


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule at `path`; `also` are the other keys it speaks of."""

    path: KeyPath
    text: str
    also: tuple[KeyPath, ...] = ()


Rule = Callable[[Config], Iterator[Violation]]
SessionRule = Callable[[KeyPath, SessionSettings], Iterator[Violation]]
_ACCOUNT = ("broker", "account")
_MODE = ("broker", "mode")


def violations(config: Config) -> list[Violation]:
    """Every rule that the configuration breaks."""
    found = [violation for rule in _RULES for violation in rule(config)]
    for kind, session in config.sessions.items():
        path = ("sessions", str(kind))
        found += [violation for rule in _SESSION_RULES for violation in rule(path, session)]
    return found


def _live_is_meant(config: Config) -> Iterator[Violation]:
    broker = config.broker
    if broker.mode is not Mode.LIVE:
        return
    if broker.gateway is not GatewayKind.EXTERNAL:
        text = "embedded cannot trade live; write external, or set broker.mode to paper (USE_PAPER=true)"
        yield Violation(("broker", "gateway"), text, (_MODE,))
    if not broker.account or broker.account.startswith("D"):
        text = f"{quoted(broker.account)} is no live account; live needs the account's own id"
        yield Violation(_ACCOUNT, f"{text}, which does not begin with D", (_MODE,))
    elif broker.confirm_live != live_confirmation(broker.account):
        wanted = live_confirmation(broker.account)
        text = f"{quoted(broker.confirm_live)} does not confirm live trading; write {quoted(wanted)}"
        yield Violation(("broker", "confirm_live"), f"{text}, or set mode to paper", (_MODE, _ACCOUNT))


def _paper_is_paper(config: Config) -> Iterator[Violation]:
    account = config.broker.account
    if config.broker.mode is Mode.PAPER and account and not account.startswith("D"):
        text = f"{quoted(account)} is a live account, and broker.mode is paper; paper account ids begin with D"
        yield Violation(_ACCOUNT, text, (_MODE,))


def _database_is_one(config: Config) -> Iterator[Violation]:
    """Of the address nothing is shown: it may hold a password."""
    if not config.database_url:
        return
    path = ("database_url",)
    try:
        parts = urlsplit(config.database_url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"postgresql", "postgresql+psycopg"} or not parts.path.strip("/"):
        text = "the address (not shown) is none of a PostgreSQL database; write postgresql://user:password@host/name"
        yield Violation(path, text)
    if config.broker.gateway is GatewayKind.EXTERNAL and not config.broker.account:
        text = "'' names no account, and the ledger is in a shared database; write the account's id"
        yield Violation(_ACCOUNT, f"{text}, so that all copies mean the same", (path,))


def _token_is_long(config: Config) -> Iterator[Violation]:
    """Of the token nothing is shown."""
    if is_weak(config.service.token):
        text = f"the token (not shown) is too short or not plain; {LEAST_TOKEN} characters or more of plain letters, "
        text += "digits and signs are needed, as `openssl rand -hex 16` makes them, or none at all"
        yield Violation(("service", "token"), text)


def _client_ids_differ(config: Config) -> Iterator[Violation]:
    taken = {config.broker.client_id: "broker.client_id"}
    for kind, session in config.sessions.items():
        if session.client_id in taken:
            text = f"{session.client_id} is the client id of {taken[session.client_id]} too; each needs its own"
            yield Violation(("sessions", str(kind), "client_id"), text)
        taken.setdefault(session.client_id, f"sessions.{kind}")


def _shares_fit(config: Config) -> Iterator[Violation]:
    shares = {kind: config.sessions[kind].share for kind in config.enabled}
    if (total := sum(shares.values())) > 1:
        listed = " + ".join(f"{kind} {share}" for kind, share in shares.items())
        paths = tuple(("sessions", str(kind), "share") for kind in shares)
        text = f"the shares of the enabled sessions sum to {total} ({listed}), above 1"
        written = [path for path in paths if dotted(path) in config.origins] or paths
        yield Violation(written[-1], f"{text}; lower them, or disable a session", paths)


def _symbols_have_one_home(config: Config) -> Iterator[Violation]:
    homes: dict[str, AssetClass] = {}
    for kind in config.enabled:
        universe = config.sessions[kind].universe
        for index, symbol in enumerate(universe.symbols if universe.kind is UniverseKind.LIST else ()):
            if homes.setdefault(symbol, kind) is not kind:
                text = f"{quoted(symbol)} is in sessions.{homes[symbol]} too; a symbol belongs to one session"
                yield Violation(("sessions", str(kind), "universe", "symbols", index), text)


def _sources_fit_gateway(config: Config) -> Iterator[Violation]:
    external = config.broker.gateway is GatewayKind.EXTERNAL
    for kind, session in config.sessions.items():
        for index, source in enumerate(session.sources):
            path = ("sessions", str(kind), "sources", index)
            if source == "ibkr" and not external:
                text = "'ibkr' needs a real gateway; set broker.gateway to external, or take another source"
                yield Violation(path, text, (("broker", "gateway"),))
            if source == "synthetic" and external:
                text = "'synthetic' prices are invented, and broker.gateway is external; take a real source"
                yield Violation(path, text, (("broker", "gateway"),))


def _sources_are_usable(config: Config) -> Iterator[Violation]:
    for kind in config.enabled:
        if not config.sources(kind) and config.sessions[kind].sources:
            text = "'alpha_vantage' is the only source and has no key; set ALPHA_VANTAGE_KEY or ALPHA_VANTAGE_KEY_FILE"
            yield Violation(("sessions", str(kind), "sources"), text, (("feeds", "alpha_vantage", "api_key"),))


def _files_are_there(config: Config) -> Iterator[Violation]:
    users = [kind for kind in config.enabled if "files" in config.sessions[kind].sources]
    if users and not config.feeds.files.paths:
        text = f"no file is named, and sessions.{users[0]}.sources has 'files'; name CSV or Parquet files, or remove it"
        yield Violation(("feeds", "files", "paths"), text, (("sessions", str(users[0]), "sources"),))
    for index, path in enumerate(config.feeds.files.paths if users else ()):
        if not Path(path).is_file():
            text = f"{quoted(path)} is not there; correct the path (relative ones start at the configuration's folder)"
            yield Violation(("feeds", "files", "paths", index), text)


def _quiet_times_are_times(config: Config) -> Iterator[Violation]:
    broker = config.broker
    for index, text in enumerate(broker.quiet_times):
        yield from _readable(("broker", "quiet_times", index), window, text)
    for index, text in enumerate(config.alerts.quiet_hours):
        yield from _readable(("alerts", "quiet_hours", index), window, text)
    yield from _readable(("report", "weekly"), parse_weekly, config.report.weekly)
    minutes = broker.gateway_restart_minutes
    yield from _readable(("broker", "gateway_restart"), restart, broker.gateway_restart, minutes)


def _readable(path: KeyPath, read: Callable[..., object], *words: object) -> Iterator[Violation]:
    """Words that a pure function reads, or refuses with the reason."""
    try:
        read(*words)
    except ValueError as error:
        yield Violation(path, str(error))


def _state_is_a_folder(config: Config) -> Iterator[Violation]:
    path = config.state_dir
    if path == Path(path.anchor) or (path.exists() and not path.is_dir()):
        yield Violation(("state_dir",), f"{quoted(str(path))} cannot be the state folder; name a folder of its own")


def _cache_ages_are_ordered(config: Config) -> Iterator[Violation]:
    cache, path = config.feeds.cache, ("feeds", "cache")
    pairs = [("fresh_for", "usable_for"), ("lists_fresh_for", "lists_usable_for")]
    for low, high in pairs:
        yield from _ordered(path, cache, low, high)


def _waits_are_ordered(config: Config) -> Iterator[Violation]:
    feeds = config.feeds
    retries: dict[str, RetrySettings] = {
        "yahoo": feeds.yahoo.retry,
        "alpha_vantage": feeds.alpha_vantage.retry,
        "slickcharts": feeds.slickcharts.retry,
    }
    for name, retry in retries.items():
        yield from _ordered(("feeds", name, "retry"), retry, "base_wait", "max_wait")


def _ordered(path: KeyPath, settings: object, low: str, high: str) -> Iterator[Violation]:
    """`low` must not exceed `high`."""
    least, most = getattr(settings, low), getattr(settings, high)
    if least > most:
        text = f"{least} is above {high}, which is {most}; lower it, or raise {high}"
        yield Violation((*path, low), text, ((*path, high),))


def _schedule_is_understood(path: KeyPath, session: SessionSettings) -> Iterator[Violation]:
    try:
        parse_schedule(session.schedule, session.kind)
    except ValueError as error:
        yield Violation((*path, "schedule"), str(error))


def _universe_is_named(path: KeyPath, session: SessionSettings) -> Iterator[Violation]:
    universe = session.universe
    kind = (*path, "universe", "kind")
    if universe.kind is UniverseKind.LIST and not universe.symbols and session.enabled:
        text = "no symbols are listed; list some, choose another kind, or set enabled: false"
        yield Violation((*path, "universe", "symbols"), text, (kind,))
    if universe.kind is UniverseKind.FILE and not Path(universe.file).is_file():
        text = f"{quoted(universe.file)} is not there, and kind is file; name a file of symbols"
        yield Violation((*path, "universe", "file"), text, (kind,))
    if universe.kind is UniverseKind.SP500 and session.kind is not AssetClass.EQUITIES:
        yield Violation(kind, f"'sp500' is for equities, not {session.kind}; write list or file")


def _symbols_are_spelt_right(path: KeyPath, session: SessionSettings) -> Iterator[Violation]:
    currency = session.universe.currency
    for index, symbol in enumerate(session.universe.symbols):
        place = (*path, "universe", "symbols", index)
        also = ((*path, "universe", "currency"),)
        if session.kind is AssetClass.CRYPTO and not symbol.endswith(f"-{currency}"):
            text = f"{quoted(symbol)} is no crypto pair in {currency}; write it like BTC-{currency}"
            yield Violation(place, text, also)
        if session.kind is not AssetClass.CRYPTO and symbol.endswith(f"-{currency}"):
            yield Violation(place, f"{quoted(symbol)} is a crypto pair; it belongs into sessions.crypto", also)
        if currency == "USD" and re.fullmatch(r"[A-Z]+\.[A-Z]", symbol):
            text = f"{quoted(symbol)} has a dot; share classes are written as Yahoo does, {symbol.replace('.', '-')}"
            yield Violation(place, text, also)


def _chain_ends_with_hold(path: KeyPath, session: SessionSettings) -> Iterator[Violation]:
    chain = session.signal.chain
    if chain and chain[-1] != "hold":
        text = f"the last link is {quoted(chain[-1])}; end with hold, so that there is always an answer"
        yield Violation((*path, "signal", "chain"), text)


def _windows_are_ordered(path: KeyPath, session: SessionSettings) -> Iterator[Violation]:
    windows, where = session.signal.moving_average, (*path, "signal", "moving_average")
    if windows.fast_days >= windows.slow_days:
        text = f"{windows.fast_days} is not below slow_days, which is {windows.slow_days}; make it the shorter window"
        yield Violation((*where, "fast_days"), text, ((*where, "slow_days"),))


def _history_is_long_enough(path: KeyPath, session: SessionSettings) -> Iterator[Violation]:
    needs = {
        ("checks", "min_days"): session.checks.min_days,
        ("signal", "hmm", "lookback_days"): session.signal.hmm.lookback_days,
        ("signal", "moving_average", "slow_days"): session.signal.moving_average.slow_days,
        ("construct", "volatility_days"): session.construct.volatility_days,
    }
    for key, days in needs.items():
        if days > session.history_days:
            text = f"{session.history_days} days do not cover {'.'.join(key)}, which is {days}; raise it, or lower that"
            yield Violation((*path, "history_days"), text, ((*path, *key),))


def _weights_fit(path: KeyPath, session: SessionSettings) -> Iterator[Violation]:
    construct, where = session.construct, (*path, "construct")
    fixed = construct.fixed
    if construct.scheme is Scheme.FIXED and not fixed:
        yield Violation((*where, "fixed"), "no weights are given, and scheme is fixed; write symbol: weight lines")
    if (total := sum(fixed.values())) > 1:
        yield Violation((*where, "fixed"), f"the weights sum to {total}, above 1; lower them")
    if construct.scheme is Scheme.MARKET_CAP and session.universe.kind is not UniverseKind.SP500:
        text = f"market_cap needs the weights of an index, and universe.kind is {session.universe.kind}; write equal"
        yield Violation((*where, "scheme"), text, ((*path, "universe", "kind"),))


def _weights_name_symbols(path: KeyPath, session: SessionSettings) -> Iterator[Violation]:
    universe, construct = session.universe, session.construct
    strange = [symbol for symbol in construct.fixed if symbol not in universe.symbols]
    if universe.kind is not UniverseKind.LIST or construct.scheme is not Scheme.FIXED or not strange:
        return
    where = (*path, "construct", "fixed")
    also = ((*path, "universe"), (*path, "construct", "scheme"))
    if len(strange) == 1:
        text = f"{quoted(strange[0])} is not in universe.symbols.{nearest(strange[0], universe.symbols)}"
        yield Violation((*where, strange[0]), f"{text} Add it there, or remove its weight", also)
    else:
        text = f"{', '.join(strange[:5])}{' ...' if len(strange) > 5 else ''} are not in universe.symbols"
        yield Violation(where, f"{text}; write the weights of the symbols there, or take scheme equal", also)


def _orders_can_pass(path: KeyPath, session: SessionSettings) -> Iterator[Violation]:
    execution, limits = session.execution, session.limits
    where = (*path, "execution")
    if execution.limit_offset > limits.price_collar:
        text = f"{execution.limit_offset} is above limits.price_collar, {limits.price_collar}: no order could pass"
        yield Violation((*where, "limit_offset"), f"{text}; lower it", ((*path, "limits", "price_collar"),))
    if session.sizing.min_trade_value > limits.max_order_value:
        text = f"{session.sizing.min_trade_value} is above limits.max_order_value, {limits.max_order_value}"
        also = ((*path, "limits", "max_order_value"),)
        yield Violation((*path, "sizing", "min_trade_value"), f"{text}: no trade is possible; lower it", also)
    if session.kind is AssetClass.CRYPTO and execution.order_type is not OrderType.LIMIT:
        # A market buy of crypto is sized in cash, so that what it will have bought is not known beforehand.
        why = ", whose market has no close" if execution.order_type in ON_CLOSE else ""
        text = f"{quoted(str(execution.order_type))} is not taken for crypto{why}; write limit"
        yield Violation((*where, "order_type"), text)


def _on_close_reaches_the_close(path: KeyPath, session: SessionSettings) -> Iterator[Violation]:
    also = ((*path, "execution", "order_type"), (*path, "schedule"))
    yield from (Violation((*path, *short.key), short.text, also) for short in falls_short(session))


def _waits_fit_deadline(path: KeyPath, session: SessionSettings) -> Iterator[Violation]:
    execution = session.execution
    if (needed := execution.fill_timeout + execution.cancel_timeout) >= session.deadline:
        text = f"{session.deadline} s leave no time for one order: fill_timeout and cancel_timeout are {needed} s"
        also = tuple((*path, "execution", name) for name in ("fill_timeout", "cancel_timeout"))
        yield Violation((*path, "deadline"), f"{text}; raise it", also)


_RULES: tuple[Rule, ...] = (
    _live_is_meant,
    _paper_is_paper,
    _database_is_one,
    _token_is_long,
    _client_ids_differ,
    _shares_fit,
    _symbols_have_one_home,
    _sources_fit_gateway,
    _sources_are_usable,
    _files_are_there,
    _quiet_times_are_times,
    _state_is_a_folder,
    _cache_ages_are_ordered,
    _waits_are_ordered,
)
_SESSION_RULES: tuple[SessionRule, ...] = (
    _schedule_is_understood,
    _universe_is_named,
    _symbols_are_spelt_right,
    _chain_ends_with_hold,
    _windows_are_ordered,
    _history_is_long_enough,
    _weights_fit,
    _weights_name_symbols,
    _orders_can_pass,
    _on_close_reaches_the_close,
    _waits_fit_deadline,
)
