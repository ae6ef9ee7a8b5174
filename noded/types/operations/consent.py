"""Operations of the consent module: what a patient permits, and each access under it."""

from enum import IntEnum
from typing import Annotated

from noded.codec.errors import Malformed
from noded.codec.schema import Limit, Registry
from noded.types.conditions import CONDITIONS, Condition
from noded.types.frozen import frozen
from noded.types.ids import InstitutionId, TimestampMs
from noded.types.medical import (
    COMPARTMENTS_MAX,
    TAGS_MAX,
    ActorId,
    Compartment,
    ConsentId,
    DayRange,
    GroupId,
    KeyEpoch,
    KindClass,
    OpeningId,
    PatientId,
    ReaderKey,
    RecordId,
    RequestId,
    Tag,
    Use,
    Version,
    WrapHash,
)
from noded.types.operations.registry import Operation, operation
from noded.types.roles import Purpose, Role

CONSENT_RECORDS_MAX = 64
"""Records named one by one in a consent: 1 KiB; whoever means more names kinds."""


@frozen(kw_only=True)
class Grantee:
    """To whom a consent is given; every subclass has a tag."""


GRANTEES: Registry[Grantee] = Registry("grantee")


@GRANTEES.tag(1)
@frozen(kw_only=True)
class ToOrganization(Grantee):
    """One member."""

    institution: InstitutionId


@GRANTEES.tag(2)
@frozen(kw_only=True)
class ToRole(Grantee):
    """Every member with a role."""

    role: Role


@GRANTEES.tag(3)
@frozen(kw_only=True)
class ToGroup(Grantee):
    """The members of a group as of a version, as long as they stay (L25)."""

    group: GroupId
    version: Version


class Mode(IntEnum):
    """How a reader gets keys."""

    RECEIPT = 1
    """A key for each request; every read leaves a receipt."""
    STANDING = 2
    """A compartment's key, once; meant for the treating team."""


@frozen(kw_only=True)
class ConsentTerms:
    """What a patient permits to whom; every one of the terms must hold (L43)."""

    grantee: Annotated[Grantee, GRANTEES]
    purposes: Annotated[tuple[Purpose, ...], Limit(1, len(Purpose))]
    kinds: Annotated[tuple[KindClass, ...], Limit(1, len(KindClass))]
    compartments: Annotated[tuple[Compartment, ...], Limit(1, COMPARTMENTS_MAX)]
    records: Annotated[tuple[RecordId, ...], Limit(1, CONSENT_RECORDS_MAX)] | None
    """None for every record of these kinds and compartments, later ones included."""
    days: DayRange | None
    """The days that the data must be from; None for any."""
    from_ms: TimestampMs
    until_ms: TimestampMs
    """First millisecond at which it no longer holds."""
    mode: Mode
    condition: Annotated[Condition, CONDITIONS] | None
    """What else must hold."""

    def __post_init__(self) -> None:
        if self.from_ms >= self.until_ms:
            raise Malformed("ConsentTerms", "it ends before it begins")


@frozen(kw_only=True)
class Target:
    """What access is asked for; every subclass has a tag."""


TARGETS: Registry[Target] = Registry("target")


@TARGETS.tag(1)
@frozen(kw_only=True)
class OneRecord(Target):
    """The key of one version of a record."""

    record: RecordId
    version: Version


@TARGETS.tag(2)
@frozen(kw_only=True)
class WholeCompartment(Target):
    """The key of a patient's compartment, in its current epoch; for the patient, or under a standing consent."""

    patient: PatientId
    compartment: Compartment


@frozen(kw_only=True)
class Basis:
    """By what right access is asked for; every subclass has a tag."""


BASES: Registry[Basis] = Registry("basis")


@BASES.tag(1)
@frozen(kw_only=True)
class UnderConsent(Basis):
    """A patient's consent."""

    consent: ConsentId


@BASES.tag(2)
@frozen(kw_only=True)
class InEmergency(Basis):
    """An opening by break-glass."""

    opening: OpeningId


@BASES.tag(3)
@frozen(kw_only=True)
class OwnRecord(Basis):
    """The record is about whoever asks, or about the patient they act for."""


@operation(60, "consent.grant")
@frozen(kw_only=True)
class ConsentGrant(Operation):
    """Permit access, by the patient or a delegate (L40)."""

    consent: ConsentId
    patient: PatientId
    terms: ConsentTerms


@operation(61, "consent.amend")
@frozen(kw_only=True)
class ConsentAmend(Operation):
    """Replace the terms of a consent that holds (L41)."""

    consent: ConsentId
    replaces: Version
    terms: ConsentTerms


@operation(62, "consent.revoke")
@frozen(kw_only=True)
class ConsentRevoke(Operation):
    """End a consent from this block on; nothing else is asked of the patient (L42)."""

    consent: ConsentId


@operation(63, "access.request")
@frozen(kw_only=True)
class AccessRequest(Operation):
    """Ask for a key; every validator decides, and permit and denial alike are on the ledger (L50)."""

    request: RequestId
    target: Annotated[Target, TARGETS]
    basis: Annotated[Basis, BASES]
    purpose: Purpose
    actor: ActorId | None
    """Who in the institution will read; None exactly for patients and their delegates."""
    reader_key: ReaderKey
    """The wrap will open with this key only."""
    uses: Annotated[tuple[Use, ...], Limit(0, len(Use))]
    """What the reader declares about research; empty for care."""
    tags: Annotated[tuple[Tag, ...], Limit(0, TAGS_MAX)]


@operation(64, "access.release")
@frozen(kw_only=True)
class AccessRelease(Operation):
    """Hand over a wrapped key after a permit, by the custodian and in time; names its hash (L54)."""

    request: RequestId
    wrap_hash: WrapHash


class ReceiptResult(IntEnum):
    """What became of a release, as its reader says."""

    READ = 1
    """The wrap opened, and the bytes match the record's commitment."""
    UNREADABLE = 2
    """They did not come, did not open, or do not match."""


@operation(65, "access.receipt")
@frozen(kw_only=True)
class AccessReceipt(Operation):
    """Say what became of a release, by its reader (L56)."""

    request: RequestId
    result: ReceiptResult


@operation(66, "key.epoch")
@frozen(kw_only=True)
class KeyEpochBegin(Operation):
    """Begin a new key of a compartment: holders of earlier ones cannot open what is registered from now on (L46)."""

    patient: PatientId
    compartment: Compartment
    epoch: KeyEpoch
    """The current one plus 1."""
