"""Everything that can go wrong, by what the reader has to do about it.

RobotradingError
+-- ConfigError            the person must change the configuration
+-- DataError              prices cannot be used; nothing is traded on them
|   +-- FeedUnavailable    a source did not answer, or refused; another may
|   +-- StaleData          the newest bar is older than allowed
|   +-- BarsRejected       a named check failed
+-- BrokerError
|   +-- BrokerUnavailable  not connected, not logged in, or silent: the answer is unknown
|   +-- OrderRejected      the broker said no; the order does not live
+-- LimitBreached          a safety rule of ours said no; nothing was sent
+-- PlanMoved              the world has moved past the tolerance since the plan was shown
+-- LedgerError            the journal cannot be trusted or written: trading stops
    +-- LeaseLost          another process has taken over: this one sends nothing more
"""

from __future__ import annotations


class RobotradingError(Exception):
    """Base of every error this program raises on purpose."""


class ConfigError(RobotradingError):
    """The configuration cannot be used; the text names each key, value, rule and way out."""


class DataError(RobotradingError):
    """Market data cannot be used."""


class FeedUnavailable(DataError):
    """A source did not deliver.

    `retryable` is False where asking again cannot help (unknown symbol, bad key, premium endpoint);
    `retry_after` is the pause in seconds the source asked for, if it did.
    """

    def __init__(self, message: str, *, retryable: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = retry_after


class StaleData(DataError):
    """The newest bar is older than the configuration allows."""


class BarsRejected(DataError):
    """A named check refused the series; `rule` is the name of the check."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class BrokerError(RobotradingError):
    """The broker's side of things."""


class BrokerUnavailable(BrokerError):
    """No trustworthy answer from the broker. What was asked is unknown, not empty."""


class OrderRejected(BrokerError):
    """The broker refused an order and it does not live there; `code` is the broker's own."""

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class LimitBreached(RobotradingError):
    """A rule of ours forbids the order; `rule` is its name. Nothing was sent."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class PlanMoved(RobotradingError):
    """The world has moved past the configured tolerance since the plan was made."""


class LedgerError(RobotradingError):
    """The journal cannot be read or written. Without a journal there is no order."""


class LeaseLost(LedgerError):
    """The right to trade this account has passed to another process, or has run out."""
