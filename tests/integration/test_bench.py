"""`noded bench` as its users run it: figures of real processes, none of which is judged here."""

from pathlib import Path
from typing import Any

import pytest

from noded.client.answers import POSTED_MAX
from tests.helpers.command import printed

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.xdist_group("processes")]

PROMISED = {
    "tx_per_s",
    "ops_per_s",
    "finality_ms",
    "cpu_s_per_1000_tx",
    "rss_mb_max",
    "idle_cpu_percent",
    "log_sync_ms",
    "reads_per_s",
    "machine",
}


def run_bench(folder: Path, *arguments: str) -> dict[str, Any]:
    """What a measurement prints; it leaves nothing behind."""
    result = printed(folder, "bench", *arguments)
    assert set(result) >= PROMISED
    assert list(folder.iterdir()) == []
    return result


def test_a_single_validator_chain_under_open_load(tmp_path: Path) -> None:
    result = run_bench(tmp_path, "--nodes", "1", "--seconds", "2", "--rate", "40", "--ops-per-tx", "5")

    assert (result["nodes"], result["ops_per_tx"], result["saturated"]) == (1, 5, False)
    assert float(str(result["ops_per_s"])) == pytest.approx(5 * float(str(result["tx_per_s"])), rel=0.01)
    finality = result["finality_ms"]
    assert isinstance(finality, dict)
    assert 0 < finality["p50"] <= finality["p95"] <= finality["p99"]
    assert result["catch_up"] is None  # Nobody goes on without it.


@pytest.mark.slow
def test_four_nodes_are_saturated(tmp_path: Path) -> None:
    result = run_bench(tmp_path, "--seconds", "5", "--saturate")

    assert result["saturated"] is True
    assert float(str(result["tx_per_s"])) * 5 > POSTED_MAX
    assert float(str(result["finality_at_tx_per_s"])) == pytest.approx(
        0.7 * float(str(result["tx_per_s"])), rel=0.01
    )
    caught = result["catch_up"]
    assert isinstance(caught, dict)
    assert caught["blocks"] > 0
    assert caught["times_real_time"] > 0


@pytest.mark.slow
def test_loads_take_turns(tmp_path: Path) -> None:
    result = printed(
        tmp_path, "bench", "--nodes", "1", "--seconds", "4", "--loads", "closed,50%,20", "--rounds", "2"
    )

    assert [[load["load"] for load in loads] for loads in result["rounds"]] == [["closed", "50%", "20"]] * 2
    for closed, half, fixed in result["rounds"]:
        assert closed["rate"] is None
        assert half["rate"] == pytest.approx(0.5 * closed["tx_per_s"], rel=0.01)
        assert fixed["rate"] == 20
        for load in (closed, half, fixed):
            assert load["tx_per_s"] > 0
            assert load["cpu_s_per_1000_tx"] > 0
            assert 0 < load["finality_ms"]["p50"] <= load["finality_ms"]["p95"]
