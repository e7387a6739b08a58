"""What a report is seen against, from the ledger, the cached prices and the kept fits: nothing is fetched."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain

from robotrading.adapters.cache.bars import BarCache
from robotrading.adapters.clock import SystemClock
from robotrading.adapters.fits import FitFiles
from robotrading.adapters.notify.report.backdrop import Backdrop, Chart, Worth
from robotrading.config.model import Config
from robotrading.domain.errors import RobotradingError
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars
from robotrading.domain.ports import Ledger
from robotrading.domain.report import SessionReport
from robotrading.strategy.hmm import FitFailure, FitState, filter_path
from robotrading.wiring.benchmark import benchmark_until, points
from robotrading.wiring.payments import payments_until
from robotrading.wiring.timetable import next_runs

log = logging.getLogger(__name__)

_SHOWN_DAYS = 252
_CHARTS = 4
_MOST_POINTS = 100_000
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_LOCAL = frozenset({"synthetic", "files"})
"""Sources that ask nobody."""


def backdrop_for(config: Config, ledger: Ledger, report: SessionReport, *, ahead: bool = True) -> Backdrop:
    """Everything around a report as it was when the run ended; what is not at hand is left out.

    `ahead` says when the session runs next, which means nothing in a rehearsal. Raises `LedgerError`.
    """
    charts = tuple(_charts(config, report)) if config.report.pictures else ()
    return Backdrop(
        _equity(ledger, report),
        config.report.benchmark,
        benchmark_until(config, _last_known(report)),
        charts,
        _next_run(config, report) if ahead else None,
        payments_until(ledger, report),
    )


def _equity(ledger: Ledger, report: SessionReport) -> tuple[Worth, ...]:
    if report.account is None:
        return ()
    found = ledger.equity(report.account.account_id, _LONG_AGO, _MOST_POINTS)
    return tuple(Worth(at, value) for at, value in found if at <= report.account.at)


def _last_known(report: SessionReport) -> date:
    """The newest day whose close the run could know."""
    return max((source.last_day for source in report.sources), default=report.trading_date - timedelta(days=1))


def _charts(config: Config, report: SessionReport) -> Iterable[Chart]:
    """The instruments traded most, by money; without orders those that weigh most."""
    chosen = _most_traded(report)
    fits = FitFiles(config.state_dir / "cache" / "fits").load(report.kind)
    series = _series(config, report, chosen)
    for instrument in chosen:
        if instrument in series:
            yield _chart(series[instrument], fits.get(instrument.key), report)


def _most_traded(report: SessionReport) -> list[Instrument]:
    moved: dict[Instrument, Decimal] = {}
    traded = [(t.intent.instrument, t.filled * t.intent.arrival_price) for t in report.tickets if t.fills]
    planned = [(i.instrument, i.quantity * i.arrival_price) for i in (report.plan.intents if report.plan else ())]
    held = [(line.instrument, line.weight_target) for line in (report.plan.lines if report.plan else ())]
    for instrument, worth in traded or planned or held:
        moved[instrument] = moved.get(instrument, Decimal(0)) + worth
    return sorted(moved, key=lambda one: (-moved[one], one.key))[:_CHARTS]


def _series(config: Config, report: SessionReport, wanted: Sequence[Instrument]) -> dict[Instrument, Bars]:
    found = _cached(config, wanted)
    missing = [instrument for instrument in wanted if instrument not in found]
    if missing and _LOCAL.issuperset(config.sources(report.kind)):
        found |= _local(config, report, missing)
    return {instrument: bars for instrument, bars in found.items() if len(bars)}


def _cached(config: Config, wanted: Sequence[Instrument]) -> dict[Instrument, Bars]:
    try:
        entries = BarCache(config.feeds.cache, SystemClock()).load(wanted)
    except (ValueError, OSError) as error:
        log.info("no cached prices for the report: %s", error)
        return {}
    return {instrument: entry.bars for instrument, entry in entries.items()}


def _local(config: Config, report: SessionReport, wanted: Sequence[Instrument]) -> dict[Instrument, Bars]:
    """From sources on this machine, which are not cached."""
    from robotrading.adapters.calendar import ExchangeCalendar  # noqa: PLC0415  brings pandas
    from robotrading.wiring.feeds import feed_for  # noqa: PLC0415  brings the feeds

    first = date(report.trading_date.year - 4, 1, 1)
    try:
        answers = feed_for(config, report.kind, ExchangeCalendar()).daily(wanted, first, report.trading_date)
    except RobotradingError as error:
        log.info("no prices for the report's pictures: %s", error)
        return {}
    return {instrument: bars for instrument, bars in answers.items() if isinstance(bars, Bars)}


def _chart(bars: Bars, state: FitState | None, report: SessionReport) -> Chart:
    """No bar is shown that the run could not know."""
    known = {signal.instrument: signal for signal in report.signals}
    signal = known.get(bars.instrument)
    series = bars.until(signal.as_of if signal else _last_known(report))
    days, closes = points(series)
    labels = signal.regime.labels if signal and signal.regime else ()
    states = _states(series, state, labels, len(days))
    return Chart(
        bars.instrument.symbol, days[-_SHOWN_DAYS:], closes[-_SHOWN_DAYS:], states[-_SHOWN_DAYS:], labels, bars.source
    )


def _states(series: Bars, state: FitState | None, labels: Sequence[str], days: int) -> tuple[int, ...]:
    """The likeliest state of each day by what was known then, -1 on the first; () where the fit is not the run's."""
    if state is None or len(state.fit.means) != len(labels) or days != len(series) or days < 2:
        return ()
    path = filter_path(series.log_returns(), state.fit)
    return () if isinstance(path, FitFailure) else (-1, *path.argmax(axis=1).tolist())


def _next_run(config: Config, report: SessionReport) -> datetime | None:
    found = chain(one for one in next_runs(config, report.finished_at) if one.kind is report.kind and one.next)
    first = next(found, None)
    return first.next.due_at if first and first.next else None
