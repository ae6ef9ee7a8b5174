"""
The consensus core: one `step` takes what happened and returns what to do about it.

Theory of operation. `EpochState` holds what this node knows of the current epoch. A handler adds facts to it — votes
counted, certificates and proposals verified, blocks judged — and `settle` then does whatever follows from the facts:
commit, enter views, have blocks judged, vote, propose. Nothing of a peer is believed before its signatures were
judged, which the driver does between two steps (Verify, Verified). Rules R1–R21 stand in README.md.
"""

from typing import assert_never

from noded.consensus.acting import settle
from noded.consensus.checking import on_payload_checked
from noded.consensus.checks import CheckQueue
from noded.consensus.conditions import check_state
from noded.consensus.crossing import note_entry, on_chain_advanced
from noded.consensus.effects import Effect, PenalizePeer
from noded.consensus.fetching import on_fetch_timer
from noded.consensus.finalizing import finalize
from noded.consensus.hearing import on_message
from noded.consensus.inputs import (
    ChainAdvanced,
    EpochReady,
    Input,
    MessageReceived,
    PayloadBuilt,
    PayloadChecked,
    PeerDown,
    PeerUp,
    Timer,
    TimerFired,
    TimerKind,
    Verified,
    VotingBegins,
    VotingStopped,
    WorkChanged,
)
from noded.consensus.params import CLOCKS_APART, ConsensusParams
from noded.consensus.proposing import on_payload_built, on_propose_timer
from noded.consensus.relaying import on_peer_up, on_relay_timer
from noded.consensus.restoring import later_records, live_records, load
from noded.consensus.rules import EpochFacts
from noded.consensus.signer import Signer, Silence, takes_part
from noded.consensus.state import EpochState
from noded.consensus.views import on_retry_timer, on_view_timer, rush
from noded.consensus.voting import on_alone_timer, on_early_timer, on_finality_timer, resume
from noded.errors import InvalidMessage
from noded.types.block import Block, BlockHeader
from noded.types.ids import BlockHash, ChainId, Epoch, Height, TimestampMs, ValidatorId, View
from noded.types.records import Record
from noded.types.validator_set import ValidatorSet


class ConsensusCore:
    """Reputation-weighted Simplex for one node; pure, and never waits."""

    def __init__(
        self,
        *,
        chain_id: ChainId,
        me: ValidatorId,
        signer: Signer,
        params: ConsensusParams,
        validators: ValidatorSet,
        genesis_block: Block,
        is_log_lost: bool = False,
        is_waiting: bool = False,
    ) -> None:
        """
        Be in the epoch of `validators`, which begins on `genesis_block`; `restore` or `start` comes next.

        Args:
            chain_id: Inside everything that is signed.
            me: This node's institution; it need not be a validator.
            signer: Holds the consensus key.
            params: Of the network.
            validators: Of the epoch of the last committed block, or of the next one if that block is terminal.
            genesis_block: The terminal block of the epoch before; at the start of the chain, the chain's own.
            is_log_lost: Whether this key may have voted before, with a log that is gone (R21).
            is_waiting: Whether nothing is signed before VotingBegins.
        """
        self._chain_id = chain_id
        self._me = me
        self._signer = signer
        self._params = params
        self._is_log_lost = is_log_lost
        self._is_waiting = is_waiting
        self._started_ms: TimestampMs | None = None
        self._is_stopped = False
        self._checks = CheckQueue()
        self._log: list[Record] = []
        """Of epochs that the log knows and this node is about to enter again."""
        self._state = self._make_state(validators, genesis_block)

    def _make_state(self, validators: ValidatorSet, genesis_block: Block) -> EpochState:
        return EpochState(
            chain_id=self._chain_id,
            me=self._me,
            signer=self._signer,
            params=self._params,
            validators=validators,
            genesis_block=genesis_block,
            checks=self._checks,
            may_vote=not self._is_waiting and self._may_vote(genesis_block.header),
        )

    def _may_vote(self, genesis: BlockHeader) -> bool:
        """R21: with a lost log, only in an epoch that began after this process did."""
        if self._is_stopped or not self._is_log_lost:
            return not self._is_stopped
        return (
            self._started_ms is not None
            and genesis.time_ms > self._started_ms + CLOCKS_APART * self._params.drift_ms
        )

    def restore(self, records: list[Record], now_ms: TimestampMs) -> list[Effect]:
        """
        Take over what the log says, oldest record first; before `start`, and at most once (R15).

        Returns:
            Commits of what the log says is final; some of it is stored already. Where the log goes on in the next
            epoch, EnterEpoch: what it says of that epoch is taken over with EpochReady.
        """
        assert self._started_ms is None
        state = self._state
        out = self._begin(now_ms)
        load(state, records)
        finalize(state)
        self._log = later_records(records, state.epoch)
        return out

    def start(self, now_ms: TimestampMs) -> list[Effect]:
        """Take part from now on: where the log left off, or in view 1."""
        assert self._started_ms is None
        self._started_ms = now_ms
        out = self._begin(now_ms)
        if not self._state.is_ended:
            resume(self._state)
        return self._finish(out)

    def step(self, event: Input, now_ms: TimestampMs) -> list[Effect]:
        """
        Apply one input and return what to do about it.

        Args:
            event: What happened.
            now_ms: The driver's clock; used for proposing, for N, and for the pace of answers.

        Returns:
            Effects, to be performed in this order; one fsync covers all Persists before any Send. What a peer did
            wrong is among them as PenalizePeer; an exception is a bug.
        """
        assert self._started_ms is not None
        state = self._state
        out: list[Effect] = []
        state.out = out
        state.now_ms = now_ms
        match event:
            case MessageReceived(peer, message):
                try:
                    on_message(state, peer, message)
                except InvalidMessage as error:
                    out.append(PenalizePeer(peer, type(error).__name__))
            case Verified(token, results):
                self._checks.verified(token, results)
            case TimerFired(timer):
                if timer.epoch == state.epoch:
                    _on_timer(state, timer)
            case PayloadChecked():
                on_payload_checked(state, event)
            case PayloadBuilt():
                on_payload_built(state, event)
            case WorkChanged(pending):
                state.is_working = pending
                rush(state)
                state.is_dirty = True
            case EpochReady(validators, genesis_block, params):
                self._params = params
                self._enter_epoch(validators, genesis_block)
            case ChainAdvanced():
                on_chain_advanced(state, event)
            case VotingBegins():
                self._is_waiting = False
                state.is_voter = self.is_entitled
                if not state.is_ended:
                    resume(state)
            case VotingStopped():
                self._is_stopped = True
                state.is_voter = False
            case PeerUp(peer):
                on_peer_up(state, peer)
            case PeerDown():
                pass  # Whoever was asked something and is gone is replaced when the request times out.
            case _:
                assert_never(event)
        if self._state.is_dirty:
            settle(self._state)
        self._checks.flush(out)
        return out

    def _begin(self, now_ms: TimestampMs) -> list[Effect]:
        state = self._state
        out = state.out = []
        state.now_ms = now_ms
        return out

    def _finish(self, out: list[Effect]) -> list[Effect]:
        if self._state.is_dirty:
            settle(self._state)
        self._checks.flush(out)
        return out

    def _enter_epoch(self, validators: ValidatorSet, genesis_block: Block) -> None:
        """R16: the terminal block is final and committed; votes of the epoch that is over are dropped."""
        old = self._state
        assert old.proof is not None
        assert validators.epoch == old.epoch + 1
        seals, finalization = old.proof
        self._checks.forget()
        new = self._state = self._make_state(validators, genesis_block)
        new.out, new.now_ms, new.is_working = old.out, old.now_ms, old.is_working
        new.previous = old.tree
        if self._log:
            load(new, self._log)
            self._log = later_records(self._log, new.epoch)
            finalize(new)
        note_entry(new, genesis_block, seals, finalization)
        if not new.is_ended:
            resume(new)
        for peer, message in old.next_epoch.take():
            try:
                on_message(new, peer, message)
            except InvalidMessage as error:
                new.out.append(PenalizePeer(peer, type(error).__name__))

    def live_records(self) -> list[Record]:
        """All that a restart needs of what was persisted; the log may be rewritten to it when Commits are durable."""
        return live_records(self._state)

    @property
    def facts(self) -> EpochFacts:
        """What never changes within the current epoch."""
        return self._state.facts

    @property
    def epoch(self) -> Epoch:
        """The epoch that this node is in."""
        return self._state.epoch

    @property
    def view(self) -> View:
        """The view that this node is in."""
        return self._state.view

    @property
    def stall(self) -> int:
        """Views given up since the last finalization."""
        return self._state.pace.stall

    @property
    def is_voter(self) -> bool:
        """Whether this node votes in this epoch."""
        return self._state.is_voter

    @property
    def is_entitled(self) -> bool:
        """Whether this node votes in this epoch, or will once it begins to."""
        state = self._state
        return takes_part(state.validators, state.me, state.signer) and self._may_vote(state.facts.genesis)

    @property
    def silence(self) -> Silence | None:
        """Why this node does not vote in this epoch; None while it does (R21)."""
        state = self._state
        if state.is_voter:
            return None
        if state.index < 0:
            return Silence.NOT_IN_TABLE
        if not takes_part(state.validators, state.me, state.signer):
            return Silence.NO_KEY
        if self._is_stopped:
            return Silence.STOPPED
        return Silence.WAITING if self._may_vote(state.facts.genesis) else Silence.LOG_LOST

    @property
    def final_view(self) -> View:
        """View of the last final block; 0 where that is the block on which the epoch begins."""
        return self._state.final_view

    @property
    def height(self) -> Height:
        """Of the last final block."""
        return self._state.tree.final.height

    @property
    def final_hash(self) -> BlockHash:
        """Of the last final block."""
        return self._state.tree.final.hash

    @property
    def certificates_count(self) -> int:
        """Certificates kept: of views above the last final one."""
        return self._state.certificates.count

    def missing(self) -> list[ValidatorId]:
        """The validators of whom no vote of the current view came, as far as this node gathers them."""
        state = self._state
        votes = state.votes.get(state.view)
        voted = () if votes is None else votes.first
        return [
            validator
            for index, validator in enumerate(state.validators.ids())
            if not any(index in first for first in voted)
        ]

    def check(self) -> None:
        """Assert what must always hold and is costly to look at; simulations call this."""
        check_state(self._state)


def _on_timer(state: EpochState, timer: Timer) -> None:
    """A timer of this epoch; each handler ignores a stale one."""
    view, token = timer.view, timer.token
    match timer.kind:
        case TimerKind.VIEW:
            on_view_timer(state, view, token)
        case TimerKind.RELAY if token:
            on_relay_timer(state, view, token)
        case TimerKind.RELAY:
            on_alone_timer(state)
        case TimerKind.RETRY if view:
            on_retry_timer(state, view, token)
        case TimerKind.RETRY:
            on_finality_timer(state, token)
        case TimerKind.PROPOSE:
            on_propose_timer(state, view, token)
        case TimerKind.EARLY:
            on_early_timer(state, view)
        case TimerKind.FETCH:
            on_fetch_timer(state)
        case _:
            pass  # A timer of the node's own.
