"""A configuration as YAML lines, every key of the schema in its order.

Entry points: `as_tree`, `yaml_lines`, `scalar_text`.
Invariant: what is written loads to the same configuration, and other YAML readers see the same types in it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from typing import Any

from robotrading.config.schema import Schema, plain

_BARE = re.compile(r"[A-Za-z][A-Za-z0-9._/-]*")
_TAKEN = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_WIDTH = 110
_ASIDE = 36


@dataclass(frozen=True, slots=True)
class Remark:
    """Comment lines above a key, and one beside it."""

    above: tuple[str, ...] = ()
    aside: str = ""


Remarks = Callable[[str, Schema], Remark]


def as_tree(settings: Any, schema: Schema) -> dict[str, Any]:
    """The schema's keys with the plain values of a settings dataclass or a mapping of them."""
    found = {}
    for name, child in schema["properties"].items():
        value = settings[name] if isinstance(settings, Mapping) else getattr(settings, name)
        nested = "properties" in child
        found[name] = as_tree(value, child) if nested else plain(value)
    return found


def secrets_of(settings: Any, schema: Schema) -> Mapping[str, str]:
    """Secret keys directly in a settings dataclass: '' where unset."""
    known = {item.name for item in fields(settings)} if is_dataclass(settings) else set()
    return {name: getattr(settings, name) for name in schema.get("x-secrets", {}) if name in known}


def yaml_lines(tree: Mapping[str, Any], schema: Schema, remarks: Remarks, path: str = "") -> Iterator[str]:
    """Lines without line ends; `remarks` is asked for each dotted key."""
    indent = "  " * (path.count(".") + 1 if path else 0)
    for name, value in tree.items():
        key = f"{path}.{name}" if path else name
        child = schema["properties"][name]
        remark = remarks(key, child)
        yield from (f"{indent}# {line}" if line else "" for line in remark.above)
        if "properties" in child:
            yield _beside(f"{indent}{name}:", remark.aside)
            yield from yaml_lines(value, child, remarks, key)
        else:
            yield from _leaf(f"{indent}{name}:", value, remark.aside)


def scalar_text(value: Any) -> str:
    """A scalar as YAML writes it; text is quoted wherever some reader might take it for something else."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text[:-2] if text.endswith(".0") and len(text) > 3 else text
    if isinstance(value, int):
        return str(value)
    bare = _BARE.fullmatch(value) and value.lower() not in _TAKEN
    return str(value) if bare else "'" + str(value).replace("'", "''") + "'"


def flow_text(value: Any) -> str:
    """A list, a mapping of scalars or a scalar on one line."""
    if isinstance(value, list):
        return f"[{', '.join(scalar_text(item) for item in value)}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar_text(name)}: {scalar_text(item)}" for name, item in value.items()) + "}"
    return scalar_text(value)


def _leaf(head: str, value: Any, aside: str) -> Iterator[str]:
    line = f"{head} {flow_text(value)}"
    if len(line) <= _WIDTH or not isinstance(value, list | Mapping):
        yield _beside(line, aside)
        return
    yield _beside(head, aside)
    margin = " " * (len(head) - len(head.lstrip()) + 2)
    yield from textwrap.wrap(
        flow_text(value), _WIDTH, initial_indent=margin, subsequent_indent=margin + " ", break_long_words=False
    )


def _beside(line: str, aside: str) -> str:
    return f"{line:<{_ASIDE}}  # {aside}" if aside else line
