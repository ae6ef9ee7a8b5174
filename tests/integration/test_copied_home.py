"""A3, A4 with real processes: somebody starts an old copy of a home while the node itself goes on."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from noded.testnet.creating import free_ports
from noded.testnet.processes import NodeProcess, Testnet
from noded.types.genesis import DEFAULT_PARAMETERS, Genesis
from tests.helpers.fleet import ask, fleet, remains, status, until, until_height
from tests.helpers.steady_load import SteadyLoad, check_all_there

pytestmark = pytest.mark.integration

PARAMETERS = replace(DEFAULT_PARAMETERS, idle_interval_ms=300)


@pytest.fixture
def four(tmp_path: Path) -> Iterator[tuple[Testnet, Genesis]]:
    with fleet(tmp_path / "net", parameters=PARAMETERS) as found:
        yield found


def test_a_copy_with_the_same_key_does_not_vote_and_says_why(
    four: tuple[Testnet, Genesis], tmp_path: Path
) -> None:
    testnet, genesis = four
    nodes = testnet.nodes
    *others, last = nodes
    with SteadyLoad(others, genesis) as load:
        load.until_more(20)
        assert last.stop() == 0
        shutil.copytree(last.home, tmp_path / "copy", ignore=shutil.ignore_patterns("*.sock"))
        last.start()
        last.wait_ready()
        load.until_more(50)

        copy = NodeProcess(tmp_path / "copy")
        [port] = free_ports(1)
        copy.start(environment={"NODED_NETWORK__LISTEN": f"127.0.0.1:{port}"})
        try:
            until(lambda: ask(copy, "/v1/status") is not None, "the copy serves")
            until(lambda: status(copy)["halted"] is not None, "the copy says that it does not vote")
            said = status(copy)["halted"]
            load.until_more(50)
            until_height([copy], status(others[0])["height"])
        finally:
            copy.stop()
        load.until_more(20)
        load.stop()
        check_all_there(others, load.final)
        halted = [status(node)["halted"] for node in others]
    assert testnet.stop() == [0] * 4

    assert "another process uses the key" in said
    assert halted == [None] * 3
    chains = [remains(node.home).hashes for node in nodes]
    shortest = min(map(len, chains))
    assert len({chain[:shortest] for chain in chains}) == 1
