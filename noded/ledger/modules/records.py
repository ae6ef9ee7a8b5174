"""Records: what is anchored of documents that their custodians keep (L30–L36)."""

from dataclasses import replace
from enum import IntEnum

from noded.ledger.context import Context
from noded.ledger.dispatch import Handlers
from noded.ledger.events import Event
from noded.ledger.modules.errors import (
    Ended,
    IdTaken,
    NoCompartment,
    NotCurrent,
    NotTheCustodian,
    UnknownPatient,
    UnknownRecord,
    WrongKeyEpoch,
)
from noded.ledger.modules.identity import Patient, patient_key
from noded.ledger.modules.listings import RECORDS, listing_key
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import Height, InstitutionId
from noded.types.medical import Compartment, KindClass, PatientId, RecordId, Version
from noded.types.operations.records import (
    AmendReason,
    RecordAmend,
    RecordContent,
    RecordRegister,
    RecordWithdraw,
    WithdrawReason,
)


class RecordStatus(IntEnum):
    """Where a record stands."""

    ACTIVE = 1
    WITHDRAWN = 2
    """Not to be relied on; may still be read, because somebody may have relied on it."""
    ERASED = 3
    """Its custodian attested that content and keys are destroyed; the commitment is noise."""


@frozen(kw_only=True)
class Record:
    """One version of a record; the current one at `rec/`, earlier ones at `recv/`."""

    custodian: InstitutionId
    patient: PatientId | None
    """None for a record of the institution's own."""
    kind: KindClass
    compartment: Compartment
    version: Version
    status: RecordStatus
    amended: AmendReason | None
    """Why this version replaced another; None for the first."""
    withdrawn: WithdrawReason | None
    since: Height
    """Height at which this version came."""
    content: RecordContent


def record_key(record: RecordId) -> bytes:
    """Where the current version of a record is kept."""
    return b"rec/" + record


def record_version_key(record: RecordId, version: Version) -> bytes:
    """Where an earlier version of a record is kept."""
    return b"recv/" + record + version.to_bytes(4)


def get_record(state: Overlay, record: RecordId) -> Record:
    """
    The current version of a record.

    Raises:
        UnknownRecord: There is none with this id.
    """
    found = state.read(record_key(record), Record)
    if found is None:
        raise UnknownRecord(id=record)
    return found


def process_record_register(state: Overlay, op: RecordRegister, context: Context) -> None:
    """
    Anchor a new record (L30, L34). One state key and one listing row: this is the busiest operation.

    Raises:
        IdTaken: There is a record with this id.
        UnknownPatient: The patient is not registered with this custodian.
        WrongKeyEpoch: The compartment has a newer key, or not yet this one.
        NoCompartment: There is no patient to have a compartment.
    """
    custodian = context.institution
    assert custodian is not None, "the role table lets members only"
    key = record_key(op.record)
    if state.has(key):
        raise IdTaken(thing="record", id=op.record)
    patient = op.patient
    _check_place(state, custodian, patient, op.compartment, op.content)

    height = context.block.height
    record = Record(
        custodian=custodian,
        patient=patient,
        kind=op.kind,
        compartment=op.compartment,
        version=_FIRST,
        status=_ACTIVE,
        amended=None,
        withdrawn=None,
        since=height,
        content=op.content,
    )
    state.write(key, record)
    state.index_put(listing_key(RECORDS, patient or custodian, height, op.record), b"")


def process_record_amend(state: Overlay, op: RecordAmend, context: Context) -> None:
    """
    Add a version to a record; the one it replaces stays on the ledger (L35).

    Raises:
        UnknownRecord: No record has this id.
        NotTheCustodian: Another institution keeps it.
        Ended: It was withdrawn or erased.
        NotCurrent: Another version came first; versions never fork.
        WrongKeyEpoch: The compartment has a newer key, or not yet this one.
        NoCompartment: There is no patient to have a compartment.
    """
    record = _own_active_record(state, op.record, context)
    if op.replaces != record.version:
        raise NotCurrent(given=op.replaces, current=record.version)
    _check_place(state, record.custodian, record.patient, record.compartment, op.content)

    state.write(record_version_key(op.record, record.version), record)
    amended = replace(
        record,
        version=Version(record.version + 1),
        amended=op.reason,
        since=context.height,
        content=op.content,
    )
    state.write(record_key(op.record), amended)
    state.emit(Event("record.amended", op.record, _concerned(record)))


def process_record_withdraw(state: Overlay, op: RecordWithdraw, context: Context) -> None:
    """
    Mark a record as not to be relied on; it stays visible, and may still be read (L36).

    Raises:
        UnknownRecord: No record has this id.
        NotTheCustodian: Another institution keeps it.
        Ended: It was withdrawn or erased before.
        NotCurrent: Another version came first.
    """
    record = _own_active_record(state, op.record, context)
    if op.version != record.version:
        raise NotCurrent(given=op.version, current=record.version)

    withdrawn = replace(record, status=RecordStatus.WITHDRAWN, withdrawn=op.reason)
    state.write(record_key(op.record), withdrawn)
    state.emit(Event("record.withdrawn", op.record, _concerned(record)))


_FIRST = Version(1)
_ACTIVE = RecordStatus.ACTIVE


def _check_place(
    state: Overlay,
    custodian: InstitutionId,
    patient_id: PatientId | None,
    compartment: Compartment,
    content: RecordContent,
) -> None:
    """The patient is this custodian's, and the key is of the compartment's current epoch (L30, L34)."""
    if patient_id is None:
        if compartment or content.key_epoch or content.wrap_hash is not None:
            raise NoCompartment("a record without a patient has no compartment")
        return
    patient = state.read(patient_key(patient_id), Patient)
    if patient is None or patient.custodian != custodian:
        raise UnknownPatient(id=patient_id)
    epoch = patient.epoch_of(compartment)
    if content.key_epoch != epoch:
        raise WrongKeyEpoch(given=content.key_epoch, current=epoch)


def _own_active_record(state: Overlay, id: RecordId, context: Context) -> Record:
    record = get_record(state, id)
    if context.institution != record.custodian:
        raise NotTheCustodian(signer=context.signer, subject=id)
    if record.status is not RecordStatus.ACTIVE:
        raise Ended(thing="record", id=id, status=record.status.name.lower())
    return record


def _concerned(record: Record) -> tuple[bytes, ...]:
    return (record.custodian,) if record.patient is None else (record.custodian, record.patient)


HANDLERS: Handlers = {
    RecordRegister: process_record_register,
    RecordAmend: process_record_amend,
    RecordWithdraw: process_record_withdraw,
}
