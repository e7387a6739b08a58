"""Laws of the Slickcharts source.

No recorded page exists: the pages here are rendered in the described shape, either from generated rows or, where
the real market data is at hand, from a fund's list of 503 holdings.
"""

from __future__ import annotations

import csv
from decimal import Decimal

import pytest
from scripted_http import ManualClock, Reply, ScriptedServer

from robotrading.adapters.feeds.settings import RetrySettings, SlickchartsSettings
from robotrading.adapters.feeds.slickcharts import Slickcharts, parse_page, refuse_implausible, yahoo_symbol
from robotrading.adapters.resilience import Policy, ServiceError
from robotrading.domain.market import Constituent

NEW = ("#", "Company", "Symbol", "Weight", "\xa0\xa0\xa0Price", "Chg", "% Chg")
OLD = ("Rank", "Company", "Symbol", "Weight")


def page(members, *, heading=NEW, weight="{}%", price="2,180.34") -> str:
    """The described page: one table of members, and another list in a second table."""
    extra = f'<td class="text-nowrap"><img alt="" src="/img/down.gif"/> \xa0\xa0{price}</td>'
    extra += '<td class="text-nowrap" style="color: red">-3.38</td><td>(-2.46%)</td>'
    rows = "".join(
        f'<tr><td>{rank}</td><td><a href="/symbol/{symbol}">{name}</a></td>'
        f'<td><a href="/symbol/{symbol}">{symbol}</a></td><td>{weight.format(percent)}</td>'
        f"{extra if len(heading) > 4 else ''}</tr>\n"
        for rank, (symbol, name, percent) in enumerate(members, 1)
    )
    cells = "".join(f"<th>{cell}</th>" for cell in heading)
    other = "<table><thead><tr><th>Symbol</th></tr></thead><tr><td>GAINER</td></tr></table>"
    table = f'<table class="table table-hover table-borderless table-sm"><thead><tr>{cells}</tr></thead>'
    return f"<html><body><h1>S&amp;P 500</h1>{table}<tbody>{rows}</tbody></table>{other}</body></html>"


def generated(count=503):
    """Weights that fall like an index's and sum to 100 percent; two symbols with a dot among them."""
    raw = [1 / (place + 5) for place in range(count)]
    members = [(f"S{place}", f"Company {place} &amp; Co.", round(100 * w / sum(raw), 4)) for place, w in enumerate(raw)]
    members[7] = ("BRK.B", "Berkshire Hathaway Class B", members[7][2])
    members[300] = ("BF.B", "Brown-Forman", members[300][2])
    return members


class Served:
    def __init__(self, reply: Reply):
        self.server = ScriptedServer(lambda _: reply)
        self.clock = ManualClock()
        settings = SlickchartsSettings(url=self.server.url, retry=RetrySettings(attempts=3))
        self.source = Slickcharts(settings, Policy("slickcharts", settings.retry, self.clock, wait=self.clock.wait))

    def ask(self, index="sp500"):
        with self.server:
            try:
                return self.source.constituents(index)
            finally:
                self.source.close()

    def refusal(self, index="sp500") -> ServiceError:
        with pytest.raises(ServiceError) as caught:
            self.ask(index)
        return caught.value


@pytest.mark.parametrize("weight", ["{}%", "{}", " {} % "])
@pytest.mark.parametrize("heading", [NEW, OLD])
def test_both_layouts_and_both_ways_to_write_a_weight(heading, weight):
    members = Served(Reply(200, page(generated(), heading=heading, weight=weight))).ask()
    assert len(members) == 503
    assert members[0].symbol == "S0"
    assert members[0].weight == Decimal(str(generated()[0][2])) / 100
    assert members[0].name == "Company 0 & Co."
    assert {"BRK-B", "BF-B"} <= {member.symbol for member in members}
    assert "GAINER" not in {member.symbol for member in members}
    assert sum(member.weight for member in members) == pytest.approx(Decimal(1), abs=Decimal("0.001"))


def test_heaviest_come_first_whatever_the_page_says():
    members = Served(Reply(200, page(generated()[::-1]))).ask()
    weights = [member.weight for member in members]
    assert weights == sorted(weights, reverse=True)


def test_the_page_is_asked_for_as_a_browser_would():
    served = Served(Reply(200, page(generated())))
    served.ask()
    assert "Mozilla/5.0" in served.server.requests[0].headers["User-Agent"]
    assert served.source.name == "slickcharts"


def changed(place, row):
    members = generated()
    members[place] = row
    return members


@pytest.mark.parametrize(
    "html, rule, says",
    [
        ("<html>Just a moment...</html>", "no_table", "no table"),
        ("<table></table>", "headings", "company, symbol, weight"),
        (page(generated(), heading=("#", "Company", "Ticker", "Weight")), "headings", "no column symbol"),
        (page(generated(380)), "member_count", "380 rows"),
        (page(changed(3, ("S3", "x", "n/a"))), "row", "n/a"),
        (page(generated()).replace("<tbody>", "<tbody><tr><td>advertisement</td></tr>"), "row", "advertisement"),
    ],
)
def test_a_page_that_cannot_be_believed_is_refused_by_name(html, rule, says):
    served = Served(Reply(200, html))
    error = served.refusal()
    assert error.rule == rule
    assert says in str(error)
    assert not error.retryable
    assert len(served.server.requests) == 1, "asking again would give the same page"


@pytest.mark.parametrize(
    "members, rule, says",
    [
        (generated(399), "member_count", "399 rows"),
        (generated(521), "member_count", "521 rows"),
        (changed(3, ("S4", "again", 1.0)), "duplicates", "S4"),
        (changed(3, ("", "Nobody", 1.0)), "empty_symbol", "Nobody"),
        (changed(3, ("S3", "x", -1.0)), "positive_weights", "S3"),
        (changed(3, ("S3", "x", 0)), "positive_weights", "S3"),
        (changed(3, ("S3", "x", "NaN")), "positive_weights", "S3"),
        (changed(0, ("S0", "x", 30.0)), "weight_sum", "sum to 1.2"),
        (generated()[4:], "weight_sum", "sum to 0.8"),
    ],
)
def test_each_rule_of_plausibility_names_itself(members, rule, says):
    found = [Constituent(symbol, name, Decimal(str(percent)) / 100) for symbol, name, percent in members]
    with pytest.raises(ServiceError) as caught:
        refuse_implausible(found)
    assert caught.value.rule == rule
    assert says in str(caught.value)
    assert "last good list" in str(caught.value)


def test_the_bounds_themselves_are_plausible():
    for count in (400, 520):
        refuse_implausible([Constituent(f"S{n}", "x", Decimal(1) / count) for n in range(count)])


def test_a_busy_site_is_asked_again_and_then_reported():
    served = Served(Reply(503, "busy"))
    assert served.refusal().status == 503
    assert len(served.server.requests) == 3


def test_another_index_is_not_known():
    error = Served(Reply(200, "")).refusal("nasdaq100")
    assert error.rule == "unknown_index"
    assert "'nasdaq100'" in str(error)


def test_symbols_are_written_as_yahoo_does():
    assert [yahoo_symbol(text) for text in ("BRK.B", " bf.b ", "BRK/B", "AAPL")] == ["BRK-B", "BF-B", "BRK-B", "AAPL"]


def test_the_texts_of_two_stored_pages_are_read(shared):
    """30 rows of 2026 and 21 of 2022, strings as they stood on the page; rendered into the table's shape by us."""
    for name, top in (("sp500_first30_text_2026-03-27", "NVDA"), ("sp500_first21_text_2022-05", "AAPL")):
        with (shared / "fixtures" / "slickcharts" / f"{name}.csv").open() as file:
            rows = list(csv.DictReader(file))
        members = parse_page(page([(r["Symbol"], r["Company"], r["Weight"]) for r in rows], weight="{}"))
        assert members[0].symbol == top
        assert len(members) == len(rows)
        assert Decimal("0.06") < members[0].weight < Decimal("0.08")


def test_a_real_list_of_503_holdings_in_the_shape_of_the_page(shared):
    """Symbols and weights of a real fund, rendered into the page's shape by us (no recorded page exists)."""
    with (shared / "data" / "sp500_weights_ivv_2024-12-06.csv").open() as file:
        rows = [(r["symbol"], r["company"].replace("&", "&amp;"), r["weight_pct"]) for r in csv.DictReader(file)]
    rows = [({"BRKB": "BRK.B", "BFB": "BF.B"}.get(symbol, symbol), name, weight) for symbol, name, weight in rows]
    served = Served(Reply(200, page(rows)))
    members = served.ask()
    assert len(members) == 503
    assert members[0].symbol == "AAPL"
    assert "BRK-B" in {member.symbol for member in members}
