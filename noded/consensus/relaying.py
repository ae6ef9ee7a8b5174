"""R7, R20: certificates for those who do not have them; answers to those who lag or ask."""

from noded.consensus.state import EpochState
from noded.types.ids import PeerId, View
from noded.types.messages import (
    GAP_CERTIFICATES_MAX,
    BlockFound,
    Certificates,
    GetBlock,
    GetCertificates,
    Votes,
)
from noded.types.vote import Certificate, VoteKind

PAGE_BYTES_MAX = 256 * 1024
"""Certificates in one answer: a quarter of a bulk frame; at 1000 validators six of them."""

SIGNATURE_BYTES = 66
"""An encoded signature."""


def on_relay_timer(state: EpochState, view: View, kind: int) -> None:
    """R7: a certificate made here was not spread by the next proposal in time."""
    key = (VoteKind(kind), view)
    is_spread = state.relayed.pop(key, True)
    certificate = _find(state, VoteKind(kind), view)
    if is_spread or certificate is None:
        return
    if kind == VoteKind.FINALIZE or state.offered_view <= view:
        state.send(state.routes.others, Certificates(certificates=(certificate,)))


def _find(state: EpochState, kind: VoteKind, view: View) -> Certificate | None:
    certificates = state.certificates
    if kind is VoteKind.FINALIZE:
        best = certificates.finalized
        return best if best is not None and best.view == view else None
    store = certificates.notarized if kind is VoteKind.NOTARIZE else certificates.nullified
    return store.get(view)


def inform(state: EpochState, peer: PeerId) -> None:
    """R20: tell a peer that lags what ended its view; not more often than it can take effect."""
    best = state.certificates.best()
    told_ms = state.informed_ms.get(peer)
    if best and (told_ms is None or state.now_ms - told_ms >= state.params.delta_ms // 2):
        state.informed_ms[peer] = state.now_ms
        state.send((peer,), Certificates(certificates=best))


def on_peer_up(state: EpochState, peer: PeerId) -> None:
    """R20: a peer can be reached again: it may have missed everything of late."""
    if peer not in state.validators or peer == state.me:
        return
    votes = state.ballots.pending(state.final_view) + state.ballots.latest(state.view)
    best = state.certificates.best()
    if votes or best:
        state.send((peer,), Votes(votes=tuple(votes), certificates=best))
    proposal = state.ballots.proposals.get(state.view)
    if proposal is not None:
        state.send((peer,), proposal)


def on_get_certificates(state: EpochState, peer: PeerId, message: GetCertificates) -> None:
    """R11: a page of certificates that ended views, the latest first; of the other kind where the view has no such."""
    found: list[Certificate] = []
    if message.kind is not VoteKind.FINALIZE:
        size = 0
        nullified, notarized = state.certificates.nullified, state.certificates.notarized
        wanted, other = (nullified, notarized) if message.kind is VoteKind.NULLIFY else (notarized, nullified)
        last = min(message.last, state.certificates.highest)
        first = max(message.first, last - GAP_CERTIFICATES_MAX + 1, state.final_view)
        for view in range(last, first - 1, -1):
            certificate = wanted.get(View(view)) or other.get(View(view))
            if certificate is None:
                continue
            size += SIGNATURE_BYTES * len(certificate.signatures)
            if size > PAGE_BYTES_MAX and found:
                break
            found.append(certificate)
    best = state.certificates.finalized
    if not found and best is not None and best.view >= message.first:
        found.append(best)
    if found:
        state.send((peer,), Certificates(certificates=tuple(found)))


def on_get_block(state: EpochState, peer: PeerId, message: GetBlock) -> None:
    """R11: a block that is not in the ledger yet, or was put there just now."""
    entry = state.tree.get(message.hash)
    if entry is None and state.previous is not None:
        entry = state.previous.get(message.hash)
    if entry is not None and entry.block.header.view > 0:
        state.send((peer,), BlockFound(block=entry.block))
