"""A configuration for people to look at: secrets masked, and where each value came from.

Entry points: `show`, `shown_tree`.
"""

from __future__ import annotations

from typing import Any

from robotrading.config.emit import Remark, as_tree, secrets_of, yaml_lines
from robotrading.config.model import Config
from robotrading.config.schema import Schema, exact_schema, jsonable

MASK = "********"


def show(config: Config, *, origins: bool = True) -> str:
    """YAML that loads to the same configuration; secrets stand in comments, masked.

    With `origins`, beside each value that is not the default, where it was set.
    """

    def remarks(key: str, node: Schema) -> Remark:
        above = _masked(config, key, node) if "x-secrets" in node else ()
        origin = config.origins.get(key, "")
        return Remark(above, f"from {origin}" if origins and origin and "properties" not in node else "")

    schema = exact_schema()
    return "\n".join(yaml_lines(as_tree(config, schema), schema, remarks)) + "\n"


def shown_tree(config: Config) -> dict[str, Any]:
    """The same for JSON: secrets masked, null where they are not set; `origins` by dotted key."""
    tree: dict[str, Any] = jsonable(as_tree(config, exact_schema()))
    tree["mail"]["password"] = MASK if config.mail.password else None
    tree["feeds"]["alpha_vantage"]["api_key"] = MASK if config.feeds.alpha_vantage.api_key else None
    return {**tree, "origins": dict(config.origins)}


def _masked(config: Config, key: str, node: Schema) -> tuple[str, ...]:
    """One comment for each secret of the mapping at `key`."""
    settings: Any = config
    for part in key.split("."):
        settings = getattr(settings, part)
    lines = []
    for name, value in secrets_of(settings, node).items():
        origin = config.origins.get(f"{key}.{name}", "")
        lines.append(f"{key}.{name}: {MASK if value else 'not set'}" + (f" (from {origin})" if origin else ""))
    return tuple(lines)
