"""What members vote on, and what a member that equivocates sends, in a net of whole nodes."""

from collections.abc import Sequence
from hashlib import sha256

from noded.crypto.signing import public_key_of, sign
from noded.node.inputs import MessageReceived
from noded.types.ids import BlockHash, Epoch, PeerId, PublicKey, Signature, View
from noded.types.messages import Votes
from noded.types.operations.membership import Action, GovPropose, GovVote, ValidatorReady
from noded.types.operations.registry import Operation
from noded.types.transaction import SignedTransaction
from noded.types.validator_set import Validator
from noded.types.vote import Vote, VoteKind, vote_signing_bytes
from tests.helpers.node_net import NodeNet, make_institution


class VotingNet(NodeNet):
    """A net whose members send operations by number."""

    def __post_init__(self) -> None:
        self._sequence = 0
        super().__post_init__()

    def send(self, number: int, *operations: Operation, cosigners: Sequence[bytes] = ()) -> None:
        """Have a member's transaction applied everywhere."""
        transaction = self._next(number, *operations, cosigners=cosigners)
        self.submit(number if number in self.nodes else min(self.nodes), transaction)
        assert self.run(60, until=lambda: self.is_final(transaction))

    def carry(self, action: Action, voters: Sequence[int]) -> None:
        """Have an action proposed by the first of some members and approved by all of them, the last deciding."""
        proposal = sha256(repr(action).encode()).digest()[:16]
        self.send(voters[0], GovPropose(proposal=proposal, action=action))
        for voter in voters:
            self.send(voter, GovVote(proposal=proposal, approve=True))

    def ready(self, number: int) -> Epoch:
        """Have a member say that its node is ready to vote; in which epoch it did."""
        epoch = self.epoch
        seed = self.homes[number].key
        operation = ValidatorReady(epoch=epoch, key=PublicKey(public_key_of(seed)))
        self.send(number, operation, cosigners=[seed])
        return epoch

    def equivocate(self, number: int) -> None:
        """Send all others two votes of a member for two blocks of one view."""
        node = self.nodes[min(each for each in self.nodes if each != number)]
        epoch, view = node.core.epoch, View(node.core.view + 1)
        votes = tuple(self._vote(number, epoch, view, name) for name in (b"one", b"other"))
        for other in self.nodes:
            if other != number:
                for vote in votes:
                    message = Votes(votes=(vote,), certificates=())
                    self._push(1, other, MessageReceived(PeerId(self.homes[number].id), message))

    def row(self, number: int, epoch: int | None = None) -> Validator | None:
        """A member's row in the table of an epoch, the present one by default."""
        name = make_institution(number).id
        node = self.nodes[min(self.nodes)]
        validators = node.validators if epoch is None else node.ledger.validators_of(Epoch(epoch))
        assert validators is not None
        return next((row for row in validators.table.validators if row.id == name), None)

    @property
    def epoch(self) -> Epoch:
        """The present one at the node with the lowest number."""
        return self.nodes[min(self.nodes)].validators.epoch

    def pass_epochs(self, count: int) -> None:
        """Let some epochs end at all running nodes."""
        goal = self.epoch + count
        assert self.run(
            600 * count, until=lambda: all(node.validators.epoch >= goal for node in self.nodes.values())
        )

    def _next(self, number: int, *operations: Operation, cosigners: Sequence[bytes]) -> SignedTransaction:
        self._sequence += 1
        return self.transaction(number, self._sequence, *operations, valid_until=5_000, cosigners=cosigners)

    def _vote(self, number: int, epoch: Epoch, view: View, name: bytes) -> Vote:
        block = BlockHash(sha256(name).digest())
        signed = vote_signing_bytes(self.chain_id, VoteKind.NOTARIZE, epoch, view, block)
        return Vote(
            kind=VoteKind.NOTARIZE,
            epoch=epoch,
            view=view,
            block_hash=block,
            voter=self.homes[number].id,
            signature=Signature(sign(self.homes[number].key, signed)),
        )
