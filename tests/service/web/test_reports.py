"""Reports over HTTP: the page as it was made, under its own policy; nothing else of the disk; nobody waits for long."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_page import plain, read
from test_routes import SECURITY, same_but_empty
from web_serve import Hand, served
from web_worlds import EMPTY, HOSTILE, NOW, TROUBLE, WELL, past

from robotrading.service.web.limits import Limits
from robotrading.service.web.page import render_reports
from robotrading.service.web.reports import RECENT, report_address
from robotrading.service.web.stored import Stored, TooSlow, is_day, is_run_id
from robotrading.wiring.books import Book
from robotrading.wiring.stored_pages import StoredPages

RUN = past()[0].run_id
PAGE = b"<!DOCTYPE html><style>p{color:red}</style><p>The report</p>"
WEEK = b"<!DOCTYPE html><p>The week</p>"
ODD = (
    "/reports/..", "/reports/../../config.yaml", "/reports/%2e%2e", "/reports/..%2f..%2fledger.db", "/reports/.hidden",
    "/reports/a%2fb", "/reports/a%00b", "/reports/%2fetc%2fpasswd", "/reports/report.html", "/reports/" + "x" * 81,
    "/reports/%D9%A1", "/reports/-rf", "/reports/a%0d%0aset-cookie:b", f"/reports/{RUN}/report.html", f"/reports/{RUN}%20",
    "/reports/", "/summaries/..", "/summaries/2025-11-31", "/summaries/20251115", "/summaries/2025-11-15.html", "/summaries/",
    "/summaries/%D9%A2025-11-15", "/summaries/..%2fruns", "/summaries",
)  # fmt: skip


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """With one run's page and one week's, and secrets beside them."""
    made = Book(tmp_path / "book", "paper")
    folder = made.run_folder(RUN)
    folder.mkdir(parents=True)
    (folder / "report.html").write_bytes(PAGE)
    (made.root / "summaries").mkdir()
    (made.root / "summaries" / "2025-11-15.html").write_bytes(WEEK)
    for place in (tmp_path, made.root, made.root / "runs"):
        (place / "report.html").write_text("SECRET")
    return made


async def test_a_run_and_a_week_are_shown_as_they_were_made_under_a_policy_of_their_own(book: Book) -> None:
    async with served(WELL, pages=StoredPages(book)) as service:
        for path, page in ((f"/reports/{RUN}", PAGE), ("/summaries/2025-11-15", WEEK)):
            answer = await service.client.get(path)
            assert (answer.status_code, answer.content) == (200, page)
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert {name: answer.headers[name] for name in SECURITY} == SECURITY
            policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
            assert policy == {
                "default-src": "'none'", "style-src": "'unsafe-inline'", "img-src": "data:", "base-uri": "'none'",
                "form-action": "'none'", "frame-ancestors": "'none'",
            }  # fmt: skip
            await same_but_empty(service.client, path)


async def test_what_is_not_on_this_host_is_404_with_the_command_that_shows_it(book: Book) -> None:
    async with served(WELL, pages=StoredPages(book)) as service:
        run = await service.client.get("/reports/20251121-204500-scheduled-bonds")
        week = await service.client.get("/summaries/2025-11-08", headers={"accept": "text/html"})
        assert run.status_code == week.status_code == 404
        assert "`robotrading report 20251121-204500-scheduled-bonds --open`" in run.json()["message"]
        assert "<code>robotrading summary --week 2025-11-08 --open</code>" in week.text
        assert "unsafe" not in run.headers["content-security-policy"]
        await same_but_empty(service.client, "/reports/nothing")


async def test_without_a_folder_of_pages_there_are_none() -> None:
    async with served(WELL) as service:
        assert (await service.client.get("/reports")).status_code == 200
        assert (await service.client.get(f"/reports/{RUN}")).status_code == 404
        assert (await service.client.get("/summaries/2025-11-15")).status_code == 404


@pytest.mark.parametrize("path", ODD)
async def test_no_odd_name_leads_anywhere(book: Book, path: str) -> None:
    async with served(WELL, pages=StoredPages(book)) as service:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"SECRET" not in answer
    assert b"set-cookie" not in answer.split(b"\r\n\r\n")[0]


@given(st.text(max_size=90))
def test_what_passes_for_a_run_id_is_one_step_down_and_stays_what_it_is_in_an_address(text: str) -> None:
    if is_run_id(text):
        assert text == Path(text).name
        assert text.isascii()
        assert not set(text) & set("/\\%?#&\"'<> ")
        assert report_address(text) == f"/reports/{text}"
    else:
        assert not report_address(text)


@given(st.dates().map(str), st.text(max_size=12))
def test_a_day_is_written_in_one_way(day: str, other: str) -> None:
    assert is_day(day)
    assert not is_day(other) or len(other) == 10


async def test_a_foreign_host_name_and_another_method_are_refused_here_too(book: Book) -> None:
    async with served(WELL, pages=StoredPages(book)) as service:
        for path in ("/reports", f"/reports/{RUN}", "/summaries/2025-11-15"):
            answer = await service.client.get(path, headers={"host": "evil.example"})
            assert answer.status_code == 421
            assert b"report" not in answer.content.lower()
            assert (await service.client.post(path)).status_code == 405


async def test_a_page_that_is_too_large_is_not_served(book: Book) -> None:
    (book.run_folder(RUN) / "report.html").write_bytes(b"x" * (Limits().page + 1))
    async with served(WELL, pages=StoredPages(book)) as service:
        answer = await service.client.get(f"/reports/{RUN}")
        assert answer.status_code == 404
        assert "too large" in answer.json()["message"]
        (book.run_folder(RUN) / "report.html").write_bytes(b"x" * Limits().page)
        assert len((await service.client.get(f"/reports/{RUN}")).content) == Limits().page


class Hanging:
    """A disk that does not answer until it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked = 0

    def report(self, _run_id: str, _most: int) -> bytes | None:
        self.asked += 1
        self.gate.wait(20)
        return PAGE

    summary = report


async def test_a_disk_that_hangs_costs_two_threads_and_no_caller_more_than_the_bound() -> None:
    pages = Hanging()
    stored = Stored(pages, Limits(page_seconds=0.2))
    ends = await asyncio.gather(*(stored.report(RUN) for _ in range(30)), return_exceptions=True)
    assert all(isinstance(end, TooSlow) for end in ends)
    with pytest.raises(TooSlow):
        await stored.summary("2025-11-15")
    assert pages.asked == 2
    pages.gate.set()
    await asyncio.sleep(0.1)
    assert await stored.report(RUN) == PAGE


async def test_a_name_that_cannot_be_one_never_reaches_the_disk() -> None:
    pages = Hanging()
    stored = Stored(pages, Limits())
    for name in ("", ".", "..", "../x", "a/b", "a b", "\0", ".a", "x" * 81, "\u0661"):
        assert await stored.report(name) is None
        assert await stored.summary(name) is None
    assert pages.asked == 0


async def test_a_slow_disk_is_503_and_all_else_is_answered_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Hanging()
    monkeypatch.setattr("robotrading.service.web.app.Limits", lambda: Limits(page_seconds=0.3))
    async with served(WELL, pages=pages) as service:
        slow = asyncio.create_task(service.client.get(f"/reports/{RUN}"))
        await asyncio.sleep(0.05)
        assert (await service.client.get("/ping")).status_code == 200
        assert (await service.client.get("/reports")).status_code == 200
        assert not slow.done()
        answer = await slow
        pages.gate.set()
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


async def test_a_fault_in_reading_is_500_without_its_words_and_gives_its_turn_back() -> None:
    class Broken(Hanging):
        def report(self, _run_id: str, _most: int) -> bytes | None:
            raise ValueError("a path of ours")

    async with served(WELL, pages=Broken()) as service:
        for _ in range(5):
            answer = await service.client.get(f"/reports/{RUN}")
            assert answer.status_code == 500
            assert "path of ours" not in answer.text


def links(text: str) -> list[str]:
    found = [value for _, attribute, value in read(text).attributes if attribute == "href"]
    return [link for link in found if link.startswith(("/reports/", "/summaries/"))]


def test_the_history_has_every_run_newest_first_and_every_week() -> None:
    text = render_reports(WELL, NOW)
    wanted = [f"/reports/{one.run_id}" for one in WELL.book.ended]
    assert links(text) == wanted + [f"/summaries/2025-11-{day}" for day in ("15", "08", "01")]
    assert "Week up to Sat 15 Nov 2025" in text
    assert text.count("Failed</span>") == 3


def test_a_plan_is_marked_as_one() -> None:
    first, *others = WELL.book.ended
    text = render_reports(replace(WELL, book=replace(WELL.book, ended=(replace(first, trade=False), *others))), NOW)
    assert text.count(f"<td>{first.kind.value.capitalize()}, plan</td>") == 1
    assert ", plan" not in render_reports(WELL, NOW)


def test_another_year_is_named() -> None:
    later = NOW + timedelta(days=90)
    assert ">2025 Thu 20 Nov 20:46 UTC<" in render_reports(WELL, later)


def test_the_status_page_has_the_newest_ten_and_each_session_its_last() -> None:
    from test_page import page

    found = links(page(WELL))
    cards = [f"/reports/{one.last.run_id}" for one in WELL.sessions]
    assert found == cards + [f"/reports/{one.run_id}" for one in WELL.book.ended[:RECENT]]
    assert "No run has ended yet." in plain(EMPTY)


def test_a_ledger_that_cannot_be_read_is_said_beside_what_was_known() -> None:
    away = replace(WELL, book=replace(WELL.book, trouble=f"no database at postgresql://ann:hunter2@db {HOSTILE}"))
    text = render_reports(away, NOW)
    assert "The ledger cannot be read, this is of now: no database at postgresql://***@db" in text
    assert "hunter2" not in text
    assert RUN in text
    never = render_reports(replace(EMPTY, book=replace(EMPTY.book, trouble="gone", read_at=None)), NOW)
    assert "The ledger cannot be read, nothing is known yet: gone" in never
    young = render_reports(replace(EMPTY, book=replace(EMPTY.book, read_at=None)), NOW)
    assert "The ledger was not read yet." in young


def test_hostile_ids_and_modes_are_words_and_no_addresses() -> None:
    text = render_reports(TROUBLE, NOW)
    assert len(links(text)) == len(TROUBLE.book.ended) - 1
    assert "&lt;script&gt;" in text
    assert read(text).faults == []


async def test_the_history_is_made_once_for_all_who_ask_within_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    from robotrading.service.web import answers as module

    made = []
    monkeypatch.setattr(module, "render_reports", lambda *_: made.append(1) or "made")
    answers = module.Answers(lambda: WELL, None, Hand())
    await asyncio.gather(*(answers.reports() for _ in range(50)))
    assert len(made) == 1
