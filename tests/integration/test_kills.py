"""Any node may be killed at any time: nothing that was final is lost, no key contradicts itself, all states agree."""

import random
import time
from pathlib import Path

import pytest

from noded.testnet.processes import NodeProcess
from tests.helpers.fleet import (
    ask,
    check_agreement,
    check_signatures,
    figure,
    fleet,
    status,
    until,
    until_height,
)
from tests.helpers.steady_load import SteadyLoad, check_all_there

pytestmark = pytest.mark.integration

AGAIN_SHARE = 0.3
"""Of kills after which the same node is killed once more while it starts."""


def kill_and_restart(node: NodeProcess, draw: random.Random) -> None:
    node.kill()
    node.start()
    while draw.random() < AGAIN_SHARE:
        time.sleep(
            draw.uniform(0.0, 3.0)
        )  # Any time: while modules load, while the log is read, or when it is up.
        node.kill()
        node.start()


@pytest.mark.parametrize(
    ("kills", "seed"),
    [pytest.param(5, 1, id="5"), pytest.param(50, 2, id="50", marks=pytest.mark.slow)],
)
def test_nothing_final_is_lost_when_nodes_are_killed(kills: int, seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    with fleet(tmp_path / "net") as (testnet, genesis):
        nodes = testnet.nodes
        with SteadyLoad(nodes, genesis) as load:
            for _ in range(kills):
                load.until_more(draw.randrange(1, 60))
                node = draw.choice(nodes)
                kill_and_restart(node, draw)
                if draw.random() < 0.7:
                    node.wait_ready()
                # Else the next one may be killed while this one starts: then two are down for a while.
            until(lambda: all(ask(node, "/v1/status") is not None for node in nodes), "all serve")
            load.until_more(10)
            load.stop()
            check_all_there(nodes, load.final)
            until_height(nodes, max(load.final.values()))
            equivocations = [figure(node, "noded_equivocations_total") for node in nodes]
            halted = [status(node)["halted"] for node in nodes]
        codes = testnet.stop()

    homes = [node.home for node in nodes]
    longest = check_agreement(homes)
    votes = check_signatures(homes)
    print(f"{kills} kills, {len(load.final)} transactions final, height {longest.height}, {votes} votes")
    assert equivocations == [0.0] * 4
    assert halted == [None] * 4
    assert codes == [0] * 4
    assert longest.height >= max(load.final.values())
    assert votes > 0
