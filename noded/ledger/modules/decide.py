"""Who may have a key: the decision on a request, the same on every validator (L43, L45, L50–L53, L71)."""

from noded.ledger.conditions.evaluate import AccessFacts, Decision, evaluate
from noded.ledger.context import Context
from noded.ledger.members import get_member
from noded.ledger.modules.breakglass import Opening, opening_key
from noded.ledger.modules.consent import Consent, ConsentStatus, ReadCount, consent_key, read_count_key
from noded.ledger.modules.erasure import get_erasure
from noded.ledger.modules.errors import UnknownRecord
from noded.ledger.modules.groups import is_group_member
from noded.ledger.modules.identity import get_patient, may_act_for
from noded.ledger.modules.records import Record, RecordStatus, get_record, record_version_key
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import InstitutionId
from noded.types.medical import Compartment, ConsentId, DayRange, KindClass, PatientId, RecordId, has_purpose
from noded.types.operations.consent import (
    AccessRequest,
    ConsentTerms,
    Grantee,
    InEmergency,
    Mode,
    OneRecord,
    OwnRecord,
    Target,
    ToGroup,
    ToOrganization,
    ToRole,
    UnderConsent,
    WholeCompartment,
)

_PERMIT = Decision(True, "permitted")


@frozen(kw_only=True)
class Asked:
    """What a request is about, as the state has it."""

    custodian: InstitutionId
    patient: PatientId | None
    record: RecordId | None
    """None for a whole compartment."""
    kinds: tuple[KindClass, ...]
    """Of everything that the key would open."""
    compartment: Compartment
    days: DayRange | None
    is_gone: bool
    """Whether it was erased, or is being erased."""


def find_asked(state: Overlay, target: Target) -> Asked:
    """
    What a request is about.

    Raises:
        UnknownRecord: There is no such record, or no such version of it.
        UnknownPatient: There is no such patient.
    """
    if isinstance(target, WholeCompartment):
        patient = get_patient(state, target.patient)
        return Asked(
            custodian=patient.custodian,
            patient=target.patient,
            record=None,
            kinds=tuple(KindClass),
            compartment=target.compartment,
            days=None,
            is_gone=False,
        )
    assert isinstance(target, OneRecord)
    record = current = get_record(state, target.record)
    if target.version != current.version:
        earlier = state.read(record_version_key(target.record, target.version), Record)
        if earlier is None:
            raise UnknownRecord(id=target.record)
        record = earlier
    return Asked(
        custodian=current.custodian,
        patient=current.patient,
        record=target.record,
        kinds=(current.kind,),
        compartment=current.compartment,
        days=record.content.days,
        is_gone=current.status is RecordStatus.ERASED or get_erasure(state, target.record) is not None,
    )


def decide(state: Overlay, op: AccessRequest, asked: Asked, context: Context) -> Decision:
    """
    Permit or deny a request, and name what decided (L50).

    Paths begin with ``own``, ``consent`` or ``emergency``, by what the request is based on.
    """
    if asked.is_gone:
        return Decision(False, "record/erased")
    match op.basis:
        case OwnRecord():
            own = asked.patient is not None and may_act_for(state, context, asked.patient)
            return Decision(own, "own")
        case UnderConsent(consent=id):
            return _under_consent(state, op, id, asked, context).under("consent")
        case InEmergency(opening=id):
            opening = state.read(opening_key(id), Opening)
            return _in_emergency(opening, op, asked, context).under("emergency")
        case _:
            raise AssertionError(f"a basis without a rule: {op.basis}")


def _under_consent(
    state: Overlay, op: AccessRequest, id: ConsentId, asked: Asked, context: Context
) -> Decision:
    consent = state.read(consent_key(id), Consent)
    if consent is None:
        return Decision(False, "none")
    if consent.patient != asked.patient:
        return Decision(False, "patient")
    if consent.status is not ConsentStatus.ACTIVE:
        return Decision(False, consent.status.name.lower())
    terms = consent.terms
    failed = _failed_term(state, terms, op, asked, context)
    if failed is not None:
        return Decision(False, failed)
    if terms.condition is None:
        return _PERMIT
    count = state.read(read_count_key(id), ReadCount)
    reads = 0 if count is None else count.reads
    facts = _facts(state, op, asked, context, reads)
    return evaluate(terms.condition, facts).under("condition")


def _failed_term(
    state: Overlay, terms: ConsentTerms, op: AccessRequest, asked: Asked, context: Context
) -> str | None:
    """The first of a consent's own terms that does not hold (L43)."""
    if not terms.from_ms <= context.time_ms < terms.until_ms:
        return "period"
    if not _is_grantee(state, terms.grantee, context.institution):
        return "grantee"
    if not has_purpose(terms.purposes, op.purpose):
        return "purposes"
    if any(kind not in terms.kinds for kind in asked.kinds):
        return "kinds"
    if asked.compartment not in terms.compartments:
        return "compartments"
    if terms.records is not None and asked.record not in terms.records:
        return "records"
    if terms.days is not None and (asked.days is None or not terms.days.covers(asked.days)):
        return "days"
    if asked.record is None and terms.mode is not Mode.STANDING:  # L45
        return "mode"
    return None


def _is_grantee(state: Overlay, grantee: Grantee, institution: InstitutionId | None) -> bool:
    if institution is None:
        return False
    match grantee:
        case ToOrganization(institution=granted):
            return institution == granted
        case ToRole(role=role):
            member = get_member(state, institution)
            return member is not None and member.institution.role is role
        case ToGroup(group=group, version=version):
            return is_group_member(state, group, version, institution)
        case _:
            raise AssertionError(f"a grantee without a rule: {grantee}")


def _in_emergency(opening: Opening | None, op: AccessRequest, asked: Asked, context: Context) -> Decision:
    """Only by the institution that opened, while it is open, for what it opened (L71)."""
    if opening is None:
        return Decision(False, "none")
    if context.institution != opening.institution:
        return Decision(False, "opener")
    if not opening.is_open_at(context.time_ms):
        return Decision(False, "closed")
    if opening.patient != asked.patient:
        return Decision(False, "patient")
    if op.purpose is not opening.purpose:
        return Decision(False, "purpose")
    if any(kind not in opening.kinds for kind in asked.kinds):
        return Decision(False, "kinds")
    if asked.record is None:
        return Decision(False, "mode")
    return _PERMIT


def _facts(state: Overlay, op: AccessRequest, asked: Asked, context: Context, reads: int) -> AccessFacts:
    institution = context.institution
    assert institution is not None, "only members are grantees"
    member = get_member(state, institution)
    assert member is not None, "admission found it"
    return AccessFacts(
        time_ms=context.time_ms,
        height=context.height,
        purpose=op.purpose,
        institution=institution,
        role=member.institution.role,
        jurisdiction=member.institution.jurisdiction,
        custodian=asked.custodian,
        kinds=asked.kinds,
        compartment=asked.compartment,
        days=asked.days,
        reads=reads,
        signers=(context.signer, *context.cosigners),
        uses=op.uses,
        tags=op.tags,
        is_member=lambda group, version: is_group_member(state, group, version, institution),
    )
