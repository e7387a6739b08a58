"""Pictures of a week's summary: the growth of the account with its drawdown, of the week and of three months.

Entry point: `draw`. For a child process or a command, never for the daemon; the rules are those of the report's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import accumulate
from typing import TYPE_CHECKING

from robotrading.adapters.notify.report.backdrop import Benchmark, drawdowns
from robotrading.adapters.notify.report.pictures import BLUE, INK, LARGEST, RED, picture, place, set_dates, signed
from robotrading.adapters.notify.report.shapes import Picture
from robotrading.adapters.notify.report.words import clean
from robotrading.adapters.notify.weekly.figures import WeekFigures
from robotrading.portfolio.performance import Performance, exchange_day

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_NAMED = 7
"""So many days after the first have room for their names, and no name twice but the first."""


def draw(week: WeekFigures) -> tuple[Picture, ...]:
    """Those that there is something for: a stretch needs two returns."""
    made = (
        _growth("week", "This week", week.week.performance, week),
        _growth("quarter", "Three months", week.quarter.performance, week),
    )
    return tuple(one for one in made if one is not None and len(one.data) <= LARGEST)


def _growth(name: str, title: str, performance: Performance, week: WeekFigures) -> Picture | None:
    """Time-weighted, so that money paid in is no jump; in percent since the stretch began."""
    if len(performance.returns) < 2 or performance.since is None:
        return None
    days = [exchange_day(performance.since), *(one.day for one in performance.returns)]
    growth = list(accumulate((one.change for one in performance.returns), lambda now, r: now * (1 + r), initial=1.0))
    falls = drawdowns(growth)
    bench = _beside(week.benchmark, days)
    beside = f" Dashed: {clean(week.benchmark_name)}." if len(bench) > 1 else ""

    def paint(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        places = [place(day) for day in days]
        if beside:
            above.plot(
                [place(day) for day, _ in bench], [change * 100 for _, change in bench],
                color=INK, linewidth=1.2, linestyle=(0, (3, 2)),
            )  # fmt: skip
        above.plot(places, [(now - 1) * 100 for now in growth], color=BLUE, linewidth=2.0)
        below.fill_between(places, [fall * 100 for fall in falls], 0, color=RED, alpha=0.75, linewidth=0)
        below.set_ylim(min(min(falls) * 115, -0.5), 0)
        above.yaxis.set_major_formatter(lambda value, _: f"{value:+.3g} %" if round(value, 9) else "0 %")
        below.yaxis.set_major_formatter(lambda value, _: f"{value:.3g} %")
        below.locator_params(axis="y", nbins=2)
        if (days[-1] - days[0]).days <= _NAMED:
            below.set_xticks(places, [f"{day:%a}" for day in days])
            below.set_xlim(places[0], places[-1])
        else:
            set_dates(below, days)

    fallen = performance.drawdown
    deepest = f"deepest loss from a peak {signed(min(falls))}"
    deepest += f" on {fallen.trough}" if fallen is not None and fallen.depth < 0 else ""
    told = f"{days[0]} to {days[-1]}, {signed(growth[-1] - 1)}; {deepest}.{beside}"
    return picture(name, f"{title}: growth and drawdown", f"Line of the account's growth, {told}", told, paint)


def _beside(benchmark: Benchmark | None, days: Sequence[date]) -> list[tuple[date, float]]:
    if benchmark is None:
        return []
    changes = [(day, benchmark.change(days[0], day)) for day in days[1:]]
    return [(days[0], 0.0), *((day, change) for day, change in changes if change is not None)]
