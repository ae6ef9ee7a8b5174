"""A machine's clock that jumps by an hour, either way, under a real node: the chain goes on, and nobody disagrees."""

from collections.abc import Callable
from pathlib import Path

import pytest

from noded.client.http import NodeClient
from noded.testnet.creating import create_testnet, homes
from noded.testnet.processes import Testnet
from tests.helpers.fleet import check_agreement, check_signatures, status, until, until_height
from tests.helpers.steady_load import SteadyLoad, check_all_there

pytestmark = pytest.mark.integration

HOUR_MS = 3_600_000

CLOCK = """
import time

_true_ns = time.time_ns


def _time_ns():
    with open({path!r}) as file:
        return _true_ns() + int(file.read()) * 1_000_000


time.time_ns = _time_ns
"""
"""Python runs a `sitecustomize` before any program: here one whose clock differs by what a file says."""


def movable_clock(folder: Path) -> tuple[dict[str, str], Callable[[int], None]]:
    """The environment of a process with such a clock, and what moves it, by milliseconds from the true time."""
    folder.mkdir()
    offset = folder / "offset_ms"
    (folder / "sitecustomize.py").write_text(CLOCK.format(path=str(offset)))

    def move(offset_ms: int) -> None:
        fresh = folder / "fresh"
        fresh.write_text(str(offset_ms))
        fresh.replace(offset)

    move(0)
    return {"PYTHONPATH": str(folder)}, move


@pytest.mark.slow
def test_one_clock_of_four_jumps(tmp_path: Path) -> None:
    genesis = create_testnet(tmp_path / "net", 4, encrypted=False)
    environment, move = movable_clock(tmp_path / "clock")
    with Testnet(tmp_path / "net") as testnet:
        nodes = testnet.nodes
        astray = nodes[3]
        astray.start(environment=environment)
        for node in nodes[:3]:
            node.start()
        for node in nodes:
            node.wait_ready()
        with SteadyLoad(nodes[:3], genesis) as load:
            for offset_ms in (HOUR_MS, -HOUR_MS, 0):
                move(offset_ms)
                if offset_ms > 0:
                    assert status(astray)["block_age_ms"] > HOUR_MS / 2
                load.until_more(40)
            [own] = load.signed(1)
            with NodeClient.in_home(astray.home) as client:
                [posted] = client.post_transactions([own.encoding], wait_s=60)
            assert posted.is_applied
            load.stop()
            check_all_there(nodes, load.final)
            until_height(nodes, max(load.final.values()))
        assert [status(node)["halted"] for node in nodes] == [None] * 4
        assert max(status(node)["block_age_ms"] for node in nodes) < HOUR_MS / 2
        assert testnet.stop() == [0] * 4
    check_agreement(homes(tmp_path / "net"))
    check_signatures(homes(tmp_path / "net"))


def test_a_chain_whose_clocks_were_all_ahead_waits_and_says_so(tmp_path: Path) -> None:
    genesis = create_testnet(tmp_path / "net", 1, encrypted=False)
    environment, move = movable_clock(tmp_path / "clock")
    with Testnet(tmp_path / "net") as testnet:
        [node] = testnet.nodes
        node.start(environment=environment)
        node.wait_ready()
        with SteadyLoad([node], genesis, senders=1) as load:
            move(HOUR_MS)
            load.until_more(10)
            move(0)
            until(lambda: "clock" in (status(node)["standing"] or ""), "the node names its clock")
            assert status(node)["halted"] is None
            move(HOUR_MS)
            load.until_more(10)
            until(lambda: status(node)["standing"] is None, "the chain goes on")
            load.stop()
            check_all_there([node], load.final)
        assert testnet.stop() == [0]
    check_agreement(homes(tmp_path / "net"))
    check_signatures(homes(tmp_path / "net"))
