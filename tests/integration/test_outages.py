"""Real nodes go away and come back: one of four is not missed, two are, and `status` says who."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from noded.client.http import NodeClient
from noded.testnet.processes import Testnet
from noded.types.genesis import Genesis
from tests.helpers.fleet import check_agreement, check_signatures, fleet, status, until, until_height
from tests.helpers.steady_load import SteadyLoad, check_all_there

pytestmark = pytest.mark.integration

FEW_S = 2.0
"""That a transaction waits in vain; were a quorum there, it would be final in a fraction of it."""


@pytest.fixture
def four(tmp_path: Path) -> Iterator[tuple[Testnet, Genesis]]:
    with fleet(tmp_path / "net") as found:
        yield found


def test_progress_goes_on_without_one_stops_without_two_and_resumes(four: tuple[Testnet, Genesis]) -> None:
    testnet, genesis = four
    one, two, three, four_ = testnet.nodes
    with SteadyLoad([one, two], genesis) as load:
        four_.kill()
        load.until_more(30)
        until(lambda: status(one)["standing"] is None, "one of four is not missed")

        three.kill()
        until(lambda: status(one)["standing"] is not None, "node1 says why the chain stands")
        told = status(one)["standing"]
        missing = [node.institution.id.hex() for node in (three, four_)]
        assert [name for name in missing if name not in told] == []
        assert "2 of 4 validators are connected" in told
        until(lambda: status(two)["standing"] is not None, "node2 says why the chain stands")
        before = [status(node)["height"] for node in (one, two)]
        [tried] = load.signed(1)
        with NodeClient.in_home(one.home) as client:
            [posted] = client.post_transactions([tried.encoding], wait_s=FEW_S)
        assert (posted.refused, posted.height) == (None, None)
        assert [status(node)["height"] for node in (one, two)] == before

        four_.start()
        load.until_more(30)
        with NodeClient.in_home(one.home) as client:
            outcome = client.wait_transaction(posted.hash, 60.0)
        assert outcome is not None
        assert outcome["applied"]
        until(lambda: status(one)["standing"] is None, "the chain does not stand any more")

        three.start()
        for node in testnet.nodes:
            node.wait_ready()
        load.until_more(10)
        load.stop()
        check_all_there(testnet.nodes, load.final)
    codes = testnet.stop()

    assert codes == [0] * 4
    homes = [node.home for node in testnet.nodes]
    check_agreement(homes)
    check_signatures(homes)


def test_a_stop_loses_nothing_and_a_restart_goes_on_from_there(four: tuple[Testnet, Genesis]) -> None:
    testnet, genesis = four
    nodes = testnet.nodes
    homes = [node.home for node in nodes]
    with SteadyLoad(nodes, genesis) as load:
        load.until_more(20)
        began = time.monotonic()
        assert nodes[3].stop() == 0
        print(f"stopped under load in {time.monotonic() - began:.2f} s")
        load.until_more(20)
        load.stop()
    until_height(nodes[:3], max(load.final.values()))
    began = time.monotonic()
    assert testnet.stop() == [0, 0, 0]
    print(f"three idle nodes stopped in {time.monotonic() - began:.2f} s")
    before = check_agreement(homes)
    assert before.height >= max(load.final.values())

    began = time.monotonic()
    testnet.start()
    print(f"four nodes ready again in {time.monotonic() - began:.2f} s")
    check_all_there(nodes, load.final)
    assert testnet.stop() == [0] * 4

    after = check_agreement(homes)
    assert after.hashes[: before.height + 1] == before.hashes
    roots = (*after.parent_state_roots, after.state_root)
    assert roots[before.height + 1] == before.state_root
    check_signatures(homes)
