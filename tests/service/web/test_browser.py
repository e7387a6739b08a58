"""The page in a real browser: both themes, phone and desk, no complaint, nothing to scroll sideways, no script needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chromium import chromium, tab
from report_worlds import good_day
from web_serve import served
from web_worlds import TROUBLE, WELL, WORLDS, crowded

from robotrading.adapters.notify.files import write_report_files
from robotrading.adapters.notify.report.backdrop import Backdrop
from robotrading.adapters.notify.report.pictures import draw
from robotrading.wiring.books import Book
from robotrading.wiring.stored_pages import StoredPages

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


RUN = "/reports/" + WELL.book.ended[0].run_id


@pytest.mark.parametrize(
    ("world", "width", "theme"), [(w, *look) for w in WORLDS for look in ((360, "light"), (1280, "dark"))]
)
async def test_the_history_is_drawn_without_complaint_and_fits(
    browser: str, world: str, width: int, theme: str, tmp_path: Path
) -> None:
    async with served(WORLDS[world]) as service, tab(browser, width, theme) as page:
        await page.open(f"http://127.0.0.1:{service.port}/reports")
        shown, needed, ground = await page.value(SEEN)
        assert needed <= shown == width
        assert ground == GROUNDS[theme]
        assert await page.value(
            "[...document.querySelectorAll('.scroll')].every(one => one.scrollWidth <= one.clientWidth)"
        )
        assert page.complaints == []
        picture = await page.picture()
    (tmp_path / f"history-{world}-{width}-{theme}.png").write_bytes(picture)


@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1280, "light")])
async def test_a_report_is_reached_by_links_and_shown_with_its_styles_and_pictures(
    browser: str, width: int, theme: str, tmp_path: Path
) -> None:
    """Status page, history, report: each by a click on what the page before it shows."""
    report = replace(good_day(), run_id=WELL.book.ended[0].run_id)
    book = Book(tmp_path / "book", "paper")
    write_report_files(report, book.run_folder(report.run_id), pictures=draw(report, Backdrop()))
    async with served(WELL, pages=StoredPages(book)) as service, tab(browser, width, theme) as page:
        await page.open(f"http://127.0.0.1:{service.port}/")
        for link in ("/reports", RUN):
            await page.open(await page.value(f"document.querySelector('a[href=\"{link}\"]').href"))
        assert report.verdict in await page.value("document.body.innerText")
        assert await page.value(
            "[...document.images].length && [...document.images].every(one => one.naturalWidth > 0)"
        )
        assert await page.value("document.styleSheets.length") >= 1
        assert (await page.value(SEEN))[1] <= width
        assert page.complaints == []
        await page.value(
            "(() => { const one = document.createElement('script'); one.textContent = 'window.ran = true';"
            " document.body.append(one); })()"
        )
        assert await page.value("window.ran === undefined")
        picture = await page.picture()
    (tmp_path / f"report-{width}-{theme}.png").write_bytes(picture)
