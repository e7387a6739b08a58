"""Writes what is worked out from the schema: `config.yaml`, `docs/configuration.md` and the schema file for editors.

`python -m robotrading.config.document [FOLDER]` writes all three below the repository's root.
Entry points: `template`, `manual`, `schema_text`, `FILES`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from robotrading.config.decode import span
from robotrading.config.defaults import default_config
from robotrading.config.emit import Remark, as_tree, flow_text, yaml_lines
from robotrading.config.environment import VARIABLES
from robotrading.config.schema import Schema, exact_schema, leaves, schema

_HEAD = """\
# yaml-language-server: $schema=robotrading/config/schema.json
#
# Every setting of robotrading with its default. What you leave out keeps its default, so a file of your own may be
# short. Check it with `robotrading config check`, see what is in force with `robotrading config show`.
#
# As it stands, no money moves: mode is paper and the gateway is the embedded one.
# Passwords and keys do not belong here; they come from the environment (GMAIL_APP_PASSWORD, ALPHA_VANTAGE_KEY) or
# from files named by GMAIL_APP_PASSWORD_FILE and ALPHA_VANTAGE_KEY_FILE. See docs/configuration.md.
#
# Fractions are written as numbers from 0 to 1: 0.05 is 5 %. Relative paths start at this file's folder.
"""
_INTRO = """\
# Configuration

<!-- Written by `python -m robotrading.config.document`; change the settings types or the table of constraints. -->

robotrading reads `config.yaml` in the current folder, or the file that `--config` or `ROBOTRADING_CONFIG` names.
Without a file the defaults hold: paper mode, embedded gateway. A key that is left out keeps its default.

- `robotrading config check` tells every mistake at once: file, line and column, key, value, what is allowed.
- `robotrading config show` prints what is in force and where each value came from; secrets are masked.
- `robotrading config schema` prints the JSON Schema (draft 2020-12). Editors that understand the first line of
  `config.yaml` complete and check keys while you type.

Values are read as what their key asks for, exactly as written: `15:30` is text, the symbols `ON` and `NO` are
text, and `0.1` is one tenth. Switches are `true` or `false`. Duplicate keys, tabs in the indentation, tags and merge
keys (`<<`) are refused. Fractions run from 0 to 1. Relative paths start at the folder of the file; `~` is the home
folder.

## Real money

Live trading needs four things, and is refused without any of them: `broker.mode: live` (or `USE_PAPER=false`),
`broker.gateway: external`, `broker.account` with the account's own id (live ids do not begin with D), and
`broker.confirm_live: I trade real money on <account>`. In paper mode an account id that does not begin with D is
refused.

"""
_ENVIRONMENT = """\
## Environment

A variable wins over the file. For each NAME below, NAME_FILE may name a file that holds the value instead (both at
once is an error), and last a file NAME in systemd's `$CREDENTIALS_DIRECTORY` is looked for. An empty variable counts
as not set. Secrets come from here only: a password or a key in `config.yaml` is refused.

| variable | sets | meaning |
|---|---|---|
"""


def template() -> str:
    """`config.yaml`: complete, explained once (bonds and crypto are like equities)."""
    node = exact_schema()
    return _HEAD + "\n".join(yaml_lines(as_tree(default_config(), node), node, _comment)) + "\n"


def manual() -> str:
    """`docs/configuration.md`."""
    parts = [_INTRO, _ENVIRONMENT, *(f"{row}\n" for row in _variables()), "\n"]
    top = exact_schema()["properties"]
    alone = {name: child for name, child in top.items() if "properties" not in child}
    parts += ["## Top level\n\n", *_table({"properties": alone}, str_default)]
    for name, child in top.items():
        if name == "sessions":
            parts += _sessions(child)
        elif "properties" in child:
            parts += [f"## {name}\n\n{child['description']}\n\n", *_table(child, str_default)]
    return "".join(parts).rstrip() + "\n"


def schema_text() -> str:
    """The schema file for editors."""
    return json.dumps(schema(), indent=2) + "\n"


FILES: dict[str, Callable[[], str]] = {
    "config.yaml": template,
    "docs/configuration.md": manual,
    "robotrading/config/schema.json": schema_text,
}


def main(arguments: list[str]) -> None:
    """Write all files below the folder given, or the current one."""
    root = Path(arguments[0]) if arguments else Path()
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text(), encoding="utf-8")


def str_default(_: str, node: Schema) -> str:
    """The default as a table's cell."""
    return _cell(node["default"])


def _comment(key: str, node: Schema) -> Remark:
    parts = key.split(".")
    if len(parts) == 1:
        return Remark(("", node["description"]) if "properties" in node else ("",), _says(node))
    if parts[0] == "sessions" and parts[1] != "equities":
        text = "The keys mean the same as under equities."
        return Remark((text,) if len(parts) == 2 else ())
    if "properties" in node:
        return Remark((node["description"],) if node["description"] else ())
    long = len(flow_text(node["default"])) > 20
    return Remark((_says(node),)) if long else Remark(aside=_says(node))


def _says(node: Schema) -> str:
    if "properties" in node:
        return ""
    choices = node.get("enum") or node.get("items", {}).get("enum")
    says: str = node["description"]
    missing = any(choice not in says for choice in choices or ())
    return f"{says} One of {', '.join(choices)}." if missing else says


def _sessions(node: Schema) -> Iterator[str]:
    """One table for the three sessions, with the defaults side by side where they differ."""
    kinds = node["properties"]
    tables = {kind: dict(leaves(child)) for kind, child in kinds.items()}

    def default(key: str, _: Schema) -> str:
        cells = [_cell(table[key]["default"]) for table in tables.values()]
        return (
            cells[0] if len(set(cells)) == 1 else "<br>".join(f"{k}: {c}" for k, c in zip(tables, cells, strict=True))
        )

    yield f"## sessions\n\n{node['description']} Each of {', '.join(kinds)} has these keys:\n\n"
    yield from _table(next(iter(kinds.values())), default)


def _table(node: Schema, default: Callable[[str, Schema], str]) -> Iterator[str]:
    yield "| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n"
    for key, child in leaves(node):
        yield f"| `{key}` | {_type(child)} | {default(key, child)} | {_allowed(child)} | {child['description']} |\n"
    yield "\n"


def _cell(value: Any) -> str:
    text = flow_text(value)
    return f"`{text}`".replace("|", "\\|")


def _type(node: Schema) -> str:
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    names = {"object": "mapping", "array": "list", "string": "text", "boolean": "switch", "integer": "whole number"}
    return " or ".join(names.get(str(kind), str(kind)) for kind in kinds)


def _allowed(node: Schema) -> str:
    inner = node.get("items", node)
    if "enum" in inner:
        return ", ".join(f"`{choice}`" for choice in inner["enum"])
    if node["type"] == "boolean":
        return "`true`, `false`"
    if node["type"] == "object":
        return f"{node['propertyNames'].get('x-means', 'text')}: number{span(node['additionalProperties'])}"
    return str(inner.get("x-means", "")) or span(node).strip()


def _variables() -> Iterator[str]:
    for item in VARIABLES:
        keys = ", ".join(f"`{key}`" for key in item.keys)
        yield f"| `{item.name}` | {keys} | {item.says}{' Secret: environment only.' if item.secret else ''} |"
    yield "| `ROBOTRADING_CONFIG` |  | The configuration file, when `--config` is not given. |"


if __name__ == "__main__":
    main(sys.argv[1:])
