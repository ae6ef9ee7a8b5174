"""R2, R12, R13: this node's own proposals."""

from noded.consensus.effects import BuildPayload
from noded.consensus.fetching import want_certificates
from noded.consensus.inputs import PayloadBuilt, TimerKind
from noded.consensus.late import choose_credits
from noded.consensus.rules import GAP_BYTES_MAX, SIGNATURE_BYTES, justify_leaf
from noded.consensus.signing import sign_proposal
from noded.consensus.state import EpochState, Offer
from noded.consensus.tree import Entry, Status
from noded.consensus.views import is_urgent, nullify
from noded.types.block import (
    BLOCK_VERSION,
    Block,
    BlockBody,
    BlockHeader,
    BlockKind,
    evidence_root,
    justify_root,
    payload_root,
)
from noded.types.ids import Height, TimestampMs, View
from noded.types.messages import GAP_CERTIFICATES_MAX, Proposal
from noded.types.records import ProposalRecord
from noded.types.vote import Certificate

READY = 0
GIVE_UP = 1
"""Tokens of the PROPOSE timer."""


def propose(state: EpochState) -> None:
    """Ask for a payload if the view is this node's and it has something to build on; else see to it."""
    view = state.view
    if (
        state.building is not None
        or state.validators.proposer(view) != state.me
        or view in state.ballots.proposals
        or not state.ballots.may_notarize(view)
    ):
        return
    base = find_base(state)
    if base is None:
        _start_giving_up(state)
        return
    wait_ms = _earliest_ms(state, base) - state.now_ms
    if wait_ms > 0:
        at_ms = state.now_ms + wait_ms
        if state.propose_at_ms is None or state.propose_at_ms > at_ms:
            state.propose_at_ms = at_ms
            state.start_timer(TimerKind.PROPOSE, wait_ms, view=view, token=READY)
        return
    ancestors: tuple[Block, ...] = ()
    if base is not state.tree.final:
        below = state.tree.unfinalized_ancestors(base)
        if below is None:
            return
        ancestors = (base.block, *below)
    state.building = view
    kind, height = _next_place(state, base)
    state.out.append(BuildPayload(state.epoch, view, base.hash, height, kind, ancestors))


def find_base(state: EpochState) -> Entry | None:
    """
    R2: the highest valid block such that all views above it are nullified; None if there is none yet.

    A notarized block that is not valid here is passed over only where its view is nullified as well.
    """
    certificates, tree = state.certificates, state.tree
    final = tree.final
    for view in range(state.view - 1, final.view, -1):
        notarization = certificates.notarized.get(View(view))
        if notarization is not None:
            assert notarization.block_hash is not None
            entry = tree.get(notarization.block_hash)
            if entry is not None and entry.status is Status.VALID:
                return entry
            if view not in certificates.nullified:
                return None
        elif view not in certificates.nullified:
            want_certificates(state, final.view, state.view, None)
            return None
    return final


def _start_giving_up(state: EpochState) -> None:
    """R9: a proposer that cannot propose within a message's delay nullifies its own view."""
    if state.propose_at_ms is None:
        state.propose_at_ms = TimestampMs(state.now_ms + state.params.delta_ms)
        state.start_timer(TimerKind.PROPOSE, max(1, state.params.delta_ms), view=state.view, token=GIVE_UP)


def on_propose_timer(state: EpochState, view: View, token: int) -> None:
    """The time for an own block has come, or the time to wait for its parent is over."""
    if view != state.view or state.is_ended or not state.is_voter:
        return
    state.propose_at_ms = None
    has_proposed = state.building is not None or view in state.ballots.proposals
    if token == GIVE_UP and not has_proposed and find_base(state) is None:
        nullify(state)
    else:
        state.is_dirty = True


def _earliest_ms(state: EpochState, base: Entry) -> TimestampMs:
    """R12, R13: the block interval after the parent; an idle interval after entering, with nothing to order."""
    params = state.params
    earliest = state.now_ms
    if params.block_interval_ms and base.view > 0:
        due = base.block.header.time_ms + params.block_interval_ms
        earliest = TimestampMs(min(max(earliest, due), state.entered_ms + params.block_interval_ms))
    if params.idle_interval_ms and not is_urgent(state):
        earliest = TimestampMs(max(earliest, state.entered_ms + params.idle_interval_ms))
    return earliest


def _next_place(state: EpochState, base: Entry) -> tuple[BlockKind, Height]:
    """R16: what the epoch demands of a block on top of this one."""
    header = base.block.header
    if base.view > 0 and header.kind is not BlockKind.NORMAL:
        return BlockKind.SEAL, header.height
    height = Height(header.height + 1)
    return (BlockKind.TERMINAL if height == state.facts.terminal_height else BlockKind.NORMAL), height


def on_payload_built(state: EpochState, event: PayloadBuilt) -> None:
    """Assemble, sign, persist and send the proposal; the own N vote follows as for any other block."""
    view = state.view
    if (event.epoch, event.view) != (state.epoch, view) or state.building != view or state.is_ended:
        return
    state.building = None
    base = state.tree.get(event.parent)
    if not state.is_voter or not state.ballots.may_notarize(view) or base is None:
        return
    parent = state.certificates.of_block(base.view, base.hash)
    if parent is None and base.view > 0:
        return
    proposal = _sign(state, base, parent, event)
    if proposal is None:
        nullify(state)
        return
    offer = state.offers[view] = Offer(proposal)
    offer.entry = state.tree.insert(proposal.block)
    offer.entry.is_stored = True
    state.ballots.proposals[view] = proposal
    state.persist(ProposalRecord(proposal=proposal))
    state.offered_view = max(state.offered_view, view)
    state.send(state.routes.others, proposal)
    state.is_dirty = True


def _sign(state: EpochState, base: Entry, parent: Certificate | None, event: PayloadBuilt) -> Proposal | None:
    nullifications = _enclosed(state, base.view)
    kind, height = _next_place(state, base)
    if event.next_epoch_root is not None and kind is BlockKind.NORMAL:
        kind = BlockKind.TERMINAL
    leaf = None if parent is None else justify_leaf(parent)
    body = BlockBody(
        payload=event.payload,
        parent=leaf,
        skipped=tuple([justify_leaf(certificate) for certificate in nullifications]),
        credits=() if kind is BlockKind.SEAL else choose_credits(state, base, leaf),
        evidence=event.evidence,
    )
    header = BlockHeader(
        version=BLOCK_VERSION,
        chain_id=state.facts.chain_id,
        epoch=state.epoch,
        view=state.view,
        height=height,
        parent_hash=base.hash,
        parent_view=base.view,
        proposer=state.me,
        kind=kind,
        payload_root=payload_root(body.payload),
        parent_state_root=event.parent_state_root,
        justify_root=justify_root(body),
        evidence_root=evidence_root(body.evidence),
        time_ms=TimestampMs(max(state.now_ms, base.block.header.time_ms + 1)),
        epoch_root=state.validators.root,
        next_epoch_root=event.next_epoch_root if kind is BlockKind.TERMINAL else None,
    )
    block = Block(header=header, body=body)
    signature = sign_proposal(state, state.view, block.hash)
    if signature is None:
        return None
    finalization = state.certificates.finalized
    return Proposal(
        block=block,
        signature=signature,
        parent=parent,
        nullifications=nullifications,
        finalization=None if finalization is parent else finalization,
    )


def _enclosed(state: EpochState, base_view: View) -> tuple[Certificate, ...]:
    """The nullifications of the views since the parent's, the latest ones where not all fit; ascending."""
    found: list[Certificate] = []
    size = 0
    for view in range(state.view - 1, base_view, -1):
        certificate = state.certificates.nullified[View(view)]
        size += SIGNATURE_BYTES * len(certificate.signatures)
        if found and (size > GAP_BYTES_MAX or len(found) >= GAP_CERTIFICATES_MAX):
            break
        found.append(certificate)
    found.reverse()
    return tuple(found)
