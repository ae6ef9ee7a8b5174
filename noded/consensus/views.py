"""R5, R8, R9, R12: entering views and giving them up."""

from noded.consensus.counting import count_own
from noded.consensus.inputs import TimerKind
from noded.consensus.signing import sign_vote
from noded.consensus.state import BEHIND_VIEWS, EpochState
from noded.types.ids import View
from noded.types.messages import Votes
from noded.types.vote import Vote, VoteKind


def enter_views(state: EpochState) -> None:
    """R5, R15: a certificate of a view moves this node to the next one; a finalization is logged with its blocks."""
    view = View(state.certificates.highest + 1)
    if view <= state.view:
        return
    ending = state.certificates.ending(View(view - 1))
    if ending is not None and ending.kind is not VoteKind.FINALIZE:
        state.store_certificate(ending)
    _note_silence(state, view)
    enter(state, view)


def _note_silence(state: EpochState, view: View) -> None:
    """R9: the view that is left was nullified, and its proposer was not heard in it."""
    left = state.view
    if view == left + 1 and left in state.certificates.nullified and left not in state.offers:
        state.pace.missed(state.validators.index_by_id[state.validators.proposer(left)])


def enter(state: EpochState, view: View) -> None:
    """Be in a view: start its timer, and give it up at once if nothing is to be hoped for (R9)."""
    if view // BEHIND_VIEWS > state.view // BEHIND_VIEWS:
        _forget_before(state, View(view - BEHIND_VIEWS))
    state.view = view
    state.entered_ms = state.now_ms
    state.propose_at_ms = None
    state.building = None
    state.is_rushed = is_urgent(state)
    start_view_timer(state)
    proposer = state.validators.index_by_id[state.validators.proposer(view)]
    if state.pace.is_silent(proposer) and view not in state.offers and proposer != state.index:
        nullify(state)


def _forget_before(state: EpochState, view: View) -> None:
    """R14: views far behind; looked at now and then, so up to twice BEHIND_VIEWS are kept."""
    for old in [old for old in state.votes if old < view]:
        del state.votes[old]
    for old in [old for old in state.offers if old < view]:
        del state.offers[old]
    for old in [old for old in state.seen if old < view]:
        del state.seen[old]


def start_view_timer(state: EpochState) -> None:
    """Give the view its time T, and the idle interval where nothing is to be ordered (R8, R12)."""
    state.timer_token += 1
    after_ms = state.pace.timeout_ms
    if not state.is_rushed:
        after_ms += state.params.idle_interval_ms
    state.start_timer(TimerKind.VIEW, after_ms, view=state.view, token=state.timer_token)


def is_urgent(state: EpochState) -> bool:
    """Whether a block is due at once: there is something to order, or to certify (R12)."""
    if state.is_working or state.params.idle_interval_ms == 0:
        return True
    notarized = state.certificates.notarized
    tip = state.tree.final
    if notarized:
        certificate = notarized[max(notarized)]
        if certificate.view > tip.view:
            assert certificate.block_hash is not None
            known = state.tree.get(certificate.block_hash)
            if known is None:
                return True
            tip = known
    return tip.is_urgent_parent()


def rush(state: EpochState) -> None:
    """R12: something came up in an idle view; from now on it may last T."""
    if not state.is_rushed and state.view > 0 and is_urgent(state):
        state.is_rushed = True
        start_view_timer(state)


def on_view_timer(state: EpochState, view: View, token: int) -> None:
    """R8: the view's proposer had its time."""
    if view == state.view and token == state.timer_token and not state.is_ended:
        nullify(state)


def nullify(state: EpochState) -> None:
    """R3, R8: give up the current view, once; go on asking until it is over (R10)."""
    view = state.view
    if not state.is_voter or not state.ballots.may_nullify(view):
        return
    vote = sign_vote(state, VoteKind.NULLIFY, view, None)
    if vote is None:
        return
    state.pace.stall += 1
    count_own(state, vote)
    send_nullify(state, 0)


def send_nullify(state: EpochState, attempt: int) -> None:
    """R10: X with all that may help: the own N, pending F votes, the best certificates; again after T/2."""
    view = state.view
    state.send(
        state.routes.nullify(view, max(0, state.pace.stall - 1) + attempt),
        Votes(votes=tuple(standing_votes(state)), certificates=state.certificates.best()),
    )
    state.start_timer(TimerKind.RETRY, max(1, state.pace.timeout_ms // 2), view=view, token=attempt + 1)


def standing_votes(state: EpochState) -> list[Vote]:
    """Pending F votes and what was signed in the current view (R20)."""
    return state.ballots.pending(state.final_view) + state.ballots.latest(state.view)


def on_retry_timer(state: EpochState, view: View, attempt: int) -> None:
    """R10: the view still is not over: send X again, to twice as many."""
    if view == state.view and not state.is_ended and view in state.ballots.nullified:
        send_nullify(state, attempt)
