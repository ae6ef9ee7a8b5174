"""The institution's own records, and those of others that it may read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Final

import trio
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from noded.api.backend import CONTENT_BYTES_MAX, VERSIONS_MAX, Backend, Busy, VersionsKept, VersionsToKeep
from noded.api.bodies import content_type, read_body
from noded.api.problems import BadBody
from noded.api.routes.downloads import Download
from noded.api.routing import BYTES, CBOR, Answer, Body, Hash, Id, Routes, VersionPath, json_answer
from noded.api.tokens import Scope
from noded.codec.errors import Malformed
from noded.codec.schema import decode_value, encode_value
from noded.crypto.segments import SEALED_SEGMENT_BYTES, SEGMENT_BYTES
from noded.types.medical import CiphertextHash, RecordId, RequestId, Version, WrapHash
from noded.types.sidecar import WrapSidecar

BODY_BYTES_MAX: Final = CONTENT_BYTES_MAX + VERSIONS_MAX * 128
"""All contents of a call, and what stands around each."""

UPLOADS_MAX: Final = 2
"""Calls that bring contents, at a time; the largest takes 75 MiB of the node's memory until it is kept."""

UPLOAD_WAIT_S: Final = 20.0
"""For a turn; a client's own patience is 30 s."""

TAG: Final = "records"

_RANGE: Final[dict[str, Any]] = {
    "name": "Range",
    "in": "header",
    "description": "`bytes=FIRST-LAST`, `bytes=FIRST-` or `bytes=-COUNT`.",
    "schema": {"type": "string"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What the transaction that releases says."""

    request: RequestId
    wrap_hash: WrapHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Ciphertext that is here now."""

    ciphertext: CiphertextHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How many versions were destroyed."""

    versions: int


RecordPath = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="Id of a record.")]


def add_custody(routes: Routes, backend: Backend) -> None:
    """Add the routes about records' contents and keys."""
    uploads = trio.CapacityLimiter(UPLOADS_MAX)

    async def keep(request: Request) -> Response:
        """
        Encrypt and keep versions of records, all or none; registering them comes after.

        The body is `VersionsToKeep` and the answer `VersionsKept`, in the encoding of the ledger's values.
        """
        content_type(request, CBOR)
        async with _turn(uploads):
            data = await read_body(request, bytes_max=BODY_BYTES_MAX)
            try:
                wanted = decode_value(VersionsToKeep, data, max_bytes=BODY_BYTES_MAX)
            except Malformed as error:
                raise BadBody(str(error)) from error
            kept = await backend.keep(wanted.versions)
        return Response(encode_value(VersionsKept(versions=tuple(kept))), media_type=CBOR)

    async def content(id: Id, version: VersionPath, request: Request) -> Response:
        """Give bytes of a record that this institution keeps; a range if one is asked for."""
        record, number = RecordId(bytes.fromhex(id)), Version(version)

        async def read(start: int, end: int) -> bytes:
            return await backend.read_record(record, number, start=start, end=end)

        size = await backend.record_bytes(record, number)
        found = Download(request, read, size, segment_bytes=SEGMENT_BYTES, headers={})
        await found.check()
        return found

    async def erase(id: Id) -> Response:
        """Destroy ciphertext and keys of all versions of a record; attesting it comes after."""
        return json_answer(Erased(versions=await backend.erase(RecordId(bytes.fromhex(id)))))

    async def release(id: Id) -> Response:
        """Wrap the key that a permitted request asks for; the transaction that names its hash comes after."""
        request = RequestId(bytes.fromhex(id))
        return json_answer(Released(request=request, wrap_hash=await backend.release(request)))

    async def wrap(id: Id) -> Response:
        """Give the wrapped key that answers a released request."""
        return json_answer(await backend.wrap(RequestId(bytes.fromhex(id))))

    async def keys(id: Id, record: RecordPath, version: VersionPath) -> Response:
        """Give a record's keys sealed under its compartment's, to a reader that was given the compartment's."""
        found = await backend.sealed_keys(
            RequestId(bytes.fromhex(id)), RecordId(bytes.fromhex(record)), Version(version)
        )
        return Response(found, media_type=BYTES)

    async def fetch(id: Id, record: RecordPath, version: VersionPath) -> Response:
        """Have a version's ciphertext here, fetched from its custodian under a released request."""
        ciphertext = await backend.fetch(
            RequestId(bytes.fromhex(id)), RecordId(bytes.fromhex(record)), Version(version)
        )
        return json_answer(Fetched(ciphertext=ciphertext))

    async def blob(hash: Hash, request: Request) -> Response:
        """Give ciphertext that is here, kept or fetched; a range if one is asked for."""
        return await _blob(backend, CiphertextHash(bytes.fromhex(hash)), request)

    async def manifest(hash: Hash) -> Response:
        """Give the manifest of ciphertext that is here: its size and the hash of each segment."""
        found = await backend.manifest(CiphertextHash(bytes.fromhex(hash)))
        return Response(found.encode(), media_type=BYTES)

    partial_bytes = Answer(description="The range.", media_type=BYTES, status=206)
    whole = Answer(description="All bytes.", media_type=BYTES, also=[partial_bytes])
    rows: tuple[tuple[str, str, Any, Answer, Body | None], ...] = (
        (
            "POST",
            "/v1/custody/versions",
            keep,
            Answer(description="What a registration says of each.", media_type=CBOR),
            Body(media_types={CBOR: {"type": "string", "format": "binary"}}),
        ),
        ("GET", "/v1/custody/records/{id}/versions/{version}/content", content, whole, None),
        (
            "POST",
            "/v1/custody/records/{id}/erase",
            erase,
            Answer(description="How many there were.", content=Erased),
            None,
        ),
        (
            "POST",
            "/v1/custody/requests/{id}/release",
            release,
            Answer(description="The wrap's hash.", content=Released),
            None,
        ),
        (
            "GET",
            "/v1/reads/{id}/wrap",
            wrap,
            Answer(description="The wrap.", content=WrapSidecar),
            None,
        ),
        (
            "GET",
            "/v1/reads/{id}/keys/{record}/{version}",
            keys,
            Answer(description="The sealed keys.", media_type=BYTES),
            None,
        ),
        (
            "POST",
            "/v1/reads/{id}/fetch/{record}/{version}",
            fetch,
            Answer(description="The ciphertext's name.", content=Fetched),
            None,
        ),
        ("GET", "/v1/blobs/{hash}", blob, whole, None),
        (
            "GET",
            "/v1/blobs/{hash}/manifest",
            manifest,
            Answer(description="The manifest.", media_type=BYTES),
            None,
        ),
    )
    for method, path, endpoint, answer, body in rows:
        parameters = [_RANGE] if answer is whole else []
        routes.add(
            method,
            path,
            endpoint,
            access=Scope.CUSTODY,
            tag=TAG,
            answer=answer,
            body=body,
            parameters=parameters,
        )


@asynccontextmanager
async def _turn(calls: trio.CapacityLimiter) -> AsyncIterator[None]:
    """
    Wait for one's turn, and have it.

    Raises:
        Busy: Those before take long.
    """
    with trio.move_on_after(UPLOAD_WAIT_S) as waiting:
        await calls.acquire()
    if waiting.cancelled_caught:
        raise Busy(f"{calls.total_tokens} calls bring contents already, and take long")
    try:
        yield
    finally:
        calls.release()


async def _blob(backend: Backend, name: CiphertextHash, request: Request) -> Response:
    async def read(start: int, end: int) -> bytes:
        first = start // SEALED_SEGMENT_BYTES
        offset = first * SEALED_SEGMENT_BYTES
        count = -(-(end - offset) // SEALED_SEGMENT_BYTES)
        return (await backend.segments(name, first, count))[start - offset : end - offset]

    size = (await backend.manifest(name)).size
    headers = {"etag": f'"{name.hex()}"'}
    return Download(request, read, size, segment_bytes=SEALED_SEGMENT_BYTES, headers=headers)
