"""L43, L45, L50–L57: who gets a key, who does not and why, and what is on the ledger of it."""

from dataclasses import replace
from typing import Any

import pytest

from noded.ledger.modules.access import AccessStatus, get_access
from noded.ledger.modules.consent import OpenedCompartment, ReadCount, get_consent, read_count_key
from noded.ledger.modules.errors import (
    ActorMismatch,
    IdTaken,
    NotReleasable,
    NotReleased,
    NotTheCustodian,
    NotTheReader,
    ReaderSuspended,
    UnknownPatient,
    UnknownRecord,
    UnknownRequest,
)
from noded.types.conditions import All, Approvals, Not, OrganizationIn, PurposeIn, ReadsBelow
from noded.types.genesis import DEFAULT_PARAMETERS
from noded.types.ids import TimestampMs
from noded.types.medical import (
    Compartment,
    ConsentId,
    Day,
    DayRange,
    GroupId,
    KeyEpoch,
    KindClass,
    OpeningId,
    RecordId,
    RequestId,
    Version,
)
from noded.types.operations.audit import ErasureAttest, ErasureRequest
from noded.types.operations.breakglass import BreakglassClose
from noded.types.operations.consent import (
    AccessReceipt,
    AccessRelease,
    ConsentAmend,
    ConsentRevoke,
    InEmergency,
    Mode,
    OneRecord,
    OwnRecord,
    ReceiptResult,
    ToGroup,
    ToOrganization,
    ToRole,
    UnderConsent,
    WholeCompartment,
)
from noded.types.operations.identity import DelegateSet, GroupCreate, GroupUpdate
from noded.types.operations.records import AmendReason, RecordAmend, RecordWithdraw, WithdrawReason
from noded.types.roles import Purpose, Role
from tests.helpers.medical import (
    CLINIC,
    CONSENT,
    DAY_MS,
    DOCTOR,
    HOSPITAL,
    INSURER,
    LAB,
    OPENING,
    OTHER_PATIENT,
    PATIENT,
    RECORD,
    REQUEST,
    RESEARCHER,
    START_MS,
    STRANGER,
    WRAP_HASH,
    Party,
    World,
    id16,
    make_content,
    make_grant,
    make_opening,
    make_record,
    make_request,
    make_terms,
    party,
    refused,
)

RELEASE = AccessRelease(request=REQUEST, wrap_hash=WRAP_HASH)
READ = AccessReceipt(request=REQUEST, result=ReceiptResult.READ)
GROUP = GroupId(id16("group"))
COMPARTMENT = WholeCompartment(patient=PATIENT.patient, compartment=Compartment(0))


def make_world(**terms: Any) -> World:
    """A lab record of `PATIENT` at `HOSPITAL`, and a consent to `CLINIC`."""
    world = World()
    world.apply(HOSPITAL, make_record())
    world.apply(PATIENT, make_grant(**terms))
    return world


def decided(world: World, sender: Party = CLINIC, cosigners: tuple[Party, ...] = (), **request: Any) -> str:
    """The path of the decision on a request, after whether it permits."""
    op = make_request(**request)
    world.apply(sender, op, cosigners=cosigners)
    access = get_access(world.state, op.request)
    assert access.status in (AccessStatus.PERMITTED, AccessStatus.DENIED)
    assert (access.due_ms is None) == (access.status is AccessStatus.DENIED)
    return f"{access.status.name.lower()} {access.path}"


class TestTerms:
    """L43: all of a consent's terms must hold; a denial names the first that does not."""

    def test_permits(self) -> None:
        assert decided(make_world()) == "permitted consent/permitted"

    @pytest.mark.parametrize(
        ("terms", "path"),
        [
            ({"from_ms": TimestampMs(START_MS + 1)}, "consent/period"),
            ({"grantee": ToRole(role=Role.INSURER)}, "consent/grantee"),
            ({"purposes": (Purpose.HPAYMT,)}, "consent/purposes"),
            ({"kinds": (KindClass.CLAIM,)}, "consent/kinds"),
            ({"compartments": (Compartment(1),)}, "consent/compartments"),
            ({"records": (RecordId(id16("other")),)}, "consent/records"),
            ({"days": DayRange(first=Day(0), end=Day(10))}, "consent/days"),
            (
                {
                    "condition": All(
                        of=(
                            PurposeIn(purposes=(Purpose.TREAT,)),
                            Not(of=OrganizationIn(institutions=(CLINIC.institution,))),
                        )
                    )
                },
                "consent/condition/all[1]/not/organization",
            ),
        ],
    )
    def test_denies(self, terms: dict[str, Any], path: str) -> None:
        assert decided(make_world(**terms)) == f"denied {path}"

    def test_condition_that_holds(self) -> None:
        condition = PurposeIn(purposes=(Purpose.TREAT,))

        assert decided(make_world(condition=condition)) == "permitted consent/condition/purpose"

    def test_narrow_terms_that_hold(self) -> None:
        world = make_world(
            kinds=(KindClass.LAB,), records=(RECORD,), days=DayRange(first=Day(19_000), end=Day(19_001))
        )

        assert decided(world) == "permitted consent/permitted"

    def test_after_its_end(self) -> None:
        world = make_world()
        world.time_ms = TimestampMs(START_MS + 30 * DAY_MS)
        assert decided(world) == "denied consent/period"
        world.advance(5_000)

        assert decided(world) == "denied consent/expired"

    def test_to_a_role(self) -> None:
        world = make_world(grantee=ToRole(role=Role.HOSPITAL))

        assert decided(world) == "permitted consent/permitted"
        assert decided(world, LAB) == "denied consent/grantee"

    def test_to_a_group_does_not_widen(self) -> None:
        """L25: who joins later is not reached, who leaves is out."""
        world = World()
        world.apply(HOSPITAL, make_record(), GroupCreate(group=GROUP, members=(CLINIC.institution,)))
        world.apply(PATIENT, make_grant(grantee=ToGroup(group=GROUP, version=Version(1))))
        assert decided(world) == "permitted consent/permitted"
        both = (CLINIC.institution, LAB.institution)
        world.apply(HOSPITAL, GroupUpdate(group=GROUP, replaces=Version(1), members=both))

        assert decided(world, LAB) == "denied consent/grantee"
        world.apply(HOSPITAL, GroupUpdate(group=GROUP, replaces=Version(2), members=(LAB.institution,)))
        assert decided(world) == "denied consent/grantee"

    def test_approvals(self) -> None:
        """Further signatures of a transaction count as approvals."""
        board = [party(f"board-{index}") for index in range(3)]
        world = make_world(condition=Approvals(needed=2, keys=tuple(each.key for each in board)))

        assert decided(world, cosigners=(board[0],)) == "denied consent/condition/approvals"
        assert decided(world, cosigners=(board[2], board[0])) == "permitted consent/condition/approvals"


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


class TestActor:
    """L51: an institution says who reads (HIPAA 164.312); a patient is who reads."""

    def test_mismatch(self) -> None:
        world = make_world()

        refused(world, ActorMismatch, CLINIC, make_request(actor=None))
        refused(world, ActorMismatch, PATIENT, make_request(basis=OwnRecord()))


class TestReads:
    """L52: reads are counted over all readers at all institutions."""

    def test_limit_holds_across_institutions(self) -> None:
        world = make_world(grantee=ToRole(role=Role.HOSPITAL), condition=ReadsBelow(limit=2))

        assert decided(world, CLINIC) == "permitted consent/condition/reads"
        assert decided(world, HOSPITAL) == "permitted consent/condition/reads"
        assert decided(world, CLINIC) == "denied consent/condition/reads"
        assert decided(world, HOSPITAL) == "denied consent/condition/reads"

    def test_amending_does_not_reset_them(self) -> None:
        world = make_world(condition=ReadsBelow(limit=1))
        assert decided(world) == "permitted consent/condition/reads"
        terms = make_terms(condition=ReadsBelow(limit=1), purposes=(Purpose.TREAT, Purpose.COVAUTH))
        world.apply(PATIENT, ConsentAmend(consent=CONSENT, replaces=Version(1), terms=terms))

        assert decided(world) == "denied consent/condition/reads"


class TestPurpose:
    """L53: a consent for a purpose covers narrower ones, never broader ones."""

    @pytest.mark.parametrize(
        ("granted", "stated", "permitted"),
        [
            (Purpose.TREAT, Purpose.ETREAT, True),
            (Purpose.ETREAT, Purpose.TREAT, False),
            (Purpose.HRESCH, Purpose.CLINTRCH, True),
            (Purpose.TREAT, Purpose.HPAYMT, False),
        ],
    )
    def test_covers(self, granted: Purpose, stated: Purpose, permitted: bool) -> None:
        path = decided(make_world(purposes=(granted,)), purpose=stated)

        assert path.startswith("permitted") is permitted


class TestRelease:
    """L54: by the custodian, after a permit, in time, while its reason stands."""

    def make_world(self, **terms: Any) -> World:
        world = make_world(**terms)
        world.apply(CLINIC, make_request(REQUEST))
        return world

    def test_releases(self) -> None:
        world = self.make_world()
        world.apply(HOSPITAL, RELEASE)

        access = get_access(world.state, REQUEST)
        assert (access.status, access.wrap_hash) == (AccessStatus.RELEASED, WRAP_HASH)
        assert world.state.events[-1].detail == WRAP_HASH

    def test_only_by_the_custodian(self) -> None:
        world = self.make_world()

        refused(world, NotTheCustodian, CLINIC, RELEASE)
        unknown = AccessRelease(request=RequestId(id16("none")), wrap_hash=WRAP_HASH)
        refused(world, UnknownRequest, HOSPITAL, unknown)

    def test_never_after_a_denial(self) -> None:
        world = make_world(purposes=(Purpose.HRESCH,))
        world.apply(CLINIC, make_request(REQUEST))

        assert refused(world, NotReleasable, HOSPITAL, RELEASE).why == "denied"

    def test_once(self) -> None:
        world = self.make_world()
        world.apply(HOSPITAL, RELEASE)

        assert refused(world, NotReleasable, HOSPITAL, RELEASE).why == "released"

    def test_not_after_the_deadline(self) -> None:
        world = self.make_world()
        world.time_ms = TimestampMs(START_MS + DEFAULT_PARAMETERS.release_ms)

        assert refused(world, NotReleasable, HOSPITAL, RELEASE).why == "too late"

    def test_not_after_revocation(self) -> None:
        world = self.make_world()
        world.apply(PATIENT, ConsentRevoke(consent=CONSENT))

        assert refused(world, NotReleasable, HOSPITAL, RELEASE).why == "the consent has ended"

    def test_not_after_an_amendment(self) -> None:
        """The permit was for the old terms; under the new ones the reader asks again."""
        world = self.make_world()
        amend = ConsentAmend(consent=CONSENT, replaces=Version(1), terms=make_terms())
        world.apply(PATIENT, amend)

        assert refused(world, NotReleasable, HOSPITAL, RELEASE).why == "the consent was amended"

    def test_not_after_the_consents_end(self) -> None:
        world = make_world(until_ms=TimestampMs(START_MS + 1000))
        world.apply(CLINIC, make_request(REQUEST))
        world.time_ms = TimestampMs(START_MS + 1000)

        assert refused(world, NotReleasable, HOSPITAL, RELEASE).why == "the consent has ended"

    def test_not_to_a_suspended_reader(self) -> None:
        world = self.make_world()
        world.suspend(CLINIC)

        assert refused(world, ReaderSuspended, HOSPITAL, RELEASE).reader == CLINIC.id

    def test_not_after_a_demand_for_erasure(self) -> None:
        world = self.make_world()
        world.apply(PATIENT, ErasureRequest(record=RECORD))

        assert refused(world, NotReleasable, HOSPITAL, RELEASE).why == "erasure was demanded"
        assert decided(world) == "denied record/erased"

    def test_not_when_the_opening_is_closed(self) -> None:
        world = make_world()
        world.apply(CLINIC, make_opening())
        world.apply(CLINIC, make_request(REQUEST, basis=InEmergency(opening=OPENING), purpose=Purpose.ETREAT))
        world.apply(CLINIC, BreakglassClose(opening=OPENING))

        assert refused(world, NotReleasable, HOSPITAL, RELEASE).why == "the opening is closed"

    def test_withdrawn_records_can_still_be_read(self) -> None:
        """L36: somebody may have relied on it."""
        world = make_world()
        withdraw = RecordWithdraw(record=RECORD, version=Version(1), reason=WithdrawReason.WRONG_PATIENT)
        world.apply(HOSPITAL, withdraw)

        assert decided(world) == "permitted consent/permitted"

    def test_earlier_versions_are_judged_by_their_own_days(self) -> None:
        world = make_world(days=DayRange(first=Day(19_000), end=Day(19_001)))
        moved = make_content(number=2, days=DayRange(first=Day(5), end=Day(6)))
        amend = RecordAmend(record=RECORD, replaces=Version(1), reason=AmendReason.CORRECTION, content=moved)
        world.apply(HOSPITAL, amend)

        assert decided(world) == "permitted consent/permitted"
        assert decided(world, target=OneRecord(record=RECORD, version=Version(2))) == "denied consent/days"

    def test_erased_records_cannot(self) -> None:
        world = make_world()
        world.apply(PATIENT, ErasureRequest(record=RECORD))
        world.apply(HOSPITAL, ErasureAttest(record=RECORD))

        assert decided(world) == "denied record/erased"


class TestModes:
    """L45: a compartment's key goes out under a standing consent to all of it, and is remembered."""

    def test_standing(self) -> None:
        world = make_world(mode=Mode.STANDING)
        world.apply(CLINIC, make_request(REQUEST, target=COMPARTMENT))
        assert get_access(world.state, REQUEST).path == "consent/permitted"
        world.apply(HOSPITAL, RELEASE)

        opened = (OpenedCompartment(compartment=Compartment(0), epoch=KeyEpoch(0)),)
        assert get_consent(world.state, CONSENT).opened == opened

    def test_revocation_says_what_it_does_not_undo(self) -> None:
        """L42: the event names the compartments whose keys are out."""
        world = make_world(mode=Mode.STANDING)
        world.apply(CLINIC, make_request(REQUEST, target=COMPARTMENT))
        world.apply(HOSPITAL, RELEASE)
        world.apply(PATIENT, ConsentRevoke(consent=CONSENT))

        assert world.state.events[-1].detail == bytes([0])

    @pytest.mark.parametrize(
        ("terms", "path"),
        [
            ({"mode": Mode.RECEIPT}, "consent/mode"),
            ({"mode": Mode.STANDING, "kinds": (KindClass.LAB,)}, "consent/kinds"),
            ({"mode": Mode.STANDING, "records": (RECORD,)}, "consent/records"),
            ({"mode": Mode.STANDING, "days": DayRange(first=Day(0), end=Day(9))}, "consent/days"),
        ],
    )
    def test_only_whole(self, terms: dict[str, Any], path: str) -> None:
        """The key opens everything in the compartment, so everything must be permitted."""
        assert decided(make_world(**terms), target=COMPARTMENT) == f"denied {path}"

    def test_single_records_under_a_standing_consent(self) -> None:
        assert decided(make_world(mode=Mode.STANDING)) == "permitted consent/permitted"


class TestLapse:
    """L55: a permit that is not answered in time is over, and its read does not count."""

    def test_lapses(self) -> None:
        world = make_world(condition=ReadsBelow(limit=1))
        world.apply(CLINIC, make_request(REQUEST))
        world.advance(DEFAULT_PARAMETERS.release_ms + 5_000)

        assert get_access(world.state, REQUEST).status is AccessStatus.LAPSED
        assert world.state.read(read_count_key(CONSENT), ReadCount) == ReadCount(reads=0)
        assert world.events()[-1] == "access.lapsed"
        assert refused(world, NotReleasable, HOSPITAL, RELEASE).why == "lapsed"
        assert decided(world) == "permitted consent/condition/reads"

    def test_released_in_time_stays(self) -> None:
        world = make_world()
        world.apply(CLINIC, make_request(REQUEST))
        world.apply(HOSPITAL, RELEASE)
        world.advance(DEFAULT_PARAMETERS.release_ms + 5_000)

        assert get_access(world.state, REQUEST).status is AccessStatus.RELEASED


class TestReceipt:
    """L56: the reader says what became of a release."""

    def make_world(self) -> World:
        world = make_world()
        world.apply(CLINIC, make_request(REQUEST))
        world.apply(HOSPITAL, RELEASE)
        return world

    @pytest.mark.parametrize(
        ("result", "status"),
        [(ReceiptResult.READ, AccessStatus.READ), (ReceiptResult.UNREADABLE, AccessStatus.UNREADABLE)],
    )
    def test_receipt(self, result: ReceiptResult, status: AccessStatus) -> None:
        world = self.make_world()
        world.apply(CLINIC, replace(READ, result=result))

        assert get_access(world.state, REQUEST).status is status

    def test_by_the_patient(self) -> None:
        world = make_world()
        world.apply(PATIENT, make_request(REQUEST, basis=OwnRecord(), actor=None))
        world.apply(HOSPITAL, RELEASE)
        refused(world, NotTheReader, OTHER_PATIENT, READ)
        refused(world, NotTheReader, CLINIC, READ)
        world.apply(PATIENT, READ)

        assert get_access(world.state, REQUEST).status is AccessStatus.READ

    def test_refused(self) -> None:
        world = self.make_world()

        refused(world, NotTheReader, HOSPITAL, READ)
        refused(world, NotTheReader, PATIENT, READ)
        world.apply(CLINIC, READ)
        refused(world, NotReleased, CLINIC, READ)
        refused(world, UnknownRequest, CLINIC, replace(READ, request=RequestId(id16("none"))))

    def test_not_before_the_release(self) -> None:
        world = make_world()
        world.apply(CLINIC, make_request(REQUEST))

        refused(world, NotReleased, CLINIC, READ)


def test_a_researcher_reads_for_research() -> None:
    """The whole story with another reader than a hospital."""
    world = make_world(grantee=ToOrganization(institution=RESEARCHER.institution), purposes=(Purpose.HRESCH,))
    world.apply(RESEARCHER, make_request(REQUEST, purpose=Purpose.CLINTRCH))
    world.apply(HOSPITAL, RELEASE)
    world.apply(RESEARCHER, READ)

    assert get_access(world.state, REQUEST).status is AccessStatus.READ
