"""R1–R4: this node's N and F votes."""

from noded.consensus.counting import count_own
from noded.consensus.fetching import want_certificates
from noded.consensus.inputs import TimerKind
from noded.consensus.signing import sign_vote
from noded.consensus.state import EpochState, Offer
from noded.consensus.tree import LATE_VIEWS, Entry, Status
from noded.consensus.views import enter, nullify, send_nullify, standing_votes
from noded.types.ids import View
from noded.types.messages import VOTES_MAX, Votes
from noded.types.vote import Certificate, Vote, VoteKind


def vote(state: EpochState) -> None:
    """Sign and send what the rules allow now."""
    if state.certificates.unsettled:
        for certificate in tuple(state.certificates.unsettled.values()):
            _finalize(state, certificate)
    offer = state.offers.get(state.view)
    if offer is not None:
        _notarize(state, offer)
    if state.belated:
        for entry in state.belated:
            _notarize_late(state, entry)
        state.belated.clear()
    if state.f_cast > state.f_sent and state.routes.is_linear:
        _send_alone_later(state)


def _finalize(state: EpochState, certificate: Certificate) -> None:
    """R4: F needs a notarization, its block stored and valid here, and no X of one's own."""
    entry = state.tree.get(certificate.block_hash)
    if entry is None or entry.status <= Status.CHECKING:
        return
    del state.certificates.unsettled[certificate.view]
    if entry.status is Status.INVALID or not state.ballots.may_finalize(certificate.view):
        return
    vote = sign_vote(state, VoteKind.FINALIZE, certificate.view, certificate.block_hash)
    if vote is None:
        return
    state.store_block(entry)
    state.store_certificate(certificate)
    count_own(state, vote)
    if vote.view > state.f_cast:
        state.f_cast = vote.view
    if not state.routes.is_linear:
        state.send(state.routes.others, Votes(votes=(vote,), certificates=()))
    _start_finality_timer(state)


def _notarize(state: EpochState, offer: Offer) -> None:
    """R1, R2, R13: N for the current view's proposal; X at once if it can never be valid (R9)."""
    entry = offer.entry
    if offer.is_refused or (entry is not None and entry.status is Status.INVALID):
        if state.ballots.may_notarize(state.view) and state.ballots.may_nullify(state.view):
            nullify(state)
        return
    if entry is None or not state.ballots.may_notarize(entry.view):
        return
    if not offer.is_placed and not _place(state, offer, entry):
        return
    if entry.status is not Status.VALID:
        return
    early_ms = entry.block.header.time_ms - state.now_ms - state.params.drift_ms
    if early_ms > 0:
        if not offer.is_early:
            offer.is_early = True
            after_ms = min(early_ms, state.pace.timeout_ms)  # Its proposer named the time.
            state.start_timer(TimerKind.EARLY, after_ms, view=entry.view)
        return
    vote = sign_vote(state, VoteKind.NOTARIZE, entry.view, entry.hash)
    if vote is None:
        offer.is_refused = True
        return
    state.store_block(entry)
    count_own(state, vote)
    note_credits(state, entry)
    send_notarize(state, vote)


def _place(state: EpochState, offer: Offer, entry: Entry) -> bool:
    """R2: whether the block stands where it may; once it does, it does until the view is over."""
    if not is_buildable(state, entry):
        return False
    if not is_gap_nullified(state, entry):
        header = entry.block.header
        want_certificates(state, header.parent_view, entry.view, header.proposer)
        return False
    offer.is_placed = True
    return True


def is_buildable(state: EpochState, entry: Entry) -> bool:
    """R2: the parent is the last final block, or notarized in the view that its own header states."""
    parent = entry.parent
    if parent is None or parent is state.tree.final:
        return parent is not None
    certificate = state.certificates.notarized.get(parent.view)
    return (
        certificate is not None and certificate.block_hash == parent.hash and parent.view > state.final_view
    )


def is_gap_nullified(state: EpochState, entry: Entry) -> bool:
    """R2: every view between the parent's and the block's own is nullified."""
    return state.certificates.lacking(entry.block.header.parent_view, entry.view) is None


def send_notarize(state: EpochState, vote: Vote) -> None:
    """R7, R17: an N vote goes to all or to the collectors; F votes and uncredited late votes ride along."""
    votes = [vote]
    if state.routes.is_linear:
        votes = [*state.ballots.riding(vote.view, state.final_view), vote]
        state.f_sent = state.f_cast
    if state.ballots.credited_later:
        late = [other for other in state.ballots.late(vote.view, LATE_VIEWS) if other not in votes]
        votes += late[: VOTES_MAX - len(votes)]
    state.send(state.routes.notarize(vote.view), Votes(votes=tuple(votes), certificates=()))


def note_credits(state: EpochState, entry: Entry) -> None:
    """R17: keep an own vote that the block's certificate of its parent lacks, until some block credits it."""
    body = entry.block.body
    later = state.ballots.credited_later
    if later:
        for credit in body.credits:
            if credit.voter == state.me:
                later.pop(credit.view, None)
    leaf = body.parent
    if leaf is not None and not leaf.bitmap[state.index >> 3] >> (state.index & 7) & 1:
        own = state.ballots.notarized.get(leaf.view) or state.ballots.finalized.get(leaf.view)
        if own is not None and own.block_hash == leaf.block_hash:
            later[leaf.view] = own


def _notarize_late(state: EpochState, entry: Entry) -> None:
    """R17: N for a view that is over, which no R forbids: it only shows that this node is there."""
    certificate = state.certificates.notarized.get(entry.view)
    if (
        not state.ballots.may_notarize(entry.view)
        or certificate is None
        or certificate.block_hash != entry.hash
        or entry.status is not Status.VALID
        or entry.view < state.view - LATE_VIEWS
    ):
        return
    vote = sign_vote(state, VoteKind.NOTARIZE, entry.view, entry.hash)
    if vote is None:
        return
    state.store_block(entry)
    count_own(state, vote)
    state.ballots.credited_later[entry.view] = vote


def _send_alone_later(state: EpochState) -> None:
    """R7: an F vote that has no N vote to ride on goes alone after the relay delay."""
    offer = state.offers.get(state.view)
    if (
        offer is not None
        and not offer.is_refused
        and (offer.entry is None or offer.entry.status <= Status.CHECKING)
    ):
        return  # The N vote is a moment away.
    if state.f_timed < state.f_cast:
        state.f_timed = state.f_cast
        state.start_timer(TimerKind.RELAY, state.pace.relay_ms, view=state.view)


def on_alone_timer(state: EpochState) -> None:
    """R7: F votes found no N vote to ride on: they go alone to the collectors of the current view."""
    pending = state.ballots.pending(state.final_view)
    if pending and state.f_cast > state.f_sent and not state.is_ended:
        state.f_sent = state.f_cast
        state.send(state.routes.notarize(state.view), Votes(votes=tuple(pending), certificates=()))


def _start_finality_timer(state: EpochState) -> None:
    if not state.finality_timer:
        state.finality_timer = True
        state.start_timer(TimerKind.RETRY, state.pace.timeout_ms, token=state.f_cast)


def on_finality_timer(state: EpochState, cast_by_then: int) -> None:
    """R20: own F votes that are not final after T are sent again every T, to twice as many each time."""
    state.finality_timer = False
    pending = state.ballots.pending(state.final_view)
    if not pending or state.is_ended:
        return
    overdue = tuple([vote for vote in pending if vote.view <= cast_by_then])
    if overdue:
        state.send(
            state.routes.finalize_again(state.view, state.finality_attempt),
            Votes(votes=overdue, certificates=state.certificates.best()),
        )
        state.finality_attempt += 1
    _start_finality_timer(state)


def on_early_timer(state: EpochState, view: View) -> None:
    """R13: a proposal's time has come."""
    offer = state.offers.get(view)
    if offer is not None:
        offer.is_early = False
        state.is_dirty = True


def resume(state: EpochState) -> None:
    """R5, R15: be where the certificates say, and send what was signed there before a restart."""
    enter(state, View(state.certificates.highest + 1))
    state.is_dirty = True
    if not state.is_voter:
        return
    view = state.view
    proposal = state.ballots.proposals.get(view)
    if proposal is not None:
        state.send(state.routes.others, proposal)
    if view in state.ballots.nullified:
        send_nullify(state, 0)
    else:
        standing = standing_votes(state)
        if standing:
            message = Votes(votes=tuple(standing), certificates=state.certificates.best())
            state.send(state.routes.notarize(view), message)
    if state.ballots.pending(state.final_view):
        _start_finality_timer(state)
