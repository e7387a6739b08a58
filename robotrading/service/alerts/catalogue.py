"""All rules by name: how bad each is, how long its cause must last, and where to read on.

Entry points: `CATALOGUE`, `NAMES`, `WORSE`, `Kind`, `patience`.
Invariant: a rule has one urgency; docs/alerts.md has a line for each, and deploy/prometheus/alerts.yml an alert of the
same name in its own spelling for each that Prometheus can see.
"""

from __future__ import annotations

from dataclasses import dataclass

from robotrading.domain.messages import Urgency
from robotrading.service.alerts.settings import AlertSettings

CRITICAL, WARNING = Urgency.CRITICAL, Urgency.WARNING
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Kind:
    """A rule. `when` is for the documents; `keys` are the thresholds below `alerts` that it goes by.

    `wait` is how many seconds its cause must be seen until a person is told, where no key says that. `section` is the
    heading in docs/runbook.md, '' where there is nothing to be done.
    """

    urgency: Urgency
    when: str
    remedy: str
    section: str = ""
    keys: tuple[str, ...] = ()
    wait: float = 0.0


CATALOGUE: dict[str, Kind] = {
    "service_stopped": Kind(
        CRITICAL,
        "the service's last life ended without a word (found at the next start), or another copy died at work",
        "`robotrading status` shows whether a run was cut off; the log of the service says how it ended",
        "The bot has stopped",
    ),
    "not_able_to_trade": Kind(
        CRITICAL,
        "a check of `robotrading health` says so, and no rule here is nearer to the cause",
        "`robotrading health` says why and what to do",
        "Which incident is it?",
        ("unable",),
    ),
    "disconnected": Kind(
        CRITICAL,
        "the broker is not reached, outside of its quiet times",
        "look at the gateway: is it started, logged in, and its API switched on? `robotrading doctor` tells more",
        "The gateway is gone",
        ("disconnected",),
    ),
    "ledger_trouble": Kind(
        CRITICAL,
        "the ledger cannot be read or written: no order leaves",
        "free the disk or start the database; `robotrading ledger check` looks at it",
        "The ledger is damaged",
        wait=_MINUTE,
    ),
    "disk_full": Kind(
        CRITICAL,
        "less than 50 MB are free where the ledger is",
        "free some now: `df -h` and `du -sh` show where it went; the ledger cannot be written without",
        "The disk is full",
        wait=_MINUTE,
    ),
    "daily_loss": Kind(
        CRITICAL,
        "the daily loss limit was reached: no new entries today",
        "nothing is needed, it ends with the trading day; `robotrading halt` stops all orders",
        "The day has lost too much",
    ),
    "drawdown": Kind(
        CRITICAL,
        "the account is further below its highest value (of 120 days, payments aside) than the limit",
        "`robotrading halt` stops all orders if you do not trust it",
        "Trading is halted",
        ("drawdown",),
    ),
    "breaker_open": Kind(
        CRITICAL,
        "an outside service failed several times in a row and has not been asked since",
        "it is tried again by itself; `robotrading doctor` says whether it is down, or a key or an address is wrong",
        keys=("breaker_open",),
    ),
    "session_failed": Kind(
        CRITICAL,
        "the last run of a session failed",
        "`robotrading report RUN` says why; `robotrading run SESSION` tries again",
        "The daily look",
    ),
    "recovery_failed": Kind(
        CRITICAL,
        "the last run could not settle earlier orders with the broker",
        "`robotrading resolve` shows them and takes your word",
        "An order has no known end",
    ),
    "session_past_deadline": Kind(
        CRITICAL,
        "a run goes on five minutes after its deadline",
        "it is ended by force after a while; its log says where it hangs",
        "A session runs past its deadline",
    ),
    "data_old": Kind(
        CRITICAL,
        "the newest price of the last run was more than two trading days late",
        "`robotrading doctor` asks the sources; what is refused is not traded",
    ),
    "program_down": Kind(
        CRITICAL,
        "a supervised program failed too often and was given up",
        "its log in the state folder says why; restart the service when that is mended",
        "The gateway is gone",
    ),
    "mail_stuck": Kind(
        CRITICAL,
        "a message has waited too long, or one was given up within a day (told on every channel that there is)",
        "`robotrading messages` shows what waits and why; `robotrading messages test` tries each channel",
        "Mail does not arrive",
        ("mail_waiting",),
    ),
    "schedule_trouble": Kind(
        WARNING,
        "sessions cannot be started at their times",
        "`robotrading schedule` says why; it is tried again by itself",
        "The clock is wrong",
        wait=_MINUTE,
    ),
    "session_missed": Kind(
        WARNING,
        "a session was not run when it was due",
        "`robotrading schedule` says why; `robotrading run SESSION` catches up",
        "The bot has stopped",
    ),
    "session_partly": Kind(
        WARNING,
        "the last run of a session was done in part",
        "`robotrading report RUN` says what was left out and why",
        "The daily look",
    ),
    "order_in_doubt": Kind(
        WARNING,
        "nobody knows the end of an order; its instrument is not traded",
        "`robotrading resolve` shows them and takes your word",
        "An order has no known end",
        ("in_doubt",),
    ),
    "halted": Kind(
        WARNING,
        "trading is halted",
        "`robotrading status` says by whom and why; `robotrading resume` ends it",
        "Trading is halted",
    ),
    "data_late": Kind(
        WARNING,
        "the newest price of the last run was one or two trading days late",
        "`robotrading doctor` asks the sources",
    ),
    "win_rate": Kind(
        WARNING,
        "of the positions closed within a day too few had a gain",
        "`robotrading summary` shows what was closed; `robotrading halt` stops all orders if you do not trust it",
        "Trading is halted",
        ("win_rate", "win_rate_trades"),
    ),
    "sharpe": Kind(
        WARNING,
        "the annual Sharpe ratio was low on every day of a week",
        "`robotrading summary --open` shows the curve; `robotrading halt` stops all orders if you do not trust it",
        "Trading is halted",
        ("sharpe", "sharpe_days"),
    ),
    "backup_old": Kind(
        WARNING,
        "the newest backup is too old, or there is none",
        "look whether the backups are made, and where to",
        "What to copy",
        ("backup_age",),
    ),
    "disk_fills_up": Kind(
        WARNING,
        "less than 500 MB are free where the ledger is",
        "free some, or give the state folder a larger disk",
        "The disk is full",
        wait=10 * _MINUTE,
    ),
}
NAMES = tuple(CATALOGUE)
WORSE = {"disk_fills_up": "disk_full", "session_partly": "session_failed", "data_late": "data_old"}
"""By rule the one that stands in its place when the same trouble has grown: nothing is over then."""


_PATIENT = {"not_able_to_trade": "unable", "disconnected": "disconnected", "breaker_open": "breaker_open"}
"""Rules that find their trouble at once and tell of it when it lasts; the others' facts say since when."""


def patience(rule: str, settings: AlertSettings) -> float:
    """Seconds that a finding must be seen again and again before it is an alert."""
    return float(getattr(settings, _PATIENT[rule])) if rule in _PATIENT else CATALOGUE[rule].wait
