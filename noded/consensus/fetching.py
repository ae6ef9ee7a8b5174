"""R11: asking for missing blocks and certificates, again and elsewhere until they come."""

from noded.consensus.effects import SyncNeeded
from noded.consensus.errors import BlockNotAsked
from noded.consensus.inputs import TimerKind
from noded.consensus.repair import ASKED_AT_ONCE, ATTEMPTS_MAX, WANTS_MAX, Want
from noded.consensus.state import EpochState
from noded.types.ids import BlockHash, PeerId, View, bitmap_indices
from noded.types.messages import GAP_CERTIFICATES_MAX, BlockFound, GetBlock, GetCertificates
from noded.types.vote import Certificate, VoteKind

SYNC_HEIGHTS = 8
"""A fetched block this far above the last final one: block sync closes such gaps, in ranges."""


def holders_of(
    state: EpochState, certificate: Certificate, first: PeerId | None = None
) -> tuple[PeerId, ...]:
    """Who should have what a certificate is about: `first`, then its voters, beginning at another for each node."""
    rows = state.validators.table.validators
    voters = [rows[index].id for index in bitmap_indices(certificate.bitmap)]
    start = (state.index + 1) % len(voters)
    ordered = voters[start:] + voters[:start]
    candidates = ordered if first is None else [first, *ordered]
    return tuple(peer for peer in dict.fromkeys(candidates) if peer != state.me)


def want_block(state: EpochState, block_hash: BlockHash, holders: tuple[PeerId, ...]) -> None:
    """Ask for a block, unless that is under way."""
    repair = state.repair
    if block_hash in repair.wants or not holders or len(repair.wants) >= WANTS_MAX:
        return
    _ask(state, block_hash, repair.want(block_hash, holders))
    _start_timer(state)


def _ask(state: EpochState, block_hash: BlockHash, want: Want) -> None:
    start = want.attempts * ASKED_AT_ONCE
    peers = dict.fromkeys(
        want.holders[(start + offset) % len(want.holders)] for offset in range(ASKED_AT_ONCE)
    )
    state.send(tuple(peers), GetBlock(hash=block_hash))


def on_block_found(state: EpochState, peer: PeerId, message: BlockFound) -> None:
    """
    Take a block that was asked for, unless another peer was faster.

    Raises:
        BlockNotAsked: Nobody named this block.
    """
    block = message.block
    if block.header.epoch != state.epoch:
        return  # It was asked for in the epoch before.
    if not block.is_consistent():
        raise BlockNotAsked(f"{block.hash.hex()} with another body")
    if block.hash not in state.repair.asked:
        raise BlockNotAsked(f"{block.hash.hex()} of {peer.hex()}")
    if state.repair.wants.pop(block.hash, None) is None or block.hash in state.tree.entries:
        return
    state.tree.insert(block)
    state.is_dirty = True
    header = block.header
    if (
        header.height > state.tree.final.height + SYNC_HEIGHTS
        and header.parent_hash not in state.tree.entries
    ):
        state.out.append(SyncNeeded(peer, state.epoch))


def want_certificates(state: EpochState, above: View, below: View, first: PeerId | None) -> None:
    """
    Ask for the certificates of the highest views between that this node lacks, one page at a time (R11).

    From the top down: a notarization near it makes all below unnecessary.
    """
    repair = state.repair
    if repair.gap is not None:
        return
    entering = state.certificates.ending(View(below - 1))
    if entering is None:
        return
    holders = holders_of(state, entering, first)
    if not holders:
        return
    last = state.certificates.lacking(above, below)
    assert last is not None
    page = View(max(above + 1, last - GAP_CERTIFICATES_MAX + 1))
    repair.gap = (page, last)
    repair.gap_known = state.certificates.count
    peer = holders[repair.gap_attempts % len(holders)]
    state.send((peer,), GetCertificates(kind=VoteKind.NULLIFY, epoch=state.epoch, first=page, last=last))
    _start_timer(state)


def certificates_came(state: EpochState) -> None:
    """A page arrived: once it is verified, the next one may be asked for if anything is still lacking."""
    state.repair.has_page = state.repair.gap is not None
    if state.repair.take_page(state.certificates.count):
        state.is_dirty = True


def on_fetch_timer(state: EpochState) -> None:
    """Ask others for what has not come."""
    repair = state.repair
    repair.timer_running = False
    if repair.gap is not None:
        repair.gap = None
        repair.has_page = False
        repair.gap_attempts += 1
        state.is_dirty = True
    for block_hash in [name for name in repair.wants if name in state.tree.entries]:
        del repair.wants[block_hash]
    for block_hash, want in repair.wants.items():
        want.attempts += 1
        if want.attempts % ATTEMPTS_MAX == 0:
            state.out.append(SyncNeeded(want.holders[want.attempts % len(want.holders)], state.epoch))
        _ask(state, block_hash, want)
    if repair.wants:
        _start_timer(state)


def _start_timer(state: EpochState) -> None:
    if not state.repair.timer_running:
        state.repair.timer_running = True
        state.start_timer(TimerKind.FETCH, max(1, state.params.delta_ms))
