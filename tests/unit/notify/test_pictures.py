"""Pictures: small, the same every time, legible on any ground, said in words too."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date, timedelta
from email import message_from_bytes
from email.policy import SMTP

import pytest
from PIL import Image
from report_worlds import (
    BAR_DAY,
    EVIL,
    NOW,
    D,
    good_backdrop,
    good_day,
    hostile,
    line,
    many_trades,
    nothing_spent,
    nothing_to_do,
    plan,
)

from robotrading.adapters.notify.envelope import compose
from robotrading.adapters.notify.report import message, report_html
from robotrading.adapters.notify.report.backdrop import Backdrop, Chart, Worth
from robotrading.adapters.notify.report.pictures import BLUE, GREEN, INK, LARGEST, RED, draw, set_dates
from robotrading.adapters.notify.report.shapes import Picture

DARK, LIGHT = "#171b21", "#ffffff"


@pytest.fixture(scope="module")
def drawn() -> tuple[Picture, ...]:
    return draw(good_day(), good_backdrop())


def luminance(colour: str) -> float:
    """Relative luminance of sRGB (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_there_are_equity_allocation_and_the_instruments_traded_most(drawn: tuple[Picture, ...]):
    assert [one.name for one in drawn] == ["equity", "allocation", "price-1", "price-2"]


def test_pictures_are_small_and_have_no_ground_of_their_own(drawn: tuple[Picture, ...]):
    for one in drawn:
        assert len(one.data) < min(LARGEST, 30_000)
        with Image.open(io.BytesIO(one.data)) as image:
            assert image.size == (one.width * 2, one.height * 2)
            assert image.convert("RGBA").getpixel((1, 1))[3] == 0


def test_the_same_report_gives_the_same_bytes(drawn: tuple[Picture, ...]):
    again = draw(good_day(), good_backdrop())
    assert [one.data for one in again] == [one.data for one in drawn]


@pytest.mark.parametrize(("colour", "least"), [(INK, 4.05), (BLUE, 3.0), (RED, 3.0), (GREEN, 3.0)])
def test_what_is_drawn_is_seen_by_day_and_by_night(colour: str, least: float):
    assert contrast(colour, LIGHT) >= least
    assert contrast(colour, DARK) >= least


def test_every_picture_says_in_words_what_it_shows(drawn: tuple[Picture, ...]):
    equity, allocation, price, _ = drawn
    assert "deepest loss from a peak -13." in equity.caption
    assert "Dashed: SPY" in equity.caption
    assert "AAPL 5.1 % of 5.1 %" in allocation.alt
    assert "Red: turbulent, falling; Green: calm, rising. Now: calm, rising." in price.caption
    page = report_html(good_day(), good_backdrop(), drawn)
    assert page.count('<img src="data:image/png;base64,') == page.count(' alt="') == 4


def test_the_mail_carries_its_pictures_within_itself(drawn: tuple[Picture, ...]):
    """multipart/alternative of the text and the HTML with what it shows; each `cid:` has its part, and back."""
    made = message(good_day(), good_backdrop(), drawn)
    mail = message_from_bytes(bytes(compose(made, "bot@example.com", "ann@example.com", NOW)), policy=SMTP)
    assert mail.get_content_type() == "multipart/alternative"
    related = list(mail.iter_parts())[1]
    assert related.get_content_type() == "multipart/related"
    html, *images = related.iter_parts()
    page = html.get_content()
    assert page.count("cid:") == len(images) == 4
    for image, picture in zip(images, drawn, strict=True):
        assert f"cid:{image['Content-ID'].strip('<>')}" in page
        assert image.get_content() == picture.data
        assert image.get_content_disposition() == "inline"
    assert "http://" not in page
    assert "https://" not in page


def test_a_short_mail_has_its_whole_page_beside_the_pictures():
    drawn = draw(many_trades(), Backdrop())
    made = message(many_trades(), Backdrop(), drawn)
    mail = message_from_bytes(bytes(compose(made, "bot@example.com", "ann@example.com", NOW)), policy=SMTP)
    assert [one.get_filename() for one in mail.iter_attachments()] == ["equities-2025-09-26.html"]
    assert len(made.html) < 100_000, "large mail services cut what is longer"
    assert "The 12 largest of 500 instruments." in made.html


def test_where_there_is_nothing_there_is_no_picture():
    assert draw(nothing_spent(), Backdrop()) == ()
    lonely = Backdrop((Worth(NOW - timedelta(days=1), good_day().account.net_liquidation * 0),))
    assert [one.name for one in draw(good_day(), lonely)] == ["allocation"]
    short = Backdrop(charts=(Chart("AAPL", (BAR_DAY,), (1.0,)),))
    assert [one.name for one in draw(good_day(), short)] == ["allocation"]


def test_prices_without_regimes_are_drawn_and_say_so():
    chart = replace(good_backdrop().charts[0], regimes=(), labels=())
    assert draw(nothing_spent(), Backdrop(charts=(chart,)))[0].caption == "No regimes are known."


def test_foreign_names_are_letters_in_a_picture():
    """No mathematics, no missing font and no HTML comes of a name."""
    odd = replace(good_backdrop().charts[0], symbol=f"$\\frac{{1}}{{0}}$ \u682a {EVIL}\n\ud800")
    made = replace(hostile(), plan=plan((), (), (line("$x^$", "0.1", "0.1", "0.1"), line(EVIL, "0.1", "0.1", "0.1"))))
    drawn = draw(made, Backdrop(charts=(odd,)))
    assert [one.name for one in drawn] == ["allocation", "price-1"]
    assert "<img src=x" not in report_html(made, Backdrop(), drawn)


def test_numbers_that_cannot_be_drawn_cost_the_picture_alone():
    chart = replace(good_backdrop().charts[0], closes=(float("nan"),) * 250)
    assert [one.name for one in draw(good_day(), Backdrop(charts=(chart,)))] in (
        ["allocation"],
        ["allocation", "price-1"],
    )


def test_a_change_too_small_to_see_has_no_sign_and_the_places_of_the_numbers_above():
    worth = (Worth(NOW - timedelta(days=3), D("1000000")), Worth(NOW - timedelta(days=2), D("999999")))
    equity = draw(replace(good_day(), account=None), Backdrop(worth))[0]
    assert "0.00 %; deepest loss from a peak 0.00 %" in equity.caption
    assert "-0.0" not in equity.caption


def test_where_nothing_is_ordered_the_bars_are_what_the_bot_owns():
    allocation = next(one for one in draw(nothing_to_do(), Backdrop()) if one.name == "allocation")
    assert "what the bot owns now" in allocation.caption


@pytest.mark.parametrize(("days", "names"), [(1, ["3 Sep", "4 Sep"]), (7, ["03 Sep", "05 Sep", "07 Sep", "09 Sep"])])
def test_days_on_an_axis_have_their_month(days: int, names: list[str]):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    begin = date(2025, 9, 3)
    set_dates(axes, [begin, begin + timedelta(days=days)])
    figure.canvas.draw()
    assert [label.get_text() for label in axes.get_xticklabels()] == names


def test_the_curve_begins_with_the_first_value_as_the_number_since_the_start_does():
    begin = NOW - timedelta(days=2)
    worth = (Worth(begin, D(1000)), Worth(begin + timedelta(minutes=1), D(900)), Worth(NOW - timedelta(days=1), D(990)))
    equity = draw(replace(good_day(), account=None), Backdrop(worth))[0]
    assert "-1.00 %; deepest loss from a peak -1.00 %" in equity.caption
