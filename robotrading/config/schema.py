"""The JSON Schema (draft 2020-12), worked out from the settings types, their defaults and the table of constraints.

Entry points: `schema` for editors and people, `exact_schema` for our own checks, `leaves`, `secret_variables`.
Invariant: numbers in `exact_schema` are ints and Decimals, so that a bound of 0.1 means one tenth and no float near it.
Two keywords of our own: `x-means` puts a pattern into words, `x-secrets` names the environment variable of each key
that may not stand in the file.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from robotrading.config.constraints import Rule, rule_for
from robotrading.config.defaults import default_config

Schema = dict[str, Any]
_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", Decimal: "number"}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> Schema:
    """A fresh copy that `json.dumps` can write."""
    return cast("Schema", jsonable(exact_schema()))


@cache
def exact_schema() -> Schema:
    """The schema with exact bounds; treat as read-only."""
    top = _object(type(default_config()), default_config(), Rule(""))
    top["properties"]["sessions"]["description"] = rule_for(type(default_config()), "sessions").says
    return {"$schema": DIALECT, "title": "robotrading configuration", **top}


def leaves(node: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Dotted key and schema of everything that holds a value itself."""
    for name, child in node.get("properties", {}).items():
        key = f"{path}.{name}" if path else name
        if "properties" in child:
            yield from leaves(child, key)
        else:
            yield key, child


def secret_variables(node: Schema) -> list[str]:
    """The environment variables of every secret at or below a node."""
    below = [name for child in node.get("properties", {}).values() for name in secret_variables(child)]
    return [*node.get("x-secrets", {}).values(), *below]


def jsonable(value: Any) -> Any:
    """The value with Decimals as numbers and enums as text, for JSON."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value) if isinstance(value, Path | Enum) else value


def plain(value: Any) -> Any:
    """A settings value as a file would hold it: text, numbers, lists and mappings; Decimals stay exact."""
    if isinstance(value, Enum | Path):
        return str(value)
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return value


def _object(owner: type, default: Any, rule: Rule) -> Schema:
    hints = get_type_hints(owner)
    properties: Schema = {}
    secrets: dict[str, str] = {}
    for field in fields(owner):
        own = rule_for(owner, field.name)
        if own.secret:
            secrets[field.name] = own.secret
        elif not own.hidden:
            properties[field.name] = _node(hints[field.name], getattr(default, field.name), own)
    says = inspect.cleandoc(owner.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    found: Schema = {"type": "object", "description": rule.says or says, "additionalProperties": False}
    found["properties"] = properties
    return {**found, "x-secrets": secrets} if secrets else found


def _node(hint: Any, default: Any, rule: Rule) -> Schema:
    if is_dataclass(hint):
        return _object(cast("type", hint), default, rule)
    if get_origin(hint) in {dict, Mapping} or isinstance(default, dict):
        return _mapping(hint, default, rule)
    found = {"description": rule.says, **_scalar_or_list(hint, rule)}
    return {**found, "default": plain(default)}


def _mapping(hint: Any, default: Mapping[Any, Any], rule: Rule) -> Schema:
    value_type = get_args(hint)[1]
    if is_dataclass(value_type):
        children = {str(key): _node(value_type, item, Rule("")) for key, item in default.items()}
        return {"type": "object", "description": rule.says, "additionalProperties": False, "properties": children}
    names = _text(Rule("", form=rule.form))
    items = _scalar_or_list(value_type, Rule("", low=rule.low, high=rule.high))
    return {
        "type": "object",
        "description": rule.says,
        "propertyNames": names,
        "additionalProperties": items,
        "default": plain(default),
    }


def _scalar_or_list(hint: Any, rule: Rule) -> Schema:
    if get_origin(hint) in {Union, types.UnionType}:
        inner = _scalar_or_list(next(part for part in get_args(hint) if part is not type(None)), rule)
        return {**inner, "type": [inner["type"], "null"]}
    if get_origin(hint) is tuple:
        items = _scalar_or_list(get_args(hint)[0], Rule("", form=rule.form, choices=rule.choices))
        return {"type": "array", "items": items, "uniqueItems": True, "minItems": rule.least_items}
    if hint in _JSON_TYPES:
        return {"type": _JSON_TYPES[hint], **_range(rule, whole=hint is int)}
    if isinstance(hint, type) and issubclass(hint, Enum):
        return {"type": "string", "enum": list(rule.choices) or [str(member.value) for member in hint]}
    return _text(rule)


def _text(rule: Rule) -> Schema:
    found: Schema = {"type": "string"}
    if rule.choices:
        found["enum"] = list(rule.choices)
    if rule.least_items:
        found["minLength"] = rule.least_items
    if rule.form:
        found |= {"pattern": rule.form.pattern, "x-means": rule.form.says}
    return found


def _range(rule: Rule, *, whole: bool) -> Schema:
    bounds = {"minimum": rule.low, "maximum": rule.high, "exclusiveMinimum": rule.above}
    return {name: int(value) if whole else value for name, value in bounds.items() if value is not None}
