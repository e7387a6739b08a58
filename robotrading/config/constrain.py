"""The schema's ranges, choices and shapes, checked by jsonschema and told as sentences.

Entry point: `check_schema`.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

from robotrading.config.decode import Reading, asked
from robotrading.config.problems import KeyPath, nearest, quoted
from robotrading.config.schema import exact_schema

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError


def check_schema(reading: Reading) -> None:
    """Add a problem for each value that the schema forbids, and take that value out of the reading."""
    bad: list[KeyPath] = []
    for error in list(_validator().iter_errors(reading.values)):
        path: KeyPath = tuple(error.absolute_path)
        if error.validator == "uniqueItems":
            _repeated(reading, path, error.instance)
            continue
        if "propertyNames" in error.absolute_schema_path:
            path = (*path, str(error.instance))
        reading.complain(reading.places[path], path, _sentence(error))
        bad.append(path)
    for path in sorted(bad, key=lambda item: [str(part).zfill(9) for part in item], reverse=True):  # list ends first
        _take_out(reading.values, path)


def _repeated(reading: Reading, path: KeyPath, items: list[str]) -> None:
    """One problem for each item that stands in the list again, at its second place."""
    seen: Counter[str] = Counter()
    for index, item in enumerate(items):
        seen[item] += 1
        if seen[item] == 2:
            place = reading.places.get((*path, index), reading.places[path])
            reading.complain(place, path, f"{quoted(item)} stands in the list twice; keep one")


def _sentence(error: ValidationError) -> str:
    """The rule broken, with the value and what is allowed."""
    value: Any = error.instance
    schema: Any = error.schema
    wanted = asked(schema)
    match error.validator:
        case "enum":
            return f"{quoted(value)} is not allowed.{nearest(str(value), schema['enum'])} Write {wanted}"
        case "minimum" | "exclusiveMinimum" | "maximum":
            side = "high" if error.validator == "maximum" else "low"
            return f"{value} is too {side}; write {wanted}"
        case "pattern":
            return f"{quoted(value)} is not {schema['x-means']}{_spelling(value, schema['pattern'])}"
        case _:  # minItems and minLength: the only keywords left that a value of the right type can break
            return f"{quoted(value)} is empty; write at least one"


def _spelling(value: str, pattern: str) -> str:
    """` Did you mean ...?` where capitals alone, or the space around it, would put it right."""
    import re  # noqa: PLC0415  for this one message

    better = value.strip().upper()
    return f". Did you mean {quoted(better)}?" if better != value and re.search(pattern, better) else ""


def _take_out(values: Any, path: KeyPath) -> None:
    """Remove the value at `path`; a key that is refused by name and by value is gone the second time."""
    for part in path[:-1]:
        values = values[part]
    if isinstance(values, dict):
        values.pop(path[-1], None)
    else:
        del values[path[-1]]


@cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415  60 ms that only a load has to pay

    return Draft202012Validator(exact_schema())
