"""A1, L144: a node whose stored state contradicts the chain starts, but does not vote. M3: what is ordered is not new."""

from collections.abc import Sequence

from noded.keys.signer import WatermarkSigner
from noded.node.effects import Effect, Halt
from noded.node.node import Node
from noded.node.starting import Durable, start_node
from noded.types.batch import SealedBatch
from noded.types.block import Block
from noded.types.ids import TimestampMs
from noded.types.operations.membership import OrgUpdate
from noded.types.records import BatchRecord
from tests.helpers.ledger import TestChain, make_genesis, member_id


def start(
    chain: TestChain,
    epoch_blocks: Sequence[Block] = (),
    *,
    batches: Sequence[SealedBatch] = (),
    ordered: int = 0,
) -> tuple[Node, list[Effect]]:
    """Start member 1's node where the chain is, with batches in its log of which so many are in blocks."""
    blocks = [committed.block for committed in chain.committed]
    tip = blocks[-1]
    genesis = next(block for block in reversed(blocks) if block.header.epoch < tip.header.epoch)
    return start_node(
        me=member_id(1),
        signer=WatermarkSigner(bytes(32), chain.genesis.chain_id),
        ledger=chain.ledger,
        durable=Durable(
            tip=tip,
            proof=None,
            epoch_genesis=genesis,
            epoch_blocks=epoch_blocks,
            recent_batches=[(sealed.hash, sealed.time_ms) for sealed in batches[:ordered]],
            records=[BatchRecord(encoding=sealed.encoding) for sealed in batches],
        ),
        now_ms=TimestampMs(tip.header.time_ms),
    )


def why_halted(chain: TestChain, epoch_blocks: Sequence[Block]) -> list[str]:
    """Why the node halts at its start, if it does."""
    node, effects = start(chain, epoch_blocks)
    reasons = [effect.reason for effect in effects if isinstance(effect, Halt)]
    assert node.halted == (reasons[0] if reasons else None)
    return reasons


def make_chain() -> TestChain:
    """In the fourth block of its second epoch."""
    chain = TestChain(make_genesis(epoch_length=6))
    chain.finish_epoch()
    for _ in range(4):
        chain.run(voters=[0, 1, 2])
    return chain


def test_counters_that_the_blocks_bear_out_are_trusted() -> None:
    chain = make_chain()

    assert why_halted(chain, [committed.block for committed in chain.committed[-4:]]) == []


def test_counters_that_they_do_not_halt_the_node() -> None:
    chain = make_chain()

    assert why_halted(chain, [committed.block for committed in chain.committed[-3:]]) == [
        "the stored counters of epoch 2 are not what its blocks say"
    ]


def test_without_the_epochs_blocks_the_table_is_compared_only() -> None:
    assert why_halted(make_chain(), ()) == []


def test_a_batch_of_the_log_that_a_block_named_waits_no_more() -> None:
    chain = make_chain()
    ordered, waiting = (
        chain.batch(chain.transaction(OrgUpdate(legal_name=name, endpoints=()))) for name in ("a", "b")
    )

    node, _ = start(chain, batches=[ordered, waiting], ordered=1)

    assert node.batches.pool.unordered() == [waiting.hash]
    assert node.batches.pool.get(ordered.hash) is None
