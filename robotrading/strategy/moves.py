"""How large a price move is by the standards of its own neighbourhood.

Entry points: `local_scale`, `quiet_scale`.
"""

from __future__ import annotations

import numpy as np

from robotrading.domain.market import Floats

WINDOW = 60
LEAST_SCALE = 0.0005
"""Five basis points: no neighbourhood counts as calmer, so that rounding is never a move."""
_MAD_TO_SIGMA = 1.4826


def quiet_scale(moves: Floats) -> float:
    """Standard deviation by the median absolute value (times 1.4826, normal law), which single jumps cannot stretch.

    `moves`: shape (m,), log returns; `LEAST_SCALE` when there are none.
    """
    if not len(moves):
        return LEAST_SCALE
    return max(_MAD_TO_SIGMA * float(np.median(np.abs(moves))), LEAST_SCALE)


def local_scale(moves: Floats, first: int, stop: int) -> float:
    """Scale of the `WINDOW` moves on either side of `moves[first:stop]`, that stretch itself left out."""
    around = np.concatenate([moves[max(first - WINDOW, 0) : first], moves[stop : stop + WINDOW]])
    return quiet_scale(around)
