"""The rules and alerts of configs/prometheus: well formed, unit-tested both ways, each with its runbook."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

CONFIGS = Path(__file__).parents[2] / "configs"
PROMETHEUS = CONFIGS / "prometheus"
SEVERITIES = ("critical", "warning", "info")
ALERTS_MIN = 14


def _rules(name: str) -> list[dict[str, Any]]:
    document = yaml.safe_load((PROMETHEUS / name).read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in _rules("alerts.yml")}
CASES = yaml.safe_load((PROMETHEUS / "tests.yml").read_text("utf-8"))["tests"]


def _promtool(*arguments: str) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_accepts_config_and_rules() -> None:
    _promtool("check", "config", "prometheus.yml")
    _promtool("check", "rules", "rules.yml", "alerts.yml")


def test_the_alerts_fire_and_clear_as_their_unit_tests_say() -> None:
    _promtool("test", "rules", "tests.yml")


def test_there_are_enough_alerts() -> None:
    assert len(ALERTS) >= ALERTS_MIN


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_an_alert_is_tested_both_ways(name: str) -> None:
    steps = [step for case in CASES for step in case.get("alert_rule_test", ()) if step["alertname"] == name]

    assert any(step["exp_alerts"] for step in steps), "nothing shows that it fires"
    assert any(not step["exp_alerts"] for step in steps), "nothing shows that it is quiet"


@pytest.mark.parametrize("name", [rule["record"] for rule in _rules("rules.yml")])
def test_a_recorded_series_is_tested(name: str) -> None:
    """By itself, or by an alert that is made of it."""
    tested = [step["expr"] for case in CASES for step in case.get("promql_expr_test", ())]

    assert name in tested or any(name in alert["expr"] for alert in ALERTS.values())


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_an_alert_tells_what_an_operator_needs(name: str) -> None:
    alert = ALERTS[name]
    path, _, anchor = alert["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^### (\S+)$", (CONFIGS.parent / path).read_text("utf-8"), re.MULTILINE)

    assert alert["labels"]["severity"] in SEVERITIES
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["description"].endswith(".")
    assert anchor == f"runbook-{name.lower()}"
    assert anchor in headings


def test_the_runbook_has_no_section_without_an_alert() -> None:
    headings = re.findall(r"^### runbook-(\S+)$", (CONFIGS / "README.md").read_text("utf-8"), re.MULTILINE)

    assert sorted(headings) == sorted(name.lower() for name in ALERTS)


@pytest.mark.parametrize(
    "rule", [*_rules("rules.yml"), *ALERTS.values()], ids=lambda rule: next(iter(rule.values()))
)
def test_every_expression_is_promql(rule: dict[str, Any]) -> None:
    promql_parser.parse(rule["expr"])
