"""The compose file: works without an account, lets nobody in, gives no program more than it needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from robotrading.config.environment import VARIABLES
from robotrading.config.load import load
from robotrading.service.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BOT = SERVICES["trading-bot"]
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def with_defaults(value: str) -> str:
    return _VARIABLE.sub(lambda found: found[2] or "", value)


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_without_a_profile_there_is_the_bot_alone() -> None:
    assert [name for name, service in SERVICES.items() if not service.get("profiles")] == ["trading-bot"]
    assert {profile for service in SERVICES.values() for profile in service.get("profiles", [])} == {
        "gateway", "monitoring", "postgres",
    }  # fmt: skip


def test_without_settings_it_is_paper_money_at_the_embedded_gateway() -> None:
    environment = {name: with_defaults(value) for name, value in BOT["environment"].items()}
    config = load(None, {**environment, "ROBOTRADING_STATE_DIR": "/state", "HOME": "/tmp"})
    assert config.broker.gateway == "embedded"
    assert config.broker.mode == "paper"


def test_every_variable_that_the_bot_is_given_exists_and_none_is_a_secret() -> None:
    known = {variable.name: variable for variable in VARIABLES}
    assert set(BOT["environment"]) <= set(known)
    assert not [name for name in BOT["environment"] if known[name].secret]


def test_no_secret_is_an_environment_variable() -> None:
    for name, service in SERVICES.items():
        given = [key for key in service.get("environment", {}) if re.search(r"PASSWORD|TOKEN|SECRET|KEY", key)]
        assert all(key.endswith("_FILE") for key in given), name


def test_the_bot_sees_no_other_programs_secrets() -> None:
    (secrets,) = [volume for volume in BOT["volumes"] if ":/run/secrets" in volume]
    folder = with_defaults(secrets).partition(":")[0]
    assert folder == "./deploy/secrets/bot"
    for secret in COMPOSE["secrets"].values():
        assert not secret["file"].startswith(folder)


@pytest.mark.parametrize("name", list(SERVICES))
def test_a_container_gains_no_rights_and_has_bounds(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit"} <= set(service)
    assert not {"privileged", "network_mode", "pid", "ipc", "devices", "cap_add"} & set(service)
    assert not [volume for volume in service.get("volumes", []) if "docker.sock" in volume]


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "ib-gateway"])
def test_what_is_ours_to_say_has_no_capability_and_a_read_only_root(name: str) -> None:
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert SERVICES[name]["read_only"] is True


@pytest.mark.parametrize("name", list(SERVICES))
def test_a_container_writes_no_endless_log(name: str) -> None:
    assert {"max-size", "max-file"} <= set(SERVICES[name]["logging"]["options"])


@pytest.mark.parametrize("name", list(SERVICES))
def test_what_is_published_is_published_on_loopback(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert with_defaults(port).startswith("127.0.0.1:")


@pytest.mark.parametrize("name", list(SERVICES))
def test_an_image_has_a_version_and_may_be_replaced(name: str) -> None:
    image = SERVICES[name]["image"]
    assert _VARIABLE.match(image)
    assert re.fullmatch(r"[\w./-]+:[\w.-]+", with_defaults(image))
    assert not with_defaults(image).endswith(":latest")


def test_the_bot_has_longer_to_stop_than_it_needs() -> None:
    settings = ServiceSettings()
    assert settings.stop_seconds < seconds(BOT["stop_grace_period"]) <= settings.stop_seconds + 30


def test_copies_do_not_fight_for_a_port_and_the_inner_one_is_the_default() -> None:
    (port,) = BOT["ports"]
    address, outside, inside = with_defaults(port).split(":")
    first, _, last = outside.partition("-")
    assert int(last) > int(first) == ServiceSettings().port == int(inside)
    assert address == "127.0.0.1"
    assert "container_name" not in BOT


def test_what_is_mounted_from_here_is_here() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = with_defaults(volume).partition(":")[0]
            assert (ROOT / source).is_dir() if source.startswith(".") else source in COMPOSE["volumes"], name


def test_the_example_of_settings_names_what_compose_reads() -> None:
    lines = (ROOT / "deploy/env.example").read_text(encoding="utf-8").splitlines()
    named = {line.lstrip("#").partition("=")[0] for line in lines if re.match(r"#?[A-Z_]+=", line)}
    assert named
    assert named <= {name for name, _ in _VARIABLE.findall(TEXT)} | {"COMPOSE_PROFILES"}


def test_git_keeps_secrets_out() -> None:
    for path in ("deploy/secrets/TWS_PASSWORD", "deploy/secrets/bot/GMAIL_APP_PASSWORD", "deploy/config/config.yaml"):
        done = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False, timeout=30)
        if done.returncode == 128:
            pytest.skip("this is no checkout of git")
        assert done.returncode == 0, path


def compose() -> list[str] | None:
    if shutil.which("docker"):
        plugin = ["docker", "compose"]
        if subprocess.run([*plugin, "version"], capture_output=True, check=False, timeout=30).returncode == 0:
            return plugin
    return ["docker-compose"] if shutil.which("docker-compose") else None


@pytest.mark.parametrize("profiles", ["", "gateway,monitoring,postgres"])
def test_compose_understands_it(profiles: str) -> None:
    program = compose()
    if program is None:
        pytest.skip("docker compose is not installed (Debian: docker-compose)")
    done = subprocess.run(
        [*program, "config"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        env={**os.environ, "COMPOSE_PROFILES": profiles},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)["services"]
    assert BOT["environment"].keys() == read["trading-bot"]["environment"].keys()


def test_only_the_bot_reaches_the_gateway_and_the_ledger() -> None:
    """The gateway trades for whoever connects; what merely watches is on a network of its own."""
    reach = {name: set(service["networks"]) for name, service in SERVICES.items()}
    assert reach.pop("trading-bot") == set(COMPOSE["networks"])
    assert reach == {
        "ib-gateway": {"trading"},
        "postgres": {"ledger"},
        "prometheus": {"monitoring"},
        "grafana": {"monitoring"},
    }
    assert COMPOSE["networks"]["ledger"]["internal"], "the database has nobody to call"
