"""Laws of the report: complete, escaped, masked, and never an exception, whatever is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_worlds import (
    ACCOUNT,
    ALL,
    EVIL,
    account,
    fill,
    good_backdrop,
    good_day,
    hostile,
    intent,
    many_trades,
    partly,
    plan,
    report,
    share,
)

from robotrading.adapters.notify.report import letter, message, report_html, report_text, subject
from robotrading.adapters.notify.report.plain import WIDTH
from robotrading.adapters.notify.report.shapes import Section, bar
from robotrading.adapters.notify.report.view import view
from robotrading.adapters.notify.report.words import (
    clean,
    count,
    mask,
    money,
    names,
    number,
    percent,
    points,
    price,
    purse,
    seconds,
)
from robotrading.domain.book import Position
from robotrading.domain.instrument import AssetClass, Instrument
from robotrading.domain.orders import Fill, Intent, OrderType, Side, Ticket, TicketStatus
from robotrading.domain.planning import Line
from robotrading.domain.report import Outcome, SessionReport, Source, StepResult
from robotrading.domain.signals import Regime, Signal, Stance
from robotrading.domain.skip import Skip

VOID = {"meta", "br", "img", "hr", "link"}


class Checked(HTMLParser):
    """Every tag is closed where it must be; collects tags, addresses and text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names))
        assert not [name for name in names if name.startswith("on")]
        self.addresses += [value for name, value in attrs if name in {"src", "href", "background", "action"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def words(page: str) -> str:
    """What a person reads of a page."""
    checked = Checked(page)
    assert checked.open == []
    return " ".join(" ".join(checked.words).split())


@pytest.mark.parametrize("name", ALL)
def test_a_page_is_well_formed_and_needs_nothing_from_outside(name: str):
    page = report_html(ALL[name]())
    checked = Checked(page)
    assert checked.addresses == []
    assert not checked.tags & {"script", "img", "link", "iframe", "form", "object", "a"}
    assert "url(" not in page
    assert "@import" not in page
    page.encode("utf-8")


def test_foreign_text_is_text():
    page = report_html(hostile())
    assert "<img" not in page
    assert EVIL in words(page)  # neither read as HTML nor worked out as a template
    assert not [char for char in page if not char.isprintable() and char != "\n"]


def test_a_subject_is_one_short_line():
    for make in ALL.values():
        text = subject(make())
        assert text.isprintable()
        assert len(text) <= 150
    assert len(subject(replace(good_day(), mode="x" * 500))) == 150


def test_the_subject_says_the_verdict_first():
    assert subject(good_day()) == (
        "[robotrading] equities done: bought 2 for 46,871 USD, sold 1 for 3,999 USD, +0.23 % today (paper, 2025-09-26)"
    )
    planned = report(Outcome.DONE, plan=plan([intent("A"), intent("B", Side.SELL)]))
    assert subject(planned) == (
        "[robotrading] equities planned: would buy 1 for 1,000 USD, sell 1 for 1,000 USD (paper, 2025-09-26)"
    )
    assert subject(report(Outcome.FAILED)) == "[robotrading] equities FAILED: nothing was ordered (paper, 2025-09-26)"
    assert "nothing to do" in subject(report(Outcome.NOTHING_TO_DO))
    assert "would buy 0, sell 0" in subject(report(Outcome.PARTLY))


def test_a_subject_counts_every_order_once():
    """Four orders: one filled, one in part, one rejected, one unknown. A failed run says what it had done by then."""
    assert "bought 1 and 1 in part for 14,006 USD, 1 rejected, 1 of unknown fate" in subject(partly())
    assert "FAILED at step buys: nothing was filled, 3 rejected" in subject(ALL["all_failed"]())


@pytest.mark.parametrize("render", [report_html, report_text])
def test_everything_of_the_day_is_said(render):
    text = " ".join(render(good_day()).split())
    said = [
        "Bought 2 and sold 1 of 3 orders, all filled.", "412,345.67 USD", "-12.50 EUR", "600,000.00 USD",
        "it left the universe", "120 at 255.46", "120 at 255.51", "+2.0 bps, 6.00", "1.23", "within band",
        "split of 2024-06-10", "did not converge", "moving average", "calm, rising 98 %; turbulent, falling 2 %",
        "adjusted only", "2025-09-25", "from the cache", "491.3303", "Not bought by the bot, never sold by it.",
        "2.2 min", "settled from an earlier run", "8a178f8dd4eb7970", "+0.23 %", "20250926-194500-equities-6fbd77",
    ]  # fmt: skip
    assert not [part for part in said if part not in (words(render(good_day())) if render is report_html else text)]


def test_trouble_comes_before_the_figures():
    text = report_text(partly())
    assert text.index("of unknown fate") < text.index("Mode") < text.index("margin too small (code 201)")
    assert "Orders of the plan that did not leave." in text
    assert "not told" in text


@pytest.mark.parametrize("name", ["good_day", "failed_early", "partly"])
def test_no_account_id_is_shown_whole(name: str):
    made = message(ALL[name]())
    for text in (made.subject, made.text, made.html):
        assert ACCOUNT not in text
    assert "321" in made.text


def test_an_account_id_in_a_sentence_is_masked_too():
    """Where no account is known yet, an error text may still name it."""
    made = report(Outcome.FAILED, steps=(StepResult("recover", 1.0, error="login U1234567 is not DU7654321"),))
    assert "login *****567 is not ******321" in report_text(made)
    odd = replace(good_day(), account=account(account_id="ODD-ID-99"), notes=("about ODD-ID-99",))
    assert "about ******-99" in report_text(odd)


def test_a_long_mail_is_cut_and_carries_the_whole_page():
    """Failures and the largest orders stay; large mail services cut pages beyond about 100 kB."""
    made = message(many_trades())
    assert len(made.html.encode()) < 90_000
    assert "buy T007" in made.html
    assert "buy T499" in made.html
    assert "buy T001" not in made.html
    assert "rejected: no permission (code 203)" in words(made.html)
    assert re.search(
        r"Shown here: the (\d+) that matter most. The other (\d+) are in the attached file", words(made.html)
    )
    assert "more in the attached file" in words(made.html).rpartition("R000: holds")[2]
    assert "R299: holds 0.1 %" in " ".join(made.text.split())
    assert "buy T001" in made.text
    assert "buy T001" in made.attachments[0].data.decode()
    assert made.attachments[0].name == "equities-2025-09-26.html"


@pytest.mark.parametrize("length", [10, 500, 10_000])
def test_no_mail_is_so_long_that_it_is_cut(length: int):
    """Whatever the broker, a market or a model wrote into each of five hundred orders."""
    made = many_trades()
    long = "<" * length
    tickets = tuple(replace(one, intent=replace(one.intent, reason=long), reason=long) for one in made.tickets[:100])
    html = message(replace(made, tickets=tickets, notes=(long,) * 50, verdict=long)).html
    assert len(html.encode()) < 100_000
    assert words(html)


def test_where_nothing_is_short_enough_the_shortest_is_sent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(letter, "_LARGEST", 1)
    made = message(many_trades())
    assert "Shown here: the 2 that matter most. The other 498" in words(made.html)
    assert made.attachments


def test_what_is_blocked_is_told_at_once():
    """Also where no order of this run is in doubt: a split, an order of an earlier run."""
    made = view(ALL["blocked"]())
    assert "Nothing is ordered in BBB, CCC until you have looked: see below." in made.alerts


def test_where_nothing_was_ordered_it_says_so():
    assert "Traded          nothing: no order on record" in report_text(ALL["failed_early"]())


def test_the_commands_it_names_look_where_the_run_is_stored():
    said = {mode: view(replace(good_day(), mode=mode)).footer[-1] for mode in ("paper", "demo", "rehearsal")}
    assert said["paper"].endswith(" robotrading explain SYMBOL")
    assert said["demo"].endswith(" robotrading explain SYMBOL --demo")
    assert said["rehearsal"].endswith(" robotrading explain SYMBOL --as-of 2025-09-26")


def test_cash_is_told_in_the_accounts_own_currency_first():
    assert "Cash            412,345.67 USD, -12.50 EUR" in report_text(good_day())
    assert "Cash            none" in report_text(ALL["nothing_spent"]())


def test_without_any_style_a_label_and_its_value_are_in_lines_of_their_own():
    """Outlook draws with Word, which makes no inline element a block; other programs drop every style."""
    page = report_html(good_day())
    assert re.search(r'<div class="k">Account value</div><div class="v" [^>]*>1,002,345.67 USD</div>', page)
    assert '<div class="k">Mode</div>paper' in page


def test_what_is_blocked_is_not_told_again_as_left_out():
    """A run skips what an open order blocks, and its plan refuses it in the same words."""
    made = ALL["blocked"]()
    reason = next(refusal.reason for refusal in made.plan.refusals if refusal.instrument.symbol == "CCC")
    skips = (Skip("CCC", "recover", reason, "open_order"), Skip("EEE", "prices", "no source has it", "missing"))
    made = replace(made, steps=(StepResult("recover", 0.1, skips), *made.steps))
    text = report_text(made)
    assert text.count("rt-eq-20250925-CCC-B-1 has no known end") == 1
    assert "no source has it" in text
    assert [skip.subject for skip in replace(made, plan=None).other_skips] == ["CCC", "EEE"]


def test_each_style_block_is_one_that_gmail_reads():
    """At most 8,192 characters, no comment within; the plain rules in a block of their own.

    With anything in it that it cannot read, the whole block is dropped.
    """
    blocks = re.findall(r"<style>(.*?)</style>", report_html(good_day()), re.DOTALL)
    assert len(blocks) == 4
    assert "@" not in blocks[0]
    assert all(len(block) < 8_192 and "<!--" not in block and "/*" not in block for block in blocks)


def test_a_short_mail_carries_nothing():
    assert message(good_day()).attachments == ()


BARE = SessionReport(
    "r",
    AssetClass.CRYPTO,
    "",
    good_day().trading_date,
    good_day().started_at,
    good_day().finished_at,
    Outcome.FAILED,
    "",
)


def variants() -> list[SessionReport]:
    """Zeros and gaps everywhere a division or an attribute could trip."""
    zero, none = Decimal(0), intent("Z", quantity="0", price="0", limit_price=None, reason="")
    no_shares = Ticket(none, TicketStatus.FILLED, fills=(fill(none, zero, zero, None),))
    free = Ticket(intent("F", price="0"), TicketStatus.PARTIAL, fills=(fill(intent("F"), Decimal(3), zero, None),))
    line = Line(share("Z"), None, zero, zero, zero, zero)
    odd = Regime((), (), (), (), float("nan"), False, 0, 0)
    nan = Regime(("a", "b"), (float("nan"), float("nan")), (), (), 0.0, False, 0, 0)
    return [
        BARE,
        replace(BARE, plan=plan([], [], [], "0"), account=account(net_liquidation=zero, day_start_value=zero, cash={})),
        report(Outcome.DONE, tickets=(no_shares, free), plan=plan([none], [], [line], "0")),
        report(Outcome.DONE, tickets=(no_shares,), plan=plan([none], [], [line])),
        report(Outcome.DONE, signals=(Signal(share("N"), Stance.HOLD, float("nan"), "hold", good_day().trading_date, odd),)),
        report(Outcome.DONE, signals=(Signal(share("N"), Stance.HOLD, 0.0, "hold", good_day().trading_date, nan),)),
        report(Outcome.DONE, owned=(Position(share("N"), Decimal("NaN"), Decimal("1E+40")),), account=account(net_liquidation=Decimal("1E+30"))),
        *[replace(good_day(), **{name: empty}) for name, empty in [("targets", None), ("plan", None), ("account", None), ("tickets", ()), ("owned", ())]],
    ]  # fmt: skip


@pytest.mark.parametrize("made", variants())
def test_whatever_is_missing_there_is_a_report(made: SessionReport):
    assert words(report_html(made))
    assert report_text(made)
    assert subject(made)
    assert message(made)


def test_a_stop_and_a_trail_are_told():
    order = intent(
        "S", order_type=OrderType.TRAIL, limit_price=None, stop_price=Decimal(90), trail_percent=Decimal("2.5")
    )
    text = report_text(report(Outcome.DONE, plan=plan([order])))
    assert "trailing stop order, stop 90.00, trailing by 2.5 %, day" in text


def test_money_of_different_currencies_is_never_added():
    euro = intent("E", instrument=share("E", "EUR"))
    dollar = intent("D")
    tickets = tuple(
        Ticket(i, TicketStatus.FILLED, fills=(fill(i, Decimal(10), Decimal("100.10")),)) for i in (euro, dollar)
    )
    in_euro = replace(tickets[0], fills=(replace(tickets[0].fills[0], commission_currency=""),))
    text = report_text(report(Outcome.DONE, tickets=(in_euro, tickets[1])))
    assert "bought for 1,001.00 EUR + 1,001.00 USD" in " ".join(text.split())
    assert "commission 1.00 EUR + 1.00 USD" in text


def test_after_is_what_is_owned_once_something_was_traded():
    """Planned 10 %, half of it filled: 5 %."""
    order = intent("A", quantity="600", price="100")
    half = Ticket(order, TicketStatus.PARTIAL, fills=(fill(order, Decimal(300), Decimal(100)),))
    lines = [Line(share("A"), Decimal(100), Decimal(0), Decimal(0), Decimal("0.1"), Decimal("0.1"))]
    made = report(
        Outcome.PARTLY,
        plan=plan([order], [], lines),
        tickets=(half,),
        owned=(Position(share("A"), Decimal(300), Decimal(100)),),
    )
    allocation = next(section for section in view(made).sections if section.title == "Allocation")
    assert [cell.text for cell in allocation.rows[0].cells] == ["A", "100.00", "0.0 %", "10.0 %", "5.0 %"]
    assert [cell.bar for cell in allocation.rows[0].cells[2:]] == [0.0, 1.0, 0.5]


TEXTS = st.text(max_size=80)
MONEY = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=4)


@st.composite
def intents(draw: st.DrawFn) -> Intent:
    made = intent("X", draw(st.sampled_from(Side)), str(abs(draw(MONEY))), str(draw(MONEY)))
    instrument = Instrument(draw(TEXTS), AssetClass.EQUITIES, currency=draw(st.sampled_from(["USD", "EUR", ""])))
    return replace(
        made, instrument=instrument, reason=draw(TEXTS), intent_id=draw(TEXTS), limit_price=draw(st.none() | MONEY)
    )


@st.composite
def reports(draw: st.DrawFn) -> SessionReport:
    orders = draw(st.lists(intents(), max_size=3))
    tickets = tuple(
        Ticket(
            order,
            draw(st.sampled_from(TicketStatus)),
            fills=tuple(
                fill(order, draw(MONEY), draw(MONEY), draw(st.none() | MONEY), n)
                for n in range(draw(st.integers(0, 2)))
            ),
            reason=draw(TEXTS),
        )
        for order in orders
    )
    lines = [
        Line(order.instrument, draw(st.none() | MONEY), draw(MONEY), draw(MONEY), draw(MONEY), draw(MONEY))
        for order in orders
    ]
    return replace(
        BARE,
        outcome=draw(st.sampled_from(Outcome)),
        verdict=draw(TEXTS),
        mode=draw(TEXTS),
        steps=(
            StepResult(
                draw(TEXTS),
                draw(st.floats(0, 1e6)),
                (Skip(draw(TEXTS), draw(TEXTS), draw(TEXTS)),),
                draw(TEXTS),
                draw(TEXTS),
            ),
        ),
        notes=(draw(TEXTS),),
        sources=(Source(draw(TEXTS), draw(TEXTS), date(2025, 1, 2), draw(st.booleans())),),
        plan=draw(st.none() | st.just(plan(orders, [], lines, str(draw(MONEY))))),
        tickets=tickets,
        owned=tuple(Position(order.instrument, draw(MONEY), draw(MONEY)) for order in orders),
        account=draw(st.none() | st.just(account(account_id=draw(TEXTS), day_start_value=draw(st.none() | MONEY)))),
        currency=draw(TEXTS),
    )


@given(reports())
def test_any_report_is_well_formed_and_within_its_width(made: SessionReport):
    assert words(report_html(made))
    assert all(len(row) <= WIDTH and row.isprintable() for row in report_text(made).split("\n"))
    assert subject(made).isprintable()


@given(TEXTS)
def test_cleaned_text_is_one_printable_line(text: str):
    assert clean(text).isprintable()
    assert clean(clean(text)) == clean(text)


def test_no_letter_bears_a_tower_of_marks():
    """Forty accents on one letter lie over the lines above it, and hide what stands there."""
    assert clean("Z" + "\u0301" * 40 + "e\u0301") == "Z" + "\u0301" * 3 + "e\u0301"


@given(st.text(max_size=20))
def test_at_most_three_characters_of_an_account_are_shown(account_id: str):
    assert len(mask(account_id).replace("*", "")) <= 3


def test_words_for_values():
    assert (number(Decimal("1234.50")), number(Decimal("-0.0")), number(None), number(Decimal("1E-8"))) == (
        "1,234.5",
        "0",
        "-",
        "0.00000001",
    )
    assert (price(Decimal(24)), price(Decimal("1.2345")), price(None)) == ("24.00", "1.2345", "-")
    assert (money(Decimal("-0.001")), money(None), money(Decimal("NaN"), "USD")) == ("0.00", "-", "-")
    assert (
        percent(None),
        percent(0.5, 0),
        points(Decimal(1), Decimal(0)),
        points(Decimal("0.0000001"), Decimal(1)),
    ) == ("-", "50 %", "-", "0.0 bps")
    assert (purse({}), count(1, "order"), count(1000, "order")) == ("-", "1 order", "1,000 orders")
    assert names("ABCD", 2) == "A, B and 2 more"
    assert (seconds(0.011), seconds(2.44), seconds(600)) == ("11 ms", "2.4 s", "10.0 min")
    assert (bar(1.0, 0.0), bar(-1.0, 2.0), bar(float("nan"), 1.0)) == (0.0, 0.0, 0.0)


def test_a_section_within_its_bound_is_left_alone():
    section = Section("t", (), ())
    assert section.shortened(None) is section.shortened(1) is section


def test_commissions_that_the_broker_has_not_told_are_no_part_of_a_sum_that_looks_whole():
    made = intent("AAA")
    told, untold = (
        fill(made, Decimal(1), Decimal(100)),
        replace(fill(made, Decimal(1), Decimal(100), None), fill_id="later"),
    )

    def cost(*fills: Fill) -> str:
        done = report(Outcome.DONE, tickets=(Ticket(made, TicketStatus.FILLED, fills=fills),))
        return dict(view(done).facts)["Cost"].partition(", slippage")[0]

    assert cost(told) == "commission 1.00 USD"
    assert cost(told, untold) == "commission 1.00 USD, not all told"
    assert cost(untold) == "commission not told"


@pytest.mark.parametrize(
    ("currency", "said"), [("USD", "with its dividends, up to"), ("EUR", ", in its own currency,")]
)
def test_a_benchmark_beside_an_account_in_another_currency_is_said_to_be_unconverted(currency: str, said: str):
    day = good_day()
    made = replace(day, account=replace(day.account, base_currency=currency))
    assert said in dict(view(made, backdrop=good_backdrop()).facts)["Bear in mind"]
