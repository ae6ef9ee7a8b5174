"""
One institution's node, without I/O: consensus, batches, block sync and ledger behind one `step`.

Consensus asks (BuildPayload, CheckPayload, Commit, EnterEpoch); this module answers from the batches at hand and the
ledger, at once where it can and later where a batch is missing. Everything else that consensus wants is passed on to
the driver.
"""

from collections import deque
from collections.abc import Sequence
from typing import assert_never

from noded.blocksync import CheckedRange
from noded.consensus import effects as wanted
from noded.consensus import inputs as told
from noded.consensus.core import ConsensusCore
from noded.errors import InvalidMessage
from noded.ledger.commit import CommittedBlock
from noded.ledger.ledger import Ledger
from noded.mempool.pool import PREFIX_BYTES
from noded.node.batches import BatchDesk
from noded.node.chain import Chain, StateDiffers
from noded.node.effects import CommitBlocks, Effect, Halt, MembersChanged, SendBlocks
from noded.node.evidence import EvidenceDesk
from noded.node.following import SyncDesk
from noded.node.inputs import (
    Committed,
    Input,
    MessageReceived,
    PeerDown,
    PeerUp,
    TimerFired,
    TimerKind,
    TransactionsSubmitted,
    Verified,
)
from noded.node.outbox import Outbox
from noded.node.own_votes import OwnVotes
from noded.node.parameters import consensus_params, payload_limits
from noded.node.payload import holders_of
from noded.node.proposals import ProposalDesk
from noded.node.settings import STATUS_INTERVAL_MS
from noded.types.block import Block
from noded.types.ids import Epoch, InstitutionId, PeerId, TimestampMs, View
from noded.types.messages import (
    BatchesAcknowledged,
    BatchesAnnounced,
    BatchPushed,
    BlockRange,
    ChainStatus,
    GetBatches,
    GetBlocks,
    TransactionsForwarded,
    Votes,
)
from noded.types.records import BatchRecord, BlockRecord, ProposalRecord, Record, VoteRecord
from noded.types.validator_set import ValidatorSet
from noded.types.vote import VoteKind


class Node:
    """See the module; made by `noded.node.start`."""

    def __init__(
        self,
        *,
        me: InstitutionId,
        core: ConsensusCore,
        ledger: Ledger,
        chain: Chain,
        batches: BatchDesk,
        proposals: ProposalDesk,
        evidence: EvidenceDesk,
        sync: SyncDesk,
        outbox: Outbox,
        told: deque[told.Input],
        validators: ValidatorSet,
    ) -> None:
        self.me = me
        self.core = core
        self.ledger = ledger
        self.chain = chain
        self.batches = batches
        self.validators = validators
        self._proposals = proposals
        self._evidence = evidence
        self._sync = sync
        self._out = outbox
        self._told = told
        """What consensus is to hear next."""
        self._entering: wanted.EnterEpoch | None = None
        self._work_known = False
        self._halted: str | None = None
        self._is_astray = False
        """Whether the state differs from what is final: then nothing more is committed (A1)."""
        self._own_votes = OwnVotes()
        self._ahead: Block | None = None
        """The newest block that may be voted for: its children need its state."""
        self._followed_epoch: Epoch | None = None
        self._followed_view: View | None = None

    @property
    def is_syncing(self) -> bool:
        """Whether blocks are being fetched that others have."""
        return self._sync.is_syncing

    @property
    def halted(self) -> str | None:
        """Why this node does not vote any more; None while it does."""
        return self._halted

    def restore(
        self, records: Sequence[Record], tip: told.ChainAdvanced | None, now_ms: TimestampMs
    ) -> list[Effect]:
        """
        Take over what the log says, and what block sync once committed past it; before `start`.

        Raises:
            StateDiffers: The log's final blocks contradict the store.
        """
        previous = self.ledger.validators_of(Epoch(self.validators.epoch - 1))
        if previous is not None:
            self.batches.enter_epoch(previous)  # Its batches may still be named.
        self.batches.enter_epoch(self.validators)
        self._own_votes.restore(records)
        for effect in self.core.restore(list(records), now_ms):
            self._perform(effect, now_ms)
        if tip is not None:
            self._told.append(tip)
        return self._out.take()

    def share_key(self) -> None:
        """Somebody signs past this node on purpose, as byzantine nodes in simulations do: without A3 and A4 then."""
        self._own_votes.is_watching = False
        self._begin_voting()

    def know_tip(self) -> None:
        """The driver vouches that no peer is further than this node, so it need not look (A4)."""
        self._begin_voting()

    def distrust(self, reason: str) -> None:
        """Do not vote, as the stored state contradicts the chain (A1); between `restore` and `start`."""
        self._halt(reason)

    def start(self, now_ms: TimestampMs) -> list[Effect]:
        """Begin, after `restore`; to be called once, before the first step."""
        self._out.wake(TimerKind.SYNC, STATUS_INTERVAL_MS)
        self._follow_view()
        for effect in self.core.start(now_ms):
            self._perform(effect, now_ms)
        self._look_out()
        self._settle(now_ms)
        return self._out.take()

    def step(self, event: Input, now_ms: TimestampMs) -> list[Effect]:
        """
        Apply one input and return what to do about it.

        Args:
            event: What happened; a peer's message may say anything.
            now_ms: The driver's clock.

        Returns:
            Effects, to be performed in this order; what Persist names is durable before a later Send or Answer.
        """
        match event:
            case MessageReceived():
                try:
                    self._on_message(event, now_ms)
                except InvalidMessage as error:
                    self._out.penalize(event.peer, error)
            case Verified():
                if event.token & 1:
                    self._out.verified(event.token, event.results)
                else:
                    self._told.append(event)
            case TimerFired():
                if event.timer.epoch:  # Timers of consensus name its epoch, those of the node itself none.
                    self._told.append(event)
                else:
                    self._on_timer(event.timer.kind, now_ms)
            case TransactionsSubmitted(token, transactions):
                self.batches.submit(token, transactions, now_ms)
            case Committed(height):
                self.ledger.folded(height)
            case PeerUp(peer):
                self._sync.peer_up(peer, now_ms)
                self.batches.peer_up(peer)
                self._told.append(event)
            case PeerDown(peer):
                self._sync.peer_down(peer)
                self.batches.peer_down(peer)
                self._told.append(event)
            case _:
                assert_never(event)
        self._settle(now_ms)
        return self._out.take()

    @property
    def has_work_ahead(self) -> bool:
        """Whether `work_ahead` would spare a later step anything."""
        return self._ahead is not None

    def work_ahead(self) -> None:
        """
        Execute the newest block now, not when a child of it is to be built or judged.

        For a driver that has no input: the votes on the block are on their way meanwhile. Nobody sees that it was done.
        """
        block, self._ahead = self._ahead, None
        if block is None or self._is_astray or self.chain.is_waiting():
            return
        parent = block.header.parent_hash
        if self.ledger.is_executed(parent) and self.ledger.epoch_after(parent) == block.header.epoch:
            self.chain.execute(block)

    def live_records(self) -> list[Record]:
        """All that a restart needs of what was persisted, once every CommitBlocks so far is durable."""
        return [*self.core.live_records(), *(BatchRecord(encoding=each) for each in self.batches.pool.live())]

    def check(self) -> None:
        """Costly invariants, for simulations and tests."""
        self.core.check()
        assert not self._told
        assert self.chain.height == self.chain.tip.header.height

    # Inputs

    def _on_message(self, event: MessageReceived, now_ms: TimestampMs) -> None:
        peer, message = event.peer, event.message
        match message:
            case Votes():
                if message.held:
                    self._on_acknowledged(peer, message.held, now_ms)
                self._told.append(told.MessageReceived(peer, message))
            case BatchPushed():
                self.batches.on_pushed(peer, message, now_ms)
            case BatchesAcknowledged():
                self._on_acknowledged(peer, tuple(name[:PREFIX_BYTES] for name in message.hashes), now_ms)
            case BatchesAnnounced():
                self.batches.on_announced(peer, message, now_ms)
            case GetBatches():
                self.batches.on_asked(peer, message)
            case TransactionsForwarded():
                self.batches.on_forwarded(message, now_ms)
            case ChainStatus():
                self._sync.on_status(peer, message, self.validators, now_ms)
                self._look_out()
            case GetBlocks():
                last = min(message.last, self.chain.height)
                self._out.put(SendBlocks(peer, message.first, type(message.last)(last)))
            case BlockRange():
                self._on_range(peer, message, now_ms)
            case _:
                self._told.append(told.MessageReceived(peer, message))

    def _on_timer(self, kind: TimerKind, now_ms: TimestampMs) -> None:
        match kind:
            case TimerKind.BATCH:
                self.batches.seal_due(now_ms)
            case TimerKind.FETCH:
                self.batches.on_fetch_timer(now_ms)
            case TimerKind.BUILD:
                self._proposals.on_timer(now_ms)
            case TimerKind.SYNC:
                self._out.wake(TimerKind.SYNC, STATUS_INTERVAL_MS)
                self.batches.expire(now_ms)
                self.batches.announce_again(now_ms)
                self._resume(now_ms)  # So that what blocks still need is still looked for.
                self._sync.on_timer(self.validators, now_ms)
            case _:
                raise AssertionError(f"the node starts no timer {kind.name}")

    def _on_acknowledged(self, peer: PeerId, prefixes: tuple[bytes, ...], now_ms: TimestampMs) -> None:
        self.batches.on_acknowledged(peer, prefixes)
        self._proposals.on_acknowledged(now_ms)

    def _look_out(self) -> None:
        """A4: sign from now on, if this node has all that it must have before."""
        if self._sync.is_looking and self._sync.knows_enough(self.validators):
            self._begin_voting()

    def _begin_voting(self) -> None:
        if self._sync.is_looking:
            self._sync.stop_looking()
            self._told.append(told.VotingBegins())

    # Consensus

    def _settle(self, now_ms: TimestampMs) -> None:
        """Let consensus and the rest tell each other until neither has anything new."""
        batches, waiting = self.batches, self._told
        while True:
            if batches.newly_held:
                batches.newly_held.clear()
                self._resume(now_ms)
            pending = batches.pool.has_unordered() or self._evidence.is_pending()
            if pending is not self._work_known:
                self._work_known = pending
                waiting.append(told.WorkChanged(pending))
            if not waiting:
                return
            for effect in self.core.step(waiting.popleft(), now_ms):
                self._perform(effect, now_ms)
            self._follow_view()

    def _follow_view(self) -> None:
        view, validators = self.core.view, self.validators
        if view != self._followed_view or validators.epoch != self._followed_epoch:
            self._followed_epoch, self._followed_view = validators.epoch, view
            proposers = (validators.proposer(view), validators.proposer(View(view + 1)))
            self.batches.follow_view(tuple(dict.fromkeys(proposers)))

    def _perform(self, effect: wanted.Effect, now_ms: TimestampMs) -> None:
        match effect:
            case wanted.Persist():
                self._on_record(effect.record)
                self._out.put(effect)
            case wanted.Send():
                if type(effect.message) is Votes:
                    self._send_votes(effect.peers, effect.message)
                else:
                    self._out.put(effect)
            case wanted.StartTimer() | wanted.Verify() | wanted.PenalizePeer():
                self._out.put(effect)
            case wanted.BuildPayload():
                self._proposals.build(effect, now_ms)
            case wanted.CheckPayload():
                self._proposals.check(effect, now_ms)
            case wanted.Commit(blocks, seals, finalization):
                if not self._is_astray:
                    self.chain.finalize(blocks, seals, finalization)
                    self._advance(now_ms)
            case wanted.EnterEpoch():
                self._entering = effect
                self._try_enter()
            case wanted.Report(evidence):
                self._evidence.add(evidence)
            case wanted.SyncNeeded(peer, _):
                self._sync.want(peer, now_ms)
            case wanted.SafetyBroken(committed, finalization):
                other = finalization.block_hash
                assert other is not None
                self._go_astray(
                    f"blocks {committed.hex()} and {other.hex()} are both final: too many are faulty"
                )
            case _:
                assert_never(effect)

    def _on_record(self, record: Record) -> None:
        if type(record) is VoteRecord:
            self._own_votes.sign(record.vote)
        elif type(record) is BlockRecord:
            self._ahead = record.block
        elif type(record) is ProposalRecord:
            self._ahead = record.proposal.block

    def _send_votes(self, peers: tuple[PeerId, ...], votes: Votes) -> None:
        if VoteKind.NOTARIZE in [vote.kind for vote in votes.votes]:
            held = self.batches.held_prefixes()
            if held:
                votes = Votes(votes=votes.votes, certificates=votes.certificates, held=held)
        self._out.send(peers, votes)

    # The finalised chain

    def _advance(self, now_ms: TimestampMs) -> None:
        """Commit what is final and complete."""
        if self._is_astray:
            return
        try:
            committed = self.chain.advance()
        except StateDiffers as error:
            self._go_astray(str(error))
            return
        self._committed(committed)
        for block, missing in self.chain.missing():
            self.batches.fetch(missing, holders_of(block, self.batches.connected, self.me), now_ms)

    def _committed(self, committed: list[CommittedBlock]) -> None:
        if not committed:
            return
        self._out.put(CommitBlocks(tuple(committed)))
        for one in committed:
            self._evidence.committed(one.block.body.evidence)
            self._watch_key(one.block)
        self._look_out()
        if any(one.members_changed for one in committed):
            self._out.put(MembersChanged())
        self._try_enter()

    def _try_enter(self) -> None:
        """Answer EnterEpoch once the epoch's terminal block is committed."""
        entering = self._entering
        if entering is None or self.chain.tip.hash != entering.terminal.hash:
            return
        self._entering = None
        validators = self.ledger.validators_after(self.chain.tip.hash)
        if validators.root != entering.terminal.header.next_epoch_root:
            self._go_astray(f"the table of epoch {validators.epoch} is not what a quorum finalised")
            return
        self.validators = validators
        self.batches.enter_epoch(validators)
        parameters = self.ledger.parameters_after(self.chain.tip.hash)
        self._proposals.enter_epoch(validators, payload_limits(parameters))
        self._told.append(told.EpochReady(validators, entering.terminal, consensus_params(parameters)))

    def _resume(self, now_ms: TimestampMs) -> None:
        """New batches or blocks are at hand: go on with whatever waits for one."""
        if self.chain.is_waiting():
            self._advance(now_ms)
        self._proposals.go_on(now_ms)

    def _watch_key(self, block: Block) -> None:
        """A3: stop voting where another process votes with this node's key."""
        index = self.validators.index_by_id.get(self.me)
        if index is None or self.validators.epoch != block.header.epoch:
            return
        leaf = self._own_votes.foreign_in(block, index)
        if leaf is not None and self.core.is_entitled and self._halted is None:
            self._halt(
                f"this node's key voted in view {leaf.view} of epoch {block.header.epoch}, and this node did not:"
                " another process uses the key, perhaps in a copy of the home; stop it, then start this node again"
            )

    def _go_astray(self, reason: str) -> None:
        self._is_astray = True
        self._halt(reason)

    def _halt(self, reason: str) -> None:
        self._halted = reason
        self._proposals.stop()
        self._told.append(told.VotingStopped())
        self._out.put(Halt(reason))

    # Block sync

    def _on_range(self, peer: PeerId, message: BlockRange, now_ms: TimestampMs) -> None:
        checked = self._sync.on_range(peer, message, self.validators)
        if checked is not None:
            self._out.verify(
                checked.checks, lambda results: self._on_range_verified(checked, results, now_ms)
            )
        else:
            self._sync.ask(now_ms)

    def _on_range_verified(
        self, checked: CheckedRange, results: tuple[bool, ...], now_ms: TimestampMs
    ) -> None:
        if not all(results):
            self._sync.distrust(checked.peer)
        elif not self._is_astray:
            try:
                committed = self.chain.append(checked.blocks, checked.tail, checked.finalization)
            except StateDiffers as error:
                self._go_astray(str(error))
                return
            if committed:
                self._committed(committed)
                self._told.append(told.ChainAdvanced(self.chain.tip, checked.tail, checked.finalization))
                self._resume(now_ms)
        self._sync.ask(now_ms)
