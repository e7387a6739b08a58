"""Exit codes, the same for every command; docs/commands.md is written from this."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from robotrading.domain.errors import ConfigError, RobotradingError
from robotrading.domain.report import Outcome, SessionReport
from robotrading.session.lock import AlreadyRunning


class Exit(IntEnum):
    """What a script can tell from the exit code; the worst session of several decides."""

    OK = 0
    BUG = 1
    USAGE = 2
    PARTLY = 3
    FAILED = 4
    BUSY = 5
    GAVE_UP = 70
    INTERRUPTED = 130
    TERMINATED = 143


MEANING = {
    Exit.OK: "Done, or nothing to do.",
    Exit.BUG: "An error nobody foresaw: please report it. The traceback is on standard error or in the run's log.",
    Exit.USAGE: "The command line or the configuration is wrong; nothing was started.",
    Exit.PARTLY: "A session was done in part: something was left out of its orders, or is in doubt. Of `doctor`: "
    "warnings only.",
    Exit.FAILED: "A session failed, or the command could not do its work.",
    Exit.BUSY: "Another copy or command works with this account; nothing was started.",
    Exit.GAVE_UP: "A part of the service ended by itself, so all of it was ended; its log says why.",
    Exit.INTERRUPTED: "Interrupted (Ctrl-C); the sessions were ended, the next run settles what they left open.",
    Exit.TERMINATED: "Ended by SIGTERM or SIGHUP, in the same way.",
}


def for_error(error: RobotradingError) -> Exit:
    """The exit code of an error that ended a command."""
    if isinstance(error, ConfigError):
        return Exit.USAGE
    return Exit.BUSY if isinstance(error, AlreadyRunning) else Exit.FAILED


def for_reports(reports: Sequence[SessionReport]) -> Exit:
    """The worst of several sessions decides."""
    outcomes = {report.outcome for report in reports}
    if Outcome.FAILED in outcomes:
        return Exit.FAILED
    return Exit.PARTLY if Outcome.PARTLY in outcomes else Exit.OK
