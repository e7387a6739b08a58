"""The documents name what exists, and what exists is in the documents."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from robotrading.cli.document import FILE, commands, error_classes, main, manual
from robotrading.cli.exits import MEANING, Exit
from robotrading.domain.planning import RefusalRule
from robotrading.domain.report import SessionReport
from robotrading.portfolio.limits import RULES as LIMIT_RULES
from robotrading.session.state import State
from robotrading.strategy.checks import RULES as CHECK_RULES

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*.md")])
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_PROGRAM = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?(robotrading|\./deploy\.sh)(?: |$)")
_ANYTHING = re.compile(r"[A-Z_<>.]+|\.\.\.")
"""A word that stands for others, such as HASH or `...`."""


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def shown_commands() -> Iterator[tuple[str, str]]:
    """Each command line shown anywhere, in a fence or in the text, with its document."""
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        fenced = [line.strip() for language, body in _FENCE.findall(text) if language in ("", "sh", "console", "bash")
                  for line in body.splitlines()]  # fmt: skip
        for line in [*fenced, *_INLINE.findall(_FENCE.sub("", text))]:
            if _PROGRAM.match(line):
                yield named(path), line.removeprefix("$ ").split(" #")[0].split(" | ")[0].split(" > ")[0].strip()


SHOWN = sorted(set(shown_commands()))


def test_the_manual_of_commands_is_current() -> None:
    """When this fails: python -m robotrading.cli.document."""
    assert read(FILE) == manual()


def test_writing_gives_the_manual(tmp_path: Path) -> None:
    main([str(tmp_path)])
    assert (tmp_path / FILE).read_text(encoding="utf-8") == manual()


def test_commands_are_shown() -> None:
    """The search for them works: the README's first one is among them."""
    assert ("README.md", "./deploy.sh demo") in SHOWN
    assert len(SHOWN) > 10


@pytest.mark.parametrize(("document", "line"), SHOWN)
def test_a_shown_command_exists(document: str, line: str) -> None:
    assert trouble_with(line) == "", document


def trouble_with(line: str) -> str:
    """What is wrong with a command line, '' when the program would understand it."""
    words = shlex.split(line)
    if words[0] == "./deploy.sh":
        known = set(re.findall(r"^    ([a-z]+)\)", read("deploy.sh"), re.MULTILINE)) | {"help"}
        return "" if len(words) == 1 or words[1] in known or _ANYTHING.fullmatch(words[1]) else f"deploy.sh {words[1]}"
    tree = dict(commands())
    name, rest = "robotrading", words[1:]
    while rest and f"{name} {rest[0]}" in tree:
        name, rest = f"{name} {rest[0]}", rest[1:]
    return _wrong_words(tree[name], rest)


def _wrong_words(command: object, rest: list[str]) -> str:
    options = {word: item for item in command.params if item.param_type_name == "option"  # type: ignore[attr-defined]
               for word in [*item.opts, *item.secondary_opts]}  # fmt: skip
    arguments = [item for item in command.params if item.param_type_name == "argument"]  # type: ignore[attr-defined]
    takes_session = any(item.metavar == "SESSION" for item in arguments)
    free = sum(item.metavar != "SESSION" for item in arguments)
    words = iter(rest)
    for word in words:
        option, equals, _ = word.partition("=")
        if option in ("-h", "--help"):
            continue
        if option.startswith("-"):
            if option not in options:
                return f"no option {option}"
            if options[option].metavar and not equals:
                next(words, "")
        elif free and word not in ("all", "equities", "bonds", "crypto"):
            free -= 1
        elif not (takes_session and (word in ("all", "equities", "bonds", "crypto") or _ANYTHING.fullmatch(word))):
            return f"no command or argument {word!r}"
    return ""


@pytest.mark.parametrize(
    "line",
    ["robotrading trade", "robotrading plan --fast", "robotrading config show --seed 3", "./deploy.sh fly",
     "robotrading run stocks", "robotrading status all"],
)  # fmt: skip
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    assert trouble_with(line)


def relative_links() -> list[tuple[str, str]]:
    return [
        (named(path), target.partition("#")[0])
        for path in DOCUMENTS
        for target in _LINK.findall(path.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:|#", target)
    ]


@pytest.mark.parametrize(("document", "target"), sorted(set(relative_links())))
def test_a_link_leads_somewhere(document: str, target: str) -> None:
    assert ((ROOT / document).parent / target).exists()


@pytest.mark.parametrize("path", [*DOCUMENTS, *ROOT.glob("examples/*.*")], ids=named)
def test_no_document_knows_a_machine(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"/(?:home|Users|root|work|tmp)/[\w.-]+", text)


def test_every_exit_code_is_explained() -> None:
    assert set(MEANING) == set(Exit)
    assert not [code for code in Exit if f"| {int(code)} |" not in read(FILE)]


def test_every_error_is_explained() -> None:
    told = read(FILE)
    assert len(error_classes()) > 10
    assert not [error.__name__ for error in error_classes() if f"| `{error.__name__}` |" not in told]


def test_every_key_of_the_json_is_explained() -> None:
    told = read(FILE).partition("## JSON")[2]
    keys = {field.name for field in (*fields(SessionReport), *fields(State))}
    assert not [key for key in keys if f"`{key}`" not in told]


def test_every_reason_to_leave_a_trade_is_explained() -> None:
    told = read("docs/planning.md")
    assert not [rule.value for rule in RefusalRule if f"| `{rule.value}` |" not in told]


def test_every_rule_at_the_door_is_explained() -> None:
    told = read("docs/planning.md")
    assert not [rule.__name__ for rule, _ in LIMIT_RULES if f"| `{rule.__name__}` |" not in told]


def test_every_check_of_prices_is_explained() -> None:
    told = read("docs/data.md")
    assert not [rule for rule in CHECK_RULES if f"| `{rule}` |" not in told]
