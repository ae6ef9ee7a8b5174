"""
Sidecars: wrapped keys on their way to those they are for, outside of blocks (L32).

A block holds the hash of a wrap only. The wrap travels from the custodian's node to the reader's, which keeps it
until it expires; nobody else ever gets it, so that a key leaked in ten years opens no ledger.
"""

from typing import Annotated

from noded.codec.schema import Limit, encode_value
from noded.crypto.hashing import tagged_hash
from noded.types.frozen import frozen
from noded.types.ids import InstitutionId, TimestampMs
from noded.types.medical import WRAP_BYTES_MAX, RequestId, WrapHash

WRAP_DOMAIN = "noded/wrap/1"

SIDECAR_BYTES_MAX = WRAP_BYTES_MAX + 128
"""Encoding of a sidecar: the wrap and about 90 bytes around it."""


@frozen(kw_only=True)
class WrapSidecar:
    """A wrapped key, and for whom."""

    wrap_hash: WrapHash
    """As named by the release."""
    wrap: Annotated[bytes, Limit(1, WRAP_BYTES_MAX)]
    request: RequestId
    """The request that it answers."""
    recipient: InstitutionId
    """Whose node keeps it for the reader: the reader's institution, or the custodian for a patient."""
    expires_ms: TimestampMs
    """When whoever keeps it destroys it."""

    def is_consistent(self) -> bool:
        """Whether the wrap is the one that the hash names."""
        return wrap_hash(self.wrap) == self.wrap_hash

    def encode(self) -> bytes:
        """The one encoding."""
        return encode_value(self)


def wrap_hash(wrap: bytes) -> WrapHash:
    """What a block says of a wrap."""
    return WrapHash(tagged_hash(WRAP_DOMAIN, wrap))
