"""A small world for the medical modules: members, a state in memory, time that is moved by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, cast

import pytest

from noded.errors import InvalidTransaction
from noded.ledger.context import BlockContext, Context
from noded.ledger.deadlines import sweep
from noded.ledger.keys import add_key, get_key
from noded.ledger.members import Member, MemberStatus, get_member, member_key
from noded.ledger.state import Overlay
from noded.ledger.transition import DEADLINES, HANDLERS, check_row
from noded.types.genesis import DEFAULT_PARAMETERS, EncryptionKey, Institution
from noded.types.ids import ChainId, Epoch, Height, InstitutionId, PublicKey, TimestampMs, TransactionHash
from noded.types.medical import (
    ActorId,
    CiphertextHash,
    Commitment,
    Compartment,
    ConsentId,
    Day,
    DayRange,
    KeyEpoch,
    KindClass,
    OpeningId,
    PatientId,
    ReaderKey,
    RecordId,
    RequestId,
    Version,
    WrapHash,
)
from noded.types.operations import Operation
from noded.types.operations.breakglass import BreakglassOpen, EmergencyReason
from noded.types.operations.consent import (
    AccessRequest,
    Basis,
    ConsentGrant,
    ConsentTerms,
    Mode,
    OneRecord,
    Target,
    ToOrganization,
    UnderConsent,
)
from noded.types.operations.identity import PatientRegister
from noded.types.operations.records import RecordContent, RecordRegister
from noded.types.roles import KeyKind, Purpose, Role

START_MS = TimestampMs(1_700_000_000_000)
DAY_MS = 86_400_000


def id16(name: str) -> bytes:
    """Sixteen bytes that read well in a failure."""
    return name.encode().ljust(16, b".")[:16]


def key32(name: str) -> PublicKey:
    """A public key that nobody verifies here."""
    return PublicKey(name.encode().ljust(32, b"~")[:32])


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody who signs."""

    id: bytes
    key: PublicKey

    @property
    def institution(self) -> InstitutionId:
        return InstitutionId(self.id)

    @property
    def patient(self) -> PatientId:
        return PatientId(self.id)


def party(name: str) -> Party:
    return Party(id16(name), key32(name))


HOSPITAL, CLINIC, LAB = party("hospital"), party("clinic"), party("lab")
INSURER, RESEARCHER = party("insurer"), party("researcher")
REGULATOR, AUDITOR = party("regulator"), party("auditor")
PATIENT, OTHER_PATIENT, STRANGER = party("patient"), party("other-patient"), party("stranger")

ROLES = {
    HOSPITAL: Role.HOSPITAL,
    CLINIC: Role.HOSPITAL,
    LAB: Role.LAB,
    INSURER: Role.INSURER,
    RESEARCHER: Role.RESEARCHER,
    REGULATOR: Role.REGULATOR,
    AUDITOR: Role.AUDITOR,
}

RECORD, CONSENT, REQUEST = RecordId(id16("record")), ConsentId(id16("consent")), RequestId(id16("request"))
OPENING, NURSE, DOCTOR = OpeningId(id16("opening")), ActorId(id16("nurse")), ActorId(id16("doctor"))
READER_KEY = ReaderKey(bytes(32))


class World:
    """Members are known; `PATIENT` is registered with `HOSPITAL`, `OTHER_PATIENT` with `CLINIC`."""

    def __init__(self, *, patients: bool = True) -> None:
        self.state = Overlay(lambda key: None)
        self.time_ms = START_MS
        self.height = Height(0)
        self.advance(0)
        for member, role in ROLES.items():
            self.state.write(
                member_key(member.institution),
                Member(
                    institution=make_institution(member, role),
                    status=MemberStatus.MEMBER,
                    since=Height(0),
                ),
            )
            add_key(self.state, member.key, kind=KeyKind.INSTITUTION, owner=member.id, height=Height(0))
        self.state.keep()
        if patients:
            self.register(PATIENT, HOSPITAL)
            self.register(OTHER_PATIENT, CLINIC)

    @property
    def block(self) -> BlockContext:
        return BlockContext(
            chain_id=ChainId(bytes(32)),
            height=self.height,
            epoch=Epoch(1),
            time_ms=self.time_ms,
            params=DEFAULT_PARAMETERS,
            validators=cast(Any, None),
        )

    def apply(self, sender: Party, *ops: Operation, cosigners: Sequence[Party] = ()) -> None:
        """Apply operations as one transaction; raises what rejects it, with the state as it was."""
        key = get_key(self.state, sender.key)
        assert key is not None, "admission lets known keys only"
        assert key.until is None, "admission lets active keys only"
        context = Context(
            block=self.block,
            signer=sender.key,
            key=key,
            cosigners=tuple(each.key for each in cosigners),
            transaction=TransactionHash(bytes(32)),
        )
        try:
            for op in ops:
                handler, row = HANDLERS[type(op)]
                check_row(self.state, row, op, context)
                handler(self.state, op, context)
            self.state.keep()
        except InvalidTransaction:
            written = dict(self.state._pending)
            self.state.drop()
            assert len(ops) > 1 or not written, "all checks come before the first write"
            raise

    def advance(self, ms: int) -> None:
        """Begin a block that is later by this much; its deadlines fire."""
        self.height = Height(self.height + 1)
        self.time_ms = TimestampMs(self.time_ms + ms)
        sweep(self.state, self.block, DEADLINES)
        self.state.keep()

    def register(self, patient: Party, custodian: Party) -> None:
        self.apply(custodian, PatientRegister(patient=patient.patient, key=patient.key), cosigners=[patient])

    def suspend(self, member: Party) -> None:
        entry = get_member(self.state, member.institution)
        assert entry is not None
        suspended = Member(
            institution=entry.institution,
            status=MemberStatus.SUSPENDED,
            since=self.height,
        )
        self.state.write(member_key(member.institution), suspended)
        self.state.keep()

    def snapshot(self) -> Any:
        """All that a rejected operation must leave as it was."""
        return dict(self.state.encodings), list(self.state.index), list(self.state.events)

    def events(self) -> list[str]:
        return [event.name for event in self.state.events]

    # The store's listings, as queries see them.

    def index_range(self, prefix: bytes, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        rows: dict[bytes, bytes] = {}
        for key, value in self.state.index:
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value
        return [row for row in sorted(rows.items()) if row[0].startswith(prefix) and row[0] > after][:limit]


def make_institution(member: Party, role: Role, jurisdiction: str = "DE") -> Institution:
    return Institution(
        id=member.institution,
        legal_name=member.id.decode(),
        role=role,
        owner="",
        jurisdiction=jurisdiction,
        consensus_key=PublicKey(bytes(32)),
        network_key=PublicKey(bytes(32)),
        account_key=member.key,
        encryption_key=EncryptionKey(key32(f"{member.id.decode()} encryption")),
        endpoints=(),
    )


def make_content(*, number: int = 1, epoch: int = 0, **changes: Any) -> RecordContent:
    values: dict[str, Any] = {
        "commitment": Commitment(bytes([number]) * 32),
        "ciphertext_hash": CiphertextHash(bytes([number, 1]) * 16),
        "ciphertext_bytes": 1000,
        "days": DayRange(first=Day(19_000), end=Day(19_001)),
        "key_epoch": KeyEpoch(epoch),
        "wrap_hash": None,
    }
    return RecordContent(**{**values, **changes})


def make_record(record: bytes = RECORD, patient: Party | None = PATIENT, **changes: Any) -> RecordRegister:
    values: dict[str, Any] = {
        "record": RecordId(record),
        "patient": None if patient is None else patient.patient,
        "kind": KindClass.LAB,
        "compartment": Compartment(0),
        "content": make_content(),
    }
    return RecordRegister(**{**values, **changes})


def make_terms(**changes: Any) -> ConsentTerms:
    values: dict[str, Any] = {
        "grantee": ToOrganization(institution=CLINIC.institution),
        "purposes": (Purpose.TREAT,),
        "kinds": tuple(KindClass),
        "compartments": (Compartment(0),),
        "records": None,
        "days": None,
        "from_ms": START_MS,
        "until_ms": TimestampMs(START_MS + 30 * DAY_MS),
        "mode": Mode.RECEIPT,
        "condition": None,
    }
    return ConsentTerms(**{**values, **changes})


def make_grant(
    consent: bytes = CONSENT, patient: Party = PATIENT, terms: ConsentTerms | None = None, **changes: Any
) -> ConsentGrant:
    return ConsentGrant(
        consent=ConsentId(consent), patient=patient.patient, terms=terms or make_terms(**changes)
    )


def refused(
    world: World,
    reason: type[InvalidTransaction],
    sender: Party,
    *ops: Operation,
    cosigners: Sequence[Party] = (),
) -> Any:
    """Expect a rejection that leaves the state as it was; returns the error."""
    before = world.snapshot()
    with pytest.raises(reason) as raised:
        world.apply(sender, *ops, cosigners=cosigners)
    assert type(raised.value) is reason
    assert world.snapshot() == before
    return raised.value


_numbers = count()


def make_request(
    request: bytes | None = None, *, target: Target | None = None, basis: Basis | None = None, **changes: Any
) -> AccessRequest:
    values: dict[str, Any] = {
        "request": RequestId(request or id16(f"request-{next(_numbers)}")),
        "target": target or OneRecord(record=RECORD, version=Version(1)),
        "basis": basis or UnderConsent(consent=CONSENT),
        "purpose": Purpose.TREAT,
        "actor": DOCTOR,
        "reader_key": READER_KEY,
        "uses": (),
        "tags": (),
    }
    return AccessRequest(**{**values, **changes})


def make_opening(opening: bytes = OPENING, patient: Party = PATIENT, **changes: Any) -> BreakglassOpen:
    values: dict[str, Any] = {
        "opening": OpeningId(opening),
        "patient": patient.patient,
        "reason": EmergencyReason.UNCONSCIOUS,
        "purpose": Purpose.ETREAT,
        "actor": NURSE,
        "kinds": tuple(KindClass),
    }
    return BreakglassOpen(**{**values, **changes})


WRAP_HASH = WrapHash(bytes([7]) * 32)
