"""Break-glass: emergency access with the patient absent, told at once and judged afterwards (L70–L74)."""

from dataclasses import replace
from typing import Annotated

from noded.codec.schema import Limit
from noded.ledger.conduct import Fault, record_fault
from noded.ledger.context import BlockContext, Context
from noded.ledger.deadlines import schedule
from noded.ledger.dispatch import Deadlines, Handlers
from noded.ledger.events import Event
from noded.ledger.members import get_member
from noded.ledger.modules.errors import (
    AlreadyReviewed,
    Ended,
    IdTaken,
    NotAReviewer,
    NotTheOpener,
    UnknownOpening,
)
from noded.ledger.modules.identity import get_patient
from noded.ledger.modules.listings import OPENINGS, OVERDUE, listing_key
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import Height, InstitutionId, PublicKey, TimestampMs
from noded.types.medical import ActorId, KindClass, OpeningId, PatientId
from noded.types.operations.breakglass import (
    BreakglassClose,
    BreakglassOpen,
    BreakglassReview,
    EmergencyReason,
    Verdict,
)
from noded.types.roles import Purpose, Role

REVIEW_DUE = 80
"""Kind of the deadline of a review; subject: the opening's id."""

OPEN_MS = 24 * 3_600_000
"""How long an opening lasts at most: one day and night of an emergency department."""

REVIEWING_ROLES = (Role.REGULATOR, Role.AUDITOR)
"""Members that may review any opening; besides, the opener's institution and the custodian."""


@frozen(kw_only=True)
class Review:
    """What became of an opening in the eyes of somebody else."""

    verdict: Verdict
    institution: InstitutionId
    key: PublicKey
    actor: ActorId
    time_ms: TimestampMs


@frozen(kw_only=True)
class Opening:
    """One breaking of the glass."""

    patient: PatientId
    custodian: InstitutionId
    institution: InstitutionId
    """The opener's."""
    key: PublicKey
    """That opened; it cannot review."""
    actor: ActorId
    reason: EmergencyReason
    purpose: Purpose
    kinds: Annotated[tuple[KindClass, ...], Limit(1, len(KindClass))]
    since: Height
    opened_ms: TimestampMs
    closes_ms: TimestampMs
    """First millisecond at which it gives access to nothing."""
    review_due_ms: TimestampMs
    overdue: bool
    """Whether the review was not there when it was due; a late one does not change that."""
    review: Review | None

    def is_open_at(self, time_ms: TimestampMs) -> bool:
        """Whether it gives access; a review ends it."""
        return time_ms < self.closes_ms and self.review is None


def opening_key(opening: OpeningId) -> bytes:
    """Where an opening is kept."""
    return b"bg/" + opening


def get_opening(state: Overlay, opening: OpeningId) -> Opening:
    """
    A breaking of the glass by id.

    Raises:
        UnknownOpening: There is none.
    """
    found = state.read(opening_key(opening), Opening)
    if found is None:
        raise UnknownOpening(id=opening)
    return found


def process_breakglass_open(state: Overlay, op: BreakglassOpen, context: Context) -> None:
    """
    Open a patient's records of some kinds for a day; patient and custodian are told (L70, L71).

    Role and purpose are judged by the role table; the patient need not, and cannot, take part.

    Raises:
        IdTaken: There is an opening with this id.
        UnknownPatient: No patient has this id.
    """
    institution = context.institution
    assert institution is not None, "the role table lets members only"
    if state.has(opening_key(op.opening)):
        raise IdTaken(thing="opening", id=op.opening)
    patient = get_patient(state, op.patient)

    review_due_ms = TimestampMs(context.time_ms + context.params.review_ms)
    opening = Opening(
        patient=op.patient,
        custodian=patient.custodian,
        institution=institution,
        key=context.signer,
        actor=op.actor,
        reason=op.reason,
        purpose=op.purpose,
        kinds=op.kinds,
        since=context.height,
        opened_ms=context.time_ms,
        closes_ms=TimestampMs(context.time_ms + OPEN_MS),
        review_due_ms=review_due_ms,
        overdue=False,
        review=None,
    )
    state.write(opening_key(op.opening), opening)
    schedule(state, review_due_ms, REVIEW_DUE, op.opening)
    for concerned in dict.fromkeys((op.patient, patient.custodian, institution)):
        state.index_put(listing_key(OPENINGS, concerned, context.height, op.opening), b"")
    parties = (op.patient, patient.custodian, institution)
    state.emit(Event("breakglass.opened", op.opening, parties, bytes((op.reason,))))


def process_breakglass_close(state: Overlay, op: BreakglassClose, context: Context) -> None:
    """
    End an opening before its time (L72).

    Raises:
        UnknownOpening: No opening has this id.
        NotTheOpener: Another institution opened.
        Ended: It is closed.
    """
    opening = get_opening(state, op.opening)
    if context.institution != opening.institution:
        raise NotTheOpener(signer=context.signer, subject=op.opening)
    if not opening.is_open_at(context.time_ms):
        raise Ended(thing="opening", id=op.opening, status="closed")

    state.write(opening_key(op.opening), replace(opening, closes_ms=context.time_ms))
    state.emit(Event("breakglass.closed", op.opening, (opening.patient, opening.custodian)))


def process_breakglass_review(state: Overlay, op: BreakglassReview, context: Context) -> None:
    """
    Judge an opening, which ends it; late is better than never, but stays late (L73).

    Raises:
        UnknownOpening: No opening has this id.
        AlreadyReviewed: It has its review.
        NotAReviewer: The sender opened it, or has no part in it.
    """
    opening = get_opening(state, op.opening)
    if opening.review is not None:
        raise AlreadyReviewed(f"opening {op.opening.hex()} was reviewed")
    institution = context.institution
    assert institution is not None, "the role table lets members only"
    if not _may_review(state, opening, institution, op.actor, context.signer):
        raise NotAReviewer(signer=context.signer, subject=op.opening)

    review = Review(
        verdict=op.verdict,
        institution=institution,
        key=context.signer,
        actor=op.actor,
        time_ms=context.time_ms,
    )
    state.write(opening_key(op.opening), replace(opening, review=review))
    if opening.overdue:
        state.index_put(listing_key(OVERDUE, opening.institution, opening.since, op.opening), None)
    parties = (opening.patient, opening.custodian, opening.institution)
    state.emit(Event("breakglass.reviewed", op.opening, parties, bytes((op.verdict,))))


def note_overdue_review(state: Overlay, subject: bytes, block: BlockContext) -> None:
    """Charge the opener with a review that is not there when it is due (L74)."""
    id = OpeningId(subject)
    opening = state.read(opening_key(id), Opening)
    assert opening is not None, "openings are never removed"
    if opening.review is not None:
        return

    state.write(opening_key(id), replace(opening, overdue=True))
    record_fault(state, opening.institution, Fault.OVERDUE)
    state.index_put(listing_key(OVERDUE, opening.institution, opening.since, id), b"breakglass.review")
    parties = (opening.patient, opening.custodian, opening.institution)
    state.emit(Event("breakglass.review-overdue", id, parties))


def _may_review(
    state: Overlay, opening: Opening, institution: InstitutionId, actor: ActorId, signer: PublicKey
) -> bool:
    if signer == opening.key or actor == opening.actor:
        return False
    if institution in (opening.institution, opening.custodian):
        return True
    member = get_member(state, institution)
    return member is not None and member.institution.role in REVIEWING_ROLES


HANDLERS: Handlers = {
    BreakglassOpen: process_breakglass_open,
    BreakglassClose: process_breakglass_close,
    BreakglassReview: process_breakglass_review,
}
DEADLINES: Deadlines = {REVIEW_DUE: note_overdue_review}
