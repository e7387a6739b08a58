"""What is seen before anything else: what the account is worth, how it did, and beside what."""

from __future__ import annotations

from decimal import Decimal

from robotrading.adapters.notify.report.backdrop import Backdrop, Stretch, stretches
from robotrading.adapters.notify.report.shapes import Number, Tone
from robotrading.adapters.notify.report.words import mask, money, signed_money, signed_percent
from robotrading.domain.book import Account
from robotrading.domain.report import SessionReport

_USUAL = "USD"
"""The currency of accounts beside which a benchmark needs no word on its own."""


def numbers(report: SessionReport, backdrop: Backdrop) -> tuple[Number, ...]:
    """The account's value and its changes; empty where the account was not reached."""
    account = report.account
    if account is None:
        return ()
    kind = "paper" if account.paper else "real money"
    worth = Number(
        "Account value",
        money(account.net_liquidation, account.base_currency),
        note=f"{mask(account.account_id)}, {kind}",
    )
    return (worth, *(_number(one, account, backdrop) for one in stretches(account, backdrop)))


def day_change(account: Account | None) -> str:
    """`+0.23 % today`, '' where it is not known."""
    start = account.day_start_value if account else None
    if account is None or not start:
        return ""
    return f"{signed_percent(account.net_liquidation / start - 1)} today"


def _number(stretch: Stretch, account: Account, backdrop: Backdrop) -> Number:
    tone = Tone.PLAIN if not stretch.gain else Tone.GOOD if stretch.gain > 0 else Tone.BAD
    notes = [signed_money(stretch.gain, account.base_currency)]
    if stretch.since != account.at:
        notes += [f"since {stretch.since:%Y-%m-%d}"]
        notes += [_beside(stretch, backdrop.benchmark_name)] if backdrop.benchmark_name else []
    return Number(stretch.name, signed_percent(stretch.change), tone, ", ".join(notes))


def _beside(stretch: Stretch, name: str) -> str:
    if stretch.benchmark is None:
        return f"{name} not known"
    return f"{name} {signed_percent(Decimal(repr(stretch.benchmark)))}"


def caveat(report: SessionReport, backdrop: Backdrop) -> str:
    """What the numbers leave out, '' where there is nothing to say."""
    if report.account is None:
        return ""
    told = [stretch for stretch in stretches(report.account, backdrop) if stretch.since != report.account.at]
    if not told:
        return "There is no history yet: the first week and the time since the start are told from the next runs on."
    words = "Money paid in or out counts as gain or loss."
    there = backdrop.benchmark
    if not backdrop.benchmark_name:
        return words
    if there is None or all(stretch.benchmark is None for stretch in told):
        return f"{words} {backdrop.benchmark_name} is left out: its prices of these days are not in the cache."
    abroad = "" if report.account.base_currency == _USUAL else ", in its own currency"
    return f"{words} {backdrop.benchmark_name} with its dividends{abroad}, up to {there.days[-1]}."
