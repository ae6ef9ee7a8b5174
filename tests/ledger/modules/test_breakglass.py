"""L70–L74: emergency access with the patient absent."""

from dataclasses import replace

import pytest

from noded.ledger.errors import PurposeNotAllowed, RoleNotAllowed
from noded.ledger.keys import add_key
from noded.ledger.modules.breakglass import OPEN_MS, get_opening
from noded.ledger.modules.errors import (
    AlreadyReviewed,
    Ended,
    IdTaken,
    NotAReviewer,
    NotTheOpener,
    UnknownOpening,
    UnknownPatient,
)
from noded.ledger.modules.queries import overdue_duties
from noded.types.genesis import DEFAULT_PARAMETERS
from noded.types.ids import TimestampMs
from noded.types.medical import OpeningId
from noded.types.operations.breakglass import BreakglassClose, BreakglassReview, EmergencyReason, Verdict
from noded.types.roles import KeyKind, Purpose
from tests.helpers.medical import (
    AUDITOR,
    CLINIC,
    DOCTOR,
    HOSPITAL,
    INSURER,
    LAB,
    NURSE,
    OPENING,
    PATIENT,
    REGULATOR,
    START_MS,
    STRANGER,
    Party,
    World,
    id16,
    make_opening,
    refused,
)

CLOSE = BreakglassClose(opening=OPENING)
REVIEW = BreakglassReview(opening=OPENING, verdict=Verdict.JUSTIFIED, actor=DOCTOR)


def make_world() -> World:
    world = World()
    world.apply(CLINIC, make_opening())
    return world


class TestOpen:
    """L70: by role, for treatment, with a reason; the patient has no part in it and is told."""

    def test_opens(self) -> None:
        opening = get_opening(make_world().state, OPENING)

        assert (opening.institution, opening.key, opening.actor) == (CLINIC.id, CLINIC.key, NURSE)
        assert (opening.patient, opening.custodian) == (PATIENT.id, HOSPITAL.id)
        assert opening.reason is EmergencyReason.UNCONSCIOUS
        assert opening.review_due_ms == START_MS + DEFAULT_PARAMETERS.review_ms
        assert not opening.overdue

    def test_patient_and_custodian_are_told(self) -> None:
        event = make_world().state.events[-1]

        assert event.name == "breakglass.opened"
        assert event.parties == (PATIENT.id, HOSPITAL.id, CLINIC.id)

    @pytest.mark.parametrize("purpose", [Purpose.HPAYMT, Purpose.HRESCH, Purpose.PATRQT])
    def test_only_for_treatment(self, purpose: Purpose) -> None:
        refused(World(), PurposeNotAllowed, CLINIC, make_opening(purpose=purpose))

    @pytest.mark.parametrize("sender", [INSURER, AUDITOR, PATIENT])
    def test_only_by_who_treats(self, sender: Party) -> None:
        refused(World(), RoleNotAllowed, sender, make_opening())

    def test_refused(self) -> None:
        world = make_world()

        refused(world, IdTaken, CLINIC, make_opening())
        refused(world, UnknownPatient, CLINIC, make_opening(b"2" * 16, STRANGER))


class TestOpenness:
    """L71: it gives access for a day at most; see test_access for to what."""

    def test_a_day(self) -> None:
        opening = get_opening(make_world().state, OPENING)

        assert opening.is_open_at(TimestampMs(START_MS + OPEN_MS - 1))
        assert not opening.is_open_at(TimestampMs(START_MS + OPEN_MS))


class TestClose:
    """L72: the opener may end it earlier."""

    def test_closes(self) -> None:
        world = make_world()
        world.apply(CLINIC, CLOSE)

        assert not get_opening(world.state, OPENING).is_open_at(world.time_ms)
        assert refused(world, Ended, CLINIC, CLOSE).status == "closed"

    def test_refused(self) -> None:
        world = make_world()

        refused(world, NotTheOpener, HOSPITAL, CLOSE)
        refused(world, UnknownOpening, CLINIC, BreakglassClose(opening=OpeningId(id16("none"))))


class TestReview:
    """L73: by somebody else, once; it ends the access."""

    @pytest.mark.parametrize("reviewer", [HOSPITAL, REGULATOR, AUDITOR])
    def test_by_custodian_and_authorities(self, reviewer: Party) -> None:
        world = make_world()
        world.apply(reviewer, REVIEW)

        opening = get_opening(world.state, OPENING)
        assert opening.review is not None
        assert (opening.review.institution, opening.review.verdict) == (reviewer.id, Verdict.JUSTIFIED)
        assert not opening.is_open_at(world.time_ms)
        assert not opening.overdue

    def test_by_another_key_and_person_of_the_opener(self) -> None:
        """A rotated or second key of the same institution is another key; the same nurse is nobody else."""
        world = make_world()
        second = Party(CLINIC.id, STRANGER.key)
        add_key(world.state, second.key, kind=KeyKind.INSTITUTION, owner=CLINIC.id, height=world.height)
        world.state.keep()

        refused(world, NotAReviewer, second, replace(REVIEW, actor=NURSE))
        world.apply(second, REVIEW)

    @pytest.mark.parametrize("sender", [CLINIC, LAB, INSURER])
    def test_not_by_the_opener_nor_by_who_has_no_part(self, sender: Party) -> None:
        refused(make_world(), NotAReviewer, sender, REVIEW)

    def test_refused(self) -> None:
        world = make_world()
        world.apply(HOSPITAL, REVIEW)

        refused(world, AlreadyReviewed, AUDITOR, replace(REVIEW, verdict=Verdict.UNJUSTIFIED))
        unknown = replace(REVIEW, opening=OpeningId(id16("none")))
        refused(world, UnknownOpening, HOSPITAL, unknown)
        refused(world, RoleNotAllowed, PATIENT, REVIEW)


class TestOverdue:
    """L74: a review that is not there when it is due is recorded, for good."""

    def test_overdue(self) -> None:
        world = make_world()
        world.advance(DEFAULT_PARAMETERS.review_ms + 5_000)

        assert get_opening(world.state, OPENING).overdue
        assert world.events()[-1] == "breakglass.review-overdue"
        duties, _ = overdue_duties(world)
        assert [(duty.institution, duty.duty, duty.subject) for duty in duties] == [
            (CLINIC.id, "breakglass.review", OPENING)
        ]

    def test_late_review_is_taken_and_stays_late(self) -> None:
        world = make_world()
        world.advance(DEFAULT_PARAMETERS.review_ms + 5_000)
        world.apply(HOSPITAL, REVIEW)

        opening = get_opening(world.state, OPENING)
        assert opening.overdue
        assert opening.review is not None
        assert overdue_duties(world)[0] == []

    def test_in_time(self) -> None:
        world = make_world()
        world.apply(HOSPITAL, REVIEW)
        world.advance(DEFAULT_PARAMETERS.review_ms + 5_000)

        assert not get_opening(world.state, OPENING).overdue
        assert overdue_duties(world)[0] == []
