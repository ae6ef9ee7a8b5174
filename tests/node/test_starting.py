"""A1, L144: a node whose stored state contradicts the chain starts, but does not vote."""

from collections.abc import Sequence

from noded.keys.signer import WatermarkSigner
from noded.node.effects import Halt
from noded.node.starting import Durable, start_node
from noded.types.block import Block
from noded.types.ids import TimestampMs
from tests.helpers.ledger import TestChain, make_genesis, member_id


def start(chain: TestChain, epoch_blocks: Sequence[Block]) -> list[str]:
    """Start member 1's node where the chain is; returns why it halts, if it does."""
    blocks = [committed.block for committed in chain.committed]
    tip = blocks[-1]
    genesis = next(block for block in reversed(blocks) if block.header.epoch < tip.header.epoch)
    node, effects = start_node(
        me=member_id(1),
        signer=WatermarkSigner(bytes(32), chain.genesis.chain_id),
        ledger=chain.ledger,
        durable=Durable(tip=tip, proof=None, epoch_genesis=genesis, epoch_blocks=epoch_blocks),
        now_ms=TimestampMs(tip.header.time_ms),
    )
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

    assert start(chain, [committed.block for committed in chain.committed[-4:]]) == []


def test_counters_that_they_do_not_halt_the_node() -> None:
    chain = make_chain()

    assert start(chain, [committed.block for committed in chain.committed[-3:]]) == [
        "the stored counters of epoch 2 are not what its blocks say"
    ]


def test_without_the_epochs_blocks_the_table_is_compared_only() -> None:
    assert start(make_chain(), ()) == []
