"""When a person is told without asking."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Thresholds of the rules, and how alerts are told. Times in seconds unless their names say otherwise.

    `mail` sends them to the recipients of reports. `push` are Apprise URLs apart by blanks, a secret, and so is
    `heartbeat_url`, which is asked every `heartbeat_seconds` while all is well: silence is the alarm there. Warnings
    wait while `quiet_hours` last. `muted` are names of rules. An alert ends when its cause has been gone for `clear`.
    `win_rate` is judged over the last day with `win_rate_trades` closed positions at least, `sharpe` (annual) over
    `sharpe_days` trading days, on every day of a week.
    """

    mail: bool = True
    push: str = field(default="", repr=False)
    heartbeat_url: str = field(default="", repr=False)
    heartbeat_seconds: float = 300.0
    quiet_hours: tuple[str, ...] = ()
    muted: tuple[str, ...] = ()
    remind_critical: float = 14400.0
    remind_warning: float = 86400.0
    clear: float = 120.0
    disconnected: float = 300.0
    breaker_open: float = 600.0
    in_doubt: float = 300.0
    unable: float = 300.0
    mail_waiting: float = 3600.0
    drawdown: float = 0.15
    win_rate: float = 0.4
    win_rate_trades: int = 5
    sharpe: float = 0.5
    sharpe_days: int = 63
    backup_age: float = 0.0
