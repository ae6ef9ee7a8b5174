"""Whether the log goes on where the store ends, or the store is an older one that was put in its place."""

from collections.abc import Sequence

from noded.crypto.hashing import hasher
from noded.storage.store import Reader
from noded.types.batch import BATCH_DOMAIN
from noded.types.block import Block, header_hash
from noded.types.ids import Epoch
from noded.types.records import BatchRecord, BlockRecord, EpochRecord, ProposalRecord, Record

_batch_hash = hasher(BATCH_DOMAIN)


def is_joined(records: Sequence[Record], tip: Block, epoch: Epoch) -> bool:
    """
    Whether the log's blocks lead from the store's tip to the latest epoch that this node has entered.

    If not, the votes between the two are forgotten, and the node must not vote there (R21): a snapshot was restored
    or the store rolled back, or a crash came before synced blocks were stored.

    Args:
        records: Of the log.
        tip: The last block in the store.
        epoch: Of the tip's children.
    """
    entries = [record.entry for record in records if isinstance(record, EpochRecord)]
    latest = max(entries, key=lambda entry: entry.table.epoch, default=None)
    if latest is None or latest.table.epoch <= epoch:
        return True
    batches = {_batch_hash(record.encoding) for record in records if isinstance(record, BatchRecord)}
    blocks = {block.hash: block for block in map(_block_of, records) if block is not None}
    name = header_hash(latest.terminal)
    while name != tip.hash:
        block = blocks.get(name)
        if block is None or not batches.issuperset(block.body.payload):
            return False
        name = block.header.parent_hash
    return True


def without_ordered(records: Sequence[Record], reader: Reader) -> list[Record]:
    """The log without the batches that stored blocks name, which after a restart would wait to be named again (M3)."""
    return [
        record
        for record in records
        if not isinstance(record, BatchRecord)
        or (stored := reader.batch(_batch_hash(record.encoding))) is None
        or stored.height is None
    ]


def _block_of(record: Record) -> Block | None:
    if isinstance(record, BlockRecord):
        return record.block
    return record.proposal.block if isinstance(record, ProposalRecord) else None
