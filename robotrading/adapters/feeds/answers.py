"""From what each symbol got to what the port promises: bars or a `Skip` for each, an error only for all.

Entry points: `all_or_nothing`, `end_of_asking`, `out_of_time`, `skip_for`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from robotrading.adapters.resilience import ServiceError, SubjectRefused
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars
from robotrading.domain.skip import Skip

STEP = "prices"
MOST_SECONDS = 400.0
"""After this no further symbol is asked for. A service that answers slowly would use up the whole session otherwise,
and nothing of what it had answered would be kept; so the next run goes on from there. The cache may ask twice in a run,
for ends and for wholes."""


def skip_for(instrument: Instrument, error: ServiceError) -> Skip:
    """The refusal of one symbol as a value."""
    return Skip(subject=instrument.symbol, step=STEP, reason=str(error), rule=error.rule)


def end_of_asking(results: Iterable[Bars | ServiceError]) -> ServiceError | None:
    """The first refusal that would meet every further symbol as well (a bad key, an open breaker), if there is one."""
    for result in results:
        if isinstance(result, ServiceError) and not isinstance(result, SubjectRefused) and not result.retryable:
            return result
    return None


def out_of_time(service: str, seconds: float) -> ServiceError | None:
    """The refusal of every further symbol once the asking has taken `seconds`, None while there is time."""
    if seconds <= MOST_SECONDS:
        return None
    return ServiceError(
        f"{service} answers so slowly that {MOST_SECONDS:.0f} s were over before this symbol's turn; "
        "what has come is kept, and the next run goes on",
        rule="out_of_time",
        retryable=False,
    )


def all_or_nothing(found: Mapping[Instrument, Bars | ServiceError]) -> Mapping[Instrument, Bars | Skip]:
    """Errors become skips, unless every symbol failed for a reason of the service's own: then the first is raised."""
    errors = [result for result in found.values() if isinstance(result, ServiceError)]
    if errors and len(errors) == len(found) and not any(isinstance(error, SubjectRefused) for error in errors):
        raise errors[0]
    return {
        instrument: skip_for(instrument, result) if isinstance(result, ServiceError) else result
        for instrument, result in found.items()
    }
