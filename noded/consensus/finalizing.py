"""R6: a finalization makes a block and all its ancestors final; at a terminal block the epoch is over (R16)."""

from noded.consensus.effects import Commit, EnterEpoch, SafetyBroken
from noded.consensus.fetching import holders_of, want_block
from noded.consensus.state import BEHIND_VIEWS, EpochState
from noded.consensus.tree import LATE_VIEWS, Entry, Status
from noded.types.block import Block, BlockHeader, BlockKind, header_hash
from noded.types.ids import BlockHash, Epoch, View
from noded.types.messages import Certificates
from noded.types.vote import Certificate, VoteKind

FORGET_VIEWS = 8
"""Final views between two times of forgetting; little is kept that long in vain."""


def finalize(state: EpochState) -> None:
    """Commit what the best finalization makes final, once all blocks down to the last final one are known."""
    certificate = state.certificates.finalized
    if certificate is None or certificate.view <= state.final_view or state.is_ended:
        return
    target = certificate.block_hash
    seals: list[BlockHeader] = []
    if state.ending is not None:
        certificate = state.ending.finalization
        target = header_hash(state.ending.terminal)
        seals = list(state.ending.seals)
    assert target is not None
    chain = _chain_to(state, target, certificate)
    if not chain:
        return
    blocks: list[Block] = []
    for entry in reversed(chain):
        entry.status = Status.VALID
        state.store_block(entry)
        if entry.block.header.kind is BlockKind.SEAL:
            seals.append(entry.block.header)
        else:
            blocks.append(entry.block)
    state.store_certificate(certificate)
    advance(state, chain[0])
    if blocks:
        state.out.append(Commit(tuple(blocks), tuple(seals), certificate))
        if blocks[-1].header.kind is BlockKind.TERMINAL:
            end_epoch(state, blocks[-1], tuple(seals), certificate)


def _chain_to(state: EpochState, target: BlockHash, certificate: Certificate) -> list[Entry] | None:
    """A final block and its ancestors above the last final one; None while one is missing."""
    final = state.tree.final
    entry = state.tree.get(target)
    if entry is None:
        want_block(state, target, holders_of(state, certificate))
        return None
    chain: list[Entry] = []
    while entry is not final:
        chain.append(entry)
        parent = entry.parent
        header = entry.block.header
        if parent is None and header.parent_view > final.view:
            want_block(state, header.parent_hash, holders_of(state, certificate))
            return None
        if parent is None or parent.view < final.view:
            state.is_voter = False
            state.out.append(SafetyBroken(final.hash, certificate))
            return None
        entry = parent
    return chain


def advance(state: EpochState, entry: Entry) -> None:
    """Make a block the last final one; what it decides need not be remembered (R6, R8)."""
    state.tree.finalize(entry)
    final_view = state.final_view = entry.view
    state.pace.stall = 0
    state.finality_attempt = 0
    if final_view < state.forget_at:
        return
    state.forget_at = View(final_view + FORGET_VIEWS)
    state.tree.forget()
    state.certificates.prune(final_view)
    state.ballots.prune(View(final_view - LATE_VIEWS))
    for view in [view for view in state.offers if view <= final_view]:
        del state.offers[view]
    for key in [key for key in state.relayed if key[1] < final_view]:
        del state.relayed[key]
    floor = max(final_view - LATE_VIEWS, state.view - BEHIND_VIEWS)
    for view in [view for view in state.votes if view < floor]:
        del state.votes[view]
    for view in [view for view in state.seen if view < floor]:
        del state.seen[view]


def end_epoch(
    state: EpochState, terminal: Block, seals: tuple[BlockHeader, ...], certificate: Certificate
) -> None:
    """The terminal block is final: nothing is signed in this epoch any more, and others learn of it (R16)."""
    state.is_ended = True
    state.proof = (seals, certificate)
    if (VoteKind.FINALIZE, certificate.view) in state.relayed:
        state.send(state.routes.others, Certificates(certificates=(certificate,)))
    state.out.append(EnterEpoch(Epoch(state.epoch + 1), terminal, seals, certificate))
