"""Operations on records as clients make them: random where nobody looks."""

from collections.abc import Sequence

from noded.crypto.hashing import tagged_hash
from noded.types.ids import InstitutionId, TimestampMs
from noded.types.medical import (
    ActorId,
    CiphertextHash,
    Commitment,
    Compartment,
    ConsentId,
    KeyEpoch,
    KindClass,
    PatientId,
    ReaderKey,
    RecordId,
    RequestId,
    Version,
    WrapHash,
)
from noded.types.operations.consent import (
    AccessRequest,
    ConsentGrant,
    ConsentTerms,
    Mode,
    OneRecord,
    ToOrganization,
    UnderConsent,
)
from noded.types.operations.records import RecordContent, RecordRegister
from noded.types.roles import Purpose
from sim.models.clock import EPOCH_MS
from sim.streams import Stream

YEAR_MS = 365 * 86_400_000

COMPARTMENT = Compartment(1)

KINDS = tuple(KindClass)


def register_record(stream: Stream, patient: PatientId | None) -> RecordRegister:
    """A record of a patient, or of nobody."""
    record = RecordId(stream.bytes(16))
    salt = stream.bytes(8)
    return RecordRegister(
        record=record,
        patient=patient,
        kind=stream.choice(KINDS),
        compartment=Compartment(0) if patient is None else COMPARTMENT,
        content=RecordContent(
            commitment=Commitment(noise(salt, "commitment")),
            ciphertext_hash=CiphertextHash(noise(salt, "ciphertext")),
            ciphertext_bytes=1 + stream.below(4 << 20),
            days=None,
            key_epoch=KeyEpoch(0),
            wrap_hash=None if patient is None else WrapHash(noise(salt, "wrap")),
        ),
    )


def grant_consent(stream: Stream, patient: PatientId, reader: InstitutionId) -> ConsentGrant:
    """An institution may read all records of a patient."""
    terms = ConsentTerms(
        grantee=ToOrganization(institution=reader),
        purposes=(Purpose.TREAT,),
        kinds=KINDS,
        compartments=(COMPARTMENT,),
        records=None,
        days=None,
        from_ms=TimestampMs(EPOCH_MS),
        until_ms=TimestampMs(EPOCH_MS + YEAR_MS),
        mode=Mode.RECEIPT,
        condition=None,
    )
    return ConsentGrant(consent=ConsentId(stream.bytes(16)), patient=patient, terms=terms)


def request_access(stream: Stream, records: Sequence[RecordId], consent: ConsentId) -> AccessRequest:
    """Somebody asks for one of these records."""
    return AccessRequest(
        request=RequestId(stream.bytes(16)),
        target=OneRecord(record=stream.choice(tuple(records)), version=Version(1)),
        basis=UnderConsent(consent=consent),
        purpose=Purpose.TREAT,
        actor=ActorId(stream.bytes(16)),
        reader_key=ReaderKey(stream.bytes(32)),
        uses=(),
        tags=(),
    )


def noise(salt: bytes, what: str) -> bytes:
    """32 bytes that look like a hash of something."""
    return tagged_hash("noded/sim-noise/1", salt, what.encode())
