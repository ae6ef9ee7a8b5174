"""L85–L87: erasure reaches everybody who was given a key."""

from typing import Any

import pytest

from noded.ledger.errors import RoleNotAllowed
from noded.ledger.modules.erasure import ERASURE_MS, get_erasure
from noded.ledger.modules.errors import (
    AlreadyRequested,
    Ended,
    NotAHolder,
    NotTheGrantor,
    UnknownErasure,
    UnknownRecord,
)
from noded.ledger.modules.queries import overdue_duties
from noded.ledger.modules.records import RecordStatus, get_record
from noded.types.medical import Compartment, RecordId, RequestId, Version
from noded.types.operations.audit import ErasureAttest, ErasureRequest
from noded.types.operations.consent import AccessRelease, Mode, OwnRecord, ToRole, WholeCompartment
from noded.types.operations.records import RecordWithdraw, WithdrawReason
from noded.types.roles import Role
from tests.helpers.medical import (
    CLINIC,
    HOSPITAL,
    INSURER,
    LAB,
    OTHER_PATIENT,
    PATIENT,
    RECORD,
    WRAP_HASH,
    Party,
    World,
    id16,
    make_grant,
    make_record,
    make_request,
    refused,
)

ERASE, ATTEST = ErasureRequest(record=RECORD), ErasureAttest(record=RECORD)


def make_world() -> World:
    world = World()
    world.apply(HOSPITAL, make_record())
    world.apply(PATIENT, make_grant(grantee=ToRole(role=Role.LAB), mode=Mode.STANDING))
    world.apply(PATIENT, make_grant(b"2" * 16))
    return world


def disclose(world: World, reader: Party, **request: Any) -> None:
    op = make_request(**request)
    world.apply(reader, op)
    world.apply(HOSPITAL, AccessRelease(request=RequestId(op.request), wrap_hash=WRAP_HASH))


def owing(world: World) -> tuple[bytes, ...]:
    erasure = get_erasure(world.state, RECORD)
    assert erasure is not None
    return erasure.owing


class TestRequest:
    """L85: by the patient, to the custodian and all who hold the record's key or its compartment's."""

    def test_custodian_alone(self) -> None:
        world = make_world()
        world.apply(PATIENT, ERASE)

        assert owing(world) == (HOSPITAL.id,)

    @pytest.mark.parametrize("compartment", [False, True])
    def test_readers_of_the_record_or_its_compartment(self, compartment: bool) -> None:
        world = make_world()
        whole = WholeCompartment(patient=PATIENT.patient, compartment=Compartment(0))
        disclose(world, LAB, **({"target": whole} if compartment else {}))
        disclose(world, PATIENT, basis=OwnRecord(), actor=None)
        world.apply(PATIENT, ERASE)

        assert owing(world) == tuple(sorted((HOSPITAL.id, LAB.id)))

    def test_refused(self) -> None:
        world = make_world()
        world.apply(LAB, make_record(b"3" * 16, patient=None))

        refused(world, NotTheGrantor, OTHER_PATIENT, ERASE)
        refused(world, RoleNotAllowed, HOSPITAL, ERASE)
        refused(world, UnknownRecord, PATIENT, ErasureRequest(record=RecordId(id16("none"))))
        refused(world, UnknownRecord, PATIENT, ErasureRequest(record=RecordId(b"3" * 16)))
        world.apply(PATIENT, ERASE)
        refused(world, AlreadyRequested, PATIENT, ERASE)


class TestAttest:
    """L86: each holder for itself; the custodian's word makes the record erased."""

    def test_all_attest(self) -> None:
        world = make_world()
        disclose(world, LAB)
        world.apply(PATIENT, ERASE)
        world.apply(LAB, ATTEST)
        assert get_record(world.state, RECORD).status is RecordStatus.ACTIVE
        assert world.events()[-1] == "erasure.attested"
        world.apply(HOSPITAL, ATTEST)

        erasure = get_erasure(world.state, RECORD)
        assert erasure is not None
        assert erasure.attested == tuple(sorted((HOSPITAL.id, LAB.id)))
        assert get_record(world.state, RECORD).status is RecordStatus.ERASED
        assert world.events()[-1] == "erasure.completed"
        withdraw = RecordWithdraw(record=RECORD, version=Version(1), reason=WithdrawReason.PATIENT_REQUEST)
        assert refused(world, Ended, HOSPITAL, withdraw).status == "erased"

    def test_refused(self) -> None:
        world = make_world()
        refused(world, UnknownErasure, HOSPITAL, ATTEST)
        world.apply(PATIENT, ERASE)

        refused(world, NotAHolder, CLINIC, ATTEST)
        refused(world, RoleNotAllowed, PATIENT, ATTEST)
        world.apply(HOSPITAL, ATTEST)
        refused(world, NotAHolder, HOSPITAL, ATTEST)
        refused(world, NotAHolder, INSURER, ATTEST)


class TestOverdue:
    """L87: who has not attested after a month is listed."""

    def test_listed_until_attested(self) -> None:
        world = make_world()
        disclose(world, LAB)
        world.apply(PATIENT, ERASE)
        world.apply(HOSPITAL, ATTEST)
        world.advance(ERASURE_MS + 5_000)

        erasure = get_erasure(world.state, RECORD)
        assert erasure is not None
        assert erasure.overdue
        assert [(duty.institution, duty.duty) for duty in overdue_duties(world)[0]] == [
            (LAB.id, "erasure.attest")
        ]
        assert overdue_duties(world, HOSPITAL.institution)[0] == []
        world.apply(LAB, ATTEST)
        assert overdue_duties(world)[0] == []

    def test_all_in_time(self) -> None:
        world = make_world()
        world.apply(PATIENT, ERASE)
        world.apply(HOSPITAL, ATTEST)
        world.advance(ERASURE_MS + 5_000)

        erasure = get_erasure(world.state, RECORD)
        assert erasure is not None
        assert not erasure.overdue
