"""The parts of a report about how it was decided: models, prices, steps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date

from robotrading.adapters.notify.report.shapes import Cell, Column, Row, Section, Tone
from robotrading.adapters.notify.report.words import NONE, model_name, names, percent, seconds
from robotrading.domain.report import SessionReport, Source, StepResult
from robotrading.domain.signals import Regime, Signal, Stance

_NAMED = 12
_STANCES = {Stance.LONG: Tone.GOOD, Stance.REDUCE: Tone.WARN, Stance.HOLD: Tone.DIM}


def signals(report: SessionReport) -> Section:
    """Which model spoke for each instrument, what it asks for, and where it thinks the market stands."""
    days = Counter(signal.as_of for signal in report.signals)
    usual = max(days, key=lambda day: (days[day], day), default=None)
    return Section(
        "Signals and regimes",
        (Column("Instrument"), Column("Model"), Column("Asks for"), Column("Regimes by probability", wide=True)),
        tuple(_signal(signal, usual) for signal in report.signals),
        f"Strength from -1 (least) to +1 (most). Last bar: {usual} where nothing else is said.",
        name="signals",
    )


def _signal(signal: Signal, usual: date | None) -> Row:
    cells = (
        Cell(signal.instrument.symbol),
        Cell(model_name(signal.model)),
        Cell(f"{signal.stance} {signal.strength:+.2f}", _STANCES.get(signal.stance, Tone.PLAIN)),
        Cell(_regime(signal.regime)),
    )
    return Row(cells, () if signal.as_of == usual else (f"last bar {signal.as_of}",), abs(signal.strength))


def _regime(regime: Regime | None) -> str:
    """Likeliest first; states of no weight are left out."""
    if regime is None:
        return NONE
    states = sorted(zip(regime.labels, regime.probabilities, strict=False), key=lambda state: -state[1])
    shown = [f"{label} {percent(chance, 0)}" for label, chance in states[:1]]
    shown += [f"{label} {percent(chance, 0)}" for label, chance in states[1:] if chance >= 0.005]
    return "; ".join(shown) or NONE


def prices(report: SessionReport) -> Section:
    """Who served the prices, how old they are, and what they are worth for sizing."""
    groups: dict[tuple[str, date, bool, bool], list[str]] = {}
    for source in report.sources:
        groups.setdefault(_served(source), []).append(source.symbol)
    return Section(
        "Prices",
        (Column("Source"), Column("Last day"), Column("Instruments", right=True), Column("Kind")),
        tuple(_group(served, symbols) for served, symbols in sorted(groups.items())),
        quiet=True,
    )


def _served(source: Source) -> tuple[str, date, bool, bool]:
    return source.source, source.last_day, source.adjusted_only, source.from_cache


def _group(served: tuple[str, date, bool, bool], symbols: Sequence[str]) -> Row:
    name, last_day, adjusted_only, from_cache = served
    kind = Cell("adjusted only", Tone.WARN) if adjusted_only else Cell("real and adjusted")
    return Row(
        (
            Cell(f"{name}, from the cache" if from_cache else name),
            Cell(last_day.isoformat()),
            Cell(f"{len(symbols):,}"),
            kind,
        ),
        (names(symbols),),
        float(len(symbols)),
        (", ".join(symbols),) if len(symbols) > _NAMED else (),
    )


def steps(report: SessionReport) -> Section:
    """The run, step by step."""
    return Section(
        "Steps",
        (Column("Step"), Column("Time", right=True), Column("Result")),
        tuple(_step(step) for step in report.steps),
        quiet=True,
    )


def _step(step: StepResult) -> Row:
    skips = f"{len(step.skips):,} left out or healed" if step.skips else ""
    result = Cell("failed", Tone.BAD) if not step.ok else Cell(skips or "ok", Tone.DIM)
    details = tuple(text for text in (step.error, step.note) if text)
    return Row((Cell(step.name), Cell(seconds(step.seconds)), result), details)


def notes(report: SessionReport) -> Section:
    return Section("Notes", (Column("Note"),), tuple(Row((Cell(note),)) for note in report.notes))
