"""
Keys on their way to a reader: wrapped for the request's own key, opened by nobody else and for nothing else.

HPKE in base mode says nothing of the sender, so the release that names the wrap's hash is signed, and all that
the wrap is for goes into its context: chain, target, basis, request, reader key (ledger.md §3).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

from noded.codec.schema import Limit, decode_value, encode_value
from noded.crypto.errors import Undecryptable
from noded.crypto.hpke import HYBRID_PRIVATE_BYTES, X25519_PRIVATE_BYTES, unwrap, wrap, wrapping_key_of
from noded.types.ids import ChainId, InstitutionId, TimestampMs
from noded.types.medical import ActorId, KeyEpoch, ReaderKey, RequestId, Tag, Use, WrapHash
from noded.types.operations.consent import BASES, TARGETS, AccessRequest, Basis, Target
from noded.types.roles import Purpose
from noded.types.sidecar import WrapSidecar, wrap_hash

WRAP_INFO_DOMAIN = b"noded/wrap-info/1"

TICKET_BYTES_MAX = 4096
"""A request with a post-quantum key is under 1.5 KiB."""

RandomBytes = Callable[[int], bytes]
"""As many unpredictable bytes as asked for; `os.urandom` at the edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrapContext:
    """All that a wrap is for."""

    chain_id: ChainId
    request: RequestId
    target: Annotated[Target, TARGETS]
    basis: Annotated[Basis, BASES]
    reader_key: ReaderKey
    epoch: KeyEpoch | None
    """Of a compartment's key; None for a record's."""

    def info(self) -> bytes:
        """What binds the wrap to this context."""
        return WRAP_INFO_DOMAIN + encode_value(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTicket:
    """A request with the private half of its key; to be kept until the release has come, then destroyed."""

    request: AccessRequest
    private_key: Annotated[bytes, Limit(X25519_PRIVATE_BYTES, HYBRID_PRIVATE_BYTES)] = field(repr=False)

    def open(
        self, chain_id: ChainId, sidecar: WrapSidecar, named: WrapHash, *, epoch: KeyEpoch | None
    ) -> bytes:
        """
        The keys that a release handed over.

        Args:
            chain_id: The chain that has the request.
            sidecar: As it came.
            named: The hash that the release on the ledger names.
            epoch: Of the compartment at the release; None for a record.

        Raises:
            Undecryptable: The sidecar is not what the release names, or not for this request.
        """
        if sidecar.wrap_hash != named or not sidecar.is_consistent():
            raise Undecryptable("wrap")
        context = context_of(chain_id, self.request, epoch)
        return unwrap(self.private_key, context.info(), sidecar.wrap)

    def encode(self) -> bytes:
        """The ticket, private key included, as bytes to be sealed."""
        return encode_value(self)


def decode_ticket(data: bytes) -> ReadTicket:
    """The ticket of which these are `encode`'s bytes; raises `Malformed` if there is none."""
    return decode_value(ReadTicket, data, max_bytes=TICKET_BYTES_MAX)


def ask(
    random_bytes: RandomBytes,
    *,
    target: Target,
    basis: Basis,
    purpose: Purpose,
    actor: ActorId | None,
    uses: tuple[Use, ...] = (),
    tags: tuple[Tag, ...] = (),
    for_decades: bool = False,
) -> ReadTicket:
    """
    A request with a key of its own.

    Args:
        random_bytes: The source of id and key.
        target: What is wanted.
        basis: By what right.
        purpose: What for.
        actor: Who will read; None for patients.
        uses: What is declared about research.
        tags: The projects or diseases it is for.
        for_decades: Whether the wrap must stay closed to quantum computers.
    """
    private_key = random_bytes(HYBRID_PRIVATE_BYTES if for_decades else X25519_PRIVATE_BYTES)
    request = AccessRequest(
        request=RequestId(random_bytes(16)),
        target=target,
        basis=basis,
        purpose=purpose,
        actor=actor,
        reader_key=ReaderKey(wrapping_key_of(private_key)),
        uses=uses,
        tags=tags,
    )
    return ReadTicket(request=request, private_key=private_key)


def context_of(chain_id: ChainId, request: AccessRequest, epoch: KeyEpoch | None) -> WrapContext:
    """What a wrap that answers a request is for."""
    return WrapContext(
        chain_id=chain_id,
        request=request.request,
        target=request.target,
        basis=request.basis,
        reader_key=request.reader_key,
        epoch=epoch,
    )


def wrap_keys(
    keys: bytes, context: WrapContext, *, recipient: InstitutionId, expires_ms: TimestampMs
) -> WrapSidecar:
    """
    Wrap a record's or a compartment's keys for the reader; the release names the sidecar's `wrap_hash`.

    Raises:
        UnusableKey: Nothing can be wrapped for the reader's key.
    """
    wrapped = wrap(context.reader_key, context.info(), keys)
    return WrapSidecar(
        wrap_hash=wrap_hash(wrapped),
        wrap=wrapped,
        request=context.request,
        recipient=recipient,
        expires_ms=expires_ms,
    )
