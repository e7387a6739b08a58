"""Alert rules and dashboard ask for what the service tells, and each alert has been seen to come and go."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from robotrading.service.health import judge
from robotrading.service.metrics import Meters
from tests.service.test_health import NOW, WELL

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))
TESTS = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((DEPLOY / "grafana/dashboards/robotrading.json").read_text(encoding="utf-8"))
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]
BY_PROMETHEUS = {"up", "ALERTS"}
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPED = re.compile(r"\b(?:by|on|without|ignoring)\s*\([^)]*\)")
_BRACES = re.compile(r"\{[^}]*\}|\[[^\]]*\]")
_NAME = re.compile(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*\b(?!\s*\()")
_WORDS = {"and", "or", "unless", "bool", "offset"}
_ENDS = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
_MATCHED = re.compile(r"\b(\w+)\{([^}]*)\}")
_LABELS = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
_SHOWN = re.compile(r"\$labels\.(\w+)|\{\{\s*(\w+)\s*\}\}")
_MADE = re.compile(r'label_replace\(.*?, "(\w+)", "\$1"')
OF_EACH = {"job", "instance"}
OF_PROMETHEUS = {"up": set(), "ALERTS": {"alertname", "alertstate"}, "robotrading_build_info": {"version", "mode"}}


def told() -> set[str]:
    """The name of each sample that the service can render, of an empty family as well."""
    meters = Meters("1", "paper")
    meters.saw_facts(WELL, judge(WELL, NOW))
    families = text_string_to_metric_families(meters.render().decode())
    return {family.name + end for family in families for end in _ENDS.get(family.type, [""])}


def labels() -> dict[str, set[str]]:
    """By the name of a sample, the labels that it is told with."""
    found = {name: set() for name in told()} | OF_PROMETHEUS
    found["api_call_duration_seconds_bucket"] = {"service", "le"}  # the one that is no meter of the library's
    for meter in vars(Meters("1", "paper")).values():
        if isinstance(meter, MetricWrapperBase):
            (family,) = meter.describe()
            for end in _ENDS.get(family.type, [""]):
                found[family.name + end] = {*meter._labelnames, *(["le"] if end == "_bucket" else [])}
    return {name: own | OF_EACH for name, own in found.items()}


def asked(expression: str) -> set[str]:
    """The metrics that an expression of PromQL names."""
    bare = _BRACES.sub("", _GROUPED.sub("", _TEXT.sub('""', expression)))
    return {name for name in _NAME.findall(bare) if name not in _WORDS}


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def expressions() -> list[tuple[str, str]]:
    rules = [(rule["alert"], rule["expr"]) for rule in ALERTS]
    shown = [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    return rules + shown + [(one["name"], one["expr"]) for one in DASHBOARD["annotations"]["list"]]


def test_names_are_found_in_an_expression() -> None:
    expression = 'time() - max by (a, b) (first{c="d"} > 5e3) or on (e) rate(second_total[5m]) unless third'
    assert asked(expression) == {"first", "second_total", "third"}


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_what_is_asked_for_is_told(where: str, expression: str) -> None:
    assert asked(expression)
    assert asked(expression) <= told() | BY_PROMETHEUS, where


def shown_labels() -> list[tuple[str, str, str]]:
    """What is said beside an expression: an alert's words, a panel's legend."""
    said = [(rule["alert"], rule["expr"], " ".join(rule["annotations"].values())) for rule in ALERTS]
    return said + [(one["title"], t["expr"], t.get("legendFormat", "")) for one in panels() for t in one["targets"]]


@pytest.mark.parametrize(("where", "expression", "words"), shown_labels())
def test_the_labels_that_are_asked_for_and_shown_are_told(where: str, expression: str, words: str) -> None:
    """A label that does not exist matches nothing, groups all into one and shows as a blank: no error is ever seen."""
    known = labels()
    for name, inside in _MATCHED.findall(expression):
        named = set(re.findall(r"(\w+)\s*[=!]", _TEXT.sub('""', inside)))
        assert named <= known[name], f"{where}: {name}"
    there = set().union(*(known[name] for name in asked(expression)), _MADE.findall(expression))
    grouped = {label.strip() for inside in _LABELS.findall(expression) for label in inside.split(",")}
    assert grouped <= there, where
    assert {first or second for first, second in _SHOWN.findall(words)} <= there, where


def test_the_checks_that_rules_name_exist() -> None:
    named = {name for rule in ALERTS for name in re.findall(r'check="([^"]+)"', rule["expr"])}
    assert named
    assert named <= {check.name for check in judge(WELL, NOW).checks}


def test_what_the_service_tells_is_shown() -> None:
    shown = {name for panel in panels() for target in panel["targets"] for name in asked(target["expr"])}
    parts = ("_sum", "_count", "_created")
    own = {name for name in told() if not name.startswith("process_") and not name.endswith(parts)}
    assert own - shown == {"robotrading_session_duration_seconds_bucket"}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "remedy"}
    assert not rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["remedy"].endswith(".")


@pytest.mark.parametrize("name", [rule["alert"] for rule in ALERTS])
def test_an_alert_is_tried_before_while_and_after(name: str) -> None:
    cases = next(case for case in TESTS["tests"] if case["name"] == name)["promql_expr_test"]
    assert [bool(case["exp_samples"]) for case in cases] == [False, True, False]
    assert all(f'"{name}"' in case["expr"] for case in cases)


def test_an_alert_has_one_name() -> None:
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS)


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    return subprocess.run([program, *words], cwd=PROMETHEUS, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "words", [("check", "config", "prometheus.yml"), ("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml")]
)  # fmt: skip
def test_promtool_agrees(words: tuple[str, ...]) -> None:
    done = promtool(*words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_understands_every_panel(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": text} for number, (_, text) in enumerate(expressions())]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = promtool("check", "rules", str(tmp_path / "panels.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_panels_have_their_own_ids_and_the_provisioned_source() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8"))
    (prometheus,) = source["datasources"]
    assert {panel["datasource"]["uid"] for panel in panels()} == {prometheus["uid"]}
