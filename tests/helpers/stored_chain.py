"""A chain in a real store, made by hand, of which every block has a finalization with real votes."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from noded.crypto.signing import public_key_of, sign
from noded.ledger.commit import CommittedBlock
from noded.ledger.genesis import found
from noded.ledger.ledger import Ledger
from noded.ledger.modules.audit import get_last_anchor
from noded.ops.rows import StoreBase, commit_batch
from noded.storage.sqlite import SqliteStore
from noded.types.batch import SealedBatch
from noded.types.block import Block, BlockHeader, header_hash
from noded.types.genesis import Genesis
from noded.types.ids import PublicKey, Signature, TimestampMs, make_bitmap
from noded.types.operations.audit import AuditAnchor
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate, VoteKind, vote_signing_bytes
from tests.helpers.ledger import START_MS, TestChain, account, member_id
from tests.helpers.proofs import voter_seed, voting_genesis

EPOCH_LENGTH = 6

BLOCKS = 2 * EPOCH_LENGTH + 3
"""Of a chain that is in its third epoch."""


def short_epochs(members: int = 4) -> Genesis:
    """Founders whose keys are known, and epochs of which a short chain has several."""
    return voting_genesis(members, epoch_length=EPOCH_LENGTH)


def known_voters(members: int = 4) -> dict[PublicKey, bytes]:
    """The seeds behind the consensus keys of `short_epochs`."""
    seeds = [voter_seed(number) for number in range(1, members + 1)]
    return {PublicKey(public_key_of(seed)): seed for seed in seeds}


class StoredChain(TestChain):
    """As `TestChain`, over a store's file; a store that has blocks already is gone on with."""

    __test__ = False

    def __init__(
        self, path: Path, genesis: Genesis | None = None, voters: Mapping[PublicKey, bytes] | None = None
    ) -> None:
        self.genesis = genesis or short_epochs()
        self.path = path
        self.store = SqliteStore(path)
        if self.store.tip() is None:
            self.store.commit(commit_batch([found(self.genesis)]))
        self._base = StoreBase(self.store)
        self.ledger = Ledger(self.genesis, self._base)
        self.committed = []
        self._voters = known_voters() if voters is None else voters
        self._sequences = {}
        self._batches = 0
        last = get_last_anchor(self.state, member_id(1))
        self._anchors = 0 if last is None else last.sequence

    def close(self) -> None:
        self.store.close()

    def append(
        self, block: Block, batches: Sequence[SealedBatch] = (), *, fold: bool = True
    ) -> CommittedBlock:
        """Execute, finalise and store a block."""
        assert fold, "a store has what was committed"
        finalization = self.finalization(block.header, self.ledger.validators_after(block.header.parent_hash))
        self.ledger.execute(block, batches)
        committed = self.ledger.commit(block, (), finalization)
        self.store.commit(commit_batch([committed]))
        self._base.fold(committed)
        self.ledger.folded(block.header.height)
        self.store.checkpoint()
        return committed

    def grow(self, blocks: int, *, per_block: int = 1) -> None:
        """Append blocks with anchors of an audit log: keys that are written again and again."""
        for _ in range(blocks):
            first = self._anchors
            self._anchors += per_block
            self.run(
                *(
                    self.transaction(
                        AuditAnchor(
                            sequence=number + 1, entries=0, root=None, until_ms=TimestampMs(START_MS + number)
                        ),
                        sender=account(1),
                    )
                    for number in range(first, self._anchors)
                )
            )

    def finalization(self, header: BlockHeader, validators: ValidatorSet) -> Certificate:
        """All voters' votes for a block of their epoch."""
        name = header_hash(header)
        signed = vote_signing_bytes(self.genesis.chain_id, VoteKind.FINALIZE, header.epoch, header.view, name)
        keys = [validator.public_key for validator in validators.table.validators]
        return Certificate(
            kind=VoteKind.FINALIZE,
            epoch=header.epoch,
            view=header.view,
            block_hash=name,
            bitmap=make_bitmap(list(range(len(keys))), len(keys)),
            signatures=tuple(Signature(sign(self._voters[key], signed)) for key in keys),
        )


def make_store(path: Path, blocks: int, *, genesis: Genesis | None = None, per_block: int = 1) -> Genesis:
    """A store with so many blocks after genesis; closed."""
    with closing(StoredChain(path, genesis)) as chain:
        chain.grow(blocks, per_block=per_block)
        return chain.genesis
