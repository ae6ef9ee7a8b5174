"""L45, L54–L56: from a decided request to the key, its lapse and the receipt."""

from dataclasses import replace
from typing import Any

import pytest

from noded.ledger.conduct import UNBLEMISHED, get_conduct, get_credits
from noded.ledger.modules.access import AccessStatus, get_access
from noded.ledger.modules.consent import OpenedCompartment, ReadCount, get_consent, read_count_key
from noded.ledger.modules.errors import (
    NotReleasable,
    NotReleased,
    NotTheCustodian,
    NotTheReader,
    ReaderSuspended,
    UnknownRequest,
)
from noded.types.conditions import ReadsBelow
from noded.types.genesis import DEFAULT_PARAMETERS
from noded.types.ids import TimestampMs
from noded.types.medical import (
    Compartment,
    Day,
    DayRange,
    KeyEpoch,
    KindClass,
    RequestId,
    Version,
)
from noded.types.operations.audit import ErasureAttest, ErasureRequest
from noded.types.operations.breakglass import BreakglassClose
from noded.types.operations.consent import (
    AccessRelease,
    ConsentAmend,
    ConsentRevoke,
    InEmergency,
    Mode,
    OneRecord,
    OwnRecord,
    ReceiptResult,
    ToRole,
)
from noded.types.operations.identity import DelegateClear, DelegateSet, PatientRotate
from noded.types.operations.records import AmendReason, RecordAmend, RecordWithdraw, WithdrawReason
from noded.types.roles import Purpose, Role
from tests.helpers.access import COMPARTMENT, READ, RELEASE, decided, make_world
from tests.helpers.medical import (
    CLINIC,
    CONSENT,
    HOSPITAL,
    OPENING,
    OTHER_PATIENT,
    PATIENT,
    RECORD,
    REQUEST,
    START_MS,
    STRANGER,
    WRAP_HASH,
    World,
    id16,
    make_content,
    make_opening,
    make_request,
    make_terms,
    refused,
)


class TestRelease:
    """L54: by the custodian, after a permit, in time, while its reason stands."""

    def make_world(self, **terms: Any) -> World:
        world = make_world(**terms)
        world.apply(CLINIC, make_request(REQUEST))
        return world

    def test_not_to_a_patients_key_that_was_replaced(self) -> None:
        """Who took a patient's key gets nothing that was not released before the patient replaced it."""
        world = make_world()
        world.apply(PATIENT, make_request(REQUEST, basis=OwnRecord(), actor=None))
        world.apply(PATIENT, PatientRotate(patient=PATIENT.patient, key=STRANGER.key), cosigners=[STRANGER])

        assert "acts no more" in str(refused(world, NotReleasable, HOSPITAL, RELEASE))

    @pytest.mark.parametrize("is_cleared", [True, False])
    def test_not_to_a_delegate_whose_power_ended(self, is_cleared: bool) -> None:
        world = make_world()
        until_ms = TimestampMs(world.time_ms + 60_000)
        delegate = DelegateSet(patient=PATIENT.patient, key=STRANGER.key, until_ms=until_ms)
        world.apply(PATIENT, delegate, cosigners=[STRANGER])
        world.apply(STRANGER, make_request(REQUEST, basis=OwnRecord(), actor=None))
        if is_cleared:
            world.apply(PATIENT, DelegateClear(patient=PATIENT.patient, key=STRANGER.key))
        else:
            world.time_ms = until_ms

        assert "acts no more" in str(refused(world, NotReleasable, HOSPITAL, RELEASE))

    def test_to_a_delegate_while_it_acts(self) -> None:
        world = make_world()
        delegate = DelegateSet(
            patient=PATIENT.patient, key=STRANGER.key, until_ms=TimestampMs(world.time_ms + 60_000)
        )
        world.apply(PATIENT, delegate, cosigners=[STRANGER])
        world.apply(STRANGER, make_request(REQUEST, basis=OwnRecord(), actor=None))
        world.apply(HOSPITAL, RELEASE)

        assert get_access(world.state, REQUEST).status is AccessStatus.RELEASED

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

    def test_a_custodian_earns_nothing_with_what_it_reads_itself(self) -> None:
        """L57: by reading its own records under consents it would make itself a reputation."""
        world = make_world(grantee=ToRole(role=Role.HOSPITAL))
        world.apply(HOSPITAL, make_request(REQUEST))
        world.apply(HOSPITAL, RELEASE, READ)

        assert get_access(world.state, REQUEST).status is AccessStatus.READ
        assert get_credits(world.state, HOSPITAL.institution) == 0
        assert get_conduct(world.state, HOSPITAL.institution) == UNBLEMISHED

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
