"""L40–L46: what patients permit, amend, take back; keys of compartments."""

from dataclasses import replace

import pytest

from noded.ledger.conditions.syntax import ConditionTooLarge
from noded.ledger.errors import RoleNotAllowed
from noded.ledger.modules.consent import Consent, ConsentStatus, consent_version_key, get_consent
from noded.ledger.modules.errors import (
    AlreadyOver,
    Ended,
    IdTaken,
    NotCurrent,
    NotTheCustodian,
    NotTheGrantor,
    UnknownConsent,
    UnknownGrantee,
    UnknownPatient,
)
from noded.ledger.modules.identity import get_patient
from noded.types.conditions import All, Condition, PurposeIn
from noded.types.ids import TimestampMs
from noded.types.medical import Compartment, ConsentId, GroupId, KeyEpoch, KindClass, Version
from noded.types.operations.consent import (
    ConsentAmend,
    ConsentRevoke,
    Grantee,
    KeyEpochBegin,
    ToGroup,
    ToOrganization,
    ToRole,
)
from noded.types.operations.identity import GroupCreate
from noded.types.roles import Purpose, Role
from tests.helpers.medical import (
    CLINIC,
    CONSENT,
    DAY_MS,
    HOSPITAL,
    OTHER_PATIENT,
    PATIENT,
    START_MS,
    STRANGER,
    World,
    id16,
    make_grant,
    make_terms,
    refused,
)

NARROWER = make_terms(kinds=(KindClass.LAB,))
AMEND = ConsentAmend(consent=CONSENT, replaces=Version(1), terms=NARROWER)
REVOKE = ConsentRevoke(consent=CONSENT)
GROUP = GroupId(id16("group"))


def make_world() -> World:
    world = World()
    world.apply(PATIENT, make_grant())
    return world


class TestGrant:
    """L40: by the patient, for a time to come, to somebody the ledger knows."""

    def test_grants(self) -> None:
        world = make_world()

        consent = get_consent(world.state, CONSENT)
        assert (consent.patient, consent.version, consent.status) == (PATIENT.id, 1, ConsentStatus.ACTIVE)
        assert consent.terms == make_terms()
        assert consent.opened == ()

    @pytest.mark.parametrize(
        ("grantee", "is_known"),
        [
            (ToRole(role=Role.INSURER), True),
            (ToOrganization(institution=STRANGER.institution), False),
            (ToGroup(group=GROUP, version=Version(1)), True),
            (ToGroup(group=GROUP, version=Version(2)), False),
            (ToGroup(group=GroupId(id16("none")), version=Version(1)), False),
        ],
    )
    def test_grantee(self, grantee: Grantee, is_known: bool) -> None:
        world = World()
        world.apply(HOSPITAL, GroupCreate(group=GROUP, members=(CLINIC.institution,)))
        grant = make_grant(grantee=grantee)
        if is_known:
            world.apply(PATIENT, grant)
        else:
            refused(world, UnknownGrantee, PATIENT, grant)

    def test_refused(self) -> None:
        world = make_world()
        other = id16("other")

        refused(world, IdTaken, PATIENT, make_grant())
        refused(world, NotTheGrantor, OTHER_PATIENT, make_grant(other))
        refused(world, UnknownPatient, PATIENT, make_grant(other, STRANGER))
        refused(world, RoleNotAllowed, HOSPITAL, make_grant(other))
        over = make_terms(from_ms=TimestampMs(1), until_ms=START_MS)
        refused(world, AlreadyOver, PATIENT, make_grant(other, terms=over))

    def test_condition_is_bounded(self) -> None:
        """L48 in consensus: a condition beyond the bounds never gets into the state."""
        deep: Condition = PurposeIn(purposes=(Purpose.TREAT,))
        for _ in range(8):
            deep = All(of=(deep,))

        refused(World(), ConditionTooLarge, PATIENT, make_grant(condition=deep))


class TestAmend:
    """L41: terms are replaced, earlier ones stay on the ledger."""

    def test_amends(self) -> None:
        world = make_world()
        first = get_consent(world.state, CONSENT)
        world.apply(PATIENT, AMEND)

        consent = get_consent(world.state, CONSENT)
        assert (consent.version, consent.terms) == (2, NARROWER)
        assert world.state.read(consent_version_key(CONSENT, Version(1)), Consent) == first

    def test_refused(self) -> None:
        world = make_world()

        refused(world, NotTheGrantor, OTHER_PATIENT, AMEND)
        refused(world, NotCurrent, PATIENT, replace(AMEND, replaces=Version(2)))
        refused(world, UnknownConsent, PATIENT, replace(AMEND, consent=ConsentId(id16("none"))))
        over = make_terms(from_ms=TimestampMs(1), until_ms=START_MS)
        refused(world, AlreadyOver, PATIENT, replace(AMEND, terms=over))
        world.apply(PATIENT, REVOKE)
        refused(world, Ended, PATIENT, AMEND)


class TestRevoke:
    """L42: at once, by the patient alone, for good."""

    def test_revokes(self) -> None:
        world = make_world()
        world.advance(1000)
        world.apply(PATIENT, REVOKE)

        consent = get_consent(world.state, CONSENT)
        assert (consent.status, consent.ended) == (ConsentStatus.REVOKED, world.height)
        assert not consent.holds_at(world.time_ms)
        assert world.events()[-1] == "consent.revoked"

    def test_refused(self) -> None:
        world = make_world()

        refused(world, NotTheGrantor, OTHER_PATIENT, REVOKE)
        refused(world, RoleNotAllowed, HOSPITAL, REVOKE)
        refused(world, UnknownConsent, PATIENT, ConsentRevoke(consent=ConsentId(id16("none"))))
        world.apply(PATIENT, REVOKE)
        assert refused(world, Ended, PATIENT, REVOKE).status == "revoked"


class TestExpiry:
    """L44: a consent ends at its time, whether or not its deadline has been swept."""

    def test_expires(self) -> None:
        world = make_world()
        consent = get_consent(world.state, CONSENT)
        assert consent.holds_at(TimestampMs(consent.terms.until_ms - 1))
        assert not consent.holds_at(consent.terms.until_ms)
        assert not consent.holds_at(TimestampMs(consent.terms.from_ms - 1))
        world.advance(30 * DAY_MS + 5_000)

        assert get_consent(world.state, CONSENT).status is ConsentStatus.EXPIRED
        assert refused(world, Ended, PATIENT, REVOKE).status == "expired"

    def test_before_the_sweep(self) -> None:
        world = make_world()
        world.time_ms = TimestampMs(START_MS + 30 * DAY_MS)

        assert refused(world, Ended, PATIENT, REVOKE).status == "expired"

    def test_end_can_be_moved(self) -> None:
        world = make_world()
        longer = make_terms(until_ms=TimestampMs(START_MS + 60 * DAY_MS))
        world.apply(PATIENT, ConsentAmend(consent=CONSENT, replaces=Version(1), terms=longer))
        world.advance(40 * DAY_MS)
        assert get_consent(world.state, CONSENT).status is ConsentStatus.ACTIVE
        world.advance(30 * DAY_MS)

        assert get_consent(world.state, CONSENT).status is ConsentStatus.EXPIRED

    def test_revoked_stays_revoked(self) -> None:
        world = make_world()
        world.apply(PATIENT, REVOKE)
        world.advance(31 * DAY_MS)

        assert get_consent(world.state, CONSENT).status is ConsentStatus.REVOKED


class TestKeyEpoch:
    """L46: epochs follow one another, each compartment on its own."""

    def begin(self, compartment: int, epoch: int) -> KeyEpochBegin:
        return KeyEpochBegin(
            patient=PATIENT.patient, compartment=Compartment(compartment), epoch=KeyEpoch(epoch)
        )

    def test_begins(self) -> None:
        world = World()
        world.apply(HOSPITAL, self.begin(2, 1), self.begin(2, 2), self.begin(0, 1))

        assert get_patient(world.state, PATIENT.patient).epochs == (1, 0, 2)

    def test_refused(self) -> None:
        world = World()

        refused(world, NotTheCustodian, CLINIC, self.begin(0, 1))
        refused(world, NotCurrent, HOSPITAL, self.begin(0, 2))
        refused(world, NotCurrent, HOSPITAL, self.begin(0, 0))
        refused(world, UnknownPatient, HOSPITAL, replace(self.begin(0, 1), patient=STRANGER.patient))
        refused(world, RoleNotAllowed, PATIENT, self.begin(0, 1))
