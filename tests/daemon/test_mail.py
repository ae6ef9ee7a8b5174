"""What is sent: on the lane that fits, and never what no peer would take."""

from collections.abc import Sequence
from typing import Any, cast

from structlog.testing import capture_logs

from noded.daemon.mail import Mail
from noded.metrics import Metrics
from noded.network.interface import Lane
from noded.types.batch import BATCH_BYTES_MAX
from noded.types.ids import Height, PeerId
from noded.types.messages import (
    BULK_MESSAGE_BYTES_MAX,
    CONSENSUS_MESSAGE_BYTES_MAX,
    MESSAGES,
    BlockRange,
    Message,
    SyncedBlock,
)
from tests.helpers.consensus_values import equal_set, make_block, make_genesis
from tests.helpers.ledger import member_id

PEERS = (PeerId(member_id(2)), PeerId(member_id(3)))


class Recorded:
    """A network that notes what it is given to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[Lane, int, tuple[PeerId, ...]]] = []

    def broadcast(self, lane: Lane, payload: bytes, peers: Sequence[PeerId]) -> None:
        self.sent.append((lane, len(payload), tuple(peers)))


def mail(network: Recorded) -> Mail:
    return Mail(cast(Any, network), Metrics())


def blocks(count: int) -> Message:
    """A range of so many blocks, each with one full batch."""
    validators = equal_set(4)
    block = make_block(validators, view=1, parent=make_genesis(validators), payload=())
    full = SyncedBlock(block=block, batches=(bytes(BATCH_BYTES_MAX),))
    return BlockRange(first=Height(1), blocks=(full,) * count, tail=(), finalization=None)


def test_what_is_too_large_is_told_and_not_sent() -> None:
    """A peer would cut off who sends it; that this node made it is a bug, which the log names."""
    network = Recorded()
    too_many = BULK_MESSAGE_BYTES_MAX // BATCH_BYTES_MAX + 1
    size = len(MESSAGES.encode(blocks(too_many)))
    assert size > BULK_MESSAGE_BYTES_MAX

    with capture_logs() as logs:
        mail(network).send(PEERS, blocks(too_many))

    assert network.sent == []
    [told] = logs
    assert (told["log_level"], told["message"], told["size"]) == ("error", "BlockRange", size)


def test_what_is_large_goes_by_the_lane_for_that() -> None:
    network = Recorded()
    size = len(MESSAGES.encode(blocks(1)))
    assert CONSENSUS_MESSAGE_BYTES_MAX < size <= BULK_MESSAGE_BYTES_MAX

    with capture_logs() as logs:
        mail(network).send(PEERS, blocks(1))

    assert network.sent == [(Lane.BULK, size, PEERS)]
    assert logs == []
