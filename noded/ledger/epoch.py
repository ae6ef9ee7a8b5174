"""From one epoch's conduct to the next epoch's table (L120–L149)."""

from dataclasses import replace

from noded.crypto.hashing import tagged_hash
from noded.ledger.context import BlockContext
from noded.ledger.head import Head, table_key
from noded.ledger.state import Overlay
from noded.types.block import Block, BlockKind
from noded.types.genesis import Genesis
from noded.types.ids import BlockHash, Epoch, Height
from noded.types.validator_set import Validator, ValidatorTable

SEED_DOMAIN = "noded/seed/1"


def empty_counters(validators: int) -> bytes:
    """Counters of so many validators, all zero."""
    return bytes(4 * validators)


def founding_table(genesis: Genesis) -> ValidatorTable:
    """The table of epoch 1."""
    keys = {institution.id: institution.consensus_key for institution in genesis.institutions}
    return ValidatorTable(
        epoch=Epoch(1),
        seed=tagged_hash(SEED_DOMAIN, genesis.chain_id),
        round_robin=not genesis.parameters.reputation,
        validators=tuple(
            Validator(
                id=each.id,
                public_key=keys[each.id],
                power=each.power,
                raw_power=each.power,
                share=each.power,
                reputation=500_000,
                debt=0,
            )
            for each in genesis.validators
        ),
    )


def start_head(parent: Head, context: BlockContext) -> Head:
    """The head with which a block's counting starts: its parent's, or a new epoch's."""
    if not parent.terminal:
        return parent
    count = len(context.validators)
    return replace(
        parent,
        epoch=context.epoch,
        terminal=False,
        first_height=Height(parent.height + 1),
        last_height=Height(parent.height + context.params.epoch_length),
        opportunities=0,
        points=empty_counters(count),
        proposed=empty_counters(count),
        failed=empty_counters(count),
        recent=(),
    )


def count_block(state: Overlay, head: Head, block: Block, context: BlockContext) -> Head:
    """The head after a block, with what its body says about the validators."""
    header = block.header
    return replace(
        head,
        height=header.height,
        block=block.hash,
        time_ms=header.time_ms,
        terminal=header.kind is BlockKind.TERMINAL,
    )


def compute_next_table(state: Overlay, table: ValidatorTable, genesis_block: BlockHash) -> ValidatorTable:
    """The table of the epoch after `table`'s, from the state after the terminal block's parent."""
    epoch = Epoch(table.epoch + 1)
    seed = tagged_hash(SEED_DOMAIN, genesis_block, epoch.to_bytes(8))
    return replace(table, epoch=epoch, seed=seed)


def enter_epoch(state: Overlay, table: ValidatorTable, context: BlockContext) -> None:
    """Write the next epoch's table, and forget the one that evidence can no longer name."""
    state.write(table_key(table.epoch), table)
    oldest = table.epoch - context.params.evidence_epochs - 1
    if oldest >= 1:
        state.delete(table_key(Epoch(oldest)))
