"""L20–L23: patients, their keys, their delegates."""

from dataclasses import replace

import pytest

from noded.ledger.errors import KeyTaken, RoleNotAllowed
from noded.ledger.keys import get_key
from noded.ledger.modules.errors import (
    AlreadyOver,
    IdTaken,
    NotTheGrantor,
    NotThePatient,
    SignatureMissing,
    UnknownDelegate,
    UnknownPatient,
)
from noded.ledger.modules.identity import get_patient
from noded.ledger.modules.queries import delegates_of
from noded.types.ids import TimestampMs
from noded.types.operations.identity import DelegateClear, DelegateSet, PatientRegister, PatientRotate
from noded.types.roles import KeyKind
from tests.helpers.medical import (
    AUDITOR,
    CLINIC,
    DAY_MS,
    HOSPITAL,
    OTHER_PATIENT,
    PATIENT,
    START_MS,
    STRANGER,
    Party,
    World,
    make_grant,
    party,
    refused,
)

NEW_KEY, DELEGATE = Party(PATIENT.id, party("new-key").key), Party(PATIENT.id, party("delegate").key)


def set_delegate(until_ms: int = START_MS + DAY_MS) -> DelegateSet:
    return DelegateSet(patient=PATIENT.patient, key=DELEGATE.key, until_ms=TimestampMs(until_ms))


class TestRegister:
    """L20: custodian and patient register together, with ids and keys that are nobody's yet."""

    REGISTER = PatientRegister(patient=PATIENT.patient, key=PATIENT.key)

    def test_registers(self) -> None:
        world = World(patients=False)
        world.apply(HOSPITAL, self.REGISTER, cosigners=[PATIENT])

        patient = get_patient(world.state, PATIENT.patient)
        assert (patient.custodian, patient.key, patient.epochs) == (HOSPITAL.id, PATIENT.key, ())
        entry = get_key(world.state, PATIENT.key)
        assert entry is not None
        assert (entry.kind, entry.owner, entry.until) == (KeyKind.PATIENT, PATIENT.id, None)

    def test_patient_must_sign(self) -> None:
        world = World(patients=False)

        refused(world, SignatureMissing, HOSPITAL, self.REGISTER)
        refused(world, SignatureMissing, HOSPITAL, self.REGISTER, cosigners=[STRANGER])

    def test_id_is_given_once(self) -> None:
        register = PatientRegister(patient=PATIENT.patient, key=STRANGER.key)

        refused(World(), IdTaken, HOSPITAL, register, cosigners=[STRANGER])

    def test_key_is_pairwise(self) -> None:
        """Principle 4: the key of one custodian cannot be used with another."""
        register = PatientRegister(patient=STRANGER.patient, key=PATIENT.key)

        refused(World(), KeyTaken, CLINIC, register, cosigners=[PATIENT])

    def test_role(self) -> None:
        refused(World(patients=False), RoleNotAllowed, AUDITOR, self.REGISTER, cosigners=[PATIENT])
        refused(
            World(),
            RoleNotAllowed,
            PATIENT,
            PatientRegister(patient=STRANGER.patient, key=STRANGER.key),
            cosigners=[STRANGER],
        )


class TestRotate:
    """L21: old and new key replace one with the other."""

    ROTATE = PatientRotate(patient=PATIENT.patient, key=NEW_KEY.key)

    def test_rotates(self) -> None:
        world = World()
        world.apply(PATIENT, self.ROTATE, cosigners=[NEW_KEY])

        assert get_patient(world.state, PATIENT.patient).key == NEW_KEY.key
        old, new = get_key(world.state, PATIENT.key), get_key(world.state, NEW_KEY.key)
        assert old is not None
        assert new is not None
        assert (old.until, new.until, new.owner) == (world.height, None, PATIENT.id)
        world.apply(NEW_KEY, make_grant())

    def test_refused(self) -> None:
        world = World()

        refused(world, SignatureMissing, PATIENT, self.ROTATE)
        refused(world, NotThePatient, OTHER_PATIENT, self.ROTATE, cosigners=[NEW_KEY])
        refused(
            world,
            UnknownPatient,
            PATIENT,
            replace(self.ROTATE, patient=STRANGER.patient),
            cosigners=[NEW_KEY],
        )
        taken = replace(self.ROTATE, key=OTHER_PATIENT.key)
        refused(world, KeyTaken, PATIENT, taken, cosigners=[OTHER_PATIENT])

    def test_old_key_rotates_once_within_a_transaction(self) -> None:
        second = PatientRotate(patient=PATIENT.patient, key=STRANGER.key)

        refused(World(), NotThePatient, PATIENT, self.ROTATE, second, cosigners=[NEW_KEY, STRANGER])


class TestDelegates:
    """L22, L23: a delegate acts for one patient, until a time or until cleared."""

    def test_acts_until_its_time(self) -> None:
        world = World()
        world.apply(PATIENT, set_delegate(), cosigners=[DELEGATE])
        world.apply(DELEGATE, make_grant(b"1" * 16))
        world.advance(DAY_MS - 1)
        world.apply(DELEGATE, make_grant(b"2" * 16))
        world.height, world.time_ms = world.height, TimestampMs(START_MS + DAY_MS)

        refused(world, NotTheGrantor, DELEGATE, make_grant(b"3" * 16))
        world.advance(5_000)
        entry = get_key(world.state, DELEGATE.key)
        assert entry is not None
        assert entry.until == world.height
        assert world.events()[-1] == "delegate.ended"

    def test_those_who_act_are_listed_once(self) -> None:
        world = World()
        world.apply(PATIENT, set_delegate(), cosigners=[DELEGATE])
        world.advance(5_000)
        world.apply(PATIENT, set_delegate(START_MS + 9 * DAY_MS))

        ((key, found),) = delegates_of(world.state, world, PATIENT.patient).items
        assert (key, found.until_ms) == (DELEGATE.key, START_MS + 9 * DAY_MS)
        assert delegates_of(world.state, world, OTHER_PATIENT.patient).items == ()
        world.apply(DELEGATE, DelegateClear(patient=PATIENT.patient, key=DELEGATE.key))
        assert delegates_of(world.state, world, PATIENT.patient).items == ()

    def test_time_can_be_moved(self) -> None:
        world = World()
        world.apply(PATIENT, set_delegate(), cosigners=[DELEGATE])
        world.apply(PATIENT, set_delegate(START_MS + 9 * DAY_MS))
        world.advance(2 * DAY_MS)

        world.apply(DELEGATE, make_grant())

    @pytest.mark.parametrize("sender", [PATIENT, DELEGATE])
    def test_cleared(self, sender: Party) -> None:
        world = World()
        world.apply(PATIENT, set_delegate(), cosigners=[DELEGATE])
        world.apply(sender, DelegateClear(patient=PATIENT.patient, key=DELEGATE.key))

        entry = get_key(world.state, DELEGATE.key)
        assert entry is not None
        assert entry.until == world.height
        world.advance(2 * DAY_MS)  # Its deadline finds nothing to end.
        refused(world, KeyTaken, PATIENT, set_delegate(world.time_ms + 1), cosigners=[DELEGATE])

    def test_refused(self) -> None:
        world = World()
        clear = DelegateClear(patient=PATIENT.patient, key=DELEGATE.key)

        refused(world, SignatureMissing, PATIENT, set_delegate())
        refused(world, NotThePatient, OTHER_PATIENT, set_delegate(), cosigners=[DELEGATE])
        refused(world, AlreadyOver, PATIENT, set_delegate(START_MS), cosigners=[DELEGATE])
        refused(world, KeyTaken, PATIENT, replace(set_delegate(), key=HOSPITAL.key), cosigners=[HOSPITAL])
        refused(world, UnknownDelegate, PATIENT, clear)
        world.apply(PATIENT, set_delegate(), cosigners=[DELEGATE])
        refused(world, NotThePatient, OTHER_PATIENT, clear)
        refused(world, RoleNotAllowed, HOSPITAL, clear)

    def test_delegates_make_no_delegates(self) -> None:
        world = World()
        world.apply(PATIENT, set_delegate(), cosigners=[DELEGATE])

        refused(
            world, RoleNotAllowed, DELEGATE, replace(set_delegate(), key=STRANGER.key), cosigners=[STRANGER]
        )

    def test_acts_for_no_other_patient(self) -> None:
        world = World()
        world.apply(PATIENT, set_delegate(), cosigners=[DELEGATE])
        other = DelegateSet(
            patient=OTHER_PATIENT.patient, key=DELEGATE.key, until_ms=TimestampMs(START_MS + 1)
        )

        refused(world, NotTheGrantor, DELEGATE, make_grant(patient=OTHER_PATIENT))
        refused(world, KeyTaken, OTHER_PATIENT, other, cosigners=[DELEGATE])
