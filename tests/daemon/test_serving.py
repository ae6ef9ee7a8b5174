"""S1, M7: the largest block that a network may allow fits one message of block sync."""

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest
import trio

from noded.daemon import serving
from noded.node.effects import SendBlocks
from noded.storage.store import Reader
from noded.types.batch import BATCH_BYTES_MAX
from noded.types.block import BATCHES_MAX, CREDITS_MAX, TAIL_MAX, FinalityProof, LateCredit
from noded.types.genesis import BLOCK_BYTES_MAX
from noded.types.ids import BatchHash, Bitmap, Height, PeerId, Signature, View
from noded.types.messages import BLOCKS_MAX, BULK_MESSAGE_BYTES_MAX, MESSAGES, BlockRange, SyncedBlock
from noded.types.vote import VoteKind
from tests.helpers.consensus_values import equal_set, make_block, make_certificate, make_genesis

VALIDATORS = 400


def test_a_full_block_with_its_proof_fits() -> None:
    validators = equal_set(VALIDATORS)
    names = tuple(BatchHash(number.to_bytes(32, "big")) for number in range(BATCHES_MAX))
    block = make_block(validators, view=1, parent=make_genesis(validators), payload=names)
    each = BLOCK_BYTES_MAX // BATCHES_MAX
    assert each <= BATCH_BYTES_MAX
    full = BlockRange(
        first=Height(1),
        blocks=(SyncedBlock(block=block, batches=(bytes(each),) * BATCHES_MAX),),
        tail=(block.header,) * TAIL_MAX,
        finalization=replace(
            make_certificate(validators, VoteKind.FINALIZE, view=1, block=block),
            bitmap=Bitmap(bytes([255]) * (VALIDATORS // 8)),
            signatures=(Signature(bytes(64)),) * VALIDATORS,
        ),
    )
    credits_bytes = 256 * CREDITS_MAX

    assert BLOCK_BYTES_MAX < len(MESSAGES.encode(full)) < BULK_MESSAGE_BYTES_MAX - credits_bytes


def test_as_many_blocks_as_are_taken_for_one_message_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever their bodies carry: a range that does not fit is not sent, and who asks for it never catches up."""
    validators = equal_set(200)
    names = tuple(BatchHash(number.to_bytes(32, "big")) for number in range(10))
    first = make_block(validators, view=1, parent=make_genesis(validators), payload=names)
    ids = validators.ids()
    late = tuple(
        LateCredit(
            kind=VoteKind.NOTARIZE,
            view=View(1),
            block_hash=first.hash,
            voter=ids[number],
            signature=Signature(bytes(64)),
        )
        for number in range(CREDITS_MAX)
    )
    block = replace(first, body=replace(first.body, credits=late))
    final = make_certificate(validators, VoteKind.FINALIZE, view=1, block=block)
    proof = FinalityProof(tail=(block.header,) * TAIL_MAX, finalization=final)
    monkeypatch.setattr(serving, "read_block", lambda reader, height: block)
    monkeypatch.setattr(serving, "_prove", lambda reader, header: proof)

    answer = serving.read_range(cast("Reader", SmallBatches()), Height(1), Height(BLOCKS_MAX))

    assert 32 < len(answer.blocks) < BLOCKS_MAX
    assert len(MESSAGES.encode(answer)) <= BULK_MESSAGE_BYTES_MAX


async def test_who_asks_again_and_again_waits_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """S2: a request has a few bytes; none is read for but the last of each peer."""
    read: list[Height] = []
    sent: list[tuple[PeerId, Height]] = []

    def range_from(reader: Reader, first: Height, last: Height) -> BlockRange:
        read.append(first)
        return BlockRange(first=first, blocks=(), tail=(), finalization=None)

    monkeypatch.setattr(serving, "read_range", range_from)
    ranges = serving.Ranges(
        cast("Reader", SmallBatches()), lambda peers, message: sent.append((peers[0], message.first))
    )
    greedy, other = PeerId(b"g" * 16), PeerId(b"o" * 16)
    for first in range(1, 1001):
        ranges.ask(SendBlocks(greedy, Height(first), Height(first)))
    ranges.ask(SendBlocks(other, Height(7), Height(7)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ranges.run)
        while len(sent) < 2:
            await trio.sleep(0)
        ranges.ask(SendBlocks(greedy, Height(8), Height(8)))
        while len(sent) < 3:
            await trio.sleep(0)
        nursery.cancel_scope.cancel()

    assert sent == [(greedy, 1000), (other, 7), (greedy, 8)]
    assert read == [1000, 7, 8]


class SmallBatches:
    """A store in which every batch has a kilobyte."""

    def batch(self, name: BatchHash) -> SimpleNamespace:
        return SimpleNamespace(data=bytes(1024))
