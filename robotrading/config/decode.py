"""A tree of text and the schema to plain values: each scalar is read as what its key asks for.

Entry points: `Reading`, `decode`, `asked`, `span`.
Invariants: what the schema calls a number arrives as int or Decimal, digit for digit; a value that cannot be read
leaves a problem and is left out; the ranges and choices are not looked at here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from robotrading.config.problems import KeyPath, Place, Problem, dotted, looks_secret, nearest, quoted
from robotrading.config.schema import Schema, exact_schema, leaves, secret_variables
from robotrading.config.tree import Node

_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][-+]?[0-9]{1,2})?")
_BOOLEANS = {"true": True, "false": False, "True": True, "False": False, "TRUE": True, "FALSE": False}
_OTHER_BOOLEANS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
MISSING = object()


@dataclass(slots=True)
class Reading:
    """What was read so far: plain values, where each key stood, and what was wrong.

    `secrets` are kept apart: the schema does not know them, and no message may hold one.
    """

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    spoiled: set[KeyPath] = field(default_factory=set)
    secrets: dict[KeyPath, str] = field(default_factory=dict, repr=False)

    def complain(self, place: Place, path: KeyPath, text: str) -> object:
        """Note a problem and leave the value out."""
        self.problems.append(Problem(place, dotted(path), text))
        self.spoiled.add(path)
        return MISSING


def decode(node: Node, schema: Schema, path: KeyPath, reading: Reading) -> Any:
    """The node's value, or `MISSING` when it cannot be what the schema asks for."""
    reading.places[path] = node.place
    kind = schema["type"]
    if kind == "object":
        return _mapping(node, schema, path, reading)
    if kind == "array":
        return _list(node, schema, path, reading)
    try:
        return _scalar(node, schema)
    except ValueError as error:
        return reading.complain(node.place, path, str(error))


def _mapping(node: Node, schema: Schema, path: KeyPath, reading: Reading) -> Any:
    if node.entries is None:
        known = _listed(schema.get("properties", {}))
        text = f"{node} stands where a mapping of keys is needed; write its keys below it{known}, or remove the line"
        return reading.complain(node.place, path, text)
    values: dict[str, Any] = {}
    for name, value in node.entries:
        key = str(name.text)
        child = schema.get("properties", {}).get(key) or schema["additionalProperties"]
        if child is False:
            reading.complain(name.place, (*path, key), _unknown(key, schema, path))
            continue
        found = decode(value, child, (*path, key), reading)
        reading.places[*path, key] = value.place if value.text is not None else name.place
        if found is not MISSING:
            values[key] = found
    return values


def _unknown(key: str, schema: Schema, path: KeyPath) -> str:
    properties = schema.get("properties", {})
    if (variable := schema.get("x-secrets", {}).get(key)) is not None:
        way_out = f"set the environment variable {variable}, or {variable}_FILE to the path of a file that holds it"
        return f"a secret does not belong into this file (value not shown); remove the line and {way_out}"
    if looks_secret(key) or nearest(key, schema.get("x-secrets", {})):
        variables = " or ".join(secret_variables(exact_schema()))
        return f"there is no such key; a secret (value not shown) comes from the environment: {variables}"
    hint = nearest(key, properties)
    if not hint:
        home = _home_of(key)
        hint = f" It belongs under {home}." if home else ""
    return f"there is no such key under {dotted(path) or 'the top level'}.{hint} Allowed{_listed(properties)}"


def _home_of(key: str) -> str:
    """Where else a key, or a whole section, of this name stands: the first such place, '' for none."""
    for full, _ in leaves(exact_schema()):
        above, found, _ = f".{full}.".partition(f".{key}.")
        if found:
            return above.strip(".")
    return ""


def _listed(names: dict[str, Any]) -> str:
    return f": {', '.join(names)}" if names else ""


def _list(node: Node, schema: Schema, path: KeyPath, reading: Reading) -> Any:
    if node.items is None:
        return reading.complain(node.place, path, f"{node} stands where a list is needed; write [a, b] or - a below it")
    found = [decode(item, schema["items"], (*path, i), reading) for i, item in enumerate(node.items)]
    kept = [(item, node.items[i].place) for i, item in enumerate(found) if item is not MISSING]
    for index, (_, place) in enumerate(kept):
        reading.places[*path, index] = place
    return [item for item, _ in kept]


def _scalar(node: Node, schema: Schema) -> Any:
    """The value of a scalar's text; raises ValueError with the whole sentence."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if node.text is None:
        raise ValueError(f"{node} stands where {asked(schema)} is needed; write one value")
    if node.is_null:
        if "null" in kinds:
            return None
        raise ValueError(f"nothing is written here; write {asked(schema)}{_empty(schema)}, or remove the line")
    if "string" in kinds:
        return _string(node.text)
    if not node.plain:
        raise ValueError(f"{node} is text; write {asked(schema)} without quotes")
    reader = {"boolean": _boolean, "integer": _integer, "number": _decimal}[kinds[0]]
    return reader(node.text, schema)


def _string(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{quoted(text)} holds line breaks or control characters; write one line of plain text")
    return text


def _boolean(text: str, schema: Schema) -> bool:
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    meant = _OTHER_BOOLEANS.get(text.lower())
    raise ValueError(f"{quoted(text)} is not {asked(schema)}" + (f"; write {meant}" if meant else ""))


def _integer(text: str, schema: Schema) -> int:
    if _WHOLE.fullmatch(text):
        return int(text)
    raise ValueError(f"{quoted(text)} is not a whole number; {_number_hint(text)}write {asked(schema)}")


def _decimal(text: str, schema: Schema) -> Decimal:
    if _NUMBER.fullmatch(text) and not re.match(r"[-+]?0[0-9]", text):
        return Decimal(text)
    raise ValueError(f"{quoted(text)} is not a number; {_number_hint(text)}write {asked(schema)}")


def _number_hint(text: str) -> str:
    hints = {
        r"[-+]?0[0-9]+": "a leading zero means octal to some readers: leave it out; ",
        r"[-+]?0[xob][0-9a-fA-F]+": "use decimal digits; ",
        r"[-+]?[0-9]+:[0-9:.]+": "this looks like a time; ",
        r"[-+]?[0-9_]+_[0-9_.]*": "leave the underscores out; ",
        r"[-+]?[0-9.]+,[0-9.,]+": "leave thousands separators out and use a decimal point; ",
        r"[-+]?[0-9.]+ ?%": "write 5 % as 0.05; ",
        r"[-+]?\.(inf|nan)": "it must be finite; ",
    }
    return next((hint for pattern, hint in hints.items() if re.fullmatch(pattern, text, re.IGNORECASE)), "")


def _empty(schema: Schema) -> str:
    """How to say none, where the text may be empty and its meaning does not tell so already."""
    allowed = schema["type"] == "string" and "enum" not in schema and re.search(schema.get("pattern", ""), "")
    return " ('' for none)" if allowed and "''" not in asked(schema) else ""


def asked(schema: Schema) -> str:
    """What the schema wants, as a person says it: `a number from 0 to 1`."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    if kinds[0] == "boolean":
        return "true or false"
    if kinds[0] == "string":
        return str(schema.get("x-means", "text"))
    noun = "a whole number" if kinds[0] == "integer" else "a number"
    return f"{noun}{span(schema)}" + (" or null" if "null" in kinds else "")


def span(schema: Schema) -> str:
    """` from 0 to 1`, ` above 0, at most 1`, or ''."""
    if "exclusiveMinimum" in schema:
        low = f" above {schema['exclusiveMinimum']}"
        return f"{low}, at most {schema['maximum']}" if "maximum" in schema else low
    if "minimum" in schema and "maximum" in schema:
        return f" from {schema['minimum']} to {schema['maximum']}"
    return ""
