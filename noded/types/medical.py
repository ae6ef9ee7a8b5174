"""The vocabulary of the medical modules: their identifiers, kinds of records, purposes, days."""

from enum import IntEnum
from typing import NewType

from noded.codec.errors import Malformed
from noded.codec.schema import Limit, restrict
from noded.types.frozen import frozen
from noded.types.roles import Purpose

PatientId = NewType("PatientId", bytes)
"""A patient as one custodian knows them; 16 random bytes, another at every custodian (L20)."""

RecordId = NewType("RecordId", bytes)
"""A record through all its versions; 16 random bytes, never derived from its content (L30)."""

ConsentId = NewType("ConsentId", bytes)
"""A consent through all its versions; 16 random bytes."""

RequestId = NewType("RequestId", bytes)
"""A request for access; 16 random bytes."""

OpeningId = NewType("OpeningId", bytes)
"""One breaking of the glass; 16 random bytes."""

GroupId = NewType("GroupId", bytes)
"""A group of institutions; 16 random bytes."""

ActorId = NewType("ActorId", bytes)
"""A person as their institution's own directory knows them, a pseudonym to all others; 16 random bytes."""

Tag = NewType("Tag", bytes)
"""Something research is bound to (a project, a disease) without saying what; 16 bytes agreed on off the ledger."""

Commitment = NewType("Commitment", bytes)
"""HMAC-SHA-256 of the bytes received under a salt key of the record's own; 32 bytes (L31)."""

CiphertextHash = NewType("CiphertextHash", bytes)
"""SHA-256 in the blobs' domain of what the custodian stores; 32 bytes."""

WrapHash = NewType("WrapHash", bytes)
"""Hash of a wrapped key; 32 bytes. The wrap itself never enters a block (L32)."""

ReaderKey = NewType("ReaderKey", bytes)
"""HPKE public key that a key is wrapped to: 32 bytes X25519, 1216 bytes ML-KEM-768 with X25519."""

Compartment = NewType("Compartment", int)
"""A part of a patient's records with a key of its own; which part is known to patient and custodian only."""

KeyEpoch = NewType("KeyEpoch", int)
"""Counts the keys that a compartment had; from 0."""

Version = NewType("Version", int)
"""Counts the versions of a record, a consent or a group; from 1."""

Day = NewType("Day", int)
"""Days since 1970-01-01, UTC; negative before. The time of day is more than the ledger may say."""

ID_BYTES = 16
COMPARTMENTS_MAX = 16
"""Compartments of a patient; their epochs ride in the patient's row, which every registration reads anyway."""

DAYS_MAX = 200_000
"""547 years either side of 1970: every date of birth and every due date."""

READER_KEY_BYTES_MAX = 1216
WRAP_BYTES_MAX = 2048
"""ML-KEM-768 with X25519 needs 1120 bytes of encapsulation, and 64 bytes of keys under AEAD 80 more."""

for _id in (PatientId, RecordId, ConsentId, RequestId, OpeningId, GroupId, ActorId, Tag):
    restrict(_id, Limit(ID_BYTES, ID_BYTES))
for _hash in (Commitment, CiphertextHash, WrapHash):
    restrict(_hash, Limit(32, 32))
restrict(ReaderKey, Limit(32, READER_KEY_BYTES_MAX))
restrict(Compartment, Limit(0, COMPARTMENTS_MAX - 1))
restrict(Version, Limit(1, (1 << 32) - 1))
restrict(KeyEpoch, Limit(0, (1 << 32) - 1))
restrict(Day, Limit(-DAYS_MAX, DAYS_MAX))


class KindClass(IntEnum):
    """The coarse kind of a record; anything finer would be a diagnosis on the ledger (L33)."""

    DOCUMENT = 1
    """Charts, letters, plans, demographics, and whatever is not plainly one of the others."""
    IMAGING = 2
    LAB = 3
    MEDICATION = 4
    """Orders, dispenses, administrations, immunisations."""
    CLAIM = 5
    GENOMIC = 6


@frozen(kw_only=True)
class DayRange:
    """A span of whole days."""

    first: Day
    end: Day
    """The first day after it."""

    def __post_init__(self) -> None:
        if self.first >= self.end:
            raise Malformed("DayRange", "it ends before it begins")

    def covers(self, other: "DayRange") -> bool:
        """Whether every day of the other is in this one."""
        return self.first <= other.first and other.end <= self.end


_BROADER: dict[Purpose, Purpose] = {
    Purpose.ETREAT: Purpose.TREAT,
    Purpose.CAREMGT: Purpose.TREAT,
    Purpose.CLMATTCH: Purpose.HPAYMT,
    Purpose.COVAUTH: Purpose.HPAYMT,
    Purpose.PATADMIN: Purpose.HOPERAT,
    Purpose.HLEGAL: Purpose.HOPERAT,
    Purpose.HSYSADMIN: Purpose.HOPERAT,
    Purpose.CLINTRCH: Purpose.HRESCH,
    Purpose.FAMRQT: Purpose.PATRQT,
}
"""The next broader purpose, as v3 ActReason orders them."""


def has_purpose(allowed: tuple[Purpose, ...], stated: Purpose) -> bool:
    """Whether the stated purpose, or one that contains it, is among those allowed."""
    return stated in allowed or _BROADER.get(stated) in allowed


class Use(IntEnum):
    """What a researcher declares about the intended use, under signature; the terms of DUO speak of these."""

    GENETIC_STUDY = 1
    ANCESTRY_STUDY = 2
    METHODS_DEVELOPMENT = 3
    POPULATION_STUDY = 4
    NON_COMMERCIAL = 5
    NOT_FOR_PROFIT = 6
    """By an organisation that is not for profit."""
    ETHICS_APPROVED = 7
    WILL_PUBLISH = 8
    WILL_COLLABORATE = 9
    WILL_RETURN_DATA = 10
    WILL_NOT_PUBLISH_EARLY = 11
    """Not before the date that the data's terms name."""


TAGS_MAX = 4
