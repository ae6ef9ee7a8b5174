"""The finalised chain: blocks are committed once they are final and complete, and epochs entered (A1, A2, S3)."""

from collections import deque

from noded.blocksync import CheckedRange
from noded.consensus.effects import Commit, EnterEpoch, SafetyBroken
from noded.consensus.inputs import ChainAdvanced, EpochReady, Input
from noded.ledger.commit import CommittedBlock
from noded.ledger.ledger import Ledger
from noded.node.batches import BatchDesk
from noded.node.chain import Chain, StateDiffers
from noded.node.effects import CommitBlocks, MembersChanged
from noded.node.evidence import EvidenceDesk
from noded.node.following import SyncDesk
from noded.node.outbox import Outbox
from noded.node.parameters import consensus_params, payload_limits
from noded.node.payload import holders_of
from noded.node.proposals import ProposalDesk
from noded.node.voting_right import VotingRight
from noded.types.ids import InstitutionId, PeerId, TimestampMs
from noded.types.messages import BlockRange
from noded.types.validator_set import ValidatorSet


class CommitDesk:
    """Commits what consensus finalises and what block sync brings, and tells everybody concerned."""

    def __init__(
        self,
        *,
        me: InstitutionId,
        ledger: Ledger,
        chain: Chain,
        batches: BatchDesk,
        proposals: ProposalDesk,
        evidence: EvidenceDesk,
        sync: SyncDesk,
        right: VotingRight,
        outbox: Outbox,
        told: deque[Input],
        validators: ValidatorSet,
    ) -> None:
        self.validators = validators
        """Of the epoch that this node is in."""
        self.is_astray = False
        """Whether the state differs from what is final: then nothing more is committed (A1)."""
        self._me = me
        self._ledger = ledger
        self._chain = chain
        self._batches = batches
        self._proposals = proposals
        self._evidence = evidence
        self._sync = sync
        self._right = right
        self._outbox = outbox
        self._told = told
        self._entering: EnterEpoch | None = None

    def commit(self, wanted: Commit, now_ms: TimestampMs) -> None:
        """Consensus finalised blocks."""
        if not self.is_astray:
            self._chain.finalize(wanted.blocks, wanted.seals, wanted.finalization)
            self._advance(now_ms)

    def enter(self, wanted: EnterEpoch) -> None:
        """Consensus wants to enter an epoch: it is answered once the epoch's terminal block is committed."""
        self._entering = wanted
        self._try_enter()

    def resume(self, now_ms: TimestampMs) -> None:
        """New batches or blocks are at hand: go on with whatever waits for one."""
        if self._chain.is_waiting():
            self._advance(now_ms)
        self._proposals.go_on(now_ms)

    def on_safety_broken(self, broken: SafetyBroken) -> None:
        """A1: consensus knows of two final blocks that exclude each other."""
        other = broken.finalization.block_hash
        assert other is not None
        self._go_astray(
            f"blocks {broken.committed.hex()} and {other.hex()} are both final: too many are faulty"
        )

    def on_range(self, peer: PeerId, message: BlockRange, now_ms: TimestampMs) -> None:
        """S1: take over a range of final blocks once its signatures are verified. Raises `InvalidMessage`."""
        checked = self._sync.on_range(peer, message, self.validators)
        if checked is not None:
            self._outbox.verify(
                checked.checks, lambda results: self._on_range_verified(checked, results, now_ms)
            )
        else:
            self._sync.ask(now_ms)

    def _on_range_verified(
        self, checked: CheckedRange, results: tuple[bool, ...], now_ms: TimestampMs
    ) -> None:
        if not all(results):
            self._sync.distrust(checked.peer)
        elif not self.is_astray:
            try:
                committed = self._chain.append(checked.blocks, checked.tail, checked.finalization)
            except StateDiffers as error:
                self._go_astray(str(error))
                return
            if committed:
                self._committed(committed)
                self._told.append(ChainAdvanced(self._chain.tip, checked.tail, checked.finalization))
                self.resume(now_ms)
        self._sync.ask(now_ms)

    def _advance(self, now_ms: TimestampMs) -> None:
        """Commit what is final and complete."""
        if self.is_astray:
            return
        try:
            committed = self._chain.advance()
        except StateDiffers as error:
            self._go_astray(str(error))
            return
        self._committed(committed)
        for block, missing in self._chain.missing():
            self._batches.fetch(missing, holders_of(block, self._batches.connected, self._me), now_ms)

    def _committed(self, committed: list[CommittedBlock]) -> None:
        if not committed:
            return
        self._outbox.put(CommitBlocks(tuple(committed)))
        for one in committed:
            self._evidence.committed(one.block.body.evidence)
            self._right.watch_key(one.block, self.validators)
        self._right.look_out(self.validators)
        if any(one.members_changed for one in committed):
            self._outbox.put(MembersChanged())
        self._try_enter()

    def _try_enter(self) -> None:
        entering = self._entering
        if entering is None or self._chain.tip.hash != entering.terminal.hash:
            return
        self._entering = None
        validators = self._ledger.validators_after(self._chain.tip.hash)
        if validators.root != entering.terminal.header.next_epoch_root:
            self._go_astray(f"the table of epoch {validators.epoch} is not what a quorum finalised")
            return
        self.validators = validators
        parameters = self._ledger.parameters_after(self._chain.tip.hash)
        self._batches.enter_epoch(validators, parameters)
        self._evidence.enter_epoch(validators.epoch, self._ledger)
        self._proposals.enter_epoch(validators, payload_limits(parameters))
        self._told.append(EpochReady(validators, entering.terminal, consensus_params(parameters)))

    def _go_astray(self, reason: str) -> None:
        self.is_astray = True
        self._right.lose(reason)
