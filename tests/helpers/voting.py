"""Decisions of the members, from proposal to effect."""

from collections.abc import Sequence
from itertools import count

from noded.ledger.modules.governance import ProposalStatus, get_proposal
from noded.types.operations.membership import Action, GovPropose, GovVote
from tests.helpers.ledger import TestChain, account

_numbers = count(1)


def proposal_id() -> bytes:
    """An id that was not used before."""
    return next(_numbers).to_bytes(16)


def decide(chain: TestChain, action: Action, *, voters: Sequence[int] = (1, 2, 3, 4)) -> str | None:
    """Propose and approve; returns why the proposal was refused, or how it stands if it has not passed."""
    id = proposal_id()
    receipt = chain.send(GovPropose(proposal=id, action=action), sender=account(voters[0]))
    if receipt.error is not None:
        return receipt.error
    for voter in voters:
        proposal = get_proposal(chain.state, id)
        assert proposal is not None
        if proposal.status is not ProposalStatus.OPEN:
            break
        chain.send(GovVote(proposal=id, approve=True), sender=account(voter))
    proposal = get_proposal(chain.state, id)
    assert proposal is not None
    return None if proposal.status is ProposalStatus.PASSED else proposal.status.name
