"""A plan of misfortunes: what goes wrong, when, and for how long.

Entry points: `Fault`, `FaultPlan`, `plan_for` (a plan drawn from a seed), `read_plan`, `write_plan`, `plan_from_json`,
`plan_to_json`. Pure but for `read_plan` and `write_plan`.
Invariants: the same seed, intensity and kinds give the same plan on every machine and Python; a plan written and read
is the same plan; nothing that a plan file holds comes out of reading but a valid plan or one `ConfigError`.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from robotrading.domain.errors import ConfigError
from robotrading.sim.faults.kinds import SHAPES, Extent, FaultKind, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One misfortune.

    It is set off by the `at`-th occurrence of `on` (counted from 1 over the whole run), or `at` seconds after the start
    where `on` is `seconds`. Counted kinds befall `times` occurrences in a row (0: all from then on); lasting kinds end
    after `seconds` (None: never). Of the counted kinds some have an aftermath (a correction, an unasked cancel, trading
    again after silence), which comes `seconds` later, as `Shape.pause` says. `amount` is as the kind's `Shape` says,
    None for the usual. `after` lets a ledger's fault come when the call has had its effect.

    ValueError where the kind cannot have the trigger, the time or the amount.
    """

    kind: FaultKind
    on: Trigger
    at: float = 1
    times: int = 1
    seconds: float | None = None
    amount: Decimal | None = None
    after: bool = False

    def __post_init__(self) -> None:
        for rule in (_trigger_fits, _moment_fits, _extent_fits, _amount_fits):
            problem = rule(self)
            if problem:
                raise ValueError(f"{self.kind}: {problem}")

    @property
    def size(self) -> Decimal:
        """The amount, the kind's usual one where none is given."""
        return SHAPES[self.kind].usual if self.amount is None else self.amount

    def befalls(self, occurrence: int) -> bool:
        """Whether it befalls the n-th occurrence of its trigger (not for `seconds`)."""
        if self.on is Trigger.SECONDS or occurrence < self.at:
            return False
        counted = SHAPES[self.kind].extent is Extent.COUNTED
        return (counted and not self.times) or occurrence < self.at + (self.times if counted else 1)


def _trigger_fits(fault: Fault) -> str:
    allowed = SHAPES[fault.kind].triggers
    if fault.on in allowed:
        return ""
    return f"on: {fault.on} cannot set it off; choose {' or '.join(sorted(allowed))}"


def _moment_fits(fault: Fault) -> str:
    if fault.on is Trigger.SECONDS:
        return "" if 0 <= fault.at < float("inf") else f"at: {fault.at} is no time after the start; give seconds from 0"
    if 1 <= fault.at < float("inf") and fault.at == int(fault.at):
        return ""
    return f"at: {fault.at} is no count; give a whole number from 1"


def _extent_fits(fault: Fault) -> str:
    if fault.times < 0:
        return f"times: {fault.times} is negative; give a number from 1, or 0 for all from then on"
    if fault.seconds is not None and not 0 <= fault.seconds < float("inf"):
        return f"seconds: {fault.seconds} is no length of time; give a number from 0, or leave it out"
    if fault.seconds is not None and not _has_length(fault.kind):
        return "seconds: this kind has no length; leave it out"
    if fault.after and Trigger.LEDGER not in SHAPES[fault.kind].triggers:
        return "after: only a ledger's fault can come after the effect; leave it out"
    return ""


def _has_length(kind: FaultKind) -> bool:
    return SHAPES[kind].extent is Extent.LASTING or bool(SHAPES[kind].pause)


def _amount_fits(fault: Fault) -> str:
    shape = SHAPES[fault.kind]
    if fault.amount is None:
        return ""
    if not shape.amount:
        return f"amount: {fault.amount} is given, but this kind has none; leave it out"
    if fault.amount.is_finite() and shape.least <= fault.amount <= shape.most:
        return ""
    return f"amount: {fault.amount} ({shape.amount}) is not between {shape.least} and {shape.most}"


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Everything that goes wrong in one run. `seed` says where it came from; 0 for one that a person wrote."""

    seed: int = 0
    faults: tuple[Fault, ...] = ()


# JSON --------------------------------------------------------------------------------------------------------------


_FORM = (
    "it is an object with 'seed' and 'faults', each fault with 'kind', 'on' (what sets it off), 'at' and, where the "
    "kind has them, 'times', 'seconds', 'amount', 'after'"
)


def plan_to_json(plan: FaultPlan) -> bytes:
    """Indented, what is as usual left out."""
    lean = {"seed": plan.seed, "faults": [_lean(fault) for fault in plan.faults]}
    return msgspec.json.format(msgspec.json.encode(lean), indent=2) + b"\n"


def _lean(fault: Fault) -> dict[str, Any]:
    usual = {field.name: field.default for field in fields(Fault)}
    given = {name: getattr(fault, name) for name in usual}
    given["at"] = int(fault.at) if fault.at == int(fault.at) else fault.at
    return {name: value for name, value in given.items() if name in ("kind", "on", "at") or value != usual[name]}


def plan_from_json(content: bytes, source: str = "fault plan") -> FaultPlan:
    """ConfigError, naming `source`, for what is no plan."""
    try:
        given = msgspec.json.decode(content)
        if wrong := _wrong_name(given):
            raise ConfigError(f"{source}: not a fault plan: {wrong}")
        plan = msgspec.json.decode(content, type=FaultPlan)
        strange = _strangers(given)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: not a fault plan: {error}; {_FORM}") from error
    if strange:
        raise ConfigError(f"{source}: not a fault plan: {strange!r} is no key of it; {_FORM}")
    return plan


def _wrong_name(given: Any) -> str:
    """The first kind or trigger that is none, with those that there are; '' where there is no such."""
    faults = given.get("faults") if isinstance(given, dict) else None
    for number, fault in enumerate(faults if isinstance(faults, list) else (), 1):
        for key, names, what in (("kind", FaultKind, "is no kind of fault"), ("on", Trigger, "sets nothing off")):
            name = fault.get(key) if isinstance(fault, dict) else None
            if isinstance(name, str) and name not in set(names):
                return f"fault {number}: {name!r} {what}; there are {', '.join(names)}"
    return ""


def _strangers(given: dict[str, Any]) -> str:
    """The first key that means nothing, '' when there is none: a misspelt one must not pass as left out."""
    known = {field.name for field in fields(Fault)}
    keys = [
        *(given.keys() - {"seed", "faults"}),
        *(key for one in given.get("faults", ()) for key in one if key not in known),
    ]
    return min(keys, default="")


def read_plan(path: Path) -> FaultPlan:
    """ConfigError for a file that cannot be read or holds no plan."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the fault plan cannot be read ({error.strerror}); name an existing file") from error
    return plan_from_json(content, str(path))


def write_plan(path: Path, plan: FaultPlan) -> None:
    path.write_bytes(plan_to_json(plan))


# Drawing -----------------------------------------------------------------------------------------------------------

ALL_KINDS = tuple(FaultKind)
MOST_FAULTS = 4
"""In a plan of intensity 1; at least one."""
_SECONDS = (1.0, 5.0, 20.0, 60.0, 300.0, 3600.0)
_AMOUNTS = {
    FaultKind.CLOCK_JUMP: tuple(map(Decimal, (-86_400, -3600, -60, -1, 1, 60, 3600, 86_400))),
    FaultKind.PRICE_CORRECTED: tuple(map(Decimal, ("0.95", "0.99", "1.01", "1.05"))),
    FaultKind.QUANTITY_BUSTED: tuple(map(Decimal, ("0", "0.25", "0.5", "0.9"))),
    FaultKind.PARTIAL_THEN_SILENCE: tuple(map(Decimal, ("0.1", "0.25", "0.5", "0.9"))),
    FaultKind.DUPLICATES: tuple(map(Decimal, (2, 3))),
    FaultKind.QUOTES_SLOW: tuple(map(Decimal, (1, 10, 60, 600))),
    FaultKind.QUOTES_STALE: tuple(map(Decimal, (60, 3600, 86_400, 604_800))),
    FaultKind.QUOTES_ABSURD: tuple(map(Decimal, ("0.01", "0.5", "2", "100"))),
}
_LATEST = {Trigger.SUBMIT: 8, Trigger.QUESTION: 40, Trigger.EVENT: 40, Trigger.CONNECT: 4, Trigger.LEDGER: 120}
"""Up to which occurrence faults are drawn; earlier ones are likelier."""
_LAST_SECOND = 900.0
"""Faults by time are drawn up to here, earlier ones likelier too."""
_FOR_EVER = 0.1


class _Draws:
    """Numbers from a seed. Only `Random.random` is used, whose sequence Python promises to keep."""

    def __init__(self, seed: int) -> None:
        self._next = random.Random(seed).random

    def share(self) -> float:
        """In [0, 1)."""
        return self._next()

    def below(self, count: int) -> int:
        return int(self._next() * count)


def plan_for(seed: int, intensity: float = 1.0, kinds: Collection[FaultKind] = ALL_KINDS) -> FaultPlan:
    """A plan drawn from a seed: 1 to `MOST_FAULTS * intensity` faults of the given kinds, none at intensity 0.

    Each fault takes eight draws, whatever its kind. The kinds' order in `FaultKind` counts, that of `kinds` does not.
    """
    if seed < 0 or intensity < 0:
        raise ValueError(f"seed {seed} and intensity {intensity} must not be negative")
    chosen = [kind for kind in FaultKind if kind in kinds]
    most = round(MOST_FAULTS * intensity)
    if not most or not chosen:
        return FaultPlan(seed)
    draws = _Draws(seed)
    return FaultPlan(seed, tuple(_drawn(draws, chosen) for _ in range(1 + draws.below(most))))


def _drawn(draws: _Draws, kinds: list[FaultKind]) -> Fault:
    kind = kinds[draws.below(len(kinds))]
    shape = SHAPES[kind]
    triggers = [trigger for trigger in Trigger if trigger in shape.triggers]
    on = triggers[draws.below(len(triggers))]
    when, times, seconds, ever = draws.share(), 1 + draws.below(3), draws.below(len(_SECONDS)), draws.share()
    amount, after = draws.share(), draws.share() < 0.5
    amounts = _AMOUNTS.get(kind)
    return Fault(
        kind=kind,
        on=on,
        at=round(when * when * _LAST_SECOND, 1) if on is Trigger.SECONDS else 1 + int(when * when * _LATEST[on]),
        times=times if shape.extent is Extent.COUNTED else 1,
        seconds=None if not _has_length(kind) or ever < _FOR_EVER else _SECONDS[seconds],
        amount=None if amounts is None else amounts[int(amount * len(amounts))],
        after=after and on is Trigger.LEDGER and kind is not FaultKind.CLOCK_JUMP,
    )
