"""Access: requests decided by every validator, releases in time, receipts (L50–L57)."""

from dataclasses import replace
from enum import IntEnum
from typing import Annotated

from noded.codec.schema import Limit
from noded.ledger.conduct import Fault, earn_credits, record_attestation, record_fault
from noded.ledger.context import BlockContext, Context
from noded.ledger.deadlines import schedule
from noded.ledger.dispatch import Deadlines, Handlers
from noded.ledger.events import Event
from noded.ledger.members import MemberStatus, get_member
from noded.ledger.modules.breakglass import get_opening
from noded.ledger.modules.consent import (
    OpenedCompartment,
    ReadCount,
    consent_key,
    get_consent,
    read_count_key,
)
from noded.ledger.modules.decide import decide, find_asked
from noded.ledger.modules.erasure import (
    add_holder,
    compartment_holders_key,
    get_erasure,
    record_holders_key,
)
from noded.ledger.modules.errors import (
    ActorMismatch,
    IdTaken,
    NotDisputable,
    NotReleasable,
    NotReleased,
    NotTheCustodian,
    NotTheReader,
    ReaderSuspended,
    UnknownRequest,
)
from noded.ledger.modules.identity import get_patient, may_act_for, still_acts
from noded.ledger.modules.listings import ACCESS, listing_key
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import Height, InstitutionId, PublicKey, TimestampMs
from noded.types.medical import ActorId, ConsentId, PatientId, ReaderKey, RequestId, Version, WrapHash
from noded.types.operations.consent import (
    BASES,
    TARGETS,
    AccessReceipt,
    AccessRelease,
    AccessRequest,
    Basis,
    InEmergency,
    OneRecord,
    ReceiptResult,
    Target,
    UnderConsent,
    WholeCompartment,
)
from noded.types.roles import Purpose

RELEASE_DUE = 64
"""Kind of the deadline of a release; subject: the request's id."""

SERVED_CREDITS = 1
"""Service credits that a custodian earns with a release that its reader confirms."""

PATH_BYTES_MAX = 192
"""A decision's path: at most 8 levels of up to 8 bytes, a name, and what stands before."""


class AccessStatus(IntEnum):
    """Where a request stands."""

    DENIED = 1
    PERMITTED = 2
    """Waits for its release."""
    RELEASED = 3
    """Waits for its receipt."""
    READ = 4
    UNREADABLE = 5
    LAPSED = 6
    """Permitted, but not released in time."""
    UPHELD = 7
    """Unreadable, and by vote the custodian is to blame."""


@frozen(kw_only=True)
class Access:
    """A request and all that came of it: one line in the patient's access log."""

    target: Annotated[Target, TARGETS]
    basis: Annotated[Basis, BASES]
    purpose: Purpose
    custodian: InstitutionId
    patient: PatientId | None
    """Whom the data is about; None for an institution's own record."""
    institution: InstitutionId | None
    """Who asked; None for the patient or a delegate."""
    actor: ActorId | None
    """Who in the institution."""
    signer: PublicKey | None
    """The patient's or delegate's key that asked; None for an institution, whoever signs for it later."""
    reader_key: ReaderKey
    consent_version: Version | None
    """Of the consent, when it permitted; None if none did."""
    status: AccessStatus
    path: Annotated[str, Limit(1, PATH_BYTES_MAX)]
    """What decided (L49)."""
    since: Height
    asked_ms: TimestampMs
    due_ms: TimestampMs | None
    """First millisecond at which a release comes too late; None if it was denied."""
    wrap_hash: WrapHash | None
    """Of the wrapped key; None before the release."""


def access_key(request: RequestId) -> bytes:
    """Where a request is kept."""
    return b"req/" + request


def get_access(state: Overlay, request: RequestId) -> Access:
    """
    A request and what came of it.

    Raises:
        UnknownRequest: There is none with this id.
    """
    found = state.read(access_key(request), Access)
    if found is None:
        raise UnknownRequest(id=request)
    return found


def process_access_request(state: Overlay, op: AccessRequest, context: Context) -> None:
    """
    Decide on a request and record the decision, whichever it is (L50–L53).

    A denial is no rejection: it stays on the ledger, where the patient sees it.

    Raises:
        IdTaken: There is a request with this id.
        ActorMismatch: An institution does not say who reads, or a patient does.
        UnknownRecord: There is no such version of such a record.
        UnknownPatient: There is no such patient.
    """
    if state.has(access_key(op.request)):
        raise IdTaken(thing="request", id=op.request)
    institution = context.institution
    if (op.actor is None) != (institution is None):
        raise ActorMismatch("institutions name an actor, patients do not")
    asked = find_asked(state, op.target)
    decision = decide(state, op, asked, context)

    due_ms = TimestampMs(context.time_ms + context.params.release_ms) if decision.permits else None
    access = Access(
        target=op.target,
        basis=op.basis,
        purpose=op.purpose,
        custodian=asked.custodian,
        patient=asked.patient,
        institution=institution,
        actor=op.actor,
        signer=context.signer if institution is None else None,
        reader_key=op.reader_key,
        consent_version=_consent_version(state, op) if decision.permits else None,
        status=AccessStatus.PERMITTED if decision.permits else AccessStatus.DENIED,
        path=decision.path,
        since=context.height,
        asked_ms=context.time_ms,
        due_ms=due_ms,
        wrap_hash=None,
    )
    state.write(access_key(op.request), access)
    if due_ms is not None:
        if isinstance(op.basis, UnderConsent):
            _count_read(state, op.basis.consent, 1)
        schedule(state, due_ms, RELEASE_DUE, op.request)
    parties = _parties(access)
    for concerned in dict.fromkeys((asked.record, *parties)):
        if concerned is not None:
            state.index_put(listing_key(ACCESS, concerned, context.height, op.request), b"")
    name = "access.permitted" if decision.permits else "access.denied"
    state.emit(Event(name, op.request, parties, decision.path.encode()))


def process_access_release(state: Overlay, op: AccessRelease, context: Context) -> None:
    """
    Name the wrapped key that answers a permit, if the permit's reason still stands (L54).

    Raises:
        UnknownRequest: No request has this id.
        NotTheCustodian: Another institution keeps the record.
        NotReleasable: It was denied, answered or has lapsed; its consent or opening ended; the key that asked was replaced
            or cleared; or erasure was demanded.
        ReaderSuspended: The reader is no member in good standing any more.
    """
    access = get_access(state, op.request)
    if context.institution != access.custodian:
        raise NotTheCustodian(signer=context.signer, subject=op.request)
    if access.status is not AccessStatus.PERMITTED:
        raise NotReleasable(request=op.request, why=access.status.name.lower())
    assert access.due_ms is not None, "a permit has a deadline"
    if context.time_ms >= access.due_ms:
        raise NotReleasable(request=op.request, why="too late")
    _check_basis_stands(state, op.request, access, context)
    if access.institution is not None:
        member = get_member(state, access.institution)
        if member is None or member.status is not MemberStatus.MEMBER:
            raise ReaderSuspended(reader=access.institution)

    released = replace(access, status=AccessStatus.RELEASED, wrap_hash=op.wrap_hash)
    state.write(access_key(op.request), released)
    _remember_holder(state, access)
    state.emit(Event("access.released", op.request, _parties(access), op.wrap_hash))


def process_access_receipt(state: Overlay, op: AccessReceipt, context: Context) -> None:
    """
    Say what became of a release; one that could be read speaks for its custodian (L56, L57).

    Raises:
        UnknownRequest: No request has this id.
        NotTheReader: Somebody else asked.
        NotReleased: There is no release to confirm.
    """
    access = get_access(state, op.request)
    if not _is_reader(state, access, context):
        raise NotTheReader(signer=context.signer, subject=op.request)
    if access.status is not AccessStatus.RELEASED:
        raise NotReleased(f"request {op.request.hex()} is {access.status.name.lower()}")

    is_read = op.result is ReceiptResult.READ
    status = AccessStatus.READ if is_read else AccessStatus.UNREADABLE
    state.write(access_key(op.request), replace(access, status=status))
    if is_read and access.institution not in (None, access.custodian):
        assert access.institution is not None
        earn_credits(state, access.custodian, SERVED_CREDITS)
        record_attestation(state, access.custodian, access.institution)
    name = "access.read" if is_read else "access.unreadable"
    state.emit(Event(name, op.request, _parties(access)))


def check_dispute(state: Overlay, request: RequestId, *, reader: InstitutionId) -> None:
    """
    Check that a reader may have its dispute of a release upheld (L112).

    Raises:
        UnknownRequest: No request has this id.
        NotDisputable: Another asked, its receipt does not say that it could not be read, or it was upheld before.
    """
    access = get_access(state, request)
    is_reader = access.institution == reader != access.custodian
    if not is_reader or access.status is not AccessStatus.UNREADABLE:
        raise NotDisputable(request=request, status=access.status.name.lower())


def uphold_dispute(state: Overlay, request: RequestId) -> None:
    """Charge the custodian with a release that could not be read (L112, L124)."""
    access = get_access(state, request)
    state.write(access_key(request), replace(access, status=AccessStatus.UPHELD))
    record_fault(state, access.custodian, Fault.LOST_ATTESTATION)
    state.emit(Event("access.upheld", request, _parties(access)))


def lapse_request(state: Overlay, subject: bytes, block: BlockContext) -> None:
    """Let a permit lapse that was not released in time; its read does not count (L55)."""
    id = RequestId(subject)
    access = state.read(access_key(id), Access)
    assert access is not None, "requests are never removed"
    if access.status is not AccessStatus.PERMITTED:
        return

    state.write(access_key(id), replace(access, status=AccessStatus.LAPSED))
    if isinstance(access.basis, UnderConsent):
        _count_read(state, access.basis.consent, -1)
    state.emit(Event("access.lapsed", id, _parties(access)))


def _count_read(state: Overlay, consent: ConsentId, change: int) -> None:
    key = read_count_key(consent)
    count = state.read(key, ReadCount)
    state.write(key, ReadCount(reads=(0 if count is None else count.reads) + change))


def _consent_version(state: Overlay, op: AccessRequest) -> Version | None:
    return get_consent(state, op.basis.consent).version if isinstance(op.basis, UnderConsent) else None


def _check_basis_stands(state: Overlay, request: RequestId, access: Access, context: Context) -> None:
    """Nothing goes out after a revocation, an amendment, an end or a demand for erasure, nor to a key that ended (L41, L42, L54, L85)."""
    match access.basis:
        case UnderConsent(consent=consent):
            current = get_consent(state, consent)
            if not current.holds_at(context.time_ms):
                raise NotReleasable(request=request, why="the consent has ended")
            if current.version != access.consent_version:
                raise NotReleasable(request=request, why="the consent was amended")
        case InEmergency(opening=opening):
            if not get_opening(state, opening).is_open_at(context.time_ms):
                raise NotReleasable(request=request, why="the opening is closed")
    if access.signer is not None and not still_acts(state, access.signer, context.time_ms):
        raise NotReleasable(request=request, why="the key that asked acts no more")
    match access.target:
        case OneRecord(record=record):
            if get_erasure(state, record) is not None:
                raise NotReleasable(request=request, why="erasure was demanded")


def _remember_holder(state: Overlay, access: Access) -> None:
    """Who holds which key: for erasure (L85), and for what a revocation must say (L42)."""
    if access.institution is None:
        return
    match access.target:
        case OneRecord(record=record):
            add_holder(state, record_holders_key(record), access.institution)
        case WholeCompartment(patient=patient, compartment=compartment):
            add_holder(state, compartment_holders_key(patient, compartment), access.institution)
            assert isinstance(access.basis, UnderConsent), "only consents give compartments"
            id = access.basis.consent
            consent = get_consent(state, id)
            epoch = get_patient(state, patient).epoch_of(compartment)
            others = [opened for opened in consent.opened if opened.compartment != compartment]
            opened = [*others, OpenedCompartment(compartment=compartment, epoch=epoch)]
            opened.sort(key=lambda each: each.compartment)
            state.write(consent_key(id), replace(consent, opened=tuple(opened)))


def _is_reader(state: Overlay, access: Access, context: Context) -> bool:
    if access.institution is not None:
        return context.institution == access.institution
    return access.patient is not None and may_act_for(state, context, access.patient)


def _parties(access: Access) -> tuple[bytes, ...]:
    parties = (access.patient, access.custodian, access.institution)
    return tuple(dict.fromkeys(party for party in parties if party is not None))


HANDLERS: Handlers = {
    AccessRequest: process_access_request,
    AccessRelease: process_access_release,
    AccessReceipt: process_access_receipt,
}
DEADLINES: Deadlines = {RELEASE_DUE: lapse_request}
