"""Whether this node may vote: not before it knows how far the chain is (A4), nor once something forbids it (A1, A3)."""

from collections import deque
from collections.abc import Sequence

from noded.consensus.core import ConsensusCore
from noded.consensus.inputs import Input, VotingBegins, VotingStopped
from noded.node.effects import Halt
from noded.node.following import SyncDesk
from noded.node.outbox import Outbox
from noded.node.own_votes import OwnVotes
from noded.node.proposals import ProposalDesk
from noded.types.block import Block
from noded.types.ids import InstitutionId
from noded.types.records import Record
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Vote


class VotingRight:
    """Tells consensus when it may begin to vote, and when it must stop for good."""

    def __init__(
        self,
        *,
        me: InstitutionId,
        core: ConsensusCore,
        proposals: ProposalDesk,
        sync: SyncDesk,
        outbox: Outbox,
        told: deque[Input],
    ) -> None:
        self.lost: str | None = None
        """Why this node does not vote any more; None while it does."""
        self._me = me
        self._core = core
        self._proposals = proposals
        self._sync = sync
        self._outbox = outbox
        self._told = told
        self._own_votes = OwnVotes()

    def restore(self, records: Sequence[Record]) -> None:
        """Begin with what the log says."""
        self._own_votes.restore(records)

    def begin(self) -> None:
        """A4: vote from now on, whatever is known of the others."""
        if self._sync.is_looking:
            self._sync.stop_looking()
            self._told.append(VotingBegins())

    def look_out(self, validators: ValidatorSet) -> None:
        """A4: vote from now on, if this node has all that it must have before."""
        if self._sync.is_looking and self._sync.knows_enough(validators):
            self.begin()

    def cast(self, vote: Vote) -> None:
        """This process makes a vote."""
        self._own_votes.sign(vote)

    def share_key(self) -> None:
        """A3 does not hold: somebody else signs with this key on purpose."""
        self._own_votes.is_watching = False

    def watch_key(self, block: Block, validators: ValidatorSet) -> None:
        """A3: stop voting where a final block shows that another process votes with this node's key."""
        index = validators.index_by_id.get(self._me)
        if index is None or validators.epoch != block.header.epoch:
            return
        leaf = self._own_votes.foreign_in(block, index)
        if leaf is not None and self._core.is_entitled and self.lost is None:
            self.lose(
                f"this node's key voted in view {leaf.view} of epoch {block.header.epoch}, and this node did not:"
                " another process uses the key, perhaps in a copy of the home; stop it, then start this node again"
            )

    def lose(self, reason: str) -> None:
        """Do not vote any more, and say so."""
        self.lost = reason
        self._proposals.stop()
        self._told.append(VotingStopped())
        self._outbox.put(Halt(reason))
