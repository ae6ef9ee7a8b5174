"""One machine's life."""

import pytest

from noded.node.inputs import Input, MessageReceived
from noded.types.messages import BlockFound
from sim.connections import STARTING_PEERS_MAX
from sim.host import Host
from sim.observer import Observer
from sim.run import Options, Run, simulate
from tests.helpers.simulation import small

MS = 1_000_000
DELAY_MS = 40


class Ears(Observer):
    """Notes who hears a block that was asked for."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    def stepped(self, host: Host, event: Input, effects: object) -> None:
        if isinstance(event, MessageReceived) and isinstance(event.message, BlockFound):
            self.heard.append(host.index)


@pytest.mark.parametrize(("is_restarted", "heard"), [(False, [1]), (True, [])])
def test_message_to_a_process_that_is_gone_does_not_reach_the_next(
    is_restarted: bool, heard: list[int]
) -> None:
    """Its connection went down with it; a node would blame whoever answers what it never asked."""
    ears = Ears()
    scenario = small(network__latency={"model": "constant", "delay": f"{DELAY_MS}ms"})
    run = Run(scenario, Options(observers=[lambda cluster: ears]))
    cluster = run.cluster
    cluster.start()
    cluster.engine.run(until=1_000 * MS)
    sender, receiver = cluster.hosts[0], cluster.hosts[1]
    archive = sender.archive
    answer = BlockFound(block=archive.block(archive.height).block)
    sender.send((receiver.name,), cluster.world.parcel(0, answer))
    if is_restarted:
        cluster.faults.crash(receiver, "kept")
        cluster.engine.at(cluster.engine.now + DELAY_MS * MS // 2, receiver.start)
    cluster.engine.run(until=cluster.engine.now + 2 * DELAY_MS * MS)

    assert ears.heard == heard


def test_more_nodes_than_are_told_of_each_other_vote_from_the_start() -> None:
    """A4 would have each wait for a quorum's word of how far they are; all are known to be at the beginning."""
    count = 3 * STARTING_PEERS_MAX
    result = simulate(small(nodes__count=count, time__duration="600ms", time__warmup="0s", workload__rate=1))

    assert result.verdict == "pass"
    assert result.recorder.blocks
