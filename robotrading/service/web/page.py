"""The status page and the history of reports: each one HTML text from `Facts`, without scripts.

Entry points: `render_page`, `render_reports`.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from robotrading.service.facts import Facts
from robotrading.service.health import Health
from robotrading.service.web.reports import history
from robotrading.service.web.view import view


def render_page(facts: Facts, health: Health, now: datetime) -> str:
    """The whole page; every text in it is escaped."""
    return _template("page.html.j2").render(view=view(facts, health, now))


def render_reports(facts: Facts, now: datetime) -> str:
    """The page with the history: every run and week that is known, each with a link."""
    return _template("reports.html.j2").render(view=history(facts, now))


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=PackageLoader("robotrading.service.web", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
