"""The ledger of one node: blocks executed on top of each other, of which one chain becomes final."""

from collections.abc import Iterable, MutableMapping, Sequence
from typing import Any

from noded.crypto.sparse_merkle import path_of
from noded.errors import ConfigError
from noded.ledger.admission import OpenBatch, open_batch, opened
from noded.ledger.base import StateBase
from noded.ledger.branches import Branches, Proven
from noded.ledger.commit import CommittedBlock, NamedBatch
from noded.ledger.epoch import NextEpoch, close_epoch
from noded.ledger.errors import NotCertifiedYet
from noded.ledger.execution import Execution, execute_block
from noded.ledger.genesis import found
from noded.ledger.head import CHAIN_KEY, HEAD_KEY, BlockAt, Chain, Head, block_key, table_key
from noded.ledger.members import MEMBERS_KEY
from noded.ledger.state import Overlay
from noded.ledger.tracing import conduct_in, recount
from noded.types.batch import SealedBatch
from noded.types.block import Block, BlockHeader, BlockKind
from noded.types.genesis import Genesis, NetworkParameters
from noded.types.ids import BatchHash, BlockHash, ChainId, Epoch, Height, StateRoot
from noded.types.transaction import SignedTransaction
from noded.types.validator_set import ValidatorSet, ValidatorTable
from noded.types.vote import Certificate

OPEN_BYTES_MAX = 4 * 1024 * 1024
"""Encodings of batches whose transactions are kept decoded until a block names them; objects take about 5 times that."""

CLOSINGS_MAX = 16
"""Ends of the epoch on top of rival parents that are kept."""


class OtherChain(ConfigError):
    """The store holds another chain than the genesis document founds."""


class Ledger:
    """
    Executes blocks on any branch above the last durable block, and commits those that become final.

    Every unfinalised block's changes are an immutable `Execution` on top of its parent's. `commit` makes one final
    and drops its rivals; it stays in memory until `folded` says that `base` has it.

    Args:
        genesis: The founding document.
        base: The durable state; at least that of the genesis block.
        memo: Executions and tables by what they are a function of; nodes of one simulation share one.

    Raises:
        OtherChain: `base` holds another chain.
    """

    def __init__(
        self, genesis: Genesis, base: StateBase, *, memo: MutableMapping[Any, Any] | None = None
    ) -> None:
        state = Overlay(lambda key: base.get(path_of(key)))
        chain = state.read(CHAIN_KEY, Chain)
        head = state.read(HEAD_KEY, Head)
        if chain is None or head is None or chain.chain_id != genesis.chain_id:
            raise OtherChain(
                f"the store holds another chain than genesis {genesis.name!r}; use the home folder that belongs to it"
            )
        self.chain_id: ChainId = genesis.chain_id
        self._final = head.block if head.height else found(genesis).block.hash
        self._final_height = head.height
        self._branches = Branches(base, self._final, head)
        self._memo = memo
        self._opened: dict[BatchHash, tuple[OpenBatch, int]] = {}
        """What was read of batches, with the bytes of their encodings."""
        self._opened_bytes = 0
        self._sets: dict[Epoch, ValidatorSet] = {}
        self._closings: dict[BlockHash, NextEpoch] = {}

    # What has been executed.

    @property
    def final_hash(self) -> BlockHash:
        """The last block committed; of genesis at first."""
        return self._final

    @property
    def final_height(self) -> Height:
        """The height of the last block committed."""
        return self._final_height

    def is_executed(self, block: BlockHash) -> bool:
        """Whether blocks may be executed on top of this one."""
        return block in self._branches

    def head(self, block: BlockHash) -> Head:
        """The head after an executed block; raises `UnknownParent` for any other."""
        return self._branches.head(block)

    def state_root_after(self, block: BlockHash) -> StateRoot:
        """The state root after an executed block; raises `UnknownParent` for any other."""
        return StateRoot(self._branches.root(block))

    def state_after(self, block: BlockHash) -> Overlay:
        """The state after an executed block, to read from; valid until the next `commit` or `folded`."""
        return self._branches.state(block)

    def latest(self) -> Overlay:
        """The state after the last committed block, to read from; valid until the next `commit` or `folded`."""
        return self.state_after(self._final)

    def block_hash_at(self, height: Height) -> BlockHash | None:
        """The committed block at a height; None above the last."""
        if height == self._final_height:
            return self._final
        found_at = self.latest().read(block_key(height), BlockAt)
        return None if found_at is None else found_at.hash

    def prove(self, key: bytes) -> Proven:
        """
        Prove what the last certified state has at a key: the one after the last committed block's parent (L12).

        Raises:
            NotCertifiedYet: It, or what its proof needs, has changed with the last committed block.
        """
        newest = self._branches.get(self._final)
        if newest is None:
            raise NotCertifiedYet(
                "nothing was committed since the start; the next block makes proofs possible"
            )
        return self._branches.prove(newest.block.header.parent_hash, (newest,), key)

    # Epochs.

    def epoch_after(self, parent: BlockHash) -> Epoch:
        """The epoch of an executed block's children."""
        head = self.head(parent)
        return Epoch(head.epoch + 1) if head.terminal else head.epoch

    def kind_after(self, parent: BlockHash) -> BlockKind:
        """Whether the children of an executed block end their epoch (L140); SEALs aside."""
        head = self.head(parent)
        ends = not head.terminal and head.height + 1 >= head.last_height
        return BlockKind.TERMINAL if ends else BlockKind.NORMAL

    def validators_of(self, epoch: Epoch) -> ValidatorSet | None:
        """The validators of a past epoch for which evidence is accepted, or of the present one (L143)."""
        return self._set(self._final, epoch) if self.latest().has(table_key(epoch)) else None

    def parameters_after(self, parent: BlockHash) -> NetworkParameters:
        """The network parameters that hold for an executed block's children."""
        chain = self.state_after(parent).read(CHAIN_KEY, Chain)
        assert chain is not None
        return chain.parameters

    def validators_after(self, parent: BlockHash) -> ValidatorSet:
        """The validators of the epoch of an executed block's children."""
        return self._set(parent, self.epoch_after(parent))

    def next_table(self, parent: BlockHash) -> ValidatorTable:
        """The table to which a TERMINAL block on top of this executed one commits."""
        return self._closed(parent).table

    def why_doubted(self, tip: BlockHeader, epoch_blocks: Iterable[Block]) -> str | None:
        """
        What of the last committed state contradicts the chain: the table that its header commits to, or the counters.

        Args:
            tip: Header of the last committed block.
            epoch_blocks: All of its epoch up to it; none where they are not at hand.
        """
        validators = self.validators_after(self._final)
        committed_to = tip.next_epoch_root if tip.kind is BlockKind.TERMINAL else tip.epoch_root
        if validators.root != committed_to:
            return f"the stored table of epoch {validators.epoch} is not the one that block {tip.height} commits to"
        if tip.kind is BlockKind.TERMINAL:
            return None
        counted, stored = recount(epoch_blocks, validators), self.head(self._final)
        if counted is None or conduct_in(counted) == conduct_in(stored):
            return None
        return f"the stored counters of epoch {validators.epoch} are not what its blocks say"

    # Executing and committing.

    def open_batch(
        self, batch: SealedBatch, transactions: tuple[SignedTransaction, ...] | None = None
    ) -> OpenBatch:
        """
        Read a batch, and keep what was read until a block that names it is executed.

        Args:
            batch: As it was sealed.
            transactions: In it, where they are known and their signatures are verified: by its author.

        Raises:
            Malformed: The batch is invalid.
        """
        known = self._opened.get(batch.hash)
        if known is not None:
            return known[0]
        new = open_batch(batch) if transactions is None else opened(transactions)
        size = len(batch.encoding)
        self._opened[batch.hash] = new, size
        self._opened_bytes += size
        while self._opened_bytes > OPEN_BYTES_MAX and len(self._opened) > 1:
            self._close_batch(next(iter(self._opened)))
        return new

    def execute(self, block: Block, batches: Sequence[SealedBatch]) -> Execution:
        """
        Execute a block on top of its executed parent; once, however often it is called.

        Args:
            block: NORMAL or TERMINAL, valid, of the epoch and height that follow its parent.
            batches: Those that it names, in that order, valid.

        Raises:
            UnknownParent: The parent was not executed, or was dropped.
        """
        known = self._branches.get(block.hash)
        if known is not None:
            return known
        header = block.header
        parent_root = self.state_root_after(header.parent_hash)
        execution: Execution | None = self._recall("execution", parent_root, block.hash)
        if execution is None:
            execution = self._execute(block, batches)
            self._remember(execution, "execution", parent_root, block.hash)
        for batch in batches:
            self._close_batch(batch.hash)
        self._branches.add(execution)
        return execution

    def commit(
        self,
        block: Block,
        tail: tuple[BlockHeader, ...] = (),
        finalization: Certificate | None = None,
    ) -> CommittedBlock:
        """
        Make an executed child of the last committed block final, and drop its rivals.

        Returns:
            What the store needs; once it is durable there, `folded` must be called.
        """
        execution = self._branches.get(block.hash)
        assert execution is not None, "blocks are executed, then committed"
        header = block.header
        assert header.parent_hash == self._final, "blocks are committed in order"
        self._final = block.hash
        self._final_height = header.height
        self._branches.drop_rivals(block.hash)
        return CommittedBlock(
            block=block,
            batches=execution.batches,
            tail=tail,
            finalization=finalization,
            state_root=execution.state_root,
            writes=execution.changes.writes,
            replaced=execution.changes.replaced,
            delta=execution.changes.delta,
            buckets=execution.changes.buckets,
            bucket_roots=execution.changes.bucket_roots,
            index=execution.index,
            entries=execution.entries,
            receipts=execution.receipts,
            events=execution.events,
            members_changed=execution.members_changed,
        )

    def folded(self, height: Height) -> None:
        """All blocks up to this committed one are in `base` now, whose tree has taken them over."""
        assert height <= self._final_height
        self._branches.fold(self._final, height)

    # Within.

    def _close_batch(self, batch: BatchHash) -> None:
        known = self._opened.pop(batch, None)
        if known is not None:
            self._opened_bytes -= known[1]

    def _execute(self, block: Block, batches: Sequence[SealedBatch]) -> Execution:
        header = block.header
        parent = header.parent_hash
        assert header.kind is not BlockKind.SEAL, "SEALs are no part of the ledger"
        assert header.height == self.head(parent).height + 1
        assert header.epoch == self.epoch_after(parent)
        branch = self._branches.down_from(parent)
        terminal = header.kind is BlockKind.TERMINAL
        state = self._branches.state_to_change(parent)
        head, receipts, events, entries = execute_block(
            state,
            block,
            [self.open_batch(batch) for batch in batches],
            self.validators_after(parent),
            self._closed(parent) if terminal else None,
        )
        changes = self._branches.changes(state, branch)
        self._branches.keep_at_hand(state, branch)
        return Execution(
            block=block,
            batches=tuple(NamedBatch(batch.hash, batch.encoding) for batch in batches),
            head=head,
            state_root=StateRoot(changes.delta.root),
            values=state.values(),
            changes=changes,
            index=tuple(state.index),
            entries=tuple(entries),
            receipts=tuple(receipts),
            events=tuple(events),
            members_changed=MEMBERS_KEY in {key[: len(MEMBERS_KEY)] for key in state.encodings},
        )

    def _closed(self, parent: BlockHash) -> NextEpoch:
        known = self._closings.get(parent)
        if known is None:
            root = self.state_root_after(parent)
            known = self._recall("closing", root)
            if known is None:
                known = close_epoch(self.state_after(parent), self.validators_after(parent).table)
                self._remember(known, "closing", root)
            if len(self._closings) >= CLOSINGS_MAX:
                self._closings.clear()
            self._closings[parent] = known
        return known

    def _set(self, block: BlockHash, epoch: Epoch) -> ValidatorSet:
        """The validators of an epoch whose table an executed block's state has."""
        known = self._sets.get(epoch)
        if known is None:
            root = self.state_root_after(block)
            known = self._recall("validators", root, epoch)
            if known is None:
                table = self.state_after(block).read(table_key(epoch), ValidatorTable)
                assert table is not None
                known = ValidatorSet(table)
                self._remember(known, "validators", root, epoch)
            if len(self._sets) >= 4:
                del self._sets[min(self._sets)]
            self._sets[epoch] = known
        return known

    def _recall(self, *key: object) -> Any:
        return None if self._memo is None else self._memo.get(key)

    def _remember(self, value: object, *key: object) -> None:
        if self._memo is not None:
            self._memo[key] = value
