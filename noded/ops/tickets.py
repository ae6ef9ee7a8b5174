"""
Keys of this institution's requests, sealed in its home: a request's own, and those of compartments that came by one.

A request's private key is kept from before it is sent until what it is for has come; a compartment's key as long as
somebody may read by it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from noded.blobs.keys import KEY_BYTES
from noded.client.wraps import ReadTicket, decode_ticket
from noded.codec.schema import Limit, decode_value, encode_value
from noded.crypto.kdf import hkdf
from noded.errors import ConfigError
from noded.keys.files import make_private_folder, read_private, write_private
from noded.ops.desk import Desk
from noded.types.medical import KeyEpoch, RecordId, RequestId
from noded.types.operations.consent import OneRecord

TICKETS_NAME: Final = "tickets"
"""Folder in a home."""

HELD_BYTES_MAX: Final = 64

_INFO: Final = b"noded/ticket-file/1"
_HELD_INFO: Final = b"noded/compartment-key-file/1"
_NONCE_BYTES: Final = 12


class TicketMissing(ConfigError):
    """The key of a request is not in this home: it was asked for elsewhere, or read already."""

    def __init__(self, path: Path, request: RequestId) -> None:
        super().__init__(
            f"{path}: there is no key for request {request.hex()}; it was made in another home, or was used"
            " already: ask again with `noded access request`"
        )
        self.request = request


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldKey:
    """A compartment's key, as its custodian released it."""

    epoch: KeyEpoch
    key: Annotated[bytes, Limit(KEY_BYTES, KEY_BYTES)] = field(repr=False)


def keep_ticket(desk: Desk, ticket: ReadTicket) -> None:
    """Keep a request's key; on return it is durable."""
    _keep(desk, _ticket_path(desk, ticket.request.request), _INFO, ticket.request.request, ticket.encode())


def read_ticket(desk: Desk, request: RequestId) -> ReadTicket:
    """A request with its key; raises `TicketMissing`."""
    path = _ticket_path(desk, request)
    if not path.exists():
        raise TicketMissing(path, request)
    return decode_ticket(_open(desk, path, _INFO, request))


def drop_ticket(desk: Desk, request: RequestId) -> None:
    """Destroy a request's key: what it was for has come, or never will."""
    _ticket_path(desk, request).unlink(missing_ok=True)


def drop_tickets(desk: Desk, record: RecordId) -> None:
    """Destroy the keys of all requests for a record."""
    for path in sorted((desk.home / TICKETS_NAME).glob("*.sealed")):
        name, _, rest = path.name.partition(".")
        if rest != "sealed":
            continue  # A compartment's key.
        request = RequestId(bytes.fromhex(name))
        target = read_ticket(desk, request).request.target
        if isinstance(target, OneRecord) and target.record == record:
            drop_ticket(desk, request)


def keep_key(desk: Desk, request: RequestId, held: HeldKey) -> None:
    """Keep a compartment's key that a request brought; on return it is durable."""
    _keep(desk, _held_path(desk, request), _HELD_INFO, request, encode_value(held))


def read_key(desk: Desk, request: RequestId) -> HeldKey | None:
    """The compartment's key that a request brought; None if none has come yet."""
    path = _held_path(desk, request)
    if not path.exists():
        return None
    return decode_value(HeldKey, _open(desk, path, _HELD_INFO, request), max_bytes=HELD_BYTES_MAX)


def _ticket_path(desk: Desk, request: RequestId) -> Path:
    return desk.home / TICKETS_NAME / f"{request.hex()}.sealed"


def _held_path(desk: Desk, request: RequestId) -> Path:
    return desk.home / TICKETS_NAME / f"{request.hex()}.compartment.sealed"


def _cipher(desk: Desk) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hkdf(desk.data_key, info=_INFO))


def _keep(desk: Desk, path: Path, info: bytes, request: RequestId, plain: bytes) -> None:
    make_private_folder(path.parent)
    nonce = desk.random_bytes(_NONCE_BYTES)
    write_private(path, nonce + _cipher(desk).encrypt(nonce, plain, info + request))


def _open(desk: Desk, path: Path, info: bytes, request: RequestId) -> bytes:
    data = read_private(path)
    try:
        return _cipher(desk).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], info + request)
    except (InvalidTag, ValueError):
        raise TicketMissing(path, request) from None
