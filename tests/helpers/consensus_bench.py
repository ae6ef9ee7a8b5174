"""One consensus core on a bench: what a test does not look at is answered as a correct node would."""

from collections.abc import Sequence
from typing import Any, TypeVar

from noded.consensus.core import ConsensusCore
from noded.consensus.effects import (
    BuildPayload,
    CheckPayload,
    Commit,
    Effect,
    EnterEpoch,
    PenalizePeer,
    Persist,
    Send,
    StartTimer,
    Verify,
    signatures_of,
)
from noded.consensus.inputs import (
    EpochReady,
    Input,
    MessageReceived,
    PayloadBuilt,
    PayloadChecked,
    Timer,
    TimerFired,
    TimerKind,
    Verified,
)
from noded.consensus.params import ConsensusParams
from noded.consensus.signer import Signer
from noded.types.block import Block, BlockKind
from noded.types.ids import BatchHash, TimestampMs, ValidatorId, View
from noded.types.messages import ConsensusMessage, Message, Proposal, Votes
from noded.types.records import Record, VoteRecord
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate, Vote, VoteKind
from tests.helpers.consensus_values import (
    CHAIN_ID,
    START_MS,
    TestSigner,
    equal_set,
    is_good,
    make_block,
    make_certificate,
    make_genesis,
    make_params,
    make_proposal,
    make_set,
    make_vote,
    state_root_after,
    validator_id,
)

M = TypeVar("M", bound=Message)

N, X, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE


class Bench:
    """
    A started core of validator `me`.

    Verify and, unless told otherwise, CheckPayload, BuildPayload and EnterEpoch are answered at once; what remains
    of the effects is returned.
    """

    def __init__(
        self,
        me: int = 0,
        *,
        n: int = 4,
        validators: ValidatorSet | None = None,
        params: ConsensusParams | None = None,
        records: Sequence[Record] = (),
        signer: Signer | None = None,
        is_log_lost: bool = False,
        is_waiting: bool = False,
        builds: bool = True,
        checks_payload: bool = True,
        enters: bool = True,
        payload: tuple[bytes, ...] = (),
    ) -> None:
        self.validators = equal_set(n) if validators is None else validators
        self.params = params or make_params()
        self.genesis = make_genesis(self.validators)
        self.me = validator_id(me)
        self.now_ms = int(START_MS)
        self.builds = builds
        self.checks_payload = checks_payload
        self.enters = enters
        self.payload = payload
        self.invalid: dict[bytes, str] = {}
        """Why the node finds a block's payload invalid, by hash."""
        self.asked: list[Effect] = []
        """All effects that were answered."""
        self.core = ConsensusCore(
            chain_id=CHAIN_ID,
            me=self.me,
            signer=signer or TestSigner(self.me),
            params=self.params,
            validators=self.validators,
            genesis_block=self.genesis,
            is_log_lost=is_log_lost,
            is_waiting=is_waiting,
        )
        self.restored = self.core.restore(list(records), TimestampMs(self.now_ms)) if records else []
        self.started = self._settle(self.core.start(TimestampMs(self.now_ms)))

    def feed(self, *events: Input) -> list[Effect]:
        """Apply inputs, and those that answer their effects."""
        effects: list[Effect] = []
        for event in events:
            effects += self._settle(self.core.step(event, TimestampMs(self.now_ms)))
        self.core.check()
        return effects

    def _settle(self, effects: list[Effect]) -> list[Effect]:
        kept: list[Effect] = []
        for effect in effects:
            answer = self._answer(effect)
            if answer is None:
                kept.append(effect)
            else:
                self.asked.append(effect)
                kept += self._settle(self.core.step(answer, TimestampMs(self.now_ms)))
        return kept

    def _answer(self, effect: Effect) -> Input | None:
        if isinstance(effect, Verify):
            return Verified(
                effect.token,
                tuple(all(is_good(one) for one in signatures_of(check)) for check in effect.checks),
            )
        if isinstance(effect, CheckPayload) and self.checks_payload:
            return PayloadChecked(effect.block.hash, self.invalid.get(effect.block.hash))
        if isinstance(effect, BuildPayload) and self.builds:
            return self.built(effect)
        if isinstance(effect, EnterEpoch) and self.enters:
            table = make_set(self.validators.powers, epoch=effect.epoch)
            return EpochReady(table, effect.terminal, self.params)
        return None

    def built(self, effect: BuildPayload) -> PayloadBuilt:
        """A payload of this bench's, as the node would build it."""
        holder = next(
            (block.hash for block in effect.ancestors if block.header.kind is not BlockKind.SEAL),
            effect.parent,
        )
        return PayloadBuilt(
            epoch=effect.epoch,
            view=effect.view,
            parent=effect.parent,
            payload=tuple(BatchHash(name) for name in self.payload),
            parent_state_root=state_root_after(holder),
            evidence=(),
            next_epoch_root=make_set(self.validators.powers, epoch=effect.epoch + 1).root
            if effect.kind is BlockKind.TERMINAL
            else None,
        )

    def hear(self, sender: int, *messages: ConsensusMessage) -> list[Effect]:
        """Receive messages of validator `sender`."""
        return self.feed(*[MessageReceived(validator_id(sender), message) for message in messages])

    def vote(
        self, voters: Sequence[int], kind: VoteKind = N, *, view: int = 1, block: Block | None = None
    ) -> list[Effect]:
        """Receive these validators' votes."""
        effects: list[Effect] = []
        for voter in voters:
            vote = make_vote(voter, kind, view=view, block=block, epoch=self.core.epoch)
            effects += self.hear(voter, Votes(votes=(vote,), certificates=()))
        return effects

    def fire(
        self, kind: TimerKind, *, view: int | None = None, after_ms: int = 0, token: int | None = None
    ) -> list[Effect]:
        """Let a timer of the current epoch run out; by default the view timer that counts."""
        self.now_ms += after_ms
        state = self.core._state
        if token is None:
            token = state.timer_token if kind is TimerKind.VIEW else 0
        at = self.core.view if view is None else View(view)
        return self.feed(TimerFired(Timer(kind, self.core.epoch, at, token)))

    def propose(
        self,
        view: int,
        parent: Block,
        *,
        certificate: Certificate | None = None,
        nullified: Sequence[int] = (),
        **block: Any,
    ) -> Proposal:
        """A valid proposal of the view's proposer."""
        nullifications = tuple(self.certificate(X, view=skipped) for skipped in nullified)
        if certificate is None and parent is not self.genesis:
            certificate = self.certificate(N, view=parent.header.view, block=parent)
        made = make_block(
            self.validators,
            view=view,
            parent=parent,
            parent_certificate=certificate,
            nullifications=nullifications,
            **block,
        )
        return make_proposal(made, parent=certificate, nullifications=nullifications)

    def certificate(self, kind: VoteKind, *, view: int, block: Block | None = None) -> Certificate:
        """A certificate by the first validators that make a quorum."""
        return make_certificate(self.validators, kind, view=view, block=block)

    def proposer(self, view: int) -> int:
        """The number of a view's proposer."""
        return self.validators.index_by_id[self.validators.proposer(View(view))]


def sent(effects: Sequence[Effect], kind: type[Message]) -> list[Send]:
    """The Sends of one type of message."""
    return [effect for effect in effects if isinstance(effect, Send) and isinstance(effect.message, kind)]


def messages(effects: Sequence[Effect], kind: type[M]) -> list[M]:
    """The messages of one type that were sent."""
    return [
        effect.message for effect in effects if isinstance(effect, Send) and isinstance(effect.message, kind)
    ]


def votes_sent(effects: Sequence[Effect]) -> list[tuple[VoteKind, int]]:
    """Kind and view of all votes sent, in order, each once."""
    votes = [(vote.kind, int(vote.view)) for message in messages(effects, Votes) for vote in message.votes]
    return list(dict.fromkeys(votes))


def votes_persisted(effects: Sequence[Effect]) -> list[Vote]:
    """Own votes that were made durable."""
    return [
        effect.record.vote
        for effect in effects
        if isinstance(effect, Persist) and isinstance(effect.record, VoteRecord)
    ]


def records_of(effects: Sequence[Effect]) -> list[Record]:
    """What was made durable."""
    return [effect.record for effect in effects if isinstance(effect, Persist)]


def committed(effects: Sequence[Effect]) -> list[Block]:
    """Blocks that became final."""
    return [block for effect in effects if isinstance(effect, Commit) for block in effect.blocks]


def penalties(effects: Sequence[Effect]) -> list[tuple[ValidatorId, str]]:
    """Who was penalised, and for what."""
    return [(effect.peer, effect.reason) for effect in effects if isinstance(effect, PenalizePeer)]


def timers(effects: Sequence[Effect], kind: TimerKind) -> list[StartTimer]:
    """The timers of one kind that were started."""
    return [effect for effect in effects if isinstance(effect, StartTimer) and effect.timer.kind is kind]
