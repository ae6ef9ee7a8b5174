"""Erasure: a patient's demand that a record be destroyed wherever its keys went (L85–L88)."""

from dataclasses import replace
from typing import Annotated

from noded.codec.schema import Limit
from noded.ledger.conduct import Fault, record_fault
from noded.ledger.context import BlockContext, Context
from noded.ledger.deadlines import schedule
from noded.ledger.dispatch import Deadlines, Handlers
from noded.ledger.events import Event
from noded.ledger.modules.errors import (
    AlreadyRequested,
    NotAHolder,
    NotTheGrantor,
    UnknownErasure,
    UnknownRecord,
)
from noded.ledger.modules.identity import may_act_for
from noded.ledger.modules.listings import ERASURES, OVERDUE, listing_key
from noded.ledger.modules.records import Record, RecordStatus, get_record, record_key
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import VALIDATORS_MAX, Height, InstitutionId, TimestampMs
from noded.types.medical import Compartment, PatientId, RecordId
from noded.types.operations.audit import ErasureAttest, ErasureRequest

ATTESTATIONS_DUE = 95
"""Kind of the deadline of an erasure's attestations; subject: the record's id."""

ERASURE_MS = 30 * 86_400_000
"""For all holders to attest: the month that GDPR 12(3) gives."""

Institutions = Annotated[tuple[InstitutionId, ...], Limit(0, VALIDATORS_MAX)]
"""Ascending; each member at most once."""


@frozen(kw_only=True)
class Holders:
    """Who was given a record's key, or a compartment's."""

    institutions: Institutions


@frozen(kw_only=True)
class Erasure:
    """A demand for erasure and what became of it."""

    patient: PatientId
    since: Height
    due_ms: TimestampMs
    owing: Institutions
    """Holders that have not attested."""
    attested: Institutions
    overdue: bool
    """Whether somebody still owed when it was due."""


def record_holders_key(record: RecordId) -> bytes:
    """Where the holders of a record's key are kept."""
    return b"rel/" + record


def compartment_holders_key(patient: PatientId, compartment: Compartment) -> bytes:
    """Where the holders of a compartment's key are kept."""
    return b"rel/" + patient + bytes((compartment,))


def erasure_key(record: RecordId) -> bytes:
    """Where the erasure of a record is kept."""
    return b"ers/" + record


def get_erasure(state: Overlay, record: RecordId) -> Erasure | None:
    """The erasure of a record; None if nobody demanded it."""
    return state.read(erasure_key(record), Erasure)


def add_holder(state: Overlay, key: bytes, institution: InstitutionId) -> None:
    """Remember who was given a key, so that it can be asked to destroy it (L85)."""
    holders = state.read(key, Holders)
    known = () if holders is None else holders.institutions
    if institution not in known:
        state.write(key, Holders(institutions=tuple(sorted((*known, institution)))))


def process_erasure_request(state: Overlay, op: ErasureRequest, context: Context) -> None:
    """
    Demand erasure of the custodian and of all who were given a key; no key goes out from now on (L85).

    Raises:
        UnknownRecord: No record has this id, or it is an institution's own.
        NotTheGrantor: The sender is neither the patient's key nor a delegate's that acts.
        AlreadyRequested: It was demanded before.
    """
    record = get_record(state, op.record)
    if record.patient is None:
        raise UnknownRecord(id=op.record)
    if not may_act_for(state, context, record.patient):
        raise NotTheGrantor(signer=context.signer, subject=op.record)
    if get_erasure(state, op.record) is not None:
        raise AlreadyRequested(f"erasure of record {op.record.hex()} was demanded")

    due_ms = TimestampMs(context.time_ms + ERASURE_MS)
    owing = _holders(state, op.record, record, record.patient)
    erasure = Erasure(
        patient=record.patient,
        since=context.height,
        due_ms=due_ms,
        owing=owing,
        attested=(),
        overdue=False,
    )
    state.write(erasure_key(op.record), erasure)
    schedule(state, due_ms, ATTESTATIONS_DUE, op.record)
    for concerned in (record.patient, *owing):
        state.index_put(listing_key(ERASURES, concerned, context.height, op.record), b"")
    state.emit(Event("erasure.requested", op.record, (record.patient, record.custodian)))


def process_erasure_attest(state: Overlay, op: ErasureAttest, context: Context) -> None:
    """
    Attest, as a holder, that everything that opens the record is destroyed (L86).

    Raises:
        UnknownErasure: Nobody demanded that this record be erased.
        NotAHolder: The sender owes no attestation.
    """
    erasure = get_erasure(state, op.record)
    if erasure is None:
        raise UnknownErasure(id=op.record)
    institution = context.institution
    if institution is None or institution not in erasure.owing:
        raise NotAHolder(signer=context.signer, subject=op.record)
    record = get_record(state, op.record)

    owing = tuple(holder for holder in erasure.owing if holder != institution)
    attested = tuple(sorted((*erasure.attested, institution)))
    state.write(erasure_key(op.record), replace(erasure, owing=owing, attested=attested))
    if institution == record.custodian:
        state.write(record_key(op.record), replace(record, status=RecordStatus.ERASED))
    if erasure.overdue:
        state.index_put(listing_key(OVERDUE, institution, erasure.since, op.record), None)
    name = "erasure.attested" if owing else "erasure.completed"
    state.emit(Event(name, op.record, (erasure.patient, institution)))


def note_overdue_attestations(state: Overlay, subject: bytes, block: BlockContext) -> None:
    """Charge every holder that has not attested in time, and list it (L87)."""
    record = RecordId(subject)
    erasure = get_erasure(state, record)
    assert erasure is not None, "erasures are never removed"
    if not erasure.owing:
        return

    state.write(erasure_key(record), replace(erasure, overdue=True))
    for holder in erasure.owing:
        record_fault(state, holder, Fault.OVERDUE)
        state.index_put(listing_key(OVERDUE, holder, erasure.since, record), b"erasure.attest")
    state.emit(Event("erasure.overdue", record, (erasure.patient,)))


def _holders(state: Overlay, id: RecordId, record: Record, patient: PatientId) -> tuple[InstitutionId, ...]:
    """The custodian, and whoever was given the record's key or its compartment's."""
    holders = {record.custodian}
    for key in (record_holders_key(id), compartment_holders_key(patient, record.compartment)):
        found = state.read(key, Holders)
        holders.update(() if found is None else found.institutions)
    return tuple(sorted(holders))


HANDLERS: Handlers = {ErasureRequest: process_erasure_request, ErasureAttest: process_erasure_attest}
DEADLINES: Deadlines = {ATTESTATIONS_DUE: note_overdue_attestations}
