"""How values are written for people: numbers, money, names, account ids.

Invariants: none of these raises for a missing or non-finite value; what `clean` returns is one printable line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

NONE = "-"
_ACCOUNT = re.compile(r"\bD?[FIU][0-9]{5,9}\b")
_SHOWN_NAMES = 12
_MARK = r"[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_TOWERS = re.compile(f"({_MARK}{{3}}){_MARK}+")


def clean(text: str) -> str:
    """One line without control, format or half characters, so that it is safe in a header and in any encoding.

    Of marks upon one letter only the first few stay: a tower of them would lie over the figures of other lines.
    """
    return _TOWERS.sub(r"\1", " ".join("".join(char if char.isprintable() else " " for char in text).split()))


def mask(account_id: str) -> str:
    """All but the last three characters hidden; everything where there are no more than three."""
    return "***" if len(account_id) <= 3 else f"{'*' * min(len(account_id) - 3, 9)}{account_id[-3:]}"


def hide_accounts(text: str, known: Iterable[str]) -> str:
    """The text with the known account ids masked, and with whatever else looks like one of the broker's."""
    for account_id in known:
        text = text.replace(account_id, mask(account_id))
    return _ACCOUNT.sub(lambda found: mask(found[0]), text)


def number(value: Decimal | None, places: int = 8) -> str:
    """Thousands separated, no trailing zeros, at most `places` of them."""
    if value is None or not value.is_finite():
        return NONE
    text = f"{value:,.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in {"-0", ""} else text


def price(value: Decimal | None, places: int = 8) -> str:
    """At least two places, at most `places`."""
    text = number(value, places)
    whole, _, part = text.partition(".")
    return text if text == NONE else f"{whole}.{part:0<2}"


def money(value: Decimal | None, currency: str = "") -> str:
    """Two places, with the currency where it is given."""
    if value is None or not value.is_finite():
        return NONE
    text = f"{value:,.2f}"
    text = text.removeprefix("-") if text.strip("-0.,") == "" else text
    return f"{text} {currency}".rstrip()


def purse(amounts: Mapping[str, Decimal]) -> str:
    """Money in several currencies, `-` where there is none."""
    return " + ".join(money(value, currency) for currency, value in sorted(amounts.items())) or NONE


def add_up(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Sums by currency: money of different currencies is never added."""
    sums: dict[str, Decimal] = {}
    for currency, value in amounts:
        sums[currency] = sums.get(currency, Decimal(0)) + value
    return sums


def percent(fraction: Decimal | float | None, places: int = 1) -> str:
    """A fraction as a percentage."""
    return NONE if fraction is None else f"{fraction * 100:.{places}f} %"


def signed_percent(fraction: Decimal, places: int = 2) -> str:
    """`+0.23 %`, `-1.10 %`, `0.00 %`."""
    text = f"{fraction * 100:+.{places}f}"
    return f"{text if text.strip('+-0.') else text[1:]} %"


def signed_money(value: Decimal, currency: str = "") -> str:
    """As `money`, with its sign."""
    text = money(value, currency)
    return text if value <= 0 or text.startswith("0.00") else f"+{text}"


def points(cost: Decimal, base: Decimal) -> str:
    """A cost in basis points of a base, `-` where the base is zero; + is worse for us."""
    if not base:
        return NONE
    text = f"{cost / base * 10_000:+.1f}"
    return f"{text if text.strip('+-0.') else '0.0'} bps"


def count(amount: int, noun: str) -> str:
    """`1 order`, `2 orders`."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def names(symbols: Iterable[str], shown: int = _SHOWN_NAMES) -> str:
    """The first few names and how many more there are."""
    listed = list(symbols)
    rest = len(listed) - shown
    return ", ".join(listed[:shown]) + (f" and {rest:,} more" if rest > 0 else "")


def spoken(word: str) -> str:
    """`within_band` -> `within band`."""
    return word.replace("_", " ")


def ledger_options(mode: str, day: date) -> str:
    """The options that make a command look where a run of this mode is stored, each with a blank before it."""
    return {"demo": " --demo", "rehearsal": f" --as-of {day}"}.get(mode, "")


_MODELS = {"hmm": "hidden Markov model"}


def model_name(model: str) -> str:
    """A link of the chain as a person would call it."""
    return _MODELS.get(model, spoken(model))


def seconds(duration: float) -> str:
    """A measured time: milliseconds below a tenth of a second, minutes above two."""
    if duration < 0.1:
        return f"{duration * 1000:.0f} ms"
    return f"{duration:.1f} s" if duration < 120 else f"{duration / 60:.1f} min"
