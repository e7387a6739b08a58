"""The documents say what the program does: template, manual and schema file are current and complete."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml
from jsonschema import Draft202012Validator

from robotrading.config.constraints import _TABLE, rule_for
from robotrading.config.defaults import default_config
from robotrading.config.document import FILES, main
from robotrading.config.environment import VARIABLES
from robotrading.config.load import load
from robotrading.config.model import Config
from robotrading.config.schema import leaves, schema
from robotrading.domain.instrument import AssetClass
from robotrading.session.settings import SessionSettings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", FILES)
def test_written_files_are_current(name: str) -> None:
    """When this fails: python -m robotrading.config.document."""
    assert (ROOT / name).read_text(encoding="utf-8") == FILES[name]()


def test_writing_gives_every_file(tmp_path: Path) -> None:
    main([str(tmp_path)])
    assert all((tmp_path / name).is_file() for name in FILES)


def test_the_shipped_file_is_the_defaults() -> None:
    """Nothing in it differs from what holds without it, but for where relative paths start."""
    config = load(ROOT / "config.yaml", {})
    assert config.state_dir == ROOT / "state"
    assert config.sessions == default_config().sessions
    assert config.broker == default_config().broker
    assert config.capital == default_config().capital


def test_the_shipped_file_has_every_key() -> None:
    config = load(ROOT / "config.yaml", {})
    assert {key for key, _ in leaves(schema())} <= set(config.origins)


def test_the_shipped_file_means_the_same_to_any_reader() -> None:
    """Read by an ordinary YAML library, it satisfies the published schema: no `NO` or 15:30 is left to chance."""
    found = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema())
    assert list(Draft202012Validator(schema()).iter_errors(found)) == []


def test_the_shipped_file_is_safe() -> None:
    config = load(ROOT / "config.yaml", {})
    assert (config.broker.mode, config.broker.gateway) == ("paper", "embedded")


def test_the_schema_is_json() -> None:
    assert json.loads(json.dumps(schema())) == schema()


def test_the_manual_has_every_key_and_variable() -> None:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    names = {key.rpartition(".")[2] for key, _ in leaves(schema())}
    assert not [name for name in names if f"{name}`" not in text]
    assert not [item.name for item in VARIABLES if f"`{item.name}`" not in text]


def owners(owner: type) -> set[type]:
    """A settings type and every settings type inside it."""
    hints = get_type_hints(owner).values()
    inner = {hint for hint in hints if is_dataclass(hint)} | ({SessionSettings} if owner is Config else set())
    return {owner}.union(*(owners(item) for item in inner))


def test_every_setting_has_its_entry_in_the_table() -> None:
    """A new field of a settings type needs a meaning and bounds in config/constraints.py."""
    missing = [f"{owner.__name__}.{item.name}" for owner in owners(Config) for item in fields(owner)
               if not rule_for(owner, item.name).says and not rule_for(owner, item.name).hidden]  # fmt: skip
    assert not missing
    assert set(_TABLE) == owners(Config)
    stale = [f"{owner.__name__}.{name}" for owner, table in _TABLE.items() for name in table
             if name not in {item.name for item in fields(owner)}]  # fmt: skip
    assert not stale


def test_every_kind_has_a_session() -> None:
    assert set(default_config().sessions) == set(AssetClass)
