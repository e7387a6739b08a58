"""The report as one HTML page without scripts or outside resources, for browsers and mail programs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from robotrading.adapters.notify.report.backdrop import Backdrop
from robotrading.adapters.notify.report.shapes import Picture, View
from robotrading.adapters.notify.report.view import NOTHING, view
from robotrading.domain.report import SessionReport

if TYPE_CHECKING:
    from jinja2 import Template

Address = Callable[[Picture], str]


def report_html(report: SessionReport, backdrop: Backdrop = NOTHING, pictures: Sequence[Picture] = ()) -> str:
    """The whole page, its pictures in itself."""
    return page(view(report, None, backdrop, pictures), within)


def page(shown: View, address: Address) -> str:
    """Any view as a page; `address` says where a picture is."""
    return _template().render(view=shown, address=address)


def within(picture: Picture) -> str:
    """The picture itself, for a page that is one file."""
    return f"data:image/png;base64,{b64encode(picture.data).decode('ascii')}"


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  not needed before the first page

    loader = PackageLoader("robotrading.adapters.notify.report", ".")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.j2")
