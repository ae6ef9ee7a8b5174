"""Whole runs: determinism, faults, verdicts."""

import os
import subprocess
import sys
from typing import Any

import pytest

from sim.byzantine import BEHAVIOURS
from sim.run import Options
from tests.helpers.simulation import run_small

FAULTY: dict[str, Any] = {
    "fault": [
        {"kind": "crash", "at": "1s", "nodes": "random:1", "restart_after": "500ms", "disk": "torn"},
        {"kind": "loss", "at": "500ms", "for": "1s", "rate": 0.05},
    ],
    "byzantine": [{"behaviour": "equivocate", "nodes": "random:1"}],
    "cpu__model": "costs",
    "network__up": "100Mbit",
    "network__down": "100Mbit",
}

IN_ANOTHER_PROCESS = """
from tests.helpers.simulation import run_small
from tests.sim.test_run import FAULTY
print(run_small(**FAULTY).event_hash)
"""


class TestDeterminism:
    def test_what_is_compared_is_a_whole_run(self) -> None:
        result = run_small(**FAULTY)

        assert len(result.recorder.blocks) > 10
        assert len(result.driver.outcomes) > 3
        assert sum(host.life for host in result.cluster.hosts) == 5
        assert {"Proposal", "Votes", "BatchPushed"} <= result.cluster.network.traffic.messages_by_kind.keys()

    @pytest.mark.parametrize(
        "change", [{"workload__rate": 21}, {"cpu__model": "none"}, {"disk__fsync": "2ms"}, {"byzantine": []}]
    )
    def test_whatever_changes_shows(self, change: dict[str, object]) -> None:
        assert run_small(**{**FAULTY, **change}).event_hash != run_small(**FAULTY).event_hash

    def test_same_seed_same_hash(self) -> None:
        assert run_small(**FAULTY).event_hash == run_small(**FAULTY).event_hash

    def test_other_seed_other_hash(self) -> None:
        assert run_small().event_hash != run_small(seed=8).event_hash

    @pytest.mark.parametrize(
        "options", [Options(memo=False), Options(wire=True), Options(memo=False, wire=True)]
    )
    def test_memo_and_wire_change_nothing(self, options: Options) -> None:
        assert run_small(options, **FAULTY).event_hash == run_small(**FAULTY).event_hash

    @pytest.mark.parametrize("hash_seed", ["0", "4711"])
    def test_other_processes_see_the_same(self, hash_seed: str) -> None:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )

        assert done.stdout.strip() == run_small(**FAULTY).event_hash


class TestVerdict:
    def test_a_plain_run_passes_and_has_figures(self) -> None:
        result = run_small()

        assert result.verdict == "pass"
        assert result.violations == ()
        assert result.blocks_per_s > 1
        assert result.finality_ms.p50 is not None
        assert 30 < result.finality_ms.p50 < 200
        assert len(result.driver.outcomes) > 10
        assert result.driver.rejected == 0

    def test_without_a_quorum_it_passes_until_too_much_is_byzantine(self) -> None:
        silent = [{"behaviour": "silent", "nodes": [0, 1]}]
        result = run_small(byzantine=silent, time__heal="5s")

        assert result.verdict == "model-violated"
        assert {violation.checker for violation in result.violations} == {"liveness"}

    def test_who_crashes_at_the_very_start_never_runs(self) -> None:
        crash = [{"kind": "crash", "at": "0s", "nodes": [2]}]
        result = run_small(fault=crash, protocol__silent_views=0, protocol__reputation=False)

        assert result.verdict == "pass"
        assert not result.cluster.hosts[2].is_up
        assert 2 not in {row.proposer for row in result.recorder.blocks.values()}
        assert all(2 not in row.nodes for row in result.recorder.blocks.values())

    def test_crashed_nodes_come_back_with_what_they_had(self) -> None:
        crash = [{"kind": "crash", "at": "1s", "nodes": [0, 1, 2, 3], "restart_after": "200ms"}]
        result = run_small(fault=crash, time__duration="6s")

        assert result.verdict == "pass"
        assert all(host.life == 2 for host in result.cluster.hosts)
        assert min(host.archive.height for host in result.cluster.hosts) > 20

    @pytest.mark.parametrize(
        "fault",
        [
            {"kind": "pause", "nodes": [1]},
            {"kind": "partition", "groups": [[0], [1, 2, 3]]},
            {"kind": "partition", "groups": [[0], [1, 2, 3]], "symmetric": False},
            {"kind": "loss", "rate": 0.2},
            {"kind": "duplicate", "rate": 0.5},
            {"kind": "reorder", "rate": 0.5, "by": "50ms"},
            {"kind": "slow-disk", "nodes": [0], "fsync": "50ms"},
            {"kind": "slow-link", "nodes": [0], "delay": "100ms"},
            {"kind": "churn", "nodes": [0, 1], "every": "500ms", "down": "200ms"},
        ],
    )
    def test_every_fault_that_lasts_is_survived(self, fault: dict[str, object]) -> None:
        result = run_small(fault=[{"at": "500ms", "for": "1s", **fault}], time__heal="30s", disk__fsync="1ms")

        assert (result.verdict, result.violations) == ("pass", ())

    def test_skewed_clocks_are_survived(self) -> None:
        skew = [{"kind": "skew", "at": "1s", "nodes": [2], "offset": "-300ms", "drift_ppm": 100}]

        assert run_small(fault=skew, time__heal="30s").verdict == "pass"

    @pytest.mark.parametrize("behaviour", BEHAVIOURS)
    def test_every_behaviour_of_one_in_four_is_survived(self, behaviour: str) -> None:
        byzantine = [{"behaviour": behaviour, "nodes": [1], "period": "1s"}]
        result = run_small(byzantine=byzantine, time__heal="30s")

        assert (result.verdict, result.violations) == ("pass", ())
