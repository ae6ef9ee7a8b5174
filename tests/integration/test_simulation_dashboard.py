"""Runs of the simulator in a real Prometheus: the dashboard's panels have series, and these say what the runs do."""

import json
import shutil
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.cli.root import run
from sim.results import load, save
from tests.helpers.dashboards import expression, queries
from tests.helpers.prometheus import CONFIGS, Prometheus
from tests.helpers.simulation import run_small

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed"),
]

DASHBOARD = Path(__file__).parents[2] / "grafana" / "dashboards" / "simulation.json"

START_S = 1_700_000_000
"""Where the runs' virtual time is laid; Prometheus is told to keep what is so old."""

SECONDS = 6


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, in one of which a node crashes and messages are lost."""
    folder = tmp_path_factory.mktemp("runs")
    save(run_small(time__duration=f"{SECONDS}s"), folder / "aaaaaaaaaa")
    faults = [
        {"kind": "crash", "at": "2s", "nodes": [1], "restart_after": "2s"},
        {"kind": "loss", "at": "1s", "for": "2s", "rate": 0.2},
    ]
    save(run_small(time__duration=f"{SECONDS}s", fault=faults), folder / "bbbbbbbbbb")
    return folder


@pytest.fixture(scope="module")
def prometheus(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    text = runs / "metrics.txt"
    assert run(["metrics", str(runs), "--start", str(START_S)]) == 0
    promtool: list[str | Path] = [
        "promtool",
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        text,
        folder / "data",
    ]
    subprocess.run(promtool, check=True, capture_output=True)
    alerts = (CONFIGS / "alerts.yml").read_text("utf-8")
    with Prometheus(folder, {}, alerts=alerts, kept="20y") as found:
        yield found


def value(prometheus: Prometheus, expr: str, at_s: int = START_S + SECONDS) -> float:
    """The value of the one series that an expression has then."""
    [series] = prometheus.query(expr, at_s=at_s)
    return float(series["value"][1])


def test_every_panel_has_series(prometheus: Prometheus) -> None:
    page = json.loads(DASHBOARD.read_text("utf-8"))
    without = [
        title
        for title, expr in queries(page)
        if not prometheus.query(expression(expr, interval="4s"), at_s=START_S + SECONDS)
    ]

    assert without == []


def test_the_series_say_what_the_runs_did(prometheus: Prometheus, runs: Path) -> None:
    plain, faulty = (load(runs / name) for name in ("aaaaaaaaaa", "bbbbbbbbbb"))
    of_plain, of_faulty = ('{instance="small-aaaaaaaa"}', '{instance="small-bbbbbbbb"}')

    assert value(prometheus, f"noded_sim_height{of_plain}") == plain.table("seconds")["height"][-1]
    assert value(prometheus, f"noded_sim_nodes_up{of_faulty}", START_S + 1) == 4
    assert value(prometheus, f"noded_sim_nodes_up{of_faulty}", START_S + 3) == 3
    assert value(prometheus, f"noded_sim_messages_lost_total{of_plain}") == 0
    assert value(prometheus, f"noded_sim_messages_lost_total{of_faulty}") > 10
    assert value(prometheus, f"noded_sim_views_failed_total{of_plain}") == 0
    [verdict] = prometheus.query(f"noded_sim_run{of_faulty}", at_s=START_S + SECONDS)
    assert verdict["metric"]["verdict"] == faulty.summary["verdict"]
    blocks = plain.table("blocks")
    assert value(prometheus, f"noded_sim_finality_seconds_count{of_plain}") == sum(
        blocks["final_ns"] <= SECONDS * 1_000_000_000
    )
    middle = f"histogram_quantile(0.5, noded_sim_finality_seconds_bucket{of_plain})"
    median_s = statistics.median((blocks["final_ns"] - blocks["proposed_ns"]).to_list()) / 1e9
    assert value(prometheus, middle) == pytest.approx(median_s, rel=0.5)
