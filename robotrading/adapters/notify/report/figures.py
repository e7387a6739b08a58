"""What is seen before anything else: what the account is worth, how it did, and beside what."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from robotrading.adapters.notify.report.backdrop import Backdrop, Stretch, stretches
from robotrading.adapters.notify.report.shapes import Number, Tone
from robotrading.adapters.notify.report.words import mask, money, signed_money, signed_percent
from robotrading.domain.book import Account
from robotrading.domain.report import SessionReport
from robotrading.portfolio.flows import Flows, Unclear

_USUAL = "USD"
"""The currency of accounts beside which a benchmark needs no word on its own."""
_SLACK = timedelta(hours=2)
"""The value of a run's look is kept a moment later."""
_RECENT = timedelta(days=7)
"""How long a change of cash that could not be explained is told of."""


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


def day_change(account: Account | None, backdrop: Backdrop) -> str:
    """`+0.23 % today`, '' where it is not known."""
    day = [one for one in (stretches(account, backdrop) if account else ()) if account and one.since == account.at]
    return f"{signed_percent(day[0].change)} today" if day else ""


def _number(stretch: Stretch, account: Account, backdrop: Backdrop) -> Number:
    tone = Tone.PLAIN if not stretch.gain else Tone.GOOD if stretch.gain > 0 else Tone.BAD
    notes = [signed_money(stretch.gain, account.base_currency)]
    notes += [_paid(stretch.paid_in, account.base_currency)] if stretch.paid_in else []
    if stretch.since != account.at:
        notes += [f"since {stretch.since:%Y-%m-%d}"]
        notes += [_beside(stretch, backdrop.benchmark_name)] if backdrop.benchmark_name else []
    return Number(stretch.name, signed_percent(stretch.change), tone, ", ".join(notes))


def _paid(amount: Decimal, currency: str) -> str:
    return f"without {money(abs(amount), currency)} paid {'in' if amount > 0 else 'out'}"


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
    words = _payments(backdrop.flows, min(stretch.since for stretch in told), report.account)
    there = backdrop.benchmark
    if not backdrop.benchmark_name:
        return words
    if there is None or all(stretch.benchmark is None for stretch in told):
        return f"{words} {backdrop.benchmark_name} is left out: its prices of these days are not in the cache."
    abroad = "" if report.account.base_currency == _USUAL else ", in its own currency"
    return f"{words} {backdrop.benchmark_name} with its dividends{abroad}, up to {there.days[-1]}."


def _payments(flows: Flows, begin: datetime, account: Account) -> str:
    """What of the money paid in or out is left aside, and what is not."""
    if flows.since is None:
        return "Money paid in or out counts as gain or loss."
    early = flows.since > begin + _SLACK
    since = f", from {flows.since:%Y-%m-%d} on; before that they count as gain or loss" if early else ""
    words = f"Payments (cash that no order explains, above 1 % of the account) are left aside{since}."
    doubtful = [one for one in flows.unclear if one.until > account.at - _RECENT]
    return " ".join([words, *(_doubt(one) for one in doubtful)])


def _doubt(one: Unclear) -> str:
    amount, when = signed_money(one.amount, one.currency), f"between {one.since:%Y-%m-%d} and {one.until:%Y-%m-%d}"
    return f"{amount} that came {when} may be something else ({one.why}) and counts as gain or loss."
