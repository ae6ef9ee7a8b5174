"""R2: blocks are judged — by their place, by their ancestors, and by the node for what they carry."""

from noded.consensus.effects import CheckPayload
from noded.consensus.fetching import holders_of, want_block
from noded.consensus.inputs import PayloadChecked
from noded.consensus.reporting import report_invalid
from noded.consensus.rules import block_fault, history_fault
from noded.consensus.state import EpochState
from noded.consensus.tree import Entry, Status
from noded.types.vote import Certificate


def check_blocks(state: EpochState) -> None:
    """Have those blocks judged that may get this node's vote or be built upon, as soon as their parents are."""
    for view, certificate in state.certificates.unsettled.items():
        entry = state.tree.get(certificate.block_hash)
        if entry is None:
            assert certificate.block_hash is not None
            proposer = state.validators.proposer(view)
            want_block(state, certificate.block_hash, holders_of(state, certificate, proposer))
        elif entry.status is Status.NEW:
            _check(state, entry, certificate)
    offer = state.offers.get(state.view)
    if offer is not None and offer.entry is not None and offer.entry.status is Status.NEW:
        _check(state, offer.entry, offer.proposal.parent)


def _check(state: EpochState, entry: Entry, warrant: Certificate | None) -> None:
    """Have a block judged, or the lowest of its ancestors that is not; fetch the one that is missing."""
    parent = entry.parent
    while parent is not None and parent.status is Status.NEW:
        entry = parent
        parent = entry.parent
    if parent is None:
        header = entry.block.header
        if header.parent_view > state.final_view and warrant is not None:
            want_block(state, header.parent_hash, holders_of(state, warrant))
        return
    if parent.status is Status.INVALID:
        refuse(state, entry)
        return
    fault = block_fault(entry.block, state.facts, parent.block.header)
    if fault is None and entry.block.body.credits and entry.lacks_history(entry.block.body.credits[0].view):
        if warrant is not None:
            oldest = entry.oldest_known().block.header
            want_block(state, oldest.parent_hash, holders_of(state, warrant, entry.block.header.proposer))
        return
    if fault is not None or history_fault(entry, state.validators) is not None:
        refuse(state, entry)
        offer = state.offers.get(entry.view)
        if fault is not None and offer is not None and offer.entry is entry:
            report_invalid(state, entry.block, offer.proposal.signature, parent.block.header)
        return
    if parent.status is not Status.VALID:
        return
    ancestors = state.tree.unfinalized_ancestors(entry)
    if ancestors is None:
        return
    entry.status = Status.CHECKING
    state.out.append(
        CheckPayload(entry.block, ancestors, (entry.block.header.proposer, *state.routes.neighbours))
    )


def refuse(state: EpochState, entry: Entry) -> None:
    """A block is invalid: so are those above it, and its view is not worth waiting for (R9)."""
    entry.status = Status.INVALID
    state.is_dirty = True


def on_payload_checked(state: EpochState, event: PayloadChecked) -> None:
    """The node has judged what a block carries."""
    entry = state.tree.get(event.block)
    if entry is None or entry.status is not Status.CHECKING:
        return  # Final, or forgotten, in the meantime.
    if event.invalid is None:
        entry.status = Status.VALID
        state.is_dirty = True
        if entry.view < state.view:
            state.belated.append(entry)
    else:
        refuse(state, entry)
