"""
One institution's node, without I/O: consensus, batches, block sync and ledger behind one `step`.

What consensus asks (BuildPayload, CheckPayload, Commit, EnterEpoch) is answered from the batches at hand and the ledger,
at once where that is possible and later where a batch is missing. Everything else that it wants is passed on to the
driver.
"""

from collections import deque
from collections.abc import Sequence
from typing import assert_never

from noded.consensus import effects as wanted
from noded.consensus import inputs as told
from noded.consensus.core import ConsensusCore
from noded.errors import InvalidMessage
from noded.ledger.ledger import Ledger
from noded.mempool.pool import PREFIX_BYTES
from noded.node.batches import BatchDesk
from noded.node.chain import Chain
from noded.node.committing import CommitDesk
from noded.node.effects import Effect, SendBlocks
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
from noded.node.proposals import ProposalDesk
from noded.node.settings import STATUS_INTERVAL_MS
from noded.node.voting_right import VotingRight
from noded.types.block import Block
from noded.types.ids import Epoch, Height, InstitutionId, PeerId, TimestampMs, View
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
    """See the module; made by `noded.node.starting.start_node`."""

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
        commits: CommitDesk,
        right: VotingRight,
        outbox: Outbox,
        told: deque[told.Input],
    ) -> None:
        self.me = me
        self.core = core
        self.ledger = ledger
        self.chain = chain
        self.batches = batches
        self._proposals = proposals
        self._evidence = evidence
        self._sync = sync
        self._commits = commits
        self._right = right
        self._out = outbox
        self._told = told
        """What consensus is to hear next."""
        self._work_known = False
        self._ahead: Block | None = None
        """The newest block that may be voted for: its children need its state."""
        self._followed_epoch: Epoch | None = None
        self._followed_view: View | None = None

    @property
    def validators(self) -> ValidatorSet:
        """Of the epoch that this node is in."""
        return self._commits.validators

    @property
    def is_syncing(self) -> bool:
        """Whether blocks are being fetched that others have."""
        return self._sync.is_syncing(self.validators)

    @property
    def looked_to(self) -> Height | None:
        """How far this node was when it knew, after its start, how far the chain is; None until then (A4)."""
        return self._sync.looked_to

    @property
    def halted(self) -> str | None:
        """Why this node does not vote any more; None while it does."""
        return self._right.lost

    def restore(
        self, records: Sequence[Record], tip: told.ChainAdvanced | None, now_ms: TimestampMs
    ) -> list[Effect]:
        """
        Take over what the log says, and what block sync once committed past it; before `start`.

        Raises:
            StateDiffers: The log's final blocks contradict the store.
        """
        previous = self.ledger.validators_of(Epoch(self.validators.epoch - 1))
        parameters = self.ledger.parameters_after(self.chain.tip.hash)
        if previous is not None:
            self.batches.enter_epoch(previous, parameters)  # Its batches may still be named.
        self.batches.enter_epoch(self.validators, parameters)
        self._right.restore(records)
        for effect in self.core.restore(list(records), now_ms):
            self._perform(effect, now_ms)
        if tip is not None:
            self._told.append(tip)
        return self._out.take()

    def share_key(self) -> None:
        """Somebody signs past this node on purpose, as byzantine nodes in simulations do: without A3 and A4 then."""
        self._right.share_key()
        self._right.begin()

    def know_tip(self) -> None:
        """The driver vouches that no peer is further than this node, so it need not look (A4)."""
        self._right.begin()

    def distrust(self, reason: str) -> None:
        """Do not vote, as the stored state contradicts the chain (A1); between `restore` and `start`."""
        self._right.lose(reason)

    def start(self, now_ms: TimestampMs) -> list[Effect]:
        """Begin, after `restore`; to be called once, before the first step."""
        self._out.wake(TimerKind.SYNC, STATUS_INTERVAL_MS)
        self._follow_view()
        for effect in self.core.start(now_ms):
            self._perform(effect, now_ms)
        self._right.look_out(self.validators)
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
        if block is None or self._commits.is_astray or self.chain.is_waiting():
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
                self._right.look_out(self.validators)
            case GetBlocks():
                last = min(message.last, self.chain.height)
                self._out.put(SendBlocks(peer, message.first, type(message.last)(last)))
            case BlockRange():
                self._commits.on_range(peer, message, now_ms)
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
                self.batches.expire(now_ms, self.chain.tip.header.time_ms)
                self.batches.announce_again(now_ms)
                self._commits.resume(now_ms)  # So that what blocks still need is still looked for.
                self._sync.on_timer(self.validators, now_ms)
            case _:
                raise AssertionError(f"the node starts no timer {kind.name}")

    def _on_acknowledged(self, peer: PeerId, prefixes: tuple[bytes, ...], now_ms: TimestampMs) -> None:
        self.batches.on_acknowledged(peer, prefixes)
        self._proposals.on_acknowledged(now_ms)

    # Consensus

    def _settle(self, now_ms: TimestampMs) -> None:
        """Let consensus and the rest tell each other until neither has anything new."""
        batches, waiting = self.batches, self._told
        while True:
            if batches.newly_held:
                batches.newly_held.clear()
                self._commits.resume(now_ms)
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
        view, validators = self.core.view, self._commits.validators
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
            case wanted.Commit():
                self._commits.commit(effect, now_ms)
            case wanted.EnterEpoch():
                self._commits.enter(effect)
            case wanted.Report(evidence):
                self._evidence.add(evidence)
            case wanted.SyncNeeded(peer, _):
                self._sync.want(peer, now_ms)
            case wanted.SafetyBroken():
                self._commits.on_safety_broken(effect)
            case _:
                assert_never(effect)

    def _on_record(self, record: Record) -> None:
        if type(record) is VoteRecord:
            self._right.cast(record.vote)
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
