"""The page in a real browser: both themes, phone and desk, no complaint, nothing to scroll sideways, no script needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chromium import chromium, tab
from web_serve import served
from web_worlds import TROUBLE, WELL, WORLDS, crowded

SEEN = "[innerWidth, document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor]"
GROUNDS = {"light": "rgb(243, 245, 248)", "dark": "rgb(15, 18, 23)"}
ALL = {**WORLDS, "crowded": crowded()}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address


LOOKS = [(world, *look) for world in WORLDS for look in ((360, "light"), (1280, "dark"))]
LOOKS += [("well", 360, "dark"), ("well", 1280, "light"), ("crowded", 360, "light")]


@pytest.mark.parametrize(("world", "width", "theme"), LOOKS)
async def test_it_is_drawn_without_complaint_and_fits(
    browser: str, world: str, width: int, theme: str, tmp_path: Path
) -> None:
    async with served(ALL[world]) as service, tab(browser, width, theme) as page:
        await page.open(f"http://127.0.0.1:{service.port}/")
        shown, needed, ground = await page.value(SEEN)
        assert shown == width
        assert needed <= width
        assert ground == GROUNDS[theme]
        picture = await page.picture()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 10_000
        await page.value("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert (await page.value(SEEN))[1] <= width
        assert page.complaints == []
        hosts = {urlsplit(url).netloc for url in page.requested}
        assert hosts == {f"127.0.0.1:{service.port}"}
    (tmp_path / f"{world}-{width}-{theme}.png").write_bytes(picture)


async def test_it_needs_no_script(browser: str) -> None:
    async with served(WELL) as service:
        url = f"http://127.0.0.1:{service.port}/"
        async with tab(browser) as with_scripts, tab(browser, scripts=False) as without:
            await with_scripts.open(url)
            await without.open(url)
            text = "document.body.innerText"
            assert await without.value(text) == await with_scripts.value(text)
            await without.value("document.querySelector('summary').click()")
            assert await without.value("document.querySelector('details').open")
            assert without.complaints == []


async def test_hostile_words_do_nothing(browser: str) -> None:
    async with served(TROUBLE) as service, tab(browser) as page:
        await page.open(f"http://127.0.0.1:{service.port}/")
        assert await page.value("document.scripts.length") == 0
        assert "<script>alert('x')</script>" in await page.value("document.body.innerText")
        assert page.complaints == []


async def test_a_script_that_got_in_all_the_same_would_not_run(browser: str) -> None:
    """The browser's own refusal, which also shows that complaints are heard."""
    async with served(WELL) as service, tab(browser) as page:
        await page.open(f"http://127.0.0.1:{service.port}/")
        await page.value(
            "(() => { const one = document.createElement('script'); one.textContent = 'window.ran = true';"
            " document.body.append(one); })()"
        )
        assert await page.value("window.ran === undefined")
        assert page.complaints


async def test_the_error_page_has_the_same_look(browser: str) -> None:
    async with served(WELL) as service, tab(browser, 360, "dark") as page:
        await page.open(f"http://127.0.0.1:{service.port}/nothing")
        shown, needed, ground = await page.value(SEEN)
        assert needed <= shown
        assert ground == GROUNDS["dark"]
        assert await page.value("document.querySelector('h1').innerText") == "Not Found"
