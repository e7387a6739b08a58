"""How long messages are tried."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutboxSettings:
    """Times in seconds unless their names say otherwise.

    A message that did not leave is tried again after `first_retry`, then ever later up to `longest_retry`, and given
    up `give_up_days` after it was made. Of more than `digest_from` waiting messages that are not critical a
    recipient gets one digest. What has arrived is forgotten after `keep_days`.
    """

    first_retry: float = 60.0
    longest_retry: float = 14400.0
    give_up_days: float = 3.0
    digest_from: int = 5
    keep_days: int = 30
