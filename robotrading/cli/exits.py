"""Exit codes, the same for every command; documented in docs/commands.md."""

from __future__ import annotations

from enum import IntEnum

from robotrading.domain.errors import ConfigError, RobotradingError
from robotrading.domain.report import Outcome, SessionReport


class Exit(IntEnum):
    """What a script can tell from the exit code."""

    OK = 0
    """Done, or nothing to do."""
    BUG = 1
    """An error nobody foresaw; the traceback is on stderr or in the run's log."""
    USAGE = 2
    """The command line or the configuration is wrong."""
    PARTLY = 3
    """A session was done in part: something was left out of its orders, or is in doubt."""
    FAILED = 4
    """A session failed, or the command could not do its work."""
    INTERRUPTED = 130


def for_error(error: RobotradingError) -> Exit:
    """The exit code of an error that ended a command."""
    return Exit.USAGE if isinstance(error, ConfigError) else Exit.FAILED


def for_reports(reports: list[SessionReport]) -> Exit:
    """The worst of several sessions decides."""
    outcomes = {report.outcome for report in reports}
    if Outcome.FAILED in outcomes:
        return Exit.FAILED
    return Exit.PARTLY if Outcome.PARTLY in outcomes else Exit.OK
