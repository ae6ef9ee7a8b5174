"""S1, M7: the largest block that a network may allow fits one message of block sync."""

from dataclasses import replace

from noded.types.batch import BATCH_BYTES_MAX
from noded.types.block import BATCHES_MAX, CREDITS_MAX, TAIL_MAX
from noded.types.genesis import BLOCK_BYTES_MAX
from noded.types.ids import BatchHash, Bitmap, Height, Signature
from noded.types.messages import BULK_MESSAGE_BYTES_MAX, MESSAGES, BlockRange, SyncedBlock
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
