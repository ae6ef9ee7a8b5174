"""Patients and their delegates (L20–L23)."""

from dataclasses import replace
from typing import Annotated

from noded.codec.schema import Limit
from noded.ledger.context import BlockContext, Context
from noded.ledger.deadlines import schedule
from noded.ledger.dispatch import Deadlines, Handlers
from noded.ledger.errors import KeyTaken
from noded.ledger.events import Event
from noded.ledger.keys import add_key, end_key, get_key
from noded.ledger.modules.errors import (
    AlreadyOver,
    IdTaken,
    NotThePatient,
    SignatureMissing,
    UnknownDelegate,
    UnknownPatient,
)
from noded.ledger.modules.listings import DELEGATES, PATIENTS, listing_key
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import Height, InstitutionId, PublicKey, TimestampMs
from noded.types.medical import (
    COMPARTMENTS_MAX,
    Compartment,
    KeyEpoch,
    PatientId,
)
from noded.types.operations.identity import (
    DelegateClear,
    DelegateSet,
    PatientRegister,
    PatientRotate,
)
from noded.types.roles import KeyKind

DELEGATE_ENDS = 23
"""Kind of the deadline at which a delegate's power ends; subject: the delegate's key."""


@frozen(kw_only=True)
class Patient:
    """A patient as one custodian knows them."""

    custodian: InstitutionId
    key: PublicKey
    """The one in use; all earlier ones have ended."""
    epochs: Annotated[tuple[KeyEpoch, ...], Limit(0, COMPARTMENTS_MAX)]
    """Current epoch of each compartment's key, by compartment; 0 for those beyond the end."""
    since: Height

    def epoch_of(self, compartment: Compartment) -> KeyEpoch:
        """The current epoch of a compartment's key."""
        return self.epochs[compartment] if compartment < len(self.epochs) else KeyEpoch(0)


@frozen(kw_only=True)
class Delegate:
    """A key that acts for a patient."""

    patient: PatientId
    until_ms: TimestampMs
    """First millisecond at which it no longer acts."""


def patient_key(patient: PatientId) -> bytes:
    """Where a patient is kept."""
    return b"pp/" + patient


def delegate_key(key: PublicKey) -> bytes:
    """Where a delegate is kept."""
    return b"dlg/" + key


def get_patient(state: Overlay, patient: PatientId) -> Patient:
    """
    A patient by id.

    Raises:
        UnknownPatient: There is none.
    """
    found = state.read(patient_key(patient), Patient)
    if found is None:
        raise UnknownPatient(id=patient)
    return found


def may_act_for(state: Overlay, context: Context, patient: PatientId) -> bool:
    """Whether the sender is the patient's key, or a delegate's whose time is not over (L23)."""
    return context.key.owner == patient and _is_in_time(
        state, context.signer, context.key.kind, context.time_ms
    )


def still_acts(state: Overlay, key: PublicKey, time_ms: TimestampMs) -> bool:
    """Whether a key that acted for a patient still may: neither replaced nor cleared, and its time not over (L21–L23)."""
    entry = get_key(state, key)
    return entry is not None and entry.until is None and _is_in_time(state, key, entry.kind, time_ms)


def _is_in_time(state: Overlay, key: PublicKey, kind: KeyKind, time_ms: TimestampMs) -> bool:
    if kind is KeyKind.PATIENT:
        return True
    delegate = state.read(delegate_key(key), Delegate)
    return delegate is not None and time_ms < delegate.until_ms


def process_patient_register(state: Overlay, op: PatientRegister, context: Context) -> None:
    """
    Make a patient known to the ledger, by custodian and patient together (L20).

    Raises:
        IdTaken: There is a patient with this id.
        SignatureMissing: The patient's key did not sign.
        KeyTaken: The key belongs, or once belonged, to somebody.
    """
    custodian = context.institution
    assert custodian is not None, "the role table lets members only"
    if state.has(patient_key(op.patient)):
        raise IdTaken(thing="patient", id=op.patient)
    _check_new_key(state, op.key, context)

    add_key(state, op.key, kind=KeyKind.PATIENT, owner=op.patient, height=context.height)
    patient = Patient(custodian=custodian, key=op.key, epochs=(), since=context.height)
    state.write(patient_key(op.patient), patient)
    state.index_put(listing_key(PATIENTS, custodian, context.height, op.patient), b"")
    state.emit(Event("patient.registered", op.patient, (custodian,)))


def process_patient_rotate(state: Overlay, op: PatientRotate, context: Context) -> None:
    """
    Replace a patient's key; the old one signs nothing from the next transaction on (L21).

    Raises:
        UnknownPatient: No patient has this id.
        NotThePatient: The sender is not the patient's key in use.
        SignatureMissing: The new key did not sign.
        KeyTaken: The new key belongs, or once belonged, to somebody.
    """
    patient = get_patient(state, op.patient)
    if context.signer != patient.key:
        raise NotThePatient(signer=context.signer, subject=op.patient)
    _check_new_key(state, op.key, context)

    end_key(state, patient.key, context.height)
    add_key(state, op.key, kind=KeyKind.PATIENT, owner=op.patient, height=context.height)
    state.write(patient_key(op.patient), replace(patient, key=op.key))
    state.emit(Event("patient.rotated", op.patient, (patient.custodian,)))


def process_delegate_set(state: Overlay, op: DelegateSet, context: Context) -> None:
    """
    Let a key act for the patient until a time, or move that time (L22).

    Raises:
        UnknownPatient: No patient has this id.
        NotThePatient: The sender is not the patient's key; delegates make no delegates.
        AlreadyOver: The time has passed.
        SignatureMissing: The delegate's key did not sign.
        KeyTaken: The key belongs, or once belonged, to somebody else.
    """
    patient = get_patient(state, op.patient)
    if context.signer != patient.key:
        raise NotThePatient(signer=context.signer, subject=op.patient)
    if op.until_ms <= context.time_ms:
        raise AlreadyOver(until_ms=op.until_ms, now_ms=context.time_ms)
    delegate = state.read(delegate_key(op.key), Delegate)
    is_new = delegate is None
    if delegate is None:
        _check_new_key(state, op.key, context)
    elif delegate.patient != op.patient:
        raise KeyTaken(key=op.key)

    if is_new:
        add_key(state, op.key, kind=KeyKind.DELEGATE, owner=op.patient, height=context.height)
        state.index_put(listing_key(DELEGATES, op.patient, context.height, op.key), b"")
    state.write(delegate_key(op.key), Delegate(patient=op.patient, until_ms=op.until_ms))
    schedule(state, op.until_ms, DELEGATE_ENDS, op.key)
    state.emit(Event("delegate.set", op.patient, (op.key, patient.custodian)))


def process_delegate_clear(state: Overlay, op: DelegateClear, context: Context) -> None:
    """
    End a delegate's power, by the patient or by the delegate (L22).

    Raises:
        UnknownPatient: No patient has this id.
        UnknownDelegate: The key does not act for this patient.
        NotThePatient: The sender is neither of the two.
    """
    patient = get_patient(state, op.patient)
    delegate = state.read(delegate_key(op.key), Delegate)
    if delegate is None or delegate.patient != op.patient:
        raise UnknownDelegate(id=op.key)
    if context.signer not in (patient.key, op.key):
        raise NotThePatient(signer=context.signer, subject=op.patient)

    _end_delegate(state, op.key, delegate, context.height)


def end_delegate(state: Overlay, subject: bytes, block: BlockContext) -> None:
    """End a delegate's key when its time is over, unless that was moved (L22)."""
    key = PublicKey(subject)
    delegate = state.read(delegate_key(key), Delegate)
    if delegate is not None and delegate.until_ms <= block.time_ms:
        _end_delegate(state, key, delegate, block.height)


def _end_delegate(state: Overlay, key: PublicKey, delegate: Delegate, height: Height) -> None:
    end_key(state, key, height)
    state.delete(delegate_key(key))
    state.emit(Event("delegate.ended", delegate.patient, (key,)))


def _check_new_key(state: Overlay, key: PublicKey, context: Context) -> None:
    if key not in context.cosigners:
        raise SignatureMissing(key=key)
    if get_key(state, key) is not None:
        raise KeyTaken(key=key)


HANDLERS: Handlers = {
    PatientRegister: process_patient_register,
    PatientRotate: process_patient_rotate,
    DelegateSet: process_delegate_set,
    DelegateClear: process_delegate_clear,
}
DEADLINES: Deadlines = {DELEGATE_ENDS: end_delegate}
