"""What members have recorded: members, patients, records, consents, accesses, and all else by id or in lists."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field
from starlette.responses import Response

from noded.api.backend import Backend, StateAt
from noded.api.problems import NoSuchThing
from noded.api.rendering import dump, to_json
from noded.api.routing import (
    BYTES,
    JSON,
    Answer,
    Cursor,
    Id,
    Limit,
    Routes,
    VersionPath,
    cursor_number,
    entry_answer,
    number_cursor,
    page_answer,
)
from noded.api.tokens import Scope
from noded.ledger.admission import Sequences, next_sequence, sequences_key
from noded.ledger.epoch import EpochReport
from noded.ledger.keys import KeyEntry, get_key
from noded.ledger.members import Member, get_member, get_members, member_key
from noded.ledger.modules import queries
from noded.ledger.modules.access import Access, access_key
from noded.ledger.modules.breakglass import Opening, opening_key
from noded.ledger.modules.consent import Consent, ReadCount, consent_key, consent_version_key, read_count_key
from noded.ledger.modules.erasure import Erasure, erasure_key
from noded.ledger.modules.governance import GovernanceProposal, proposal_key
from noded.ledger.modules.groups import Group, group_key
from noded.ledger.modules.identity import Delegate, Patient, patient_key
from noded.ledger.modules.queries import Page
from noded.ledger.modules.records import Record, record_key, record_version_key
from noded.ledger.queries import EpochStatus, Standing, epoch_status, proposal_row, proposals, standings
from noded.ledger.queries import reports as reports_of
from noded.ledger.state import KEY_BYTES_MAX
from noded.types.ids import Epoch, InstitutionId, PublicKey

TAG: Final = "ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A public key that signs transactions, or once did."""

    entry: KeyEntry
    next_sequence: int
    """A sequence that it may use next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueDuty:
    """A duty that was not done by its deadline."""

    institution: InstitutionId
    """Who owed it."""
    duty: str
    """Name of the operation that is missing."""


@dataclass(frozen=True, slots=True)
class _Single:
    """A thing that is read by its id."""

    path: str
    key: Callable[[Any], bytes]
    cls: type
    what: str


@dataclass(frozen=True, slots=True)
class _Versioned:
    """A thing whose earlier versions are kept."""

    path: str
    key: Callable[[Any], bytes]
    """Of the current version."""
    version_key: Callable[[Any, Any], bytes]
    cls: type
    what: str


@dataclass(frozen=True, slots=True)
class _Listed:
    """A list of what concerns somebody."""

    path: str
    query: Callable[..., Page[Any]]
    cls: type
    what: str


SINGLES: Final = (
    _Single("institutions", member_key, Member, "member"),
    _Single("patients", patient_key, Patient, "patient"),
    _Single("records", record_key, Record, "record"),
    _Single("consents", consent_key, Consent, "consent"),
    _Single("requests", access_key, Access, "request"),
    _Single("openings", opening_key, Opening, "use of break-glass"),
    _Single("erasures", erasure_key, Erasure, "erasure, by the record's id,"),
    _Single("groups", group_key, Group, "group"),
    _Single("proposals", proposal_key, GovernanceProposal, "proposal"),
)

VERSIONS: Final = (
    _Versioned("records", record_key, record_version_key, Record, "record"),
    _Versioned("consents", consent_key, consent_version_key, Consent, "consent"),
)

LISTS: Final = (
    _Listed("institutions/{id}/patients", queries.patients_of, Patient, "patients that a member registered"),
    _Listed("institutions/{id}/records", queries.records_of, Record, "records of a member's own"),
    _Listed("institutions/{id}/access", queries.access_of_member, Access, "requests to or of a member"),
    _Listed(
        "institutions/{id}/releases", queries.pending_releases, Access, "permits that wait for a custodian"
    ),
    _Listed("institutions/{id}/openings", queries.openings_of, Opening, "uses of break-glass"),
    _Listed("institutions/{id}/erasures", queries.erasures_of, Erasure, "erasures owed, by record"),
    _Listed("institutions/{id}/groups", queries.groups_of, Group, "groups that a member created"),
    _Listed("patients/{id}/delegates", queries.delegates_of, Delegate, "keys that act for a patient"),
    _Listed("patients/{id}/records", queries.records_of, Record, "records about a patient"),
    _Listed("patients/{id}/consents", queries.consents_of, Consent, "consents of a patient"),
    _Listed("patients/{id}/access", queries.access_of_patient, Access, "requests for a patient's data"),
    _Listed("patients/{id}/disclosures", queries.disclosures, Access, "disclosures of a patient's data"),
    _Listed("patients/{id}/openings", queries.openings_of, Opening, "uses of break-glass"),
    _Listed("patients/{id}/erasures", queries.erasures_of, Erasure, "erasures demanded, by record"),
    _Listed("records/{id}/access", queries.access_of_record, Access, "requests for a record"),
)

KeyHex = Annotated[
    str,
    Field(
        pattern=f"^([0-9a-f]{{2}}){{1,{KEY_BYTES_MAX}}}$",
        description="A key of the state in hexadecimal: a prefix such as rec/ and an id.",
    ),
]


def add_ledger(routes: Routes, backend: Backend) -> None:
    """Add the routes about what is on the ledger."""
    for single in SINGLES:
        _add_single(routes, backend, single)
        _add_proof(routes, backend, single)
    for versioned in VERSIONS:
        _add_version(routes, backend, versioned)
    for listed in LISTS:
        _add_list(routes, backend, listed)
    _add_members(routes, backend)
    _add_others(routes, backend)


def _add_single(routes: Routes, backend: Backend, single: _Single) -> None:
    async def endpoint(id: Id) -> Response:
        return _entry(backend, bytes.fromhex(id), single)

    endpoint.__doc__ = f"Give a {single.what} as the state has it."
    answer = entry_answer(f"The {single.what}.", single.cls)
    routes.add("GET", f"/v1/{single.path}/{{id}}", endpoint, access=Scope.READ, tag=TAG, answer=answer)


def _add_proof(routes: Routes, backend: Backend, single: _Single) -> None:
    async def endpoint(id: Id) -> Response:
        return Response(await backend.prove(single.key(bytes.fromhex(id))), media_type=BYTES)

    endpoint.__doc__ = f"Prove what the state has of a {single.what}, or that it has none."
    answer = Answer(description="The proof, for `noded proof verify`.", media_type=BYTES)
    path = f"/v1/{single.path}/{{id}}/proof"
    routes.add("GET", path, endpoint, access=Scope.READ, tag=TAG, answer=answer)


def _add_version(routes: Routes, backend: Backend, kept: _Versioned) -> None:
    async def endpoint(id: Id, version: VersionPath) -> Response:
        name = bytes.fromhex(id)

        def find(at: StateAt) -> dict[str, Any]:
            found: Any = at.state.read(kept.key(name), kept.cls)
            if found is not None and found.version != version:
                found = at.state.read(kept.version_key(name, version), kept.cls)
            if found is None:
                raise NoSuchThing(f"there is no version {version} of {kept.what} {id}")
            return {"height": at.height, "id": id, "value": to_json(found)}

        return Response(dump(backend.look(find)), media_type=JSON)

    endpoint.__doc__ = f"Give a version of a {kept.what}, the current one or an earlier one."
    answer = entry_answer("The version.", kept.cls)
    path = f"/v1/{kept.path}/{{id}}/versions/{{version}}"
    routes.add("GET", path, endpoint, access=Scope.READ, tag=TAG, answer=answer)


def _add_list(routes: Routes, backend: Backend, listed: _Listed) -> None:
    async def endpoint(id: Id, after: Cursor = "", limit: Limit = 50) -> Response:
        concerned, cursor = bytes.fromhex(id), bytes.fromhex(after)

        def find(at: StateAt) -> dict[str, Any]:
            page = listed.query(at.state, at.reader, concerned, after=cursor, limit=limit)
            return _page(at, page)

        return Response(dump(await backend.read(find)), media_type=JSON)

    endpoint.__doc__ = f"List {listed.what}, oldest first."
    answer = page_answer("A page.", listed.cls)
    routes.add("GET", f"/v1/{listed.path}", endpoint, access=Scope.READ, tag=TAG, answer=answer)


def _add_members(routes: Routes, backend: Backend) -> None:
    async def members(after: Cursor = "", limit: Limit = 50) -> Response:
        """List all members, past ones and applicants included, by id."""

        def find(at: StateAt) -> dict[str, Any]:
            behind = bytes.fromhex(after)
            ids = [each for each in get_members(at.state) if each > behind]
            items = []
            for each in ids[:limit]:
                member = get_member(at.state, each)
                assert member is not None, "the list names members only"
                items.append({"id": each.hex(), "value": to_json(member)})
            more = len(ids) > limit
            return {"height": at.height, "items": items, "next": ids[limit - 1].hex() if more else None}

        return Response(dump(await backend.read(find)), media_type=JSON)

    async def reports(id: Id, after: Cursor = "", limit: Limit = 50) -> Response:
        """List the arithmetic of a member's reputation and power, epoch by epoch, oldest first."""
        member = InstitutionId(bytes.fromhex(id))
        behind = cursor_number(after)

        def find(at: StateAt) -> dict[str, Any]:
            last = None if behind is None else Epoch(behind)
            found = reports_of(at.reader, member, after=last, limit=limit)
            items = [{"id": number_cursor(each.epoch), "value": to_json(each)} for each in found]
            following = items[-1]["id"] if len(items) == limit else None
            return {"height": at.height, "items": items, "next": following}

        return Response(dump(await backend.read(find)), media_type=JSON)

    async def reputation(after: Cursor = "", limit: Limit = 50) -> Response:
        """List how members stand: power, share, reputation, and their conduct in this epoch so far, by id."""

        def find(at: StateAt) -> dict[str, Any]:
            behind = bytes.fromhex(after)
            found = [each for each in standings(at.state) if each.member.institution.id > behind]
            items = [
                {"id": each.member.institution.id.hex(), "value": to_json(each)} for each in found[:limit]
            ]
            following = items[-1]["id"] if len(found) > limit else None
            return {"height": at.height, "items": items, "next": following}

        return Response(dump(await backend.read(find)), media_type=JSON)

    async def proposed(after: Cursor = "", limit: Limit = 50) -> Response:
        """List what was put to the vote of the members, oldest first."""

        def find(at: StateAt) -> dict[str, Any]:
            found = proposals(at.state, at.reader, after=bytes.fromhex(after), limit=limit)
            items = [{"id": id.hex(), "value": to_json(each)} for id, each in found]
            following = proposal_row(*found[-1]).hex() if len(found) == limit else None
            return {"height": at.height, "items": items, "next": following}

        return Response(dump(await backend.read(find)), media_type=JSON)

    async def epoch() -> Response:
        """Say where the chain is in its epoch, and what its powers bear."""
        return Response(dump(backend.look(lambda at: to_json(epoch_status(at.state)))), media_type=JSON)

    async def overdue(
        institution: Annotated[
            str, Field(pattern="^([0-9a-f]{32})?$", description="Of one member; of all if empty.")
        ] = "",
        after: Cursor = "",
        limit: Limit = 50,
    ) -> Response:
        """List duties that were not done by their deadline, and are not yet."""
        owed_by = InstitutionId(bytes.fromhex(institution)) if institution else None

        def find(at: StateAt) -> dict[str, Any]:
            duties, following = queries.overdue_duties(
                at.reader, owed_by, after=bytes.fromhex(after), limit=limit
            )
            items = [
                {
                    "id": each.subject.hex(),
                    "value": to_json(OverdueDuty(institution=each.institution, duty=each.duty)),
                }
                for each in duties
            ]
            return {"height": at.height, "items": items, "next": following.hex() or None}

        return Response(dump(await backend.read(find)), media_type=JSON)

    for path, endpoint, answer in (
        ("/v1/institutions", members, page_answer("Members.", Member)),
        ("/v1/institutions/{id}/reports", reports, page_answer("Reports, by id their epoch.", EpochReport)),
        ("/v1/reputation", reputation, page_answer("Members' standings.", Standing)),
        ("/v1/proposals", proposed, page_answer("Proposals.", GovernanceProposal)),
        ("/v1/epoch", epoch, Answer(description="The epoch.", content=EpochStatus)),
        ("/v1/overdue", overdue, page_answer("Duties, by id what they are about.", OverdueDuty)),
    ):
        routes.add("GET", path, endpoint, access=Scope.READ, tag=TAG, answer=answer)


def _add_others(routes: Routes, backend: Backend) -> None:
    async def account(
        key: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="A public key.")],
    ) -> Response:
        """Say whose a signing key is, and which sequence it may use next."""
        name = PublicKey(bytes.fromhex(key))

        def find(at: StateAt) -> dict[str, Any]:
            entry = get_key(at.state, name)
            if entry is None:
                raise NoSuchThing(f"key {key} is not registered")
            sequences = at.state.read(sequences_key(name), Sequences)
            value = Account(entry=entry, next_sequence=next_sequence(sequences))
            return {"height": at.height, "id": key, "value": to_json(value)}

        return Response(dump(backend.look(find)), media_type=JSON)

    async def reads(id: Id) -> Response:
        """Say how many reads were permitted under a consent, by all readers together."""
        single = _Single("", read_count_key, ReadCount, "read under consent")
        return _entry(backend, bytes.fromhex(id), single)

    async def proof(key: KeyHex) -> Response:
        """Prove what the state has at any key, or that it has nothing there."""
        return Response(await backend.prove(bytes.fromhex(key)), media_type=BYTES)

    for path, endpoint, answer in (
        ("/v1/accounts/{key}", account, entry_answer("The key's entry.", Account)),
        ("/v1/consents/{id}/reads", reads, entry_answer("The count.", ReadCount)),
        (
            "/v1/proofs/{key}",
            proof,
            Answer(description="The proof, for `noded proof verify`.", media_type=BYTES),
        ),
    ):
        routes.add("GET", path, endpoint, access=Scope.READ, tag=TAG, answer=answer)


def _entry(backend: Backend, id: bytes, single: _Single) -> Response:
    def find(at: StateAt) -> dict[str, Any]:
        found: Any = at.state.read(single.key(id), single.cls)
        if found is None:
            raise NoSuchThing(f"there is no {single.what} {id.hex()}")
        return {"height": at.height, "id": id.hex(), "value": to_json(found)}

    return Response(dump(backend.look(find)), media_type=JSON)


def _page(at: StateAt, page: Page[Any]) -> dict[str, Any]:
    items = [{"id": id.hex(), "value": to_json(value)} for id, value in page.items]
    return {"height": at.height, "items": items, "next": page.next.hex() or None}
