"""Own votes and proposals: made here, made durable before they are sent, counted here and never sent to oneself."""

from noded.consensus.state import EpochState
from noded.errors import UnsafeToSign
from noded.types.evidence import proposal_signing_bytes
from noded.types.ids import BlockHash, Signature, View
from noded.types.vote import Vote, VoteKind, vote_signing_bytes


def sign_vote(state: EpochState, kind: VoteKind, view: View, block_hash: BlockHash | None) -> Vote | None:
    """An own vote; None if the signer refuses, and then this node has no say in the matter (R15)."""
    signing_bytes = vote_signing_bytes(state.facts.chain_id, kind, state.epoch, view, block_hash)
    try:
        signature = state.signer.sign_vote(kind, state.epoch, view, block_hash, signing_bytes)
    except UnsafeToSign:
        return None
    return Vote(
        kind=kind,
        epoch=state.epoch,
        view=view,
        block_hash=block_hash,
        voter=state.me,
        signature=signature,
    )


def sign_proposal(state: EpochState, view: View, block_hash: BlockHash) -> Signature | None:
    """The proposer's signature; None if the signer refuses."""
    signing_bytes = proposal_signing_bytes(state.facts.chain_id, state.epoch, view, block_hash)
    try:
        return state.signer.sign_proposal(state.epoch, view, block_hash, signing_bytes)
    except UnsafeToSign:
        return None
