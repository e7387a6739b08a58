"""Stored pages: what lies in the book's folder under its plain name, and nothing that a name or a link leads to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from robotrading.wiring.books import Book
from robotrading.wiring.stored_pages import StoredPages, summaries_of

MOST = 1000


@pytest.fixture
def book(tmp_path: Path) -> Book:
    made = Book(tmp_path / "books" / "paper", "paper")
    made.run_folder("run-1").mkdir(parents=True)
    (made.run_folder("run-1") / "report.html").write_bytes(b"report")
    summaries_of(made).mkdir()
    (summaries_of(made) / "2025-11-15.html").write_bytes(b"week")
    (tmp_path / "report.html").write_bytes(b"secret")
    return made


def test_a_page_is_what_lies_there(book: Book):
    assert StoredPages(book).report("run-1", MOST) == b"report"
    assert StoredPages(book).summary("2025-11-15", MOST) == b"week"
    assert StoredPages(book).report("run-2", MOST) is None
    assert StoredPages(book).summary("2025-11-08", MOST) is None
    assert StoredPages(Book(book.root / "nothing", "paper")).report("run-1", MOST) is None


def test_the_state_may_be_elsewhere_by_a_link_of_the_owner(book: Book, tmp_path: Path):
    (tmp_path / "linked").symlink_to(book.root)
    assert StoredPages(Book(tmp_path / "linked", "paper")).report("run-1", MOST) == b"report"


@pytest.mark.parametrize("name", ["", ".", "..", "../..", "a/b", "/", "\0", "run-1/", "run-1\0", "../runs/run-1"])
def test_no_name_leads_out(book: Book, name: str):
    (book.root / "runs" / "report.html").write_bytes(b"secret")
    (book.root / "report.html").write_bytes(b"secret")
    assert StoredPages(book).report(name, MOST) is None
    assert StoredPages(book).summary(name, MOST) is None


def test_no_link_is_followed_wherever_it_stands(book: Book, tmp_path: Path):
    page = book.run_folder("run-1") / "report.html"
    page.unlink()
    page.symlink_to(tmp_path / "report.html")
    assert StoredPages(book).report("run-1", MOST) is None
    (book.root / "runs" / "run-3").symlink_to(tmp_path)
    assert StoredPages(book).report("run-3", MOST) is None
    (summaries_of(book) / "2025-11-22.html").symlink_to(tmp_path / "report.html")
    assert StoredPages(book).summary("2025-11-22", MOST) is None


def test_what_is_no_plain_file_is_not_waited_for(book: Book):
    (book.run_folder("run-2") / "report.html").mkdir(parents=True)
    assert StoredPages(book).report("run-2", MOST) is None
    book.run_folder("run-3").mkdir()
    os.mkfifo(book.run_folder("run-3") / "report.html")
    assert StoredPages(book).report("run-3", MOST) is None
    (book.root / "runs" / "run-4").write_bytes(b"a file for a folder")
    assert StoredPages(book).report("run-4", MOST) is None


def test_a_page_has_its_bound_and_no_byte_more(book: Book):
    assert StoredPages(book).report("run-1", 6) == b"report"
    assert StoredPages(book).report("run-1", 5) is None


def test_nothing_stays_open(book: Book):
    open_now = len(os.listdir("/proc/self/fd"))  # noqa: PTH208  numbers, not paths
    for name in ("run-1", "run-2", "..") * 20:
        StoredPages(book).report(name, MOST)
    assert len(os.listdir("/proc/self/fd")) == open_now  # noqa: PTH208
