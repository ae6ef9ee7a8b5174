"""L42, L50, L71: what a request stands on: consent, emergency, or being the patient."""

from typing import Any

from noded.ledger.modules.access import get_access
from noded.ledger.modules.errors import (
    IdTaken,
    UnknownPatient,
    UnknownRecord,
)
from noded.types.genesis import DEFAULT_PARAMETERS
from noded.types.ids import TimestampMs
from noded.types.medical import (
    Compartment,
    ConsentId,
    KindClass,
    OpeningId,
    RecordId,
    Version,
)
from noded.types.operations.consent import (
    ConsentRevoke,
    InEmergency,
    OneRecord,
    OwnRecord,
    UnderConsent,
    WholeCompartment,
)
from noded.types.operations.identity import DelegateSet
from noded.types.roles import Purpose
from tests.helpers.access import COMPARTMENT, decided, make_world
from tests.helpers.medical import (
    CLINIC,
    CONSENT,
    DAY_MS,
    DOCTOR,
    HOSPITAL,
    INSURER,
    OPENING,
    OTHER_PATIENT,
    PATIENT,
    RECORD,
    REQUEST,
    START_MS,
    STRANGER,
    Party,
    World,
    id16,
    make_grant,
    make_opening,
    make_record,
    make_request,
    party,
    refused,
)


class TestBasis:
    """L50: consent, emergency or being the patient; each decision is on the ledger, and says why."""

    def test_insurer_without_consent(self) -> None:
        """Refused, with the condition that failed named, where the patient sees it."""
        world = make_world()
        nothing = UnderConsent(consent=ConsentId(id16("none")))

        assert decided(world, INSURER, basis=nothing, purpose=Purpose.HPAYMT) == "denied consent/none"
        assert decided(world, INSURER, purpose=Purpose.HPAYMT) == "denied consent/grantee"
        assert decided(world, INSURER, basis=OwnRecord(), purpose=Purpose.HPAYMT) == "denied own"
        assert world.events()[-1] == "access.denied"

    def test_consent_of_another_patient(self) -> None:
        world = make_world()
        world.apply(OTHER_PATIENT, make_grant(b"2" * 16, OTHER_PATIENT))

        assert decided(world, basis=UnderConsent(consent=ConsentId(b"2" * 16))) == "denied consent/patient"

    def test_an_institutions_own_record_is_no_patients(self) -> None:
        world = World()
        world.apply(HOSPITAL, make_record(patient=None))
        world.apply(PATIENT, make_grant())

        assert decided(world) == "denied consent/patient"
        assert decided(world, PATIENT, basis=OwnRecord(), actor=None) == "denied own"

    def test_after_revocation(self) -> None:
        """L42: the next request is refused."""
        world = make_world()
        world.apply(PATIENT, ConsentRevoke(consent=CONSENT))

        assert decided(world) == "denied consent/revoked"

    def test_patient_and_delegate(self) -> None:
        world = make_world()
        delegate = Party(PATIENT.id, party("delegate").key)
        until = TimestampMs(START_MS + DAY_MS)
        world.apply(
            PATIENT,
            DelegateSet(patient=PATIENT.patient, key=delegate.key, until_ms=until),
            cosigners=[delegate],
        )
        own: dict[str, Any] = {"basis": OwnRecord(), "actor": None, "purpose": Purpose.PATRQT}

        assert decided(world, PATIENT, **own) == "permitted own"
        assert decided(world, delegate, **own) == "permitted own"
        assert decided(world, OTHER_PATIENT, **own) == "denied own"
        world.time_ms = until
        assert decided(world, delegate, **own) == "denied own"

    def test_a_patient_is_no_grantee(self) -> None:
        assert decided(make_world(), OTHER_PATIENT, actor=None) == "denied consent/grantee"

    def test_emergency(self) -> None:
        """L71: by the opener, while it is open, for what it opened."""
        world = make_world()
        world.apply(CLINIC, make_opening(kinds=(KindClass.LAB,)))
        world.apply(HOSPITAL, make_record(b"2" * 16, kind=KindClass.GENOMIC))
        emergency: dict[str, Any] = {"basis": InEmergency(opening=OPENING), "purpose": Purpose.ETREAT}

        assert decided(world, **emergency) == "permitted emergency/permitted"
        assert decided(world, HOSPITAL, **emergency) == "denied emergency/opener"
        assert decided(world, **{**emergency, "purpose": Purpose.HRESCH}) == "denied emergency/purpose"
        other = OneRecord(record=RecordId(b"2" * 16), version=Version(1))
        assert decided(world, target=other, **emergency) == "denied emergency/kinds"
        none = InEmergency(opening=OpeningId(id16("none")))
        assert decided(world, basis=none, purpose=Purpose.ETREAT) == "denied emergency/none"
        world.time_ms = TimestampMs(START_MS + DAY_MS)
        assert decided(world, **emergency) == "denied emergency/closed"

    def test_emergency_of_another_patient(self) -> None:
        world = make_world()
        world.apply(HOSPITAL, make_opening(patient=OTHER_PATIENT))

        path = decided(world, HOSPITAL, basis=InEmergency(opening=OPENING), purpose=Purpose.ETREAT)
        assert path == "denied emergency/patient"

    def test_emergency_gives_no_compartment(self) -> None:
        world = make_world()
        world.apply(CLINIC, make_opening())

        path = decided(world, target=COMPARTMENT, basis=InEmergency(opening=OPENING), purpose=Purpose.ETREAT)
        assert path == "denied emergency/mode"

    def test_a_permit_and_a_denial_are_both_kept(self) -> None:
        world = make_world()
        world.apply(CLINIC, make_request(REQUEST))
        access = get_access(world.state, REQUEST)

        assert (access.custodian, access.patient, access.institution) == (HOSPITAL.id, PATIENT.id, CLINIC.id)
        assert (access.actor, access.purpose, access.asked_ms) == (DOCTOR, Purpose.TREAT, START_MS)
        assert access.due_ms == START_MS + DEFAULT_PARAMETERS.release_ms

    def test_rejected(self) -> None:
        world = make_world()
        world.apply(CLINIC, make_request(REQUEST))

        refused(world, IdTaken, CLINIC, make_request(REQUEST))
        nothing = OneRecord(record=RecordId(id16("none")), version=Version(1))
        refused(world, UnknownRecord, CLINIC, make_request(target=nothing))
        later = OneRecord(record=RECORD, version=Version(2))
        refused(world, UnknownRecord, CLINIC, make_request(target=later))
        nobody = WholeCompartment(patient=STRANGER.patient, compartment=Compartment(0))
        refused(world, UnknownPatient, CLINIC, make_request(target=nobody))
