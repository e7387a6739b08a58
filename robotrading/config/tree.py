"""YAML text to a tree of nodes that know their line; every scalar stays the text that was written.

Entry points: `Node`, `read_tree`.
Invariants: no value is guessed from its look, so `NO`, `15:30`, `017` and `1e-2` arrive as written; the tree is
bounded in depth, aliases and size, however cleverly the file refers to itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from robotrading.config.problems import InvalidConfig, Place, Problem, looks_secret, quoted

_DEEPEST = 12
_MOST_ALIASES = 50
_MOST_NODES = 20_000
_TAB_INDENT = re.compile(r" *\t(?=\s*\S)")
_ODD = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HINTS = {
    "mapping values are not allowed": "put a value that contains ': ' into quotes, and check the indentation",
    "could not find expected ':'": "write each setting as `key: value`",
    "cannot start any token": "put the value into quotes",
    "end of stream": "a quote was opened here and not closed",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar (`text`), a list (`items`) or a mapping (`entries`: key node, value node); exactly one is not None.

    `plain` is True for a scalar without quotes. `size` counts this node and all below it.
    """

    place: Place
    text: str | None = None
    plain: bool = True
    items: tuple[Node, ...] | None = None
    entries: tuple[tuple[Node, Node], ...] | None = None
    size: int = 1

    @property
    def is_null(self) -> bool:
        return self.plain and self.text in {"", "~", "null", "Null", "NULL"}

    def __str__(self) -> str:
        if self.text is not None:
            return "nothing" if self.is_null else quoted(self.text)
        return "a list" if self.items is not None else "a mapping of keys"


def read_tree(text: str, name: str) -> tuple[Node, list[Problem]]:
    """The top mapping, and the mistakes that do not hinder reading on (duplicate keys).

    Raises `InvalidConfig` where the text is no YAML, or is of a kind that a configuration has no need of.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if tab := _TAB_INDENT.match(line):
            place = Place(name, number, tab.end())
            raise InvalidConfig([Problem(place, "", "a tab indents this line, which YAML forbids; use spaces")])
        if odd := _ODD.search(line):
            place, code = Place(name, number, odd.start() + 1), ord(odd.group())
            raise InvalidConfig([Problem(place, "", f"the control character U+{code:04X} stands here; remove it")])
    return _Composer(text, name).document()


class _Composer:
    """One pass over the parser's events."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.aliases = 0
        self.nodes = 0
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)

    def document(self) -> tuple[Node, list[Problem]]:
        try:
            self._next()
            if isinstance(event := self._next(), yaml.StreamEndEvent):
                raise self._refuse(event, "the file holds no settings; write some, or leave the file out for defaults")
            top = self._node(self._next(), "", 0)
            self._next()
            if not isinstance(event := self._next(), yaml.StreamEndEvent):
                raise self._refuse(event, "a second document begins here; keep one and remove the --- line")
        except yaml.YAMLError as error:
            raise InvalidConfig([self._syntax(error)]) from None
        if top.is_null:
            raise InvalidConfig(
                [Problem(top.place, "", "the file holds no settings; write some, or leave the file out for defaults")]
            )
        return top, self.problems

    def _next(self) -> yaml.Event:
        return next(self.events)

    def _place(self, event: yaml.Event) -> Place:
        mark = event.start_mark
        return Place(self.name, mark.line + 1, mark.column + 1) if mark is not None else Place(self.name)

    def _refuse(self, event: yaml.Event, text: str, key: str = "") -> InvalidConfig:
        return InvalidConfig([*self.problems, Problem(self._place(event), key, text)])

    def _node(self, event: yaml.Event, key: str, depth: int) -> Node:
        if depth > _DEEPEST:
            raise self._refuse(event, f"nested deeper than the {_DEEPEST} levels allowed; no setting lies that deep")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, key)
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            raise self._refuse(event, f"the tag {quoted(tag)} is not allowed; write the plain value without it", key)
        node = self._content(event, key, depth)
        if (anchor := getattr(event, "anchor", None)) is not None:
            self.anchors[anchor] = node
        return node

    def _content(self, event: yaml.Event, key: str, depth: int) -> Node:
        self._count(event, 1)
        place = self._place(event)
        if isinstance(event, yaml.ScalarEvent):
            return Node(place, text=event.value, plain=not event.style)
        if isinstance(event, yaml.SequenceStartEvent):
            items = self._items(key, depth)
            return Node(place, items=items, size=1 + sum(item.size for item in items))
        entries = self._entries(key, depth)
        return Node(place, entries=entries, size=1 + sum(name.size + value.size for name, value in entries))

    def _items(self, key: str, depth: int) -> tuple[Node, ...]:
        items: list[Node] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, f"{key}[{len(items)}]", depth + 1))
        return tuple(items)

    def _entries(self, key: str, depth: int) -> tuple[tuple[Node, Node], ...]:
        entries: list[tuple[Node, Node]] = []
        first: dict[str, tuple[Node, Node]] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            name = self._name(event, key, depth)
            child = f"{key}.{name.text}" if key else str(name.text)
            value = self._node(self._next(), child, depth + 1)
            entries.append((name, value))
            if first.setdefault(str(name.text), entries[-1]) is not entries[-1]:
                self.problems.append(self._twice(child, first[str(name.text)], (name, value)))
        return tuple(entries)

    def _name(self, event: yaml.Event, key: str, depth: int) -> Node:
        name = self._node(event, key, depth + 1)
        if name.text is None or name.is_null:
            raise self._refuse(event, f"the name of a key must be a word, not {name}", key)
        if name.plain and name.text == "<<":
            raise self._refuse(event, "merging with << is not supported; write the keys out", key)
        return name

    def _twice(self, key: str, first: tuple[Node, Node], second: tuple[Node, Node]) -> Problem:
        values = "" if looks_secret(key) else f" ({first[1]}, then {second[1]})"
        text = f"written twice{values}, first in line {first[0].place.line}; keep one of them"
        return Problem(second[0].place, key, text)

    def _alias(self, event: yaml.AliasEvent, key: str) -> Node:
        self.aliases += 1
        node = self.anchors.get(str(event.anchor))
        if node is None:
            text = f"*{event.anchor} refers to nothing above it; quote a value that begins with *, or define &name"
            raise self._refuse(event, text, key)
        if self.aliases > _MOST_ALIASES:
            raise self._refuse(event, f"more than the {_MOST_ALIASES} references allowed; write the values out", key)
        self._count(event, node.size)
        return node

    def _count(self, event: yaml.Event, more: int) -> None:
        self.nodes += more
        if self.nodes > _MOST_NODES:
            raise self._refuse(event, f"more than the {_MOST_NODES} values allowed; no configuration needs that many")

    def _syntax(self, error: yaml.YAMLError) -> Problem:
        what = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable")
        marks = [getattr(error, "problem_mark", None), getattr(error, "context_mark", None)]
        if "end of stream" in what:  # where the quote was opened helps more than where the file ends
            marks.reverse()
        mark = marks[0] or marks[1]
        place = Place(self.name, mark.line + 1, mark.column + 1) if mark else Place(self.name)
        hint = next((way for part, way in _HINTS.items() if part in what), "check indentation, quotes and brackets")
        return Problem(place, "", f"this is not YAML: {what}; {hint}")
