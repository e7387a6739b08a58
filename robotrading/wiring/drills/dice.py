"""Draws from a seed that are the same on every machine and Python.

Entry point: `Dice`. Only `Random.random` is used, whose sequence Python promises to keep.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Numbers from a seed."""

    def __init__(self, seed: int) -> None:
        self._next = random.Random(seed).random

    def share(self) -> float:
        """In [0, 1)."""
        return self._next()

    def below(self, count: int) -> int:
        """From 0 to `count` - 1."""
        return int(self._next() * count)

    def between(self, least: int, most: int) -> int:
        """Both included."""
        return least + self.below(most - least + 1)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def chance(self, probability: float) -> bool:
        return self._next() < probability

    def weighted(self, choices: Sequence[tuple[T, int]]) -> T:
        """One of (choice, weight)."""
        rest = self.below(sum(weight for _, weight in choices))
        for choice, weight in choices:
            rest -= weight
            if rest < 0:
                return choice
        return choices[-1][0]
