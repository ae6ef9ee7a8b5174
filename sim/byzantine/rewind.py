"""Rewind: propose on an older block than the rules allow, and hide what is final meanwhile."""

from dataclasses import dataclass, replace

from noded.node.effects import Effect, Send
from noded.node.inputs import Input, MessageReceived
from noded.types.block import Block, BlockHeader, BlockKind, justify_leaf, justify_root
from noded.types.ids import BlockHash, Height, StateRoot, TimestampMs, View
from noded.types.messages import Certificates, Proposal, Votes
from noded.types.vote import Certificate, Vote, VoteKind
from sim.byzantine.base import Behaviour, only, without

REMEMBERED = 64
"""Blocks to which it may go back."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A block to build on, with its certificate and the state after it."""

    hash: BlockHash
    header: BlockHeader
    certificate: Certificate
    state_root: StateRoot


class Rewind(Behaviour):
    """
    Leaves out blocks that it knows to be notarized, in one of two ways.

    Either views between are not nullified, or it states the view before its own as the parent's, so that none seems
    to lie between. Votes for what it left out are turned into votes for its own block, which it finalizes at once; that
    anything else is final is heard by one victim only. Correct voters refuse both blocks (R2).
    """

    def prepare(self) -> None:
        """No block is known yet."""
        self._headers: dict[BlockHash, BlockHeader] = {}
        self._places: dict[BlockHash, _Place] = {}
        self._lies: dict[BlockHash, BlockHash] = {}
        """By the block that a correct proposer would have shown."""

    def hears(self, event: Input) -> bool:
        """Remember what others propose, and on what."""
        if isinstance(event, MessageReceived) and isinstance(event.message, Proposal):
            self._learn(event.message)
        return True

    def does(self, event: Input, effects: list[Effect]) -> list[Effect]:
        """Propose lies where there is room for one, and vote for them."""
        done: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Send) and isinstance(effect.message, Proposal):
                done.append(self._propose(effect, effect.message))
            elif isinstance(effect, Send) and isinstance(effect.message, Votes):
                done += self._vote(effect, effect.message)
            elif isinstance(effect, Send) and isinstance(effect.message, Certificates):
                if _not_final(effect.message.certificates) == effect.message.certificates:
                    done.append(effect)
            else:
                done.append(effect)
        return done

    def _learn(self, proposal: Proposal) -> None:
        header = proposal.block.header
        self._headers[proposal.block.hash] = header
        below = self._headers.get(header.parent_hash)
        if proposal.parent is not None and below is not None:
            self._places[header.parent_hash] = _Place(
                header.parent_hash, below, proposal.parent, header.parent_state_root
            )
        for known in (self._headers, self._places, self._lies):
            if len(known) > REMEMBERED:
                del known[next(iter(known))]

    def _propose(self, effect: Send, proposal: Proposal) -> Send:
        if not self.is_mine(proposal):
            return effect
        self._learn(proposal)
        place = self._lower(proposal.block.header)
        if place is None:
            return Send(effect.peers, replace(proposal, finalization=None))
        lie = self._lie(proposal, place)
        self._lies[proposal.block.hash] = lie.block.hash
        return Send(effect.peers, lie)

    def _lower(self, header: BlockHeader) -> _Place | None:
        """The best block to go back to; None if a lie would be seen by its form."""
        if header.kind is not BlockKind.NORMAL:
            return None
        lower = [
            place
            for place in self._places.values()
            if place.header.epoch == header.epoch
            and place.header.kind is BlockKind.NORMAL
            and place.header.view < header.parent_view
        ]
        return max(lower, key=lambda place: place.header.view, default=None)

    def _lie(self, proposal: Proposal, place: _Place) -> Proposal:
        header = proposal.block.header
        nullifications = proposal.nullifications
        stated = place.header.view
        if not nullifications:
            stated, nullifications = View(header.view - 1), ()
        body = replace(
            proposal.block.body,
            parent=justify_leaf(place.certificate),
            skipped=tuple(map(justify_leaf, nullifications)),
            credits=(),
        )
        block = Block(
            header=replace(
                header,
                parent_hash=place.hash,
                parent_view=stated,
                height=Height(place.header.height + 1),
                parent_state_root=place.state_root,
                justify_root=justify_root(body),
                time_ms=TimestampMs(max(header.time_ms, place.header.time_ms + 1)),
            ),
            body=body,
        )
        lie = replace(proposal, parent=place.certificate, nullifications=nullifications, finalization=None)
        return self.sign(lie, block)

    def _vote(self, effect: Send, votes: Votes) -> list[Effect]:
        told = replace(votes, votes=tuple(map(self._for_lie, votes.votes)))
        lies = self._lies.values()
        rest = replace(
            told,
            votes=(
                *(vote for vote in told.votes if vote.kind is not VoteKind.FINALIZE),
                *(
                    self.vote(VoteKind.FINALIZE, vote.epoch, vote.view, vote.block_hash)
                    for vote in told.votes
                    if vote.kind is VoteKind.NOTARIZE and vote.block_hash in lies
                ),
            ),
            certificates=_not_final(told.certificates),
        )
        victim = self.victims[:1]
        hidden = without(Send(effect.peers, rest), victim) if rest.votes or rest.certificates else []
        return [*only(Send(effect.peers, told), victim), *hidden]

    def _for_lie(self, vote: Vote) -> Vote:
        lie = self._lies.get(vote.block_hash) if vote.block_hash is not None else None
        if lie is None or vote.voter != self.host.name:
            return vote
        return self.vote(vote.kind, vote.epoch, vote.view, lie)


def _not_final(certificates: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    return tuple(each for each in certificates if each.kind is not VoteKind.FINALIZE)
