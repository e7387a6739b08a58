"""The equity curve as shapes on a rectangle, with what it has lost since its peak.

Entry points: `curve`, `Curve`.
Source of the drawdown: value over its running maximum, less 1 (Magdon-Ismail and Atiya, 2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import accumulate, pairwise

from robotrading.service.facts import EquityPoint

WIDTH, HEIGHT = 600.0, 160.0
_MOST_POINTS = 150


@dataclass(frozen=True, slots=True)
class Curve:
    """SVG path data on a box of `WIDTH` by `HEIGHT`, y downwards, and the numbers beside it.

    `line` is the value, `lost` the area between it and its running peak. `deepest` is the largest drawdown as a
    fraction, 0 when there was none.
    """

    line: str
    lost: str
    lowest: Decimal
    highest: Decimal
    first_at: datetime
    last_at: datetime
    deepest: float


def curve(points: Sequence[EquityPoint], most: int = _MOST_POINTS) -> Curve | None:
    """Points in order of time, drawn with `most` of them and a few at most; None where two do not make a line."""
    usable = [point for point in points if point.value.is_finite()]
    if len(usable) < 2 or usable[-1].at <= usable[0].at:
        return None
    peaks = list(accumulate((point.value for point in usable), max))
    falls = [1 - float(point.value / peak) for point, peak in zip(usable, peaks, strict=True) if peak > 0]
    lowest, highest = min(point.value for point in usable), peaks[-1]
    chosen = thinned([float(point.value) for point in usable], most)
    box = _Box(usable[0].at, usable[-1].at, float(lowest), float(highest))
    values = [box.place(usable[index].at, usable[index].value) for index in chosen]
    tops = [box.place(usable[index].at, peaks[index]) for index in chosen]
    return Curve(
        line="M" + "L".join(values),
        lost="M" + "L".join(values + tops[::-1]) + "Z",
        lowest=lowest,
        highest=highest,
        first_at=usable[0].at,
        last_at=usable[-1].at,
        deepest=max(falls, default=0.0),
    )


def thinned(values: Sequence[float], most: int) -> list[int]:
    """Indices of at most about `most` values, in order: first, last, and the extremes of every stretch between."""
    if len(values) <= most:
        return list(range(len(values)))
    stretches = max(most // 2, 1)
    bounds = [round(part * len(values) / stretches) for part in range(stretches + 1)]
    chosen = {0, len(values) - 1}
    for start, end in pairwise(bounds):
        stretch = range(start, end)
        chosen |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    return sorted(chosen)


@dataclass(frozen=True, slots=True)
class _Box:
    """Scales of both axes; a value that never moves lies in the middle."""

    first: datetime
    last: datetime
    lowest: float
    highest: float

    def place(self, at: datetime, value: Decimal) -> str:
        x = (at - self.first) / (self.last - self.first) * WIDTH
        height = self.highest - self.lowest
        y = (1 - (float(value) - self.lowest) / height) * HEIGHT if height else HEIGHT / 2
        return f"{x:.1f} {y:.1f}"
