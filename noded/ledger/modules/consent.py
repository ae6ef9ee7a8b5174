"""Consents: what a patient permits, and the keys of compartments (L40–L46)."""

from dataclasses import replace
from enum import IntEnum
from typing import Annotated

from noded.codec.schema import Limit
from noded.ledger.conditions.syntax import check_condition
from noded.ledger.context import BlockContext, Context
from noded.ledger.deadlines import schedule
from noded.ledger.dispatch import Deadlines, Handlers
from noded.ledger.events import Event
from noded.ledger.members import get_member
from noded.ledger.modules.errors import (
    AlreadyOver,
    Ended,
    IdTaken,
    NotCurrent,
    NotTheCustodian,
    NotTheGrantor,
    UnknownConsent,
    UnknownGrantee,
)
from noded.ledger.modules.groups import Group, group_key
from noded.ledger.modules.identity import get_patient, may_act_for, patient_key
from noded.ledger.modules.listings import CONSENTS, listing_key
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import Height, TimestampMs
from noded.types.medical import (
    COMPARTMENTS_MAX,
    Compartment,
    ConsentId,
    KeyEpoch,
    PatientId,
    Version,
)
from noded.types.operations.consent import (
    ConsentAmend,
    ConsentGrant,
    ConsentRevoke,
    ConsentTerms,
    KeyEpochBegin,
    ToGroup,
    ToOrganization,
)

CONSENT_ENDS = 60
"""Kind of the deadline at which a consent expires; subject: the consent's id."""


class ConsentStatus(IntEnum):
    """Where a consent stands."""

    ACTIVE = 1
    REVOKED = 2
    EXPIRED = 3


@frozen(kw_only=True)
class OpenedCompartment:
    """A compartment whose key went to a reader, to keep."""

    compartment: Compartment
    epoch: KeyEpoch


@frozen(kw_only=True)
class Consent:
    """A patient's permission; the current version at `con/`, earlier ones at `conv/`."""

    patient: PatientId
    version: Version
    status: ConsentStatus
    since: Height
    """Height at which this version came."""
    ended: Height | None
    """Height at which it was revoked or expired."""
    opened: Annotated[tuple[OpenedCompartment, ...], Limit(0, COMPARTMENTS_MAX)]
    """Keys that went out under it, ascending; revoking does not bring them back (L42)."""
    terms: ConsentTerms

    def holds_at(self, time_ms: TimestampMs) -> bool:
        """Whether it is in force, its time included."""
        terms = self.terms
        return self.status is ConsentStatus.ACTIVE and terms.from_ms <= time_ms < terms.until_ms


@frozen(kw_only=True)
class ReadCount:
    """How many reads were permitted under a consent, by all readers at all institutions together (L52)."""

    reads: Annotated[int, Limit(0, 1 << 40)]


def consent_key(consent: ConsentId) -> bytes:
    """Where the current version of a consent is kept."""
    return b"con/" + consent


def consent_version_key(consent: ConsentId, version: Version) -> bytes:
    """Where an earlier version of a consent is kept."""
    return b"conv/" + consent + version.to_bytes(4)


def read_count_key(consent: ConsentId) -> bytes:
    """Where the reads under a consent are counted."""
    return b"use/" + consent


def get_consent(state: Overlay, consent: ConsentId) -> Consent:
    """
    The current version of a consent.

    Raises:
        UnknownConsent: There is none with this id.
    """
    found = state.read(consent_key(consent), Consent)
    if found is None:
        raise UnknownConsent(id=consent)
    return found


def process_consent_grant(state: Overlay, op: ConsentGrant, context: Context) -> None:
    """
    Permit access from now on, or from the time that the terms name (L40).

    Raises:
        IdTaken: There is a consent with this id.
        UnknownPatient: No patient has this id.
        NotTheGrantor: The sender is neither the patient's key nor a delegate's that acts.
        AlreadyOver: The terms end in the past.
        UnknownGrantee: They name a member or group that the ledger does not know.
        ConditionTooLarge: Their condition is beyond the language's bounds.
    """
    if state.has(consent_key(op.consent)):
        raise IdTaken(thing="consent", id=op.consent)
    patient = get_patient(state, op.patient)
    _check_grantor(state, context, op.patient)
    _check_terms(state, op.terms, context.time_ms)

    consent = Consent(
        patient=op.patient,
        version=Version(1),
        status=ConsentStatus.ACTIVE,
        since=context.height,
        ended=None,
        opened=(),
        terms=op.terms,
    )
    state.write(consent_key(op.consent), consent)
    schedule(state, op.terms.until_ms, CONSENT_ENDS, op.consent)
    state.index_put(listing_key(CONSENTS, op.patient, context.height, op.consent), b"")
    _list_for_grantee(state, op.consent, op.terms, context.height)
    state.emit(Event("consent.granted", op.consent, (op.patient, patient.custodian)))


def process_consent_amend(state: Overlay, op: ConsentAmend, context: Context) -> None:
    """
    Replace the terms of a consent that has not ended; its reads stay counted (L41).

    Raises:
        UnknownConsent: No consent has this id.
        NotTheGrantor: The sender is neither the patient's key nor a delegate's that acts.
        Ended: It was revoked or has expired.
        NotCurrent: It was amended in the meantime.
        AlreadyOver: The new terms end in the past.
        UnknownGrantee: They name a member or group that the ledger does not know.
        ConditionTooLarge: Their condition is beyond the language's bounds.
    """
    consent = get_consent(state, op.consent)
    _check_grantor(state, context, consent.patient)
    _check_not_ended(op.consent, consent, context.time_ms)
    if op.replaces != consent.version:
        raise NotCurrent(given=op.replaces, current=consent.version)
    _check_terms(state, op.terms, context.time_ms)

    state.write(consent_version_key(op.consent, consent.version), consent)
    version = Version(consent.version + 1)
    amended = replace(consent, version=version, since=context.height, terms=op.terms)
    state.write(consent_key(op.consent), amended)
    if op.terms.until_ms != consent.terms.until_ms:
        schedule(state, op.terms.until_ms, CONSENT_ENDS, op.consent)
    if op.terms.grantee != consent.terms.grantee:
        _list_for_grantee(state, op.consent, op.terms, context.height)
    state.emit(Event("consent.amended", op.consent, (consent.patient,)))


def process_consent_revoke(state: Overlay, op: ConsentRevoke, context: Context) -> None:
    """
    End a consent from this block on; the event names the compartments whose keys stay out (L42).

    Raises:
        UnknownConsent: No consent has this id.
        NotTheGrantor: The sender is neither the patient's key nor a delegate's that acts.
        Ended: It was revoked before, or has expired.
    """
    consent = get_consent(state, op.consent)
    _check_grantor(state, context, consent.patient)
    _check_not_ended(op.consent, consent, context.time_ms)

    _end(state, op.consent, consent, ConsentStatus.REVOKED, context.height)


def end_consent(state: Overlay, subject: bytes, block: BlockContext) -> None:
    """Mark a consent as expired, unless it ended before or its end was moved (L44)."""
    id = ConsentId(subject)
    consent = state.read(consent_key(id), Consent)
    assert consent is not None, "consents are never removed"
    if consent.status is ConsentStatus.ACTIVE and consent.terms.until_ms <= block.time_ms:
        _end(state, id, consent, ConsentStatus.EXPIRED, block.height)


def process_key_epoch(state: Overlay, op: KeyEpochBegin, context: Context) -> None:
    """
    Begin a new key of a compartment, by the custodian (L46).

    Raises:
        UnknownPatient: No patient has this id.
        NotTheCustodian: Another institution keeps the patient's records.
        NotCurrent: The epoch is not the next one.
    """
    patient = get_patient(state, op.patient)
    if context.institution != patient.custodian:
        raise NotTheCustodian(signer=context.signer, subject=op.patient)
    current = patient.epoch_of(op.compartment)
    if op.epoch != current + 1:
        raise NotCurrent(given=op.epoch, current=current)

    epochs = [patient.epoch_of(Compartment(index)) for index in range(COMPARTMENTS_MAX)]
    epochs[op.compartment] = op.epoch
    while epochs[-1] == 0:
        epochs.pop()
    state.write(patient_key(op.patient), replace(patient, epochs=tuple(epochs)))
    detail = bytes((op.compartment,))
    state.emit(Event("key.epoch-begun", op.patient, (patient.custodian,), detail))


def _check_grantor(state: Overlay, context: Context, patient: PatientId) -> None:
    if not may_act_for(state, context, patient):
        raise NotTheGrantor(signer=context.signer, subject=patient)


def _check_not_ended(id: ConsentId, consent: Consent, time_ms: TimestampMs) -> None:
    if consent.status is not ConsentStatus.ACTIVE:
        raise Ended(thing="consent", id=id, status=consent.status.name.lower())
    if consent.terms.until_ms <= time_ms:
        raise Ended(thing="consent", id=id, status="expired")


def _check_terms(state: Overlay, terms: ConsentTerms, time_ms: TimestampMs) -> None:
    if terms.until_ms <= time_ms:
        raise AlreadyOver(until_ms=terms.until_ms, now_ms=time_ms)
    match terms.grantee:
        case ToOrganization(institution=institution):
            if get_member(state, institution) is None:
                raise UnknownGrantee(id=institution)
        case ToGroup(group=id, version=version):
            group = state.read(group_key(id), Group)
            if group is None or group.version < version:
                raise UnknownGrantee(id=id)
    if terms.condition is not None:
        check_condition(terms.condition)


def _list_for_grantee(state: Overlay, id: ConsentId, terms: ConsentTerms, height: Height) -> None:
    """Roles and groups are too many to tell; a single member finds what it was given."""
    if isinstance(terms.grantee, ToOrganization):
        state.index_put(listing_key(CONSENTS, terms.grantee.institution, height, id), b"")


def _end(state: Overlay, id: ConsentId, consent: Consent, status: ConsentStatus, height: Height) -> None:
    state.write(consent_key(id), replace(consent, status=status, ended=height))
    detail = bytes(opened.compartment for opened in consent.opened)
    name = "consent.revoked" if status is ConsentStatus.REVOKED else "consent.expired"
    state.emit(Event(name, id, (consent.patient,), detail))


HANDLERS: Handlers = {
    ConsentGrant: process_consent_grant,
    ConsentAmend: process_consent_amend,
    ConsentRevoke: process_consent_revoke,
    KeyEpochBegin: process_key_epoch,
}
DEADLINES: Deadlines = {CONSENT_ENDS: end_consent}
