"""R14: votes and certificates come in. Claimed power is counted first, signatures are judged by the quorum."""

from functools import partial

from noded.consensus.certificates import is_well_formed
from noded.consensus.effects import CertificateCheck, Check
from noded.consensus.errors import BadCertificate, BadSignature, MalformedVote, NotAValidator, NotTheSigner
from noded.consensus.inputs import TimerKind
from noded.consensus.late import judge_vote, verify_candidates
from noded.consensus.reporting import compare_certificate, compare_vote, on_conflict
from noded.consensus.rivals import compare_notarize_vote, compare_notarized
from noded.consensus.state import AHEAD_VIEWS, BEHIND_VIEWS, EpochState
from noded.consensus.tally import Tally, bitmap_mask
from noded.types.checks import SignatureCheck
from noded.types.ids import PeerId, View, bitmap_indices
from noded.types.messages import Votes
from noded.types.records import VoteRecord
from noded.types.vote import Certificate, Vote, VoteKind


def on_votes(state: EpochState, peer: PeerId, message: Votes) -> None:
    """
    Count a peer's votes of this epoch, and take over the certificates that it knows.

    Raises:
        NotAValidator, NotTheSigner, MalformedVote, BadCertificate: The peer broke R14.
    """
    index = state.validators.index_by_id.get(peer)
    if message.votes:
        if index is None:
            raise NotAValidator(f"{peer.hex()} has no vote in epoch {state.epoch}")
        for vote in message.votes:
            _on_vote(state, peer, index, vote)
    for certificate in message.certificates:
        on_certificate(state, peer, certificate)


def _on_vote(state: EpochState, peer: PeerId, index: int, vote: Vote) -> None:
    kind = vote.kind
    view = vote.view
    if vote.voter != peer:
        raise NotTheSigner(f"{peer.hex()} handed in a vote of {vote.voter.hex()}")
    if (vote.block_hash is None) != (kind is VoteKind.NULLIFY) or vote.epoch != state.epoch or view < 1:
        raise MalformedVote(f"{kind.name} of view {view}")
    ahead = view - state.view
    if ahead > AHEAD_VIEWS or ahead < -BEHIND_VIEWS:
        return
    if state.pace.silent_mask >> index & 1:
        state.pace.heard(1 << index)
    votes = state.votes.get(view) or state.view_votes(view)
    first = votes.first[kind]
    known = first.get(index)
    if known is not None:
        if known.block_hash != vote.block_hash:
            on_conflict(state, peer, known, vote)
        return
    if kind is not VoteKind.NOTARIZE:
        rival = votes.first[5 - kind].get(index)
        if rival is not None:
            on_conflict(state, peer, rival, vote)
        compare_vote(state, index, vote)
    else:
        notarized = state.certificates.notarized.get(view)
        if notarized is not None and notarized.block_hash != vote.block_hash:
            compare_vote(state, index, vote)
        compare_notarize_vote(state, vote)
    if state.suspects >> index & 1:
        check = SignatureCheck(
            state.validators.public_key(peer), vote.signing_bytes(state.facts.chain_id), vote.signature
        )
        if state.checks.may_ask(peer):
            state.checks.ask((check,), partial(_on_suspect_checked, state, index, vote), peer)
        return
    first[index] = vote
    tally = votes.tallies[kind].get(vote.block_hash) or votes.tally(kind, view, vote.block_hash)
    tally.votes[index] = vote
    tally.power += state.validators.powers[index]
    if tally.power >= state.validators.quorum and not tally.is_checking:
        check_tally(state, tally)


def _on_suspect_checked(state: EpochState, index: int, vote: Vote, results: tuple[bool, ...]) -> None:
    if not results[0]:
        state.penalize(vote.voter, BadSignature)
        return
    votes = state.view_votes(vote.view)
    if index in votes.first[vote.kind]:
        return
    count_verified(state, index, vote)


def count_verified(state: EpochState, index: int, vote: Vote) -> None:
    """Count a vote whose signature is known to be good; its voter has no other of this kind and view."""
    votes = state.view_votes(vote.view)
    votes.first[vote.kind][index] = vote
    tally = votes.tally(vote.kind, vote.view, vote.block_hash)
    tally.add(index, vote, state.validators.powers[index])
    tally.verified |= 1 << index
    if tally.power >= state.validators.quorum and not tally.is_checking:
        check_tally(state, tally)


def check_tally(state: EpochState, tally: Tally) -> None:
    """Make a certificate of a quorum's votes, and have what of it is not verified judged."""
    if tally.view <= state.final_view and tally.kind is not VoteKind.FINALIZE:
        return
    tally.is_checking = True
    if state.certificates.has(tally.kind, tally.view):
        return
    if tally.kind is VoteKind.NOTARIZE and state.is_proposer(View(tally.view + 1)):
        verify_candidates(state, state.tree.get(tally.block_hash))
    certificate = tally.certificate(state.epoch, state.size)
    if bitmap_mask(certificate.bitmap) & ~tally.verified:
        state.checks.ask(
            (CertificateCheck(state.facts.chain_id, certificate, state.validators, tally.verified),),
            partial(_on_tally_checked, state, tally, certificate),
        )
    else:
        _take_own(state, certificate)


def _on_tally_checked(
    state: EpochState, tally: Tally, certificate: Certificate, results: tuple[bool, ...]
) -> None:
    if results[0]:
        tally.verified |= bitmap_mask(certificate.bitmap)
        _take_own(state, certificate)
        return
    votes = [(index, tally.votes[index]) for index in tally.unverified()]
    rows = state.validators.table.validators
    message = certificate.signing_bytes(state.facts.chain_id)
    checks: tuple[Check, ...] = tuple(
        SignatureCheck(rows[index].public_key, message, vote.signature) for index, vote in votes
    )
    if checks:
        state.checks.ask(checks, partial(_on_votes_checked, state, tally, votes))
    else:
        _count_again(state, tally)


def _on_votes_checked(
    state: EpochState, tally: Tally, votes: list[tuple[int, Vote]], results: tuple[bool, ...]
) -> None:
    for (index, vote), is_good in zip(votes, results, strict=True):
        judge_vote(state, tally, index, vote, is_good=is_good)
    _count_again(state, tally)


def _count_again(state: EpochState, tally: Tally) -> None:
    """A claimed quorum was none; perhaps the good votes are one."""
    tally.is_checking = False
    if tally.power >= state.validators.quorum:
        check_tally(state, tally)


def _take_own(state: EpochState, certificate: Certificate) -> None:
    """A certificate made here: others may not have it (R7)."""
    if take_certificate(state, certificate) and state.routes.is_linear:
        kind, view = certificate.kind, certificate.view
        state.relayed[kind, view] = False
        rank = state.routes.relay_rank(kind, view)
        state.start_timer(TimerKind.RELAY, (rank + 1) * state.pace.relay_ms, view=view, token=int(kind))


def on_certificate(state: EpochState, peer: PeerId, certificate: Certificate) -> None:
    """
    Have a peer's certificate verified, if it says anything new.

    Raises:
        BadCertificate: It states no quorum.
    """
    if certificate.epoch != state.epoch or not is_news(state, certificate):
        return
    if not is_well_formed(certificate, state.validators):
        raise BadCertificate(f"{certificate.kind.name} of view {certificate.view} states no quorum")
    if state.repair.is_being_checked(certificate) or not state.checks.may_ask(peer):
        return
    state.repair.begin_check(certificate)
    state.checks.ask(
        (certificate_check(state, certificate),),
        partial(_on_certificate_checked, state, peer, certificate),
        peer,
    )


def is_news(state: EpochState, certificate: Certificate) -> bool:
    """Whether a certificate says anything that is not known."""
    key = (certificate.kind, certificate.view)
    if key in state.relayed:
        state.relayed[key] = True
    return certificate.view > state.final_view and not state.certificates.has(
        certificate.kind, certificate.view
    )


def certificate_check(state: EpochState, certificate: Certificate) -> CertificateCheck:
    """The check of a well-formed certificate, without the votes of it that were verified here already."""
    known = 0
    votes = state.votes.get(certificate.view)
    tally = None if votes is None else votes.tallies[certificate.kind].get(certificate.block_hash)
    if tally is not None and tally.verified & (tally.verified - 1):  # More than one's own vote.
        for index, signature in zip(bitmap_indices(certificate.bitmap), certificate.signatures, strict=True):
            if tally.verified >> index & 1 and tally.votes[index].signature == signature:
                known |= 1 << index
    return CertificateCheck(state.facts.chain_id, certificate, state.validators, known)


def _on_certificate_checked(
    state: EpochState, peer: PeerId, certificate: Certificate, results: tuple[bool, ...]
) -> None:
    state.repair.end_check(certificate)
    if results[0]:
        take_certificate(state, certificate)
    else:
        state.penalize(peer, BadCertificate)
    if state.repair.take_page(state.certificates.count):
        state.is_dirty = True


def take_certificate(state: EpochState, certificate: Certificate) -> bool:
    """Keep a verified certificate; what follows from it is done when the step settles (R5)."""
    if certificate.view <= state.final_view or not state.certificates.add(certificate):
        return False
    if state.pace.silent_mask:
        state.pace.heard(bitmap_mask(certificate.bitmap))
    compare_certificate(state, certificate)
    if certificate.kind is VoteKind.NOTARIZE:
        compare_notarized(state, certificate)
    state.is_dirty = True
    return True


def count_own(state: EpochState, vote: Vote) -> None:
    """
    Make an own vote durable and count it; sending it comes after (R15).

    Who gathers no votes of the view keeps no tallies of it: they begin with the own votes when they are made.
    """
    state.persist(VoteRecord(vote=vote))
    votes = state.votes.get(vote.view)
    if votes is not None:
        state.ballots.add(vote)
        if state.index not in votes.first[vote.kind]:
            count_verified(state, state.index, vote)
        return
    state.ballots.add(vote)
    if state.validators.powers[state.index] >= state.validators.quorum:
        check_tally(state, state.view_votes(vote.view).tally(vote.kind, vote.view, vote.block_hash))
