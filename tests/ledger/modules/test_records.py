"""L30–L36: what is anchored of records; and the principles of what never is."""

from dataclasses import fields, replace
from typing import Any, get_type_hints

import pytest

from noded.codec.schema import encode_value
from noded.codec.shapes import Bytes, Text, shape_of
from noded.ledger.errors import RoleNotAllowed
from noded.ledger.modules.errors import (
    Ended,
    IdTaken,
    NoCompartment,
    NotCurrent,
    NotTheCustodian,
    UnknownPatient,
    UnknownRecord,
    WrongKeyEpoch,
)
from noded.ledger.modules.records import Record, RecordStatus, get_record, record_version_key
from noded.types.ids import TimestampMs
from noded.types.medical import (
    WRAP_BYTES_MAX,
    Compartment,
    KeyEpoch,
    KindClass,
    RecordId,
    RequestId,
    Version,
    WrapHash,
)
from noded.types.operations import OPERATIONS
from noded.types.operations.consent import KeyEpochBegin
from noded.types.operations.records import AmendReason, RecordAmend, RecordWithdraw, WithdrawReason
from noded.types.sidecar import WrapSidecar, wrap_hash
from tests.helpers.medical import (
    CLINIC,
    HOSPITAL,
    INSURER,
    LAB,
    OTHER_PATIENT,
    PATIENT,
    RECORD,
    STRANGER,
    World,
    id16,
    make_content,
    make_record,
    refused,
)

AMEND = RecordAmend(
    record=RECORD, replaces=Version(1), reason=AmendReason.CORRECTION, content=make_content(number=2)
)
WITHDRAW = RecordWithdraw(record=RECORD, version=Version(1), reason=WithdrawReason.ENTERED_IN_ERROR)
NEXT_EPOCH = KeyEpochBegin(patient=PATIENT.patient, compartment=Compartment(3), epoch=KeyEpoch(1))


def make_world() -> World:
    world = World()
    world.apply(HOSPITAL, make_record())
    return world


class TestRegister:
    """L30: by the custodian of the patient, under an id that is nothing's yet."""

    def test_registers(self) -> None:
        world = make_world()

        record = get_record(world.state, RECORD)
        assert (record.custodian, record.patient, record.version) == (HOSPITAL.id, PATIENT.id, 1)
        assert (record.status, record.content) == (RecordStatus.ACTIVE, make_content())

    def test_costs_one_state_key_and_one_listing_row(self) -> None:
        """The busiest operation of all."""
        world = World()
        keys, rows = len(world.state.encodings), len(world.state.index)
        world.apply(HOSPITAL, make_record())

        assert len(world.state.encodings) == keys + 1
        assert len(world.state.index) == rows + 1

    def test_of_the_institutions_own(self) -> None:
        world = World()
        world.apply(LAB, make_record(patient=None))

        assert get_record(world.state, RECORD).patient is None

    def test_refused(self) -> None:
        world = make_world()
        other = id16("other")

        refused(world, IdTaken, HOSPITAL, make_record())
        refused(world, UnknownPatient, CLINIC, make_record(other))
        refused(world, UnknownPatient, HOSPITAL, make_record(other, STRANGER))
        refused(world, RoleNotAllowed, PATIENT, make_record(other))
        refused(world, IdTaken, HOSPITAL, make_record(other), make_record(other))


class TestPrinciples:
    """L31–L33: what is on the ledger says nothing by itself."""

    def test_operations_hold_no_free_text_and_no_long_bytes(self) -> None:
        """L31, L33: ids, hashes, coarse enums; the one public key of post-quantum size is a reader's."""
        medical = [cls for tag, cls in OPERATIONS.classes().items() if 20 <= tag < 110]
        assert len(medical) > 20
        for cls in medical:
            hints = get_type_hints(cls, include_extras=True)
            for field in fields(cls):
                shape = shape_of(hints[field.name], field.name)
                assert not isinstance(shape, Text), f"{cls.__name__}.{field.name}"
                if isinstance(shape, Bytes) and field.name != "reader_key":
                    assert shape.limit.max <= 32, f"{cls.__name__}.{field.name}"

    def test_a_wrap_is_named_by_its_hash_and_travels_beside(self) -> None:
        """L32: the block names the hash; the sidecar holds the wrap, and is known by it."""
        wrap = b"w" * 112
        sidecar = WrapSidecar(
            wrap_hash=wrap_hash(wrap),
            wrap=wrap,
            request=RequestId(id16("request")),
            recipient=CLINIC.institution,
            expires_ms=TimestampMs(1),
        )
        world = World()
        content = make_content(wrap_hash=wrap_hash(wrap))
        world.apply(HOSPITAL, make_record(content=content))

        assert sidecar.is_consistent()
        assert not replace(sidecar, wrap=b"v" * 112).is_consistent()
        assert all(wrap not in (value or b"") for value in world.state.encodings.values())
        assert len(sidecar.encode()) < WRAP_BYTES_MAX

    def test_kinds_are_coarse(self) -> None:
        """L33: at most a handful of kinds, and days instead of times."""
        assert len(KindClass) <= 6
        assert make_content().days is not None
        assert len(encode_value(make_content())) < 120


class TestKeyEpoch:
    """L34: content comes under the compartment's current key only."""

    def test_current_epoch(self) -> None:
        world = World()
        in_three: dict[str, Any] = {"compartment": Compartment(3)}
        world.apply(HOSPITAL, make_record(b"1" * 16, **in_three))
        world.apply(HOSPITAL, NEXT_EPOCH)

        error = refused(world, WrongKeyEpoch, HOSPITAL, make_record(b"2" * 16, **in_three))
        assert (error.given, error.current) == (0, 1)
        world.apply(HOSPITAL, make_record(b"2" * 16, **in_three, content=make_content(epoch=1)))
        world.apply(HOSPITAL, make_record(b"3" * 16))
        old = RecordAmend(
            record=RecordId(b"1" * 16), replaces=Version(1), reason=AmendReason.REKEY, content=make_content()
        )
        refused(world, WrongKeyEpoch, HOSPITAL, old)

    @pytest.mark.parametrize(
        "changes",
        [
            {"compartment": Compartment(1)},
            {"content": make_content(epoch=1)},
            {"content": make_content(wrap_hash=WrapHash(bytes(32)))},
        ],
    )
    def test_own_records_have_none(self, changes: dict[str, Any]) -> None:
        refused(World(), NoCompartment, HOSPITAL, make_record(patient=None, **changes))


class TestAmend:
    """L35: versions follow one another; none is lost, none forks."""

    def test_amends(self) -> None:
        world = make_world()
        first = get_record(world.state, RECORD)
        world.advance(1000)
        world.apply(HOSPITAL, AMEND)

        record = get_record(world.state, RECORD)
        assert (record.version, record.amended, record.content) == (2, AmendReason.CORRECTION, AMEND.content)
        assert record.since == world.height
        assert world.state.read(record_version_key(RECORD, Version(1)), Record) == first

    def test_forks_are_refused(self) -> None:
        world = make_world()
        world.apply(HOSPITAL, AMEND)

        error = refused(world, NotCurrent, HOSPITAL, AMEND)
        assert (error.given, error.current) == (1, 2)

    def test_refused(self) -> None:
        world = make_world()

        refused(world, NotTheCustodian, CLINIC, AMEND)
        refused(world, RoleNotAllowed, PATIENT, AMEND)
        unknown = RecordAmend(
            record=RecordId(id16("none")),
            replaces=Version(1),
            reason=AmendReason.ADDENDUM,
            content=make_content(),
        )
        refused(world, UnknownRecord, HOSPITAL, unknown)


class TestWithdraw:
    """L36: what was withdrawn stays visible, and is final."""

    def test_withdraws(self) -> None:
        world = make_world()
        world.apply(HOSPITAL, WITHDRAW)

        record = get_record(world.state, RECORD)
        assert (record.status, record.withdrawn) == (RecordStatus.WITHDRAWN, WithdrawReason.ENTERED_IN_ERROR)
        assert record.content == make_content()

    def test_refused(self) -> None:
        world = make_world()

        refused(world, NotTheCustodian, INSURER, WITHDRAW)
        refused(
            world,
            NotCurrent,
            HOSPITAL,
            RecordWithdraw(record=RECORD, version=Version(2), reason=WithdrawReason.SUPERSEDED),
        )
        world.apply(HOSPITAL, WITHDRAW)
        assert refused(world, Ended, HOSPITAL, WITHDRAW).status == "withdrawn"
        refused(world, Ended, HOSPITAL, AMEND)


def test_records_of_patients_elsewhere_are_elsewhere() -> None:
    world = World()
    world.apply(CLINIC, make_record(patient=OTHER_PATIENT))

    assert get_record(world.state, RECORD).custodian == CLINIC.id
