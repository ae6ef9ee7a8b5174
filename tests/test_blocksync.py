"""S2: one request at a time, and nobody is blamed for being slow."""

from dataclasses import replace

import pytest

from noded.blocksync import REQUEST_TIMEOUT_MS, REQUESTS_KEPT, BadRange, BlockSync, UnaskedRange
from noded.types.ids import Epoch, Height, PeerId, TimestampMs
from noded.types.messages import BlockRange, ChainStatus
from tests.helpers.node_net import NodeNet

NOW = TimestampMs(1_000_000)
LATER = TimestampMs(NOW + REQUEST_TIMEOUT_MS)


@pytest.fixture(scope="module")
def net() -> NodeNet:
    """A chain of a few blocks."""
    net = NodeNet()
    assert net.run(20, until=lambda: min(net.heights()) > 6)
    return net


class Behind:
    """Block sync of a node that has nothing yet, and peers that have the chain."""

    def __init__(self, net: NodeNet, *, peers: int) -> None:
        self.net = net
        self.sync = BlockSync(net.chain_id)
        self.tip = net.homes[0].stored[0].block.header
        self.peers = tuple(net.homes[number].id for number in range(1, 1 + peers))
        for peer in self.peers:
            self.hear_status(peer)

    def hear_status(self, peer: PeerId) -> None:
        last = self.net.homes[0].stored[5].block
        status = ChainStatus(epoch=Epoch(1), view=last.header.view, height=Height(5), hash=last.hash)
        self.sync.on_status(peer, status)

    def ask(self, now_ms: TimestampMs) -> PeerId:
        request = self.sync.next_request(self.tip.height, now_ms)
        assert request is not None
        return request[0]

    def take(self, peer: PeerId, message: BlockRange | None = None) -> int:
        """Let a peer answer; how many blocks come of it."""
        message = message or self.net.range_of(1, self.tip.height + 1, self.tip.height + 5)
        checked = self.sync.on_range(peer, message, self.tip, self.net.nodes[0].validators)
        if checked is None:
            return 0
        self.tip = checked.blocks[-1][0].header
        return len(checked.blocks)


def test_answer_of_the_peer_asked_is_taken(net: NodeNet) -> None:
    behind = Behind(net, peers=1)

    assert behind.take(behind.ask(NOW)) > 0
    assert not behind.sync.is_asking


def test_answer_after_the_timeout_is_taken_too(net: NodeNet) -> None:
    behind = Behind(net, peers=2)
    slow = behind.ask(NOW)
    assert behind.ask(LATER) != slow

    assert behind.take(slow) > 0


def test_a_silent_peer_is_asked_last_whatever_it_claims(net: NodeNet) -> None:
    """Its status says how far it is, and not that it answers."""
    behind = Behind(net, peers=3)
    asked = []
    for step in range(3):
        asked.append(behind.ask(TimestampMs(NOW + step * REQUEST_TIMEOUT_MS)))
        for peer in behind.peers:
            behind.hear_status(peer)

    assert sorted(asked) == sorted(behind.peers)


@pytest.mark.parametrize("waited_ms", [1, REQUEST_TIMEOUT_MS])
def test_a_peer_that_goes_without_an_answer_is_asked_last_when_it_comes_back(
    net: NodeNet, waited_ms: int
) -> None:
    behind = Behind(net, peers=2)
    silent, other = behind.peers
    assert behind.ask(NOW) == silent
    later = TimestampMs(NOW + waited_ms)
    if waited_ms == REQUEST_TIMEOUT_MS:
        assert behind.ask(later) == other
        behind.take(other)

    behind.sync.on_peer_down(silent)
    behind.hear_status(silent)

    request = behind.sync.next_request(Height(1), later)  # The second of two is chosen for this height.
    assert request is not None
    assert request[0] == other


def test_answer_that_comes_when_another_was_faster_is_nobodys_fault(net: NodeNet) -> None:
    behind = Behind(net, peers=2)
    answer = net.range_of(1, 1, 5)
    slow = behind.ask(NOW)
    fast = behind.ask(LATER)
    assert behind.take(fast) > 0

    assert behind.take(slow, answer) == 0


def test_answer_that_a_bad_line_repeats_is_nobodys_fault(net: NodeNet) -> None:
    behind = Behind(net, peers=1)
    answer = net.range_of(1, 1, 5)
    peer = behind.ask(NOW)
    assert behind.take(peer, answer) > 0

    for _ in range(3):
        assert behind.take(peer, answer) == 0


def test_late_answer_after_the_peer_was_gone_is_not_blamed(net: NodeNet) -> None:
    behind = Behind(net, peers=1)
    slow = behind.ask(NOW)
    behind.sync.on_peer_down(slow)

    assert behind.take(slow) > 0


@pytest.mark.parametrize("first", [1, 2])
def test_range_that_nobody_asked_for_is_blamed(net: NodeNet, first: int) -> None:
    behind = Behind(net, peers=2)
    asked = behind.ask(NOW)
    other = next(peer for peer in behind.peers if peer != asked)

    with pytest.raises(UnaskedRange):
        behind.take(other if first == 1 else asked, net.range_of(1, first, 5))


def test_false_answer_is_blamed_however_late(net: NodeNet) -> None:
    behind = Behind(net, peers=2)
    slow = behind.ask(NOW)
    behind.ask(LATER)
    good = net.range_of(1, 1, 5)
    false = replace(good, blocks=good.blocks[1:])

    with pytest.raises(BadRange):
        behind.take(slow, false)


def test_remembered_requests_have_a_limit(net: NodeNet) -> None:
    behind = Behind(net, peers=1)
    oldest = net.range_of(1, 1, 5)
    peer = behind.ask(NOW)
    for height in range(1, REQUESTS_KEPT + 1):
        behind.sync.want(peer, Height(height))
        assert behind.sync.next_request(Height(height), TimestampMs(NOW + height * REQUEST_TIMEOUT_MS))

    with pytest.raises(UnaskedRange):
        behind.take(peer, oldest)
