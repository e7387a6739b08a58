"""The report as one HTML page without scripts or outside resources, for browsers and mail programs."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from robotrading.adapters.notify.report.shapes import View
from robotrading.adapters.notify.report.view import view
from robotrading.domain.report import SessionReport

if TYPE_CHECKING:
    from jinja2 import Template


def report_html(report: SessionReport, most: int | None = None) -> str:
    """The page; `most` bounds the rows of each table (mail programs cut long mails), None shows all."""
    return page(view(report, most))


def page(shown: View) -> str:
    """Any view as a page."""
    return _template().render(view=shown)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  not needed before the first page

    loader = PackageLoader("robotrading.adapters.notify.report", ".")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2")
