"""Reading a record: an institution's own, or another's under a permit; what comes is checked against the ledger."""

from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from noded.blobs.keys import RecordSecrets, unpack_secrets
from noded.blobs.sealing import commit_content
from noded.client.wraps import TICKET_BYTES_MAX, ReadTicket, ask, decode_ticket
from noded.codec.json_form import from_json
from noded.crypto.errors import Undecryptable
from noded.crypto.kdf import hkdf
from noded.crypto.segments import SEALED_SEGMENT_BYTES, Segments
from noded.errors import ConfigError, NodedError
from noded.keys.files import make_private_folder, read_private, write_private
from noded.ops.desk import Desk
from noded.types.medical import RecordId, RequestId, Version, WrapHash
from noded.types.operations.consent import (
    AccessReceipt,
    AccessRelease,
    Basis,
    OneRecord,
    ReceiptResult,
)
from noded.types.roles import Purpose
from noded.types.sidecar import WrapSidecar

TICKETS_NAME: Final = "tickets"
"""Folder in a home with the private keys of requests, sealed, until the release has come."""

_TICKET_INFO: Final = b"noded/ticket-file/1"
_NONCE_BYTES: Final = 12


class TicketMissing(ConfigError):
    """The key of a request is not in this home: it was asked for elsewhere, or read already."""

    def __init__(self, path: Path, request: RequestId) -> None:
        super().__init__(
            f"{path}: there is no key for request {request.hex()}; it was made in another home, or was used"
            " already: ask again with `noded access request`"
        )
        self.request = request


class NotReadable(NodedError):
    """What came does not open to the bytes that the ledger has a commitment to."""

    def __init__(self, *, record: RecordId, why: str) -> None:
        super().__init__(f"record {record.hex()} cannot be read: {why}")
        self.record = record
        self.why = why


class NotOneRecord(NodedError):
    """The request is for a whole compartment."""


def request_record(
    desk: Desk, record: RecordId, version: Version, basis: Basis, *, purpose: Purpose, actor: str
) -> tuple[RequestId, dict[str, Any]]:
    """
    Ask for a record; every validator decides.

    The request's key is kept in the home, sealed, before anything is sent.

    Returns:
        The request's id and what the ledger says of it: `status`, and in `path` what decided.

    Raises:
        Rejected, NotFinal: The request is not on the ledger.
    """
    ticket = ask(
        desk.random_bytes,
        target=OneRecord(record=record, version=version),
        basis=basis,
        purpose=purpose,
        actor=desk.actor(actor),
    )
    name = ticket.request.request
    _keep_ticket(desk, ticket)
    desk.send(ticket.request)
    access = desk.entry("requests", name)
    if access["status"] == "denied":
        _ticket_path(desk, name).unlink()
    return name, access


def release(desk: Desk, request: RequestId) -> WrapHash:
    """
    Answer a permitted request for a record of this institution's.

    Raises:
        Refused: The request does not wait for this institution.
        Rejected, NotFinal: The release is not on the ledger.
    """
    answer = desk.node.post(f"/v1/custody/requests/{request.hex()}/release")
    wrap_hash = WrapHash(bytes.fromhex(answer["wrap_hash"]))
    desk.send(AccessRelease(request=request, wrap_hash=wrap_hash))
    return wrap_hash


def read_released(desk: Desk, request: RequestId) -> bytes:
    """
    The very bytes of the record that a released request is for; leaves a receipt on the ledger, whatever came.

    Raises:
        TicketMissing: The request's key is not here.
        NotReadable: What came does not open, or to other bytes than were committed to.
        Refused: It is not released, or its custodian does not give it.
    """
    ticket = _read_ticket(desk, request)
    target = ticket.request.target
    if not isinstance(target, OneRecord):
        raise NotOneRecord(f"request {request.hex()} is for a whole compartment")
    access = desk.entry("requests", request)
    sidecar = from_json(WrapSidecar, desk.node.get(f"/v1/reads/{request.hex()}/wrap"))
    named = WrapHash(bytes.fromhex(access["wrap_hash"]))
    place = f"{target.record.hex()}/{target.version}"
    ciphertext = desk.node.post(f"/v1/reads/{request.hex()}/fetch/{place}")["ciphertext"]
    sealed = desk.node.get_bytes(f"/v1/blobs/{ciphertext}")
    row = desk.node.get(f"/v1/records/{target.record.hex()}/versions/{target.version}")["value"]
    commitment = bytes.fromhex(row["content"]["commitment"])
    try:
        secrets = unpack_secrets(ticket.open(desk.chain_id, sidecar, named, epoch=None))
        content = _open(target, secrets, sealed)
        if commit_content(content, secrets) != commitment:
            raise NotReadable(record=target.record, why="it opens to other bytes than were registered")
    except (Undecryptable, NotReadable) as error:
        desk.send(AccessReceipt(request=request, result=ReceiptResult.UNREADABLE))
        if isinstance(error, NotReadable):
            raise
        raise NotReadable(record=target.record, why=f"{error} does not open") from error
    desk.send(AccessReceipt(request=request, result=ReceiptResult.READ))
    _ticket_path(desk, request).unlink()
    return content


def read_own(desk: Desk, record: RecordId, version: Version) -> bytes:
    """The bytes of a record that this institution keeps; errors as the node's."""
    return desk.node.get_bytes(f"/v1/custody/records/{record.hex()}/versions/{version}/content")


def _open(target: OneRecord, secrets: RecordSecrets, sealed: bytes) -> bytes:
    segments = Segments(key=secrets.data_key, record=target.record, version=target.version)
    starts = range(0, len(sealed), SEALED_SEGMENT_BYTES)
    return b"".join(
        segments.open(index, sealed[start : start + SEALED_SEGMENT_BYTES], is_last=index == len(starts) - 1)
        for index, start in enumerate(starts)
    )


def _ticket_path(desk: Desk, request: RequestId) -> Path:
    return desk.home / TICKETS_NAME / f"{request.hex()}.sealed"


def _cipher(desk: Desk) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hkdf(desk.data_key, info=_TICKET_INFO))


def _keep_ticket(desk: Desk, ticket: ReadTicket) -> None:
    request = ticket.request.request
    make_private_folder(desk.home / TICKETS_NAME)
    nonce = desk.random_bytes(_NONCE_BYTES)
    sealed = _cipher(desk).encrypt(nonce, ticket.encode(), _TICKET_INFO + request)
    write_private(_ticket_path(desk, request), nonce + sealed)


def _read_ticket(desk: Desk, request: RequestId) -> ReadTicket:
    path = _ticket_path(desk, request)
    if not path.exists():
        raise TicketMissing(path, request)
    data = read_private(path)
    try:
        plain = _cipher(desk).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], _TICKET_INFO + request)
    except (InvalidTag, ValueError):
        raise TicketMissing(path, request) from None
    assert len(plain) <= TICKET_BYTES_MAX
    return decode_ticket(plain)
