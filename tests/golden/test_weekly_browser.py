"""Every kept summary in a real browser, as test_report_browser.py looks at reports."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from week_worlds import ALL

from robotrading.adapters.notify.weekly import message
from robotrading.adapters.notify.weekly.pictures import draw
from tests.golden.test_report_browser import LEGIBLE, LOOKS, OPEN, PALEST
from tests.service.web.chromium import chromium, tab


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address


def shown(name: str) -> str:
    """The mail's page with its pictures in it, as a mail program puts them there."""
    made = ALL[name]()
    mail = message(made, draw(made))
    html = mail.html
    for one in mail.attachments:
        html = html.replace(f"cid:{one.content_id}", f"data:image/png;base64,{b64encode(one.data).decode()}")
    assert "cid:" not in html
    return html


@pytest.mark.parametrize("name", ALL)
async def test_a_summary_fits_is_legible_and_asks_for_nothing(browser: str, name: str, tmp_path: Path):
    path = tmp_path / "mail.html"
    path.write_text(shown(name), encoding="utf-8")
    for width, theme in LOOKS:
        async with tab(browser, width, theme) as page:
            await page.open(path.as_uri())
            await page.value(OPEN)
            assert await page.value("document.documentElement.scrollWidth") == width, (width, theme)
            contrast, text = await page.value(PALEST)
            assert contrast >= LEGIBLE, (theme, text)
            assert all(url.startswith(("file:", "data:")) for url in page.requested)
            assert page.complaints == []
