"""Every kept mail in a real browser: phone and desk, by day and by night, nothing cut off, nothing fetched, all legible."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_worlds import ALL, BACKDROPS

from robotrading.adapters.notify.report import message
from robotrading.adapters.notify.report.backdrop import Backdrop
from robotrading.adapters.notify.report.letter import content_id
from robotrading.adapters.notify.report.pictures import draw
from tests.service.web.chromium import chromium, tab

LOOKS = [(320, "light"), (320, "dark"), (1200, "light"), (1200, "dark")]
LEGIBLE = 4.5
"""Contrast of text with its ground that WCAG 2.2 asks for (success criterion 1.4.3)."""
OPEN = "document.querySelectorAll('details').forEach(one => one.open = true)"
PALEST = """(() => {
  const light = rgb => {
    const [r, g, b] = rgb.map(one => one / 255).map(one => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parts = text => text.match(/[0-9.]+/g).map(Number);
  const ground = one => {
    for (; one; one = one.parentElement) {
      const found = parts(getComputedStyle(one).backgroundColor);
      if (found.length === 3 || found[3] === 1) return found.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const told = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let worst = [21, ""];
  while (told.nextNode()) {
    const at = told.currentNode.parentElement;
    if (!told.currentNode.data.trim() || !at.getClientRects().length) continue;
    const pair = [light(parts(getComputedStyle(at).color).slice(0, 3)), light(ground(at))].sort((a, b) => b - a);
    const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (contrast < worst[0]) worst = [contrast, told.currentNode.data.slice(0, 60)];
  }
  return worst;
})()"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address


def shown(name: str) -> str:
    """The mail's page with its pictures in it, as a mail program puts them there."""
    made, around = ALL[name](), BACKDROPS.get(name, Backdrop)()
    pictures = draw(made, around)
    html = message(made, around, pictures).html
    for one in pictures:
        html = html.replace(f"cid:{content_id(one)}", f"data:image/png;base64,{b64encode(one.data).decode()}")
    assert "cid:" not in html
    return html


@pytest.mark.parametrize("name", ALL)
async def test_a_mail_fits_is_legible_and_asks_for_nothing(browser: str, name: str, tmp_path: Path):
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


async def test_without_its_styles_everything_is_still_there(browser: str, tmp_path: Path):
    """Some mail programs drop them all: what stood in lines of their own still does."""
    path = tmp_path / "mail.html"
    path.write_text(re.sub(r"<style>.*?</style>", "", shown("good_day"), flags=re.DOTALL), encoding="utf-8")
    async with tab(browser, 1200) as page:
        await page.open(path.as_uri())
        lines = (await page.value("document.body.innerText")).splitlines()
    assert {"Account value", "1,002,345.67 USD", "Traded", "bought for 46,870.80 USD, sold for 3,999.00 USD"} <= {
        *lines
    }
