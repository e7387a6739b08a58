"""Pictures of a report, drawn by matplotlib: for a child process or a command, never for the daemon.

Entry points: `draw`; `picture`, `set_dates` and `place` for other pictures in the same look.
Invariants: the same report and backdrop give the same bytes with the same libraries; a picture has no background of
its own and only colours that can be read on white and on near-black alike; text that a person needs stands beside the
picture, never only in it; a picture is at most `LARGEST` bytes or is left out.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from robotrading.adapters.notify.report.backdrop import Backdrop, Chart, Worth, drawdowns
from robotrading.adapters.notify.report.holdings import shares_after
from robotrading.adapters.notify.report.shapes import Picture
from robotrading.adapters.notify.report.words import clean, count, signed_percent
from robotrading.domain.report import SessionReport
from robotrading.portfolio.performance import growth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

LARGEST = 60_000
WIDTH, HEIGHT = 440, 250
"""In CSS pixels; drawn with twice as many."""
INK = "#737f8c"
"""Grey of relative luminance 0.2: a contrast of 4.1 both on white and on near-black."""
GRID = "#8b949e40"
BLUE, RED, GREEN, AMBER, VIOLET = "#3d83d6", "#d9534f", "#2f9e58", "#b98211", "#8a6fd1"
_SHADES = (RED, GREEN, BLUE, AMBER, VIOLET)
_EPOCH = date(1970, 1, 1).toordinal()
_MOST_BARS, _FEWEST_BARS = 12, 4
_MOST_CHARTS = 4
_FEW_DAYS = 5


def draw(report: SessionReport, backdrop: Backdrop) -> tuple[Picture, ...]:
    """Equity with drawdown, allocation against targets, and prices with regimes: those that there is something for."""
    made = [
        _equity(_with_now(report, backdrop), backdrop),
        _allocation(report),
        *(_price(chart, number) for number, chart in enumerate(backdrop.charts[:_MOST_CHARTS], start=1)),
    ]
    return tuple(picture for picture in made if picture is not None and len(picture.data) <= LARGEST)


def _with_now(report: SessionReport, backdrop: Backdrop) -> tuple[Worth, ...]:
    """The history up to this run's own account."""
    account = report.account
    if account is None:
        return backdrop.equity
    before = tuple(point for point in backdrop.equity if point.at < account.at)
    return (*before, Worth(account.at, account.net_liquidation))


def _equity(points: Sequence[Worth], backdrop: Backdrop) -> Picture | None:
    """From the first value on, as the numbers above, then one a day (the last): five runs have no more to say.

    Where money was paid in or out, it is what the first value became without it: no jump, and beside the benchmark.
    """
    known = [(point.at, point.value) for point in points if point.value > 0]
    grown = growth(known, backdrop.flows.found)
    paid = any(flow.until > known[0][0] for flow in backdrop.flows.found) if known else False
    worth = [Worth(at, known[0][1] * factor) for at, factor in grown] if paid else [Worth(*one) for one in known]
    daily = list({point.at.date(): point for point in worth}.values())
    if len(daily) < 2:
        return None
    daily[0] = worth[0]
    days = [point.at.date() for point in daily]
    values = [float(point.value) for point in daily]
    falls = drawdowns(values)
    bench = _beside(days, backdrop)
    beside = f" Dashed: {backdrop.benchmark_name} from the same start." if bench else ""

    def paint(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        if beside:
            dashed = [(place(days[0]), values[0])]
            dashed += [(place(day), values[0] * (1 + change)) for day, change in bench]
            above.plot(*zip(*dashed, strict=True), color=INK, linewidth=1.2, linestyle=(0, (3, 2)))
        above.plot([place(day) for day in days], values, color=BLUE, linewidth=2.0)
        below.fill_between(
            [place(day) for day in days], [fall * 100 for fall in falls], 0, color=RED, alpha=0.75, linewidth=0
        )
        below.set_ylim(min(min(falls) * 115, -0.5), 0)
        above.yaxis.set_major_formatter(_thousands)
        below.yaxis.set_major_formatter(
            lambda value, _: f"{value:.0f} %" if abs(value) >= 1 or not value else f"{value:.1f} %"
        )
        below.locator_params(axis="y", nbins=2)
        set_dates(below, days)

    worst = min(range(len(falls)), key=falls.__getitem__)
    deepest = f"deepest loss from a peak {signed(falls[worst])}" + (f" on {days[worst]}" if falls[worst] < 0 else "")
    told = f"{days[0]} to {days[-1]}, {signed(values[-1] / values[0] - 1)}; {deepest}.{beside}"
    if not paid:
        return picture("equity", "Account value and drawdown", f"Line of the account's value, {told}", told, paint)
    what = "what the first value became, payments aside"
    title = "Growth and drawdown, payments aside"
    return picture("equity", title, f"Line of {what}, {told}", f"{what.capitalize()}: {told}", paint)


def _beside(days: Sequence[date], backdrop: Backdrop) -> list[tuple[date, float]]:
    """How the benchmark has changed since the first day, on the days on which that is known."""
    if backdrop.benchmark is None:
        return []
    changes = [(day, backdrop.benchmark.change(days[0], day)) for day in days]
    return [(day, change) for day, change in changes if change is not None]


@dataclass(frozen=True, slots=True)
class _Bar:
    """One instrument's shares of the budget, in percent."""

    label: str
    now: float
    target: float
    after: float


def _bars(report: SessionReport) -> list[_Bar]:
    """The largest first; what neither is nor was nor should be there has none."""
    plan = report.plan
    after = shares_after(report, plan) if plan else {}
    made = [
        _Bar(
            clean(line.instrument.symbol)[:10],
            float(line.weight_now * 100),
            float(line.weight_target * 100),
            float(after[line.instrument] * 100),
        )
        for line in (plan.lines if plan else ())
    ]
    there = [bar for bar in made if bar.now or bar.target or bar.after]
    return sorted(there, key=lambda bar: (-max(bar.now, bar.target, bar.after), bar.label))


def _allocation(report: SessionReport) -> Picture | None:
    everything = _bars(report)
    shown = everything[:_MOST_BARS]
    if not shown:
        return None

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        rows = range(len(shown))
        axes.barh(rows, [bar.after for bar in shown], 0.62, color=BLUE, linewidth=0)
        held = [row for row in rows if shown[row].now]
        axes.vlines([shown[row].now for row in held], [row - 0.31 for row in held], [row + 0.31 for row in held],
                    color=INK, linewidth=1.6, linestyle=(0, (1.5, 1)))  # fmt: skip
        axes.vlines([bar.target for bar in shown], [row - 0.44 for row in rows], [row + 0.44 for row in rows],
                    color=AMBER, linewidth=3.2)  # fmt: skip
        axes.set_yticks(rows, [bar.label for bar in shown])
        # Few bars stay thin, and many names keep apart.
        axes.set_ylim(max(len(shown), _FEWEST_BARS) - 0.5, -0.5)
        axes.tick_params(axis="y", labelsize=10.5 if len(shown) <= 8 else 8.5)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} %")
        axes.locator_params(axis="x", nbins=5)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)

    more = (
        f" The {len(shown)} largest of {count(len(everything), 'instrument')}." if len(everything) > len(shown) else ""
    )
    planned = not report.tickets and report.plan is not None and report.plan.intents
    blue = "if all of it is filled" if planned else "what the bot owns now"
    key = f"Blue: {blue}. Amber mark: target. Dotted: before.{more}"
    alt = "Shares of the budget after trading, each of its target: " + "; ".join(
        f"{bar.label} {bar.after:.1f} % of {bar.target:.1f} %" for bar in shown[:6]
    )
    return picture("allocation", "Allocation against targets", alt, key, paint)


def _price(chart: Chart, number: int) -> Picture | None:
    if len(chart.days) < 2:
        return None

    places = [place(day) for day in chart.days]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for state, first, last in _spells(chart.regimes):
            colour = _shade(chart.labels, state)
            after = min(last + 1, len(places) - 1)
            axes.axvspan(places[first], places[after], color=colour, alpha=0.22, linewidth=0)
        axes.plot(places, chart.closes, color=BLUE, linewidth=1.6)
        axes.yaxis.set_major_formatter(_thousands)
        axes.locator_params(axis="y", nbins=5)
        set_dates(axes, chart.days)

    symbol = clean(chart.symbol)
    now = f" Now: {chart.labels[chart.regimes[-1]]}." if chart.regimes and chart.regimes[-1] >= 0 else ""
    shades = [
        f"{_COLOURS[_shade(chart.labels, state)]}: {chart.labels[state]}" for state in sorted({*chart.regimes} - {-1})
    ]
    key = (
        f"Shaded by the likeliest regime of each day. {'; '.join(shades)}.{now}" if shades else "No regimes are known."
    )
    alt = f"{symbol} from {chart.days[0]} to {chart.days[-1]}, {signed(chart.closes[-1] / chart.closes[0] - 1)}.{now}"
    return picture(f"price-{number}", f"{symbol}: price and regimes", alt, key, paint)


_COLOURS = {RED: "Red", GREEN: "Green", BLUE: "Blue", AMBER: "Amber", VIOLET: "Violet"}


def _shade(labels: Sequence[str], state: int) -> str:
    """By volatility where the label says it, so that a colour means the same in every picture."""
    for word, colour in (("turbulent", RED), ("unsettled", AMBER), ("calm", GREEN)):
        if labels[state].startswith(word):
            return colour
    return _SHADES[state % len(_SHADES)]


def _spells(states: Sequence[int]) -> list[tuple[int, int, int]]:
    """(state, first, last) of every stretch of days in the same state; days without one belong to none."""
    found: list[tuple[int, int, int]] = []
    for index, state in enumerate(states):
        if found and found[-1][0] == state:
            found[-1] = (state, found[-1][1], index)
        else:
            found.append((state, index, index))
    return [spell for spell in found if spell[0] >= 0]


def _thousands(value: float, _: Any) -> str:
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:.4g}M"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"


def signed(fraction: float) -> str:
    """A change with its sign and as many places as the numbers above the pictures have."""
    return signed_percent(Decimal(repr(fraction)))


def set_dates(axes: Axes, days: Sequence[date]) -> None:
    """Few dates, a narrow screen has no room for more; days with their months, and never hours."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415

    axes.set_xlim(place(days[0]), place(days[-1]))
    if (days[-1] - days[0]).days < _FEW_DAYS:
        axes.set_xticks([place(day) for day in days], [f"{day.day} {day:%b}" for day in days])
        return
    locator = AutoDateLocator(minticks=2, maxticks=5)
    axes.xaxis.set_major_locator(locator)
    formats = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S"]
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, formats=formats, show_offset=False))


def place(day: date) -> float:
    """A day on matplotlib's axis of dates: days since 1970."""
    return float(day.toordinal() - _EPOCH)


def picture(name: str, title: str, alt: str, caption: str, paint: Callable[[Figure], None]) -> Picture | None:
    try:
        data = _png(paint)
    except (ValueError, ArithmeticError, RuntimeError, OSError) as error:
        # A picture is never worth a report: the numbers stand in the text.
        log.warning("the picture %r could not be drawn: %s", name, error)
        return None
    return Picture(name, title, alt, caption, data, WIDTH, HEIGHT)


def _png(paint: Callable[[Figure], None]) -> bytes:
    """The painted figure with few colours and no background."""
    import matplotlib as mpl  # noqa: PLC0415  heavy, and only wanted where a picture is drawn
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a letter that the font does not have is a box, and no news
        figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=200, layout="constrained")
        FigureCanvasAgg(figure)
        figure.patch.set_alpha(0)
        paint(figure)
        for axes in figure.axes:
            axes.patch.set_alpha(0)
        raw = io.BytesIO()
        figure.savefig(raw, format="png", transparent=True, metadata={"Software": None})
    return _smaller(raw.getvalue())


_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "axes.formatter.useoffset": False,
    "text.parse_math": False,
    "axes.unicode_minus": True,
    "path.simplify": True,
}


def _smaller(png: bytes) -> bytes:
    """The same picture with 128 colours, transparency kept: a quarter of the size."""
    from PIL import Image  # noqa: PLC0415

    with Image.open(io.BytesIO(png)) as image:
        few = image.convert("RGBA").quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        out = io.BytesIO()
        few.save(out, format="PNG", optimize=True)
    return out.getvalue()
