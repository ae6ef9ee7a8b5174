"""What patients, custodians and readers can ask; and L58: what may be fetched."""

from typing import Any

import pytest

from noded.ledger.modules import queries
from noded.ledger.modules.access import AccessStatus
from noded.types.ids import InstitutionId, TimestampMs
from noded.types.medical import (
    CiphertextHash,
    Compartment,
    ConsentId,
    KeyEpoch,
    PatientId,
    RecordId,
    RequestId,
    Version,
)
from noded.types.operations.audit import ErasureRequest
from noded.types.operations.consent import (
    AccessReceipt,
    AccessRelease,
    ConsentAmend,
    ConsentRevoke,
    InEmergency,
    KeyEpochBegin,
    Mode,
    OneRecord,
    OwnRecord,
    ReceiptResult,
    ToOrganization,
    ToRole,
    WholeCompartment,
)
from noded.types.operations.identity import PatientRotate
from noded.types.operations.membership import OrgSuspend
from noded.types.operations.records import AmendReason, RecordAmend
from noded.types.roles import Purpose, Role
from tests.helpers.medical import (
    CLINIC,
    CONSENT,
    DAY_MS,
    HOSPITAL,
    INSURER,
    OPENING,
    PATIENT,
    RECORD,
    REQUEST,
    START_MS,
    STRANGER,
    WRAP_HASH,
    Party,
    World,
    make_content,
    make_grant,
    make_opening,
    make_record,
    make_request,
    make_terms,
)

RELEASE = AccessRelease(request=REQUEST, wrap_hash=WRAP_HASH)
SECOND = RecordId(b"2" * 16)
COMPARTMENT = WholeCompartment(patient=PATIENT.patient, compartment=Compartment(0))


def make_world(mode: Mode = Mode.RECEIPT) -> World:
    world = World()
    world.apply(HOSPITAL, make_record())
    world.advance(1000)
    world.apply(HOSPITAL, make_record(SECOND), make_record(b"3" * 16, patient=None))
    world.apply(PATIENT, make_grant(mode=mode))
    return world


class TestLists:
    def test_patients_records_consents(self) -> None:
        world = make_world()

        patients = queries.patients_of(world.state, world, HOSPITAL.institution)
        assert [id for id, _ in patients.items] == [PATIENT.id]
        records = queries.records_of(world.state, world, PATIENT.patient)
        assert [id for id, _ in records.items] == [RECORD, SECOND]
        own = queries.records_of(world.state, world, HOSPITAL.institution)
        assert [id for id, _ in own.items] == [b"3" * 16]
        consents = queries.consents_of(world.state, world, PATIENT.patient)
        assert [id for id, _ in consents.items] == [CONSENT]

    def test_pages(self) -> None:
        world = World()
        world.apply(HOSPITAL, *(make_record(bytes([number]) * 16) for number in range(10)))
        seen: list[bytes] = []
        after = b""
        for _ in range(4):
            page = queries.records_of(world.state, world, PATIENT.patient, after=after, limit=3)
            seen += [id for id, _ in page.items]
            after = page.next

        assert seen == [bytes([number]) * 16 for number in range(10)]
        assert after == b""

    @pytest.mark.parametrize(
        ("log", "concerned"),
        [
            (queries.access_of_patient, PATIENT.id),
            (queries.access_of_member, HOSPITAL.id),
            (queries.access_of_member, INSURER.id),
            (queries.access_of_record, RECORD),
        ],
    )
    def test_access_log_shows_denials_to_everybody_concerned(self, log: Any, concerned: Any) -> None:
        world = make_world()
        world.apply(INSURER, make_request(REQUEST, purpose=Purpose.HPAYMT))

        page = log(world.state, world, concerned)
        assert [(id, access.status, access.path) for id, access in page.items] == [
            (REQUEST, AccessStatus.DENIED, "consent/grantee")
        ]

    @pytest.mark.parametrize("named", [PATIENT.id, HOSPITAL.id])
    def test_a_record_with_somebody_elses_id_puts_nothing_into_their_log(self, named: bytes) -> None:
        """Whoever registers a record chooses its id; who read a patient's data is not for others to invent."""
        world = make_world()
        world.apply(INSURER, make_record(named, patient=None))
        target = OneRecord(record=RecordId(named), version=Version(1))
        world.apply(CLINIC, make_request(REQUEST, target=target))

        assert queries.access_of_patient(world.state, world, PatientId(named)).items == ()
        assert queries.access_of_member(world.state, world, InstitutionId(named)).items == ()
        page = queries.access_of_record(world.state, world, RecordId(named))
        assert [id for id, _ in page.items] == [REQUEST]

    def test_accounting_of_disclosures(self) -> None:
        """45 CFR 164.528: what went out, not what was asked."""
        world = make_world()
        world.apply(INSURER, make_request(purpose=Purpose.HPAYMT))
        world.apply(CLINIC, make_request())
        world.apply(CLINIC, make_request(REQUEST))
        world.apply(HOSPITAL, RELEASE)

        page = queries.disclosures(world.state, world, PATIENT.patient)
        assert [(id, access.institution) for id, access in page.items] == [(REQUEST, CLINIC.id)]

    def test_pending_releases(self) -> None:
        world = make_world()
        world.apply(INSURER, make_request(purpose=Purpose.HPAYMT))
        world.apply(CLINIC, make_request(REQUEST))

        page = queries.pending_releases(world.state, world, HOSPITAL.institution)
        assert [id for id, _ in page.items] == [REQUEST]
        assert queries.pending_releases(world.state, world, CLINIC.institution).items == ()
        world.apply(HOSPITAL, RELEASE)
        assert queries.pending_releases(world.state, world, HOSPITAL.institution).items == ()

    def test_a_member_finds_what_it_was_given(self) -> None:
        world = make_world()
        to_insurer = make_terms(grantee=ToOrganization(institution=INSURER.institution))
        world.apply(PATIENT, make_grant(b"2" * 16), make_grant(b"3" * 16, grantee=ToRole(role=Role.HOSPITAL)))
        world.apply(
            PATIENT, ConsentAmend(consent=ConsentId(b"2" * 16), replaces=Version(1), terms=to_insurer)
        )

        def of(member: Party) -> list[bytes]:
            return [id for id, _ in queries.consents_of(world.state, world, member.institution).items]

        assert of(CLINIC) == [b"2" * 16, CONSENT]
        assert of(INSURER) == [b"2" * 16]
        assert of(HOSPITAL) == []

    def test_openings_and_erasures(self) -> None:
        world = make_world()
        world.apply(CLINIC, make_opening())
        world.apply(PATIENT, ErasureRequest(record=RECORD))

        for concerned in (PATIENT.patient, HOSPITAL.institution, CLINIC.institution):
            page = queries.openings_of(world.state, world, concerned)
            assert [id for id, _ in page.items] == [OPENING]
        for holder in (PATIENT.patient, HOSPITAL.institution):
            erasures = queries.erasures_of(world.state, world, holder)
            assert [id for id, _ in erasures.items] == [RECORD]


def served(
    world: World, record: RecordId = RECORD, version: int = 1, reader: Party = CLINIC
) -> CiphertextHash | None:
    return queries.find_servable(
        world.state, RequestId(REQUEST), InstitutionId(reader.id), record, Version(version), world.time_ms
    )


CIPHERTEXT = make_content().ciphertext_hash


class TestServable:
    """L58: ciphertext is served to the reader of a release, while its reason stands."""

    def make_world(self) -> World:
        world = make_world()
        world.apply(CLINIC, make_request(REQUEST))
        assert served(world) is None
        world.apply(HOSPITAL, RELEASE)
        assert served(world) == CIPHERTEXT
        return world

    def test_nothing_else(self) -> None:
        world = self.make_world()
        amend = RecordAmend(
            record=RECORD, replaces=Version(1), reason=AmendReason.ADDENDUM, content=make_content(number=2)
        )
        world.apply(HOSPITAL, amend)

        assert served(world) == CIPHERTEXT
        assert served(world, version=2) is None
        assert served(world, version=3) is None
        assert served(world, record=SECOND) is None
        assert served(world, reader=INSURER) is None

    def test_not_to_a_member_whose_account_is_suspended(self) -> None:
        """L103: its key may have been stolen."""
        world = self.make_world()
        world.apply(CLINIC, OrgSuspend(institution=CLINIC.institution, reason="a key was stolen"))

        assert served(world) is None

    def test_not_after_the_receipt(self) -> None:
        world = self.make_world()
        world.apply(CLINIC, AccessReceipt(request=REQUEST, result=ReceiptResult.READ))

        assert served(world) is None

    def test_not_after_revocation_amendment_end_or_erasure(self) -> None:
        world = self.make_world()
        world.apply(PATIENT, ConsentRevoke(consent=CONSENT))
        assert served(world) is None
        world = self.make_world()
        world.apply(PATIENT, ConsentAmend(consent=CONSENT, replaces=Version(1), terms=make_terms()))
        assert served(world) is None
        world = self.make_world()
        world.time_ms = TimestampMs(START_MS + 30 * DAY_MS)
        assert served(world) is None
        world = self.make_world()
        world.apply(PATIENT, ErasureRequest(record=RECORD))
        assert served(world) is None

    def test_a_compartment_given_after_a_demand_for_erasure_has_all_but_that_record(self) -> None:
        """L85: the compartment's key goes out, and opens nothing of what is to be erased."""
        world = make_world(Mode.STANDING)
        world.apply(HOSPITAL, make_record(b"4" * 16))
        world.apply(PATIENT, ErasureRequest(record=RECORD))
        world.apply(CLINIC, make_request(REQUEST, target=COMPARTMENT))
        world.apply(HOSPITAL, RELEASE)

        assert served(world) is None
        assert served(world, record=RecordId(b"4" * 16)) == CIPHERTEXT

    def test_emergency_until_it_closes(self) -> None:
        world = make_world()
        world.apply(CLINIC, make_opening())
        world.apply(CLINIC, make_request(REQUEST, basis=InEmergency(opening=OPENING), purpose=Purpose.ETREAT))
        world.apply(HOSPITAL, RELEASE)
        assert served(world) == CIPHERTEXT
        world.time_ms = TimestampMs(world.time_ms + DAY_MS)

        assert served(world) is None

    def test_patients_fetch_through_their_custodian(self) -> None:
        world = make_world()
        world.apply(PATIENT, make_request(REQUEST, basis=OwnRecord(), actor=None))
        world.apply(HOSPITAL, RELEASE)

        assert served(world, reader=HOSPITAL) == CIPHERTEXT
        assert served(world, reader=CLINIC) is None
        world.apply(PATIENT, PatientRotate(patient=PATIENT.patient, key=STRANGER.key), cosigners=[STRANGER])
        assert served(world, reader=HOSPITAL) is None

    def test_a_compartment_serves_all_of_it_up_to_its_epoch(self) -> None:
        """L46: what comes under a later key is closed to holders of the earlier one."""
        world = make_world(Mode.STANDING)
        world.apply(CLINIC, make_request(REQUEST, target=COMPARTMENT))
        world.apply(HOSPITAL, RELEASE)
        world.apply(CLINIC, AccessReceipt(request=REQUEST, result=ReceiptResult.READ))
        epoch = KeyEpochBegin(patient=PATIENT.patient, compartment=Compartment(0), epoch=KeyEpoch(1))
        later = make_record(b"4" * 16, content=make_content(epoch=1))
        elsewhere = make_record(b"5" * 16, compartment=Compartment(1))
        world.apply(HOSPITAL, epoch, later, elsewhere)

        assert served(world) == CIPHERTEXT
        assert served(world, record=SECOND) == CIPHERTEXT
        assert served(world, record=RecordId(b"3" * 16)) is None
        assert served(world, record=RecordId(b"4" * 16)) is None
        assert served(world, record=RecordId(b"5" * 16)) is None
        world.apply(PATIENT, ConsentRevoke(consent=CONSENT))
        assert served(world) is None

    def test_a_patients_own_compartment_is_served_at_the_custodian_while_the_key_acts(self) -> None:
        """L45: to the patient, without a consent."""
        world = make_world()
        own = make_request(REQUEST, target=COMPARTMENT, basis=OwnRecord(), actor=None, purpose=Purpose.PATRQT)
        world.apply(PATIENT, own)
        world.apply(HOSPITAL, RELEASE, make_record(b"5" * 16, compartment=Compartment(1)))
        world.apply(PATIENT, AccessReceipt(request=REQUEST, result=ReceiptResult.READ))

        assert served(world, reader=HOSPITAL) == CIPHERTEXT
        assert served(world, reader=HOSPITAL, record=SECOND) == CIPHERTEXT
        assert served(world, reader=HOSPITAL, record=RecordId(b"5" * 16)) is None
        assert served(world) is None
        world.apply(PATIENT, ErasureRequest(record=RECORD))
        assert served(world, reader=HOSPITAL) is None
        world.apply(PATIENT, PatientRotate(patient=PATIENT.patient, key=STRANGER.key), cosigners=[STRANGER])
        assert served(world, reader=HOSPITAL, record=SECOND) is None
