"""Reading a record: an institution's own, or another's under a permit; what comes is checked against the ledger."""

from typing import Any, Final

from noded.blobs.keys import RecordSecrets, unpack_secrets
from noded.blobs.sealing import commit_content
from noded.client.transactions import KeyPair
from noded.client.wraps import ask
from noded.codec.json_form import from_json
from noded.crypto.errors import Undecryptable
from noded.crypto.segments import SEALED_SEGMENT_BYTES, Segments
from noded.errors import NodedError
from noded.ops.desk import Desk
from noded.ops.tickets import drop_ticket, keep_ticket, read_ticket
from noded.types.medical import RecordId, RequestId, Tag, Use, Version, WrapHash
from noded.types.operations.consent import (
    AccessReceipt,
    AccessRelease,
    Basis,
    OneRecord,
    ReceiptResult,
    Target,
)
from noded.types.roles import Purpose
from noded.types.sidecar import WrapSidecar

FETCH_S: Final = 300.0
"""For ciphertext to come: a gibibyte over a good line; a custodian that does not answer is given up after two minutes."""


class NotReadable(NodedError):
    """What came does not open to the bytes that the ledger has a commitment to."""

    def __init__(self, *, record: RecordId, why: str) -> None:
        super().__init__(f"record {record.hex()} cannot be read: {why}")
        self.record = record
        self.why = why


def request_access(
    desk: Desk,
    target: Target,
    basis: Basis,
    *,
    purpose: Purpose,
    actor: str | None,
    uses: tuple[Use, ...] = (),
    tags: tuple[Tag, ...] = (),
    key: KeyPair | None = None,
) -> tuple[RequestId, dict[str, Any]]:
    """
    Ask for a record, or for the key of a compartment; every validator decides.

    `uses` and `tags` declare what the research is, for consents with terms of that kind. Who asks for an own record
    does so by `key` and without an actor.

    The request's key is kept in the home, sealed, before anything is sent.

    Returns:
        The request's id and what the ledger says of it: `status`, and in `path` what decided.

    Raises:
        Rejected, NotFinal: The request is not on the ledger.
    """
    ticket = ask(
        desk.random_bytes,
        target=target,
        basis=basis,
        purpose=purpose,
        actor=None if actor is None else desk.actor(actor),
        uses=uses,
        tags=tags,
    )
    name = ticket.request.request
    keep_ticket(desk, ticket)
    desk.send(ticket.request, key=key)
    access = desk.entry("requests", name)
    if access["status"] == "denied":
        drop_ticket(desk, name)
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


def read_released(desk: Desk, request: RequestId, *, key: KeyPair | None = None) -> bytes:
    """
    The very bytes of the record that a released request is for; leaves a receipt on the ledger, whatever came.

    `key` signs the receipt where a patient or delegate asked; None for the institution's.

    Raises:
        TicketMissing: The request's key is not here.
        NotReadable: What came does not open, or to other bytes than were committed to.
        Refused: It is not released, or its custodian does not give it.
    """
    ticket = read_ticket(desk, request)
    target = ticket.request.target
    assert isinstance(target, OneRecord), "compartments are read by `noded.ops.compartments`"
    access = desk.entry("requests", request)
    sidecar = from_json(WrapSidecar, desk.node.get(f"/v1/reads/{request.hex()}/wrap"))
    named = WrapHash(bytes.fromhex(access["wrap_hash"]))
    row = version_row(desk, target.record, target.version)
    sealed = fetch_sealed(desk, request, target.record, target.version)
    try:
        secrets = unpack_secrets(ticket.open(desk.chain_id, sidecar, named, epoch=None))
        content = open_sealed(sealed, secrets, row, record=target.record, version=target.version)
    except (Undecryptable, NotReadable) as error:
        desk.send(AccessReceipt(request=request, result=ReceiptResult.UNREADABLE), key=key)
        if isinstance(error, NotReadable):
            raise
        raise NotReadable(record=target.record, why=f"{error} does not open") from error
    desk.send(AccessReceipt(request=request, result=ReceiptResult.READ), key=key)
    drop_ticket(desk, request)
    return content


def read_own(desk: Desk, record: RecordId, version: Version) -> bytes:
    """The bytes of a record that this institution keeps; errors as the node's."""
    return desk.node.get_bytes(f"/v1/custody/records/{record.hex()}/versions/{version}/content")


def version_row(desk: Desk, record: RecordId, version: Version) -> dict[str, Any]:
    """What the ledger says of a version of a record."""
    row: dict[str, Any] = desk.node.get(f"/v1/records/{record.hex()}/versions/{version}")["value"]
    return row


def fetch_sealed(desk: Desk, request: RequestId, record: RecordId, version: Version) -> bytes:
    """A version's ciphertext, fetched from its custodian under a released request; raises `Refused`."""
    place = f"{record.hex()}/{version}"
    path = f"/v1/reads/{request.hex()}/fetch/{place}"
    ciphertext = desk.node.post(path, patience_s=FETCH_S)["ciphertext"]
    return desk.node.get_bytes(f"/v1/blobs/{ciphertext}")


def open_sealed(
    sealed: bytes, secrets: RecordSecrets, row: dict[str, Any], *, record: RecordId, version: Version
) -> bytes:
    """
    The bytes that went into a version's ciphertext.

    Raises:
        Undecryptable: The keys are others, or the ciphertext is.
        NotReadable: It opens, but not to what the ledger has a commitment to.
    """
    segments = Segments(key=secrets.data_key, record=record, version=version)
    starts = range(0, len(sealed), SEALED_SEGMENT_BYTES)
    content = b"".join(
        segments.open(index, sealed[start : start + SEALED_SEGMENT_BYTES], is_last=index == len(starts) - 1)
        for index, start in enumerate(starts)
    )
    if commit_content(content, secrets) != bytes.fromhex(row["content"]["commitment"]):
        raise NotReadable(record=record, why="it opens to other bytes than were registered")
    return content
