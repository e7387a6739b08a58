"""Whatever happens to a configuration file, loading it gives a `Config` or a `ConfigError`, and never a surprise."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from robotrading.config.decode import MISSING, Reading, decode
from robotrading.config.document import template
from robotrading.config.emit import scalar_text
from robotrading.config.environment import VARIABLES
from robotrading.config.load import load
from robotrading.config.problems import InvalidConfig, Place
from robotrading.config.schema import exact_schema, leaves, schema
from robotrading.config.tree import Node, read_tree
from robotrading.domain.errors import ConfigError

LINES = template().splitlines()
LEAVES = dict(leaves(exact_schema()))
ODD = [
    "yes",
    "NO",
    "15:30",
    "017",
    "1_0",
    "~",
    "",
    "''",
    "[]",
    "{}",
    "[x, x]",
    "&a x",
    "*a",
    "!!int 1",
    "-1",
    "1e9",
    "|",
]
scalars = st.one_of(
    st.sampled_from(ODD),
    st.integers().map(str),
    st.floats().map(str),
    st.decimals().map(str),
    st.text(max_size=20),
)


@pytest.fixture(scope="module")
def path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "config.yaml"


def loads_or_refuses(path: Path, text: str, env: dict[str, str] | None = None) -> None:
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        config = load(path, env or {})
    except ConfigError as error:
        refusal = error
    else:
        assert config.broker.mode in {"paper", "live"}
        return
    assert isinstance(refusal, InvalidConfig)
    assert refusal.problems
    lines = str(refusal).split("\n")
    assert len(lines) <= 51
    assert all(line.isprintable() for line in lines)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The shipped file with some lines gone, doubled, moved, cut, or with another value."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(lines) - 1))
        match draw(st.sampled_from(["drop", "double", "cut", "value", "indent", "swap"])):
            case "drop":
                del lines[at]
            case "double":
                lines.insert(at, lines[at])
            case "cut":
                lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
            case "value":
                lines[at] = f"{lines[at].partition(':')[0]}: {draw(scalars)}"
            case "indent":
                lines[at] = draw(st.sampled_from([" ", "  ", "\t", "- "])) + lines[at]
            case "swap":
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
    return "\n".join(lines)


@settings(max_examples=150)
@given(text=mutated())
def test_a_damaged_file_loads_or_is_refused(path: Path, text: str) -> None:
    loads_or_refuses(path, text)


@settings(max_examples=200)
@given(text=st.text(max_size=200))
@example("%YAML 9.9\n---\na: 1")
@example("a: &a\n")
@example("? ")
@example("\ud800")
@example("- - - - -")
@example("{a: [}")
@example("\ufeffbroker: {}")
@example("'\\")
@example('"\\ud800": 1')
def test_any_text_loads_or_is_refused(path: Path, text: str) -> None:
    loads_or_refuses(path, text)


@settings(max_examples=200)
@given(key=st.sampled_from(sorted(LEAVES)), text=scalars)
def test_any_value_at_any_key_loads_or_is_refused(path: Path, key: str, text: str) -> None:
    *parents, leaf = key.split(".")
    head = "".join(f"{'  ' * depth}{name}:\n" for depth, name in enumerate(parents))
    loads_or_refuses(path, f"{head}{'  ' * len(parents)}{leaf}: {text}\n")


names = st.sampled_from([name + suffix for item in VARIABLES for name in [item.name] for suffix in ("", "_FILE")])


@settings(max_examples=150)
@given(env=st.dictionaries(names, scalars | st.sampled_from(["true", "false", "/", "/dev/null", "a@b.c"]), max_size=4))
def test_any_environment_loads_or_is_refused(path: Path, env: dict[str, str]) -> None:
    loads_or_refuses(path, "log: {}\n", env)


@settings(max_examples=200)
@given(text=st.text(max_size=30).filter(str.isprintable))
def test_text_written_by_us_is_read_as_it_was(text: str) -> None:
    """Quoting never loses or changes a character, and no plain YAML reader takes our text for something else."""
    tree, problems = read_tree(f"mail:\n  ca_file: {scalar_text(text)}\n", "x")
    assert not problems
    assert decode(tree, exact_schema(), (), Reading()) == {"mail": {"ca_file": text}}


@settings(max_examples=200)
@given(number=st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**9), max_value=10**9))
def test_numbers_written_by_us_are_read_as_they_were(number: object) -> None:
    node = Node(Place("x"), text=scalar_text(number))
    assert decode(node, {"type": "number"}, (), Reading()) == number


@settings(max_examples=100)
@given(key=st.sampled_from(sorted(LEAVES)), text=scalars)
def test_loader_and_published_schema_agree(path: Path, key: str, text: str) -> None:
    """What one key's schema refuses, the loader refuses: an editor and the program tell the same."""
    node = Node(Place("x"), text=text, plain=True)
    value = decode(node, LEAVES[key], tuple(key.split(".")), Reading())
    leaf = dict(leaves(schema()))[key]
    if value is MISSING or not isinstance(value, str | bool | int | None) or (isinstance(value, str) and "\n" in value):
        return
    accepted = Draft202012Validator(leaf).is_valid(value)
    assert accepted == Draft202012Validator(LEAVES[key]).is_valid(value)
