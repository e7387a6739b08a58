"""What was left out is a value with a reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Skip:
    """Something that was not done: `subject` (a symbol, a source, a recipient), the `step` it fell out of, and why.

    `reason` is a whole sentence that a person understands; `rule` is the short name of the check or limit, for metrics.
    """

    subject: str
    step: str
    reason: str
    rule: str = ""

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason}"
