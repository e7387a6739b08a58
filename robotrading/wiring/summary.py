"""The week's summary on its way to people: a page on the disk, a letter in the outbox.

Entry points: `summary_of`, `page_of`, `text_of`, `post_summary`.
Invariants: the id of the letter is a function of the day, so that two copies of the service post one; matplotlib
is in the process that makes pages and letters only, which is a command or a child, never the service.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from robotrading.adapters.clock import SystemClock
from robotrading.adapters.notify.report.shapes import Picture
from robotrading.adapters.notify.weekly import message, summary_html, summary_text
from robotrading.adapters.notify.weekly.figures import WeekFigures
from robotrading.config.model import Config
from robotrading.domain.messages import Address, Letter, LetterKind, Urgency
from robotrading.service.weekly import letter_id
from robotrading.wiring.books import Book, Orders, book_for, load_config
from robotrading.wiring.post import addresses_for, opened_outbox
from robotrading.wiring.stored_pages import summaries_of
from robotrading.wiring.weekly import week_of

log = logging.getLogger(__name__)

_NEW_YORK = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True)
class Posted:
    """A summary's letter; `new` is False where it was there already, `addresses` are empty where no mail is set up."""

    letter_id: str
    addresses: tuple[Address, ...]
    new: bool


def summary_of(orders: Orders, day: date | None = None) -> WeekFigures:
    """The week up to a day (None: today in New York, or the rehearsed day). Raises `LedgerError`, `ConfigError`."""
    return week_of(load_config(orders), orders, day or _today(orders))


def _today(orders: Orders) -> date:
    return orders.day or SystemClock().now().astimezone(_NEW_YORK).date()


def text_of(week: WeekFigures) -> str:
    """At most 78 columns."""
    return summary_text(week)


def page_of(orders: Orders, week: WeekFigures) -> Path:
    """The page with its pictures, made anew in the book's folder. Raises `OSError`."""
    config = load_config(orders)
    return _keep_page(book_for(config, orders), week, _drawn(config, week))


def _keep_page(book: Book, week: WeekFigures, pictures: Sequence[Picture]) -> Path:
    path = summaries_of(book) / f"{week.day}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(summary_html(week, pictures), encoding="utf-8")
    return partial.replace(path)


def post_summary(orders: Orders, day: date | None = None) -> Posted:
    """Keep the week's letter in the outbox, once; whoever empties the outbox sends it. Raises `LedgerError`.

    Without a mail account it is kept all the same, for nobody, so that it is not made again and again. Its page stays
    in the book's folder for the service to show; where that cannot be written, the letter is posted all the same.
    """
    config = load_config(orders)
    book, day = book_for(config, orders), day or _today(orders)
    addresses = addresses_for(config, LetterKind.SUMMARY)
    with opened_outbox(book) as outbox:
        if outbox.letter(letter_id(day)) is not None:
            return Posted(letter_id(day), addresses, new=False)
        week = week_of(config, orders, day)
        pictures = _drawn(config, week)
        try:
            _keep_page(book, week, pictures)
        except OSError as error:
            log.warning("the week's page is not kept: %s", error)
        made = message(week, pictures)
        letter = Letter(letter_id(day), LetterKind.SUMMARY, Urgency.NORMAL, SystemClock().now(), made)
        return Posted(letter.letter_id, addresses, outbox.post(letter, addresses))


def _drawn(config: Config, week: WeekFigures) -> Sequence[Picture]:
    """The pictures, none where they are not wanted."""
    if not config.report.pictures:
        return ()
    folder = config.state_dir / "cache" / "matplotlib"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.setdefault("MPLCONFIGDIR", str(folder.absolute()))
    except OSError as error:
        log.info("matplotlib keeps its fonts elsewhere: %s", error)
    from robotrading.adapters.notify.weekly.pictures import draw  # noqa: PLC0415  brings matplotlib

    return draw(week)
