"""L25, L43, L51–L53: who gets a permit, who does not and why."""

from typing import Any

import pytest

from noded.ledger.modules.access import AccessStatus, get_access
from noded.ledger.modules.errors import (
    ActorMismatch,
)
from noded.types.conditions import All, Approvals, Not, OrganizationIn, PurposeIn, ReadsBelow
from noded.types.ids import TimestampMs
from noded.types.medical import (
    Compartment,
    Day,
    DayRange,
    KindClass,
    RecordId,
    Version,
)
from noded.types.operations.consent import (
    ConsentAmend,
    OwnRecord,
    ToGroup,
    ToOrganization,
    ToRole,
)
from noded.types.operations.identity import GroupCreate, GroupUpdate
from noded.types.roles import Purpose, Role
from tests.helpers.access import GROUP, READ, RELEASE, decided, make_world
from tests.helpers.medical import (
    CLINIC,
    CONSENT,
    DAY_MS,
    HOSPITAL,
    LAB,
    PATIENT,
    RECORD,
    REQUEST,
    RESEARCHER,
    START_MS,
    World,
    id16,
    make_grant,
    make_record,
    make_request,
    make_terms,
    party,
    refused,
)


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


def test_a_researcher_reads_for_research() -> None:
    """The whole story with another reader than a hospital."""
    world = make_world(grantee=ToOrganization(institution=RESEARCHER.institution), purposes=(Purpose.HRESCH,))
    world.apply(RESEARCHER, make_request(REQUEST, purpose=Purpose.CLINTRCH))
    world.apply(HOSPITAL, RELEASE)
    world.apply(RESEARCHER, READ)

    assert get_access(world.state, REQUEST).status is AccessStatus.READ
