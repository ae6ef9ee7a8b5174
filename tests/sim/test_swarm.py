"""What the swarm draws: everything there is, and never more than the protocol bears."""

import json
from pathlib import Path

import pytest

from sim.cli.root import run
from sim.scenario.faults import Crash
from sim.scenario.model import Scenario
from sim.swarm import BEHAVIOURS, BLUNDERS, SIZES, draw_scenario, tally

SEEDS = range(1_000)

RARE = len(SEEDS) // 50
"""Scenarios in which each kind of thing must occur."""


@pytest.fixture(scope="module")
def drawn() -> list[Scenario]:
    return [draw_scenario(seed) for seed in SEEDS]


@pytest.mark.parametrize(
    "kind",
    [
        *(f"byzantine {behaviour}" for behaviour in (*BEHAVIOURS, *BLUNDERS)),
        *(f"fault {kind}" for kind in ("pause", "partition", "loss", "duplicate", "reorder", "skew")),
        *(f"fault {kind}" for kind in ("slow-disk", "slow-link")),
        *(f"fault crash, disk {fate}" for fate in ("kept", "torn", "lost")),
        *(f"fault churn, disk {fate}" for fate in ("kept", "torn")),
        *(f"{count:02} nodes" for count in dict.fromkeys(SIZES)),
        *(f"routing {routing}" for routing in ("all", "linear", "auto")),
        "reputation, short epochs",
    ],
)
def test_every_kind_of_thing_is_drawn(kind: str, drawn: list[Scenario]) -> None:
    assert tally(drawn)[kind] >= RARE


def listed(nodes: str | int | list[str | int]) -> list[str | int]:
    assert isinstance(nodes, list)
    return nodes


def test_nothing_is_drawn_beyond_what_the_protocol_bears(drawn: list[Scenario]) -> None:
    """Byzantine nodes and those that lose their log are at most f together, whatever the reputations become."""
    for scenario in drawn:
        bad = [node for row in scenario.byzantine for node in listed(row.nodes)]
        lost = [
            node
            for fault in scenario.fault
            if isinstance(fault, Crash) and fault.disk == "lost"
            for node in listed(fault.nodes)
        ]
        worst = set(bad) | set(lost)
        assert len(bad) == len(set(bad))
        assert not set(bad) & set(lost)
        assert 3 * len(worst) < scenario.nodes.count
        assert scenario.protocol.tolerated == max(1, len(worst))


def test_all_that_the_protocol_bears_is_drawn(drawn: list[Scenario]) -> None:
    most = {
        count: max(len(scenario.byzantine) for scenario in drawn if scenario.nodes.count == count)
        for count in SIZES
    }

    assert most == {count: (count - 1) // 3 for count in SIZES}


def test_command_says_what_came_of_it_and_what_was_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["swarm", "--seed", "2", "--count", "1", "--runs", str(tmp_path), "--output", "json"])

    said = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (said["seeds"], said["verdicts"], said["failures"]) == (1, {"pass": 1}, [])
    assert said["drawn"] == tally([draw_scenario(2)])


def test_a_seed_always_gives_the_same_scenario() -> None:
    assert draw_scenario(7) == draw_scenario(7) != draw_scenario(8)
