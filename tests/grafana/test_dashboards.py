"""The committed dashboards: as the generator writes them, and by the rules of tests/helpers/dashboards.py."""

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.dashboards import expression, findings

GRAFANA = Path(__file__).parents[2] / "grafana"
DASHBOARDS = {
    path.stem: json.loads(path.read_text("utf-8")) for path in (GRAFANA / "dashboards").glob("*.json")
}


def test_the_generator_writes_the_committed_files() -> None:
    done = subprocess.run(
        [sys.executable, "-B", GRAFANA / "generate.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_uids_and_titles_differ() -> None:
    assert len({each["uid"] for each in DASHBOARDS.values()}) == len(DASHBOARDS)
    assert len({each["title"] for each in DASHBOARDS.values()}) == len(DASHBOARDS)


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_nothing_is_found(name: str) -> None:
    assert findings(DASHBOARDS[name]) == []


def test_the_readme_names_every_dashboard() -> None:
    text = (GRAFANA / "README.md").read_text("utf-8")

    assert [name for name in DASHBOARDS if f"`{name}.json`" not in text] == []


def _first(page: dict[str, Any]) -> dict[str, Any]:
    panel = page["panels"][0]
    assert isinstance(panel, dict)
    return panel


def _set(panel: dict[str, Any], **changes: Any) -> None:
    panel.update(changes)


def _query(panel: dict[str, Any], expr: str) -> None:
    panel["targets"][0]["expr"] = expr


BOTH = '{job=~"$job", instance=~"$instance"}'


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda page: page["templating"]["list"].pop(), "the variables are ['datasource', 'job']"),
        (
            lambda page: page["templating"]["list"][1].update(multi=False),
            "job does not allow several and all",
        ),
        (lambda page: page.update(uid=""), "the page has no uid"),
        (lambda page: _set(_first(page), description=""), "lacks title or description"),
        (lambda page: _first(page)["fieldConfig"]["defaults"].pop("unit"), "lacks a known unit"),
        (
            lambda page: _set(_first(page), datasource={"type": "prometheus"}),
            "is not of the chosen data source",
        ),
        (
            lambda page: _set(_first(page), title=page["panels"][1]["title"]),
            "two panels have the same title or id",
        ),
        (lambda page: _first(page)["gridPos"].update(w=25), "is wider than the page"),
        (lambda page: page["panels"][1]["gridPos"].update(x=0), "lies on"),
        (lambda page: _query(_first(page), f"noded_height{BOTH} +"), "invalid promql query"),
        (lambda page: _query(_first(page), "noded_height"), "does not select by job and instance"),
        (
            lambda page: _query(_first(page), f"rate(noded_blocks_total{BOTH}[5m])"),
            "has an interval of its own",
        ),
        (
            lambda page: _set(
                _first(page),
                targets=[{**_first(page)["targets"][0], "expr": f"noded_blocks_total{BOTH}"}],
                fieldConfig={"defaults": {**_first(page)["fieldConfig"]["defaults"], "unit": "ops"}},
            ),
            "shows a counter without a rate",
        ),
        (
            lambda page: _query(
                _first(page),
                f"histogram_quantile(0.9, sum by (instance) (rate(noded_step_seconds_bucket{BOTH}[$__rate_interval])))",
            ),
            "a quantile over summed buckets without le",
        ),
    ],
)
def test_a_fault_is_found(spoil: Callable[[dict[str, Any]], object], found: str) -> None:
    page = copy.deepcopy(DASHBOARDS["network"])
    spoil(page)

    assert any(found in each for each in findings(page)), findings(page)


def test_variables_are_filled_in() -> None:
    expr = 'rate(noded_blocks_total{job=~"$job", instance=~"$instance"}[$__rate_interval])'

    assert (
        expression(expr, job="a", interval="5s") == 'rate(noded_blocks_total{job=~"a", instance=~".*"}[5s])'
    )
