"""From what each symbol got to what the port promises: bars or a `Skip` for each, an error only for all.

Entry points: `all_or_nothing`, `end_of_asking`, `skip_for`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from robotrading.adapters.resilience import ServiceError, SubjectRefused
from robotrading.domain.instrument import Instrument
from robotrading.domain.market import Bars
from robotrading.domain.skip import Skip

STEP = "prices"


def skip_for(instrument: Instrument, error: ServiceError) -> Skip:
    """The refusal of one symbol as a value."""
    return Skip(subject=instrument.symbol, step=STEP, reason=str(error), rule=error.rule)


def end_of_asking(results: Iterable[Bars | ServiceError]) -> ServiceError | None:
    """The first refusal that would meet every further symbol as well (a bad key, an open breaker), if there is one."""
    for result in results:
        if isinstance(result, ServiceError) and not isinstance(result, SubjectRefused) and not result.retryable:
            return result
    return None


def all_or_nothing(found: Mapping[Instrument, Bars | ServiceError]) -> Mapping[Instrument, Bars | Skip]:
    """Errors become skips, unless every symbol failed for a reason of the service's own: then the first is raised."""
    errors = [result for result in found.values() if isinstance(result, ServiceError)]
    if errors and len(errors) == len(found) and not any(isinstance(error, SubjectRefused) for error in errors):
        raise errors[0]
    return {
        instrument: skip_for(instrument, result) if isinstance(result, ServiceError) else result
        for instrument, result in found.items()
    }
