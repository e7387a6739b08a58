"""Reports become pages, texts and mails beside the runs' files, in a process of their own.

Entry points: `make_pages` (in that process), `in_a_child` (starts it), `stored_report` and `history` (what there is).
Invariants: what draws lives in the child, so that neither matplotlib nor a page's templates are in a process that
trades or serves; a child that fails or takes too long costs the pictures, never the report.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from robotrading.adapters.ledger.stored import storable
from robotrading.adapters.notify.files import write_message, write_report_files
from robotrading.config.model import Config
from robotrading.domain.errors import ConfigError
from robotrading.domain.report import Ended, SessionReport
from robotrading.wiring.books import Book, Orders, book_for, elsewhere, load_config

_SECONDS = 60.0
"""For a child, and so much again for every ten reports."""
_SHOWN_ERROR = 300


class NoReport(ConfigError):
    """There is no such report; the text says which there are."""


def in_a_child(orders: Orders, config: Config, run_ids: Sequence[str]) -> str:
    """Make the pages of these runs; '' when all went well, else a sentence on why not. Blocks for a bounded time."""
    words = [sys.executable, "-m", "robotrading", "make-pages", *run_ids]
    words += ["--config", str(orders.file.absolute())] if orders.file else []
    words += ["--demo"] if orders.demo else []
    words += ["--as-of", str(orders.as_of)] if orders.as_of else []
    drawing = config.state_dir / "cache" / "matplotlib"
    seconds = _SECONDS * (1 + len(run_ids) // 10)
    environment = os.environ | {"MPLCONFIGDIR": str(drawing.absolute()), "MPLBACKEND": "agg"}
    try:
        drawing.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(  # noqa: S603  our own program, words of our own
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"the pages were not made within {seconds:.0f} s"
    except OSError as error:
        return f"the pages could not be made: {error}"
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return f"the pages could not be made: {said[:_SHOWN_ERROR]}"
    return ""


def make_pages(orders: Orders, run_ids: Sequence[str]) -> None:
    """Page, text and message of these runs, with pictures. Raises `NoReport`, `LedgerError`, `OSError`."""
    from robotrading.adapters.notify.report import message  # noqa: PLC0415
    from robotrading.adapters.notify.report.pictures import draw  # noqa: PLC0415  brings matplotlib
    from robotrading.wiring.backdrop import backdrop_for  # noqa: PLC0415

    config = load_config(orders)
    book = book_for(config, orders)
    with book.ledger() as ledger:
        for run_id in run_ids:
            folder = book.run_folder(run_id)
            report = _left(folder) or ledger.report(run_id)
            if report is None:
                raise NoReport(f"run {run_id} has no report in {folder} and none in the ledger")
            around = backdrop_for(config, ledger, report, ahead=orders.day is None)
            pictures = draw(report, around) if config.report.pictures else ()
            write_report_files(report, folder, around, pictures)
            write_message(message(report, around, pictures), folder)


def _left(folder: Path) -> SessionReport | None:
    """What the session left in its folder; the command writes it too where a session died."""
    try:
        return msgspec.json.decode((folder / "report.json").read_bytes(), type=SessionReport)
    except (OSError, msgspec.DecodeError):
        return None


def stored_report(orders: Orders, run: str = "last") -> SessionReport:
    """A run's report by its id, an unambiguous part of it, or `last`. Raises `NoReport`, `LedgerError`."""
    with book_for(load_config(orders), orders).ledger() as ledger:
        ended = ledger.ended(_RECENT)
        matching = [one.run_id for one in ended if run == "last" or run in one.run_id]
        run_id = matching[0] if run == "last" and matching else storable(run)
        found = ledger.report(run_id)
        if found is None and len(matching) == 1:
            found = ledger.report(matching[0])
    if found is not None:
        return found
    if not ended:
        raise NoReport(f"no run has a report here yet; see `robotrading plan all`{elsewhere(orders)}")
    if len(matching) > 1:
        raise NoReport(f"{run!r} is part of {len(matching)} run ids, e.g. {', '.join(matching[:3])}; give more of it")
    raise NoReport(f"there is no report of a run {run!r}; see `robotrading report --list`")


_RECENT = 1000


def history(orders: Orders, limit: int) -> Sequence[Ended]:
    """The newest runs that have a report, newest first. Raises `LedgerError`."""
    with book_for(load_config(orders), orders).ledger() as ledger:
        return ledger.ended(limit)


def page_file(orders: Orders, report: SessionReport) -> Path:
    """The run's page on the disk, made now where it is not there. Raises `LedgerError`, `OSError`."""
    page = _book(orders).run_folder(report.run_id) / "report.html"
    if not page.exists():
        make_pages(orders, [report.run_id])
    return page


def text_of(orders: Orders, report: SessionReport) -> str:
    """The report as text, with the account's history around it. Raises `LedgerError`."""
    from robotrading.adapters.notify.report import report_text  # noqa: PLC0415
    from robotrading.wiring.backdrop import backdrop_for  # noqa: PLC0415

    config = load_config(orders)
    quick = replace(config, report=replace(config.report, pictures=False))
    with book_for(config, orders).ledger() as ledger:
        return report_text(report, backdrop_for(quick, ledger, report, ahead=orders.day is None))


def _book(orders: Orders) -> Book:
    return book_for(load_config(orders), orders)
