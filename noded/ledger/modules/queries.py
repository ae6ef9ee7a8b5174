"""
Questions to the medical modules: pages of what concerns somebody, and what a reader may fetch.

Single things are read by their module's `get_…`, which a state proof can accompany; lists come from the listings,
which nothing proves.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from noded.ledger.members import MemberStatus, get_member
from noded.ledger.modules.access import Access, AccessStatus, access_key
from noded.ledger.modules.breakglass import Opening, opening_key
from noded.ledger.modules.consent import Consent, consent_key, get_consent
from noded.ledger.modules.erasure import Erasure, erasure_key, get_erasure
from noded.ledger.modules.groups import Group, group_key
from noded.ledger.modules.identity import Delegate, Patient, delegate_key, patient_key, still_acts
from noded.ledger.modules.listings import (
    ACCESS,
    CONSENTS,
    DELEGATES,
    ERASURES,
    GROUPS,
    OPENINGS,
    OVERDUE,
    PATIENTS,
    RECORDS,
    listed_id,
    listing,
)
from noded.ledger.modules.records import (
    Record,
    RecordStatus,
    record_key,
    record_version_key,
)
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import InstitutionId, TimestampMs
from noded.types.medical import (
    ID_BYTES,
    CiphertextHash,
    PatientId,
    RecordId,
    RequestId,
    Version,
)
from noded.types.operations.consent import InEmergency, OneRecord, UnderConsent, WholeCompartment

T = TypeVar("T")

PAGE_MAX = 1000
"""Rows of one page; about 400 KiB of consents."""

DISCLOSED = (AccessStatus.RELEASED, AccessStatus.READ, AccessStatus.UNREADABLE, AccessStatus.UPHELD)
"""Requests after which a key was out of the custodian's hands."""


class Listings(Protocol):
    """The store's listings."""

    def index_range(self, prefix: bytes, after: bytes, limit: int) -> Sequence[tuple[bytes, bytes]]:
        """Up to `limit` rows whose keys begin with `prefix`, behind the key `after`, ascending."""


@frozen()
class Page(Generic[T]):
    """Some of a list, in order of height."""

    items: tuple[tuple[bytes, T], ...]
    """Ids, and what is known by them."""
    next: bytes
    """What to ask for the following page with; empty after the last."""


@frozen()
class Overdue:
    """A duty that was not done by its deadline."""

    institution: InstitutionId
    """Who owed it."""
    duty: str
    """Name of the operation that is missing."""
    subject: bytes
    """What it should have been done for: an opening, a record, an anchor."""


def patients_of(
    state: Overlay, listings: Listings, custodian: InstitutionId, *, after: bytes = b"", limit: int = 100
) -> Page[Patient]:
    """The patients that a custodian registered."""
    return _page(state, listings, PATIENTS, custodian, patient_key, Patient, after, limit)


def delegates_of(
    state: Overlay, listings: Listings, patient: PatientId, *, after: bytes = b"", limit: int = 100
) -> Page[Delegate]:
    """The keys that act for a patient still; those that have ended leave a page with fewer items."""
    return _page(state, listings, DELEGATES, patient, delegate_key, Delegate, after, limit)


def groups_of(
    state: Overlay, listings: Listings, owner: InstitutionId, *, after: bytes = b"", limit: int = 100
) -> Page[Group]:
    """The groups that an institution created."""
    return _page(state, listings, GROUPS, owner, group_key, Group, after, limit)


def records_of(
    state: Overlay,
    listings: Listings,
    owner: PatientId | InstitutionId,
    *,
    after: bytes = b"",
    limit: int = 100,
) -> Page[Record]:
    """The records about a patient, or of an institution's own."""
    return _page(state, listings, RECORDS, owner, record_key, Record, after, limit)


def consents_of(
    state: Overlay,
    listings: Listings,
    concerned: PatientId | InstitutionId,
    *,
    after: bytes = b"",
    limit: int = 100,
) -> Page[Consent]:
    """All consents of a patient, or that ever went to a member by name; ended ones too."""
    return _page(state, listings, CONSENTS, concerned, consent_key, Consent, after, limit)


def access_of_member(
    state: Overlay, listings: Listings, member: InstitutionId, *, after: bytes = b"", limit: int = 100
) -> Page[Access]:
    """All requests that concern an institution as custodian or reader; denied ones too."""
    page = _page(state, listings, ACCESS, member, access_key, Access, after, limit)
    return _only(page, lambda access: member in (access.custodian, access.institution))


def access_of_patient(
    state: Overlay, listings: Listings, patient: PatientId, *, after: bytes = b"", limit: int = 100
) -> Page[Access]:
    """All requests for a patient's data; denied ones too."""
    page = _page(state, listings, ACCESS, patient, access_key, Access, after, limit)
    return _only(page, lambda access: access.patient == patient)


def access_of_record(
    state: Overlay, listings: Listings, record: RecordId, *, after: bytes = b"", limit: int = 100
) -> Page[Access]:
    """All requests for a record; denied ones too."""
    page = _page(state, listings, ACCESS, record, access_key, Access, after, limit)
    return _only(page, lambda access: isinstance(access.target, OneRecord) and access.target.record == record)


def disclosures(
    state: Overlay, listings: Listings, patient: PatientId, *, after: bytes = b"", limit: int = 100
) -> Page[Access]:
    """The accounting of disclosures (45 CFR 164.528): whoever was handed a key, when, for what, by what right."""
    page = access_of_patient(state, listings, patient, after=after, limit=limit)
    return _only(page, lambda access: access.status in DISCLOSED)


def pending_releases(
    state: Overlay,
    listings: Listings,
    custodian: InstitutionId,
    *,
    after: bytes = b"",
    limit: int = 100,
) -> Page[Access]:
    """Permits that wait for a custodian's release; a page may have few items and still be followed by others."""
    page = access_of_member(state, listings, custodian, after=after, limit=limit)
    return _only(
        page,
        lambda access: access.status is AccessStatus.PERMITTED and access.custodian == custodian,
    )


def openings_of(
    state: Overlay,
    listings: Listings,
    concerned: PatientId | InstitutionId,
    *,
    after: bytes = b"",
    limit: int = 100,
) -> Page[Opening]:
    """Uses of break-glass that concern a patient, or an institution as custodian or opener."""
    return _page(state, listings, OPENINGS, concerned, opening_key, Opening, after, limit)


def erasures_of(
    state: Overlay,
    listings: Listings,
    concerned: PatientId | InstitutionId,
    *,
    after: bytes = b"",
    limit: int = 100,
) -> Page[Erasure]:
    """Erasures, by record, that a patient demanded or a holder must attest."""
    return _page(state, listings, ERASURES, concerned, erasure_key, Erasure, after, limit)


def overdue_duties(
    listings: Listings, institution: InstitutionId | None = None, *, after: bytes = b"", limit: int = 100
) -> tuple[list[Overdue], bytes]:
    """Duties that are overdue still, of one institution or all; and what to ask for the following page with."""
    prefix = listing(OVERDUE, institution or b"")
    rows = listings.index_range(prefix, after, min(limit, PAGE_MAX))
    duties = [
        Overdue(InstitutionId(key[len(OVERDUE) :][:ID_BYTES]), value.decode(), listed_id(OVERDUE, key))
        for key, value in rows
    ]
    return duties, rows[-1][0] if len(rows) == min(limit, PAGE_MAX) else b""


def find_usable(
    state: Overlay, request: RequestId, reader: InstitutionId, time_ms: TimestampMs
) -> Access | None:
    """
    A request whose wrap, and what it opens, its reader may have now (L58); None if there is none, whatever the reason.

    Only after the release, before a receipt closes it (a compartment's key stays of use), to a member in good standing,
    and only while the consent or opening still stands and no erasure of the record was demanded.
    """
    access = state.read(access_key(request), Access)
    if access is None or reader != (access.institution or access.custodian):
        return None
    if access.status is not AccessStatus.RELEASED and not (
        access.status is AccessStatus.READ and isinstance(access.target, WholeCompartment)
    ):
        return None
    if isinstance(access.target, OneRecord) and get_erasure(state, access.target.record) is not None:
        return None
    if access.institution is not None:
        member = get_member(state, access.institution)
        if member is None or member.status is not MemberStatus.MEMBER:
            return None
    return access if _stands(state, access, time_ms) else None


def find_servable(
    state: Overlay,
    request: RequestId,
    reader: InstitutionId,
    record: RecordId,
    version: Version,
    time_ms: TimestampMs,
) -> CiphertextHash | None:
    """Which ciphertext a request lets its reader fetch now (L58); None for none, whatever the reason."""
    access = find_usable(state, request, reader, time_ms)
    if access is None:
        return None
    content = _version(state, record, version)
    if content is None or content.patient != access.patient or content.custodian != access.custodian:
        return None
    match access.target:
        case OneRecord(record=released, version=released_version):
            is_covered = (released, released_version) == (record, version)
        case WholeCompartment():
            is_covered = _is_opened(state, access, content)
        case _:
            raise AssertionError(f"a target without a rule: {access.target}")
    if not is_covered or get_erasure(state, record) is not None:
        return None
    return content.content.ciphertext_hash


def _version(state: Overlay, record: RecordId, version: Version) -> Record | None:
    current = state.read(record_key(record), Record)
    if current is None or current.status is RecordStatus.ERASED:
        return None
    if current.version == version:
        return current
    return state.read(record_version_key(record, version), Record)


def _stands(state: Overlay, access: Access, time_ms: TimestampMs) -> bool:
    match access.basis:
        case UnderConsent(consent=id):
            consent = state.read(consent_key(id), Consent)
            return (
                consent is not None
                and consent.holds_at(time_ms)
                and consent.version == access.consent_version
            )
        case InEmergency(opening=id):
            opening = state.read(opening_key(id), Opening)
            return opening is not None and opening.is_open_at(time_ms)
        case _:
            return access.signer is None or still_acts(state, access.signer, time_ms)


def _is_opened(state: Overlay, access: Access, content: Record) -> bool:
    """Whether a record is in a compartment, under a key, that went out with a request (L46); of the patient's own, in it."""
    assert isinstance(access.target, WholeCompartment)
    if access.target.compartment != content.compartment:
        return False
    if not isinstance(access.basis, UnderConsent):
        return True
    return any(
        opened.compartment == content.compartment and content.content.key_epoch <= opened.epoch
        for opened in get_consent(state, access.basis.consent).opened
    )


def _page(
    state: Overlay,
    listings: Listings,
    prefix: bytes,
    concerned: bytes,
    key_of: Callable[[Any], bytes],
    cls: type[T],
    after: bytes,
    limit: int,
) -> Page[T]:
    limit = min(limit, PAGE_MAX)
    rows = listings.index_range(listing(prefix, concerned), after, limit)
    items: list[tuple[bytes, T]] = []
    for key, _ in rows:
        id = listed_id(prefix, key)
        value = state.read(key_of(id), cls)
        if value is not None:  # The listings may be a block ahead of the state.
            items.append((id, value))
    return Page(tuple(items), rows[-1][0] if len(rows) == limit else b"")


def _only(page: Page[Access], wanted: Callable[[Access], bool]) -> Page[Access]:
    """
    Those of a page that are wanted; it may have few items and still be followed by others.

    Whoever registers a record chooses its id, and may choose a patient's or a member's: what is listed under the same
    bytes need not be theirs.
    """
    return Page(tuple(item for item in page.items if wanted(item[1])), page.next)
