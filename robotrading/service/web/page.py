"""The status page: one HTML text from `Facts`, without scripts.

Entry point: `render_page`.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from robotrading.service.facts import Facts
from robotrading.service.health import Health
from robotrading.service.web.view import view


def render_page(facts: Facts, health: Health, now: datetime) -> str:
    """The whole page; every text in it is escaped."""
    return _template().render(view=view(facts, health, now))


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("robotrading.service.web", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")
