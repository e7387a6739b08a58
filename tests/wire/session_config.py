"""A small configuration on the sample market, for whole runs in processes of their own."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

CONFIG = """
    capital: {amount: 200000}
    sessions:
      equities:
        universe: {symbols: [SYNAA, SYNAB, SYNAC]}
        sources: [synthetic]
        signal: {chain: [moving_average, hold]}
        DEADLINE_equities
      bonds:
        universe: {symbols: [SYNBA, SYNBB]}
        sources: [synthetic]
        signal: {chain: [moving_average, hold]}
        construct: {scheme: equal, fixed: {}}
        DEADLINE_bonds
      crypto:
        universe: {symbols: [SYNCA-USD, SYNCB-USD], tick: 0.01}
        sources: [synthetic]
        signal: {chain: [moving_average, hold]}
        DEADLINE_crypto
"""


def write_config(folder: Path, **extra: str) -> Path:
    """The file; `extra` is one more line for a session."""
    text = dedent(CONFIG)
    for kind in ("equities", "bonds", "crypto"):
        text = text.replace(f"DEADLINE_{kind}", extra.get(kind, ""))
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path
