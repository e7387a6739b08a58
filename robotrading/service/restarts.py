"""When a program that has ended is started again: the law, without processes.

Entry points: `RestartPolicy`, `Record`, `decide`.
Invariants: pauses never shrink while a program keeps failing, and never exceed `longest`; a program that lived for
`settled` seconds counts as well again; after `give_up_after` failures in a row nothing is started until somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """Times in seconds. The pause before the n-th restart in a row is `first * growth ** (n - 1)`, at most `longest`.

    `first` of zero starts again at once the first time, and after a second the next. `give_up_after` counts failures in
    a row; zero never gives up. With `only_failures` an end with exit code zero is a wish, and nothing is started.
    """

    first: float = 0.0
    growth: float = 2.0
    longest: float = 300.0
    settled: float = 60.0
    give_up_after: int = 8
    only_failures: bool = False

    def pause(self, failures: int) -> float:
        """Seconds before the start that follows so many failures in a row, at least one."""
        if self.first == 0:
            return 0.0 if failures <= 1 else min(self.growth ** (failures - 2), self.longest)
        return min(self.first * self.growth ** (failures - 1), self.longest)


AT_ONCE = RestartPolicy()
"""For what protects: started again the moment it is gone."""
WITHIN_HALF_A_MINUTE = RestartPolicy(first=5.0, longest=30.0, give_up_after=20)
"""For what only earns."""


@dataclass(frozen=True, slots=True)
class Record:
    """A program's past: failures in a row, starts altogether, and whether it was given up."""

    failures: int = 0
    starts: int = 0
    given_up: bool = False

    def started(self) -> Record:
        return replace(self, starts=self.starts + 1)

    def asked_for(self) -> Record:
        """A person wants it again: the past is forgotten."""
        return replace(self, failures=0, given_up=False)


def decide(policy: RestartPolicy, record: Record, lived: float, returncode: int) -> tuple[Record, float | None]:
    """After a program has ended: its record, and the pause before it is started again, None when it is not.

    `lived` in seconds; `returncode` is negative for a signal.
    """
    if returncode == 0 and policy.only_failures:
        return replace(record, failures=0), None
    failures = 1 if lived >= policy.settled else record.failures + 1
    if policy.give_up_after and failures >= policy.give_up_after:
        return replace(record, failures=failures, given_up=True), None
    return replace(record, failures=failures), policy.pause(failures)
