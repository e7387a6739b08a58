"""`robotrading selftest`: real drills end to end, and a broken promise is shown, kept and told by the exit code."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from rich.console import Console
from typer.testing import CliRunner

from robotrading.cli.app import app
from robotrading.cli.out import rendered
from robotrading.cli.render_selftest import practice_view
from robotrading.domain.errors import ConfigError
from robotrading.sim.faults.kinds import FaultKind, Trigger
from robotrading.sim.faults.plan import Fault, FaultPlan, write_plan
from robotrading.wiring.selftest.drills import DRILLS, Expect, drill_named
from robotrading.wiring.selftest.play import Result, Verdict
from robotrading.wiring.selftest.practise import Practice, drill_of_plan, practise, tidy
from tests.cli.command import robotrading

pytestmark = [pytest.mark.timeout(300)]
CONFIG = """
    capital: {amount: 200000}
    sessions:
      equities:
        universe: {symbols: [SYNAA, SYNAB, SYNAC]}
        sources: [yahoo]
        signal: {chain: [moving_average, hold]}
      bonds: {enabled: false}
      crypto: {enabled: false}
"""
MISTAKEN = replace(drill_named("session-killed"), name="mistaken", expect=Expect.NOTHING_SENT)
"""It demands that nothing be ordered, and strikes at an order: a drill that must break, and in nothing else."""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(dedent(CONFIG), encoding="utf-8")
    return path


def plan_file(folder: Path, *faults: Fault) -> Path:
    path = folder / "plan.json"
    write_plan(path, FaultPlan(faults=faults))
    return path


def held(name: str, **changes: object) -> Result:
    return replace(Result(drill_named(name), Verdict.HELD, 4.4, (), 3), **changes)  # type: ignore[arg-type]


def shown(practice: Practice, config: Path | None = None, plan: Path | None = None) -> str:
    return rendered(Console(width=80, color_system=None), practice_view(practice, config, plan))


# Real drills ---------------------------------------------------------------------------------------------------------


@pytest.mark.wire
def test_a_killed_session_is_recovered_and_a_drill_that_breaks_is_kept(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROBOTRADING_STATE_DIR", str(tmp_path / "mine"))
    told: list[tuple[str, str]] = []
    practice = practise(config, [MISTAKEN], None, lambda drill, word: told.append((drill.name, word)))
    (mistaken,) = practice.results
    assert mistaken.orders > 0
    assert mistaken.verdict is Verdict.BROKE
    assert mistaken.broke
    assert all("was ordered all the same" in sentence for sentence in mistaken.broke), mistaken.broke
    assert told == [("mistaken", ""), ("mistaken", "broke")]
    kept = Path(mistaken.folder)
    assert (kept / "plan.json").exists()
    assert (kept / "state" / "books" / "rehearsal" / "ledger.db").exists()
    assert not (tmp_path / "mine").exists(), "the person's own state was touched"
    shutil.rmtree(kept.parent)


def test_only_what_broke_is_kept(tmp_path: Path) -> None:
    folders = {name: tmp_path / "all" / name for name in ("before", "no-word", "refused")}
    for folder in folders.values():
        (folder / "state").mkdir(parents=True)
    fine = held("no-word", folder=str(folders["no-word"]))
    broken = held("refused", folder=str(folders["refused"]), verdict=Verdict.BROKE)
    tidy(tmp_path / "all", [fine, broken])
    assert not folders["no-word"].exists()
    assert (folders["refused"] / "state").exists()
    tidy(tmp_path / "all", [fine])
    assert not (tmp_path / "all").exists()


@pytest.mark.wire
def test_ones_own_plan_is_played_and_told_as_json(config: Path, tmp_path: Path) -> None:
    plan = plan_file(
        tmp_path,
        Fault(kind=FaultKind.DROP_BEFORE_ACK, on=Trigger.SUBMIT),
        Fault(kind=FaultKind.DUPLICATES, on=Trigger.SUBMIT, at=2, times=0),
    )
    done = robotrading(
        "selftest", "--plan", str(plan), "--config", str(config), "--keep", str(tmp_path / "kept"), "--json",
        cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = json.loads(done.stdout)
    (drill,) = found["drills"]
    assert (found["exit_code"], drill["verdict"], drill["broke"]) == (0, "held", [])
    assert drill["orders"] > 1
    assert drill["story"] == "drop before ack, duplicates"
    assert (tmp_path / "kept" / "your-plan" / "record.jsonl").exists()


# Words ---------------------------------------------------------------------------------------------------------------


def test_the_list_names_every_drill_in_eighty_columns(tmp_path: Path) -> None:
    done = robotrading("selftest", "--list", cwd=tmp_path)
    assert done.returncode == 0
    assert all(drill.name in done.stdout for drill in DRILLS)
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_list_as_json() -> None:
    done = CliRunner().invoke(app, ["selftest", "order-lost", "--list", "--json"])
    assert [one["name"] for one in json.loads(done.stdout)] == ["order-lost"]


def test_what_broke_is_shown_with_its_folder_and_the_command_that_repeats_it() -> None:
    broken = held("no-word", verdict=Verdict.BROKE, broke=tuple(f"thing {n}" for n in range(10)), folder="/somewhere/x")
    text = shown(Practice((), (held("power-cut"), broken, held("refused", verdict=Verdict.NOT_REACHED)), 65.0))
    assert "1 of 3 held, 1 BROKE, 1 not reached, in 65 s." in text
    assert "thing 7" in text
    assert "and 2 more like it" in text
    assert "ledger, logs, fault plan: /somewhere/x" in text
    assert "again: robotrading selftest no-word\n" in text
    assert max(map(len, text.splitlines())) <= 80
    with_files = shown(Practice((), (broken,), 1.0), Path("my config.yaml"), Path("plan.json"))
    assert "again: robotrading selftest --plan plan.json --config 'my config.yaml'" in with_files


def test_a_broken_promise_is_exit_code_4(monkeypatch: pytest.MonkeyPatch, config: Path) -> None:
    broken = Practice((), (held("no-word", verdict=Verdict.BROKE, broke=("it",), folder="/x"),), 1.0)
    monkeypatch.setattr("robotrading.wiring.selftest.practise.practise", lambda *_, **__: broken)
    assert CliRunner().invoke(app, ["selftest", "-c", str(config)]).exit_code == 4


def test_the_simulation_is_played_from_a_seed() -> None:
    done = CliRunner().invoke(app, ["selftest", "--simulate", "2", "--seed-from", "5"])
    assert done.exit_code == 0, done.stdout
    assert "2 seeds" in done.stdout


# Mistakes ------------------------------------------------------------------------------------------------------------


def refusal(*words: str) -> str:
    done = CliRunner().invoke(app, ["selftest", *words])
    assert isinstance(done.exception, ConfigError), done.output
    return str(done.exception)


def test_a_drill_that_does_not_exist_is_refused() -> None:
    assert "there is no drill 'nonsense'" in refusal("nonsense")


def test_a_plan_and_names_together_are_refused(tmp_path: Path) -> None:
    assert "by itself" in refusal("no-word", "--plan", str(tmp_path / "plan.json"))


def test_a_plan_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('{"faults": [{"kind": "earthquake"}]}', encoding="utf-8")
    assert "not a fault plan" in refusal("--plan", str(path))
    assert "cannot be read" in refusal("--plan", str(tmp_path / "none.json"))


def test_a_plan_without_anything_for_a_gateway_is_refused(tmp_path: Path) -> None:
    jump = Fault(kind=FaultKind.CLOCK_JUMP, on=Trigger.SECONDS, at=1)
    with pytest.raises(ConfigError, match="nothing in this plan"):
        drill_of_plan(plan_file(tmp_path, jump))
    order = Fault(kind=FaultKind.ORDER_LOST, on=Trigger.SUBMIT)
    assert drill_of_plan(plan_file(tmp_path, jump, order)).faults == (order,)


def test_a_folder_that_is_not_empty_is_not_written_to(config: Path, tmp_path: Path) -> None:
    assert "something in it" in refusal("-c", str(config), "--keep", str(tmp_path))
    assert "not usable as a folder" in refusal("-c", str(config), "--keep", str(config))
