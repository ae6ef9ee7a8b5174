"""
Keys on their way to a reader.

A release wraps a key for one reader key with HPKE, bound to everything the permit is about: on another chain, for
another request, target or reader it does not open. What is wrapped is a version's secrets, or a compartment's key;
a compartment's key opens in turn the secrets wrapped under it, of each record in it. The ledger holds hashes of
wraps only; the wraps travel beside it and may be forgotten (L32).
"""

from dataclasses import dataclass
from typing import Annotated, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from noded.blobs.keys import KEY_BYTES, SECRETS_BYTES, RecordSecrets, unpack_secrets
from noded.codec.schema import encode_value
from noded.crypto import hpke
from noded.crypto.errors import Undecryptable
from noded.crypto.hashing import tagged_hash
from noded.types.ids import ChainId
from noded.types.medical import (
    Compartment,
    KeyEpoch,
    PatientId,
    ReaderKey,
    RecordId,
    RequestId,
    Version,
    WrapHash,
)
from noded.types.operations.consent import BASES, TARGETS, Basis, Target

WRAP_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseContext:
    """What a release is for, as request and permit on the ledger say; it opens for nothing else."""

    chain_id: ChainId
    request: RequestId
    target: Annotated[Target, TARGETS]
    basis: Annotated[Basis, BASES]
    reader_key: ReaderKey

    def info(self) -> bytes:
        """HPKE's `info`."""
        return b"noded/release/1" + encode_value(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompartmentContext:
    """Which compartment's key wraps the secrets of which version."""

    chain_id: ChainId
    patient: PatientId
    compartment: Compartment
    epoch: KeyEpoch
    record: RecordId
    version: Version


def hash_wrap(wrap: bytes) -> WrapHash:
    """The hash by which the ledger names a wrap."""
    return WrapHash(tagged_hash("noded/wrap/1", wrap))


def wrap_secrets(context: ReleaseContext, secrets: RecordSecrets) -> bytes:
    """
    Wrap a version's secrets for the reader.

    Raises:
        UnusableKey: Nothing can be wrapped for the request's reader key.
    """
    return hpke.wrap(context.reader_key, context.info(), secrets.pack())


def unwrap_secrets(context: ReleaseContext, private_key: bytes, wrap: bytes) -> RecordSecrets:
    """
    Open what a custodian released of a version.

    Raises:
        Undecryptable: It is not for this key and context, was changed, or is no version's secrets.
    """
    return unpack_secrets(_unwrap(context, private_key, wrap, SECRETS_BYTES))


def wrap_compartment_key(context: ReleaseContext, key: bytes) -> bytes:
    """Wrap a compartment's key for the reader; raises `UnusableKey` as `wrap_secrets`."""
    assert len(key) == KEY_BYTES
    return hpke.wrap(context.reader_key, context.info(), key)


def unwrap_compartment_key(context: ReleaseContext, private_key: bytes, wrap: bytes) -> bytes:
    """Open what a custodian released of a compartment; raises `Undecryptable` as `unwrap_secrets`."""
    return _unwrap(context, private_key, wrap, KEY_BYTES)


def wrap_in_compartment(
    context: CompartmentContext, key: bytes, secrets: RecordSecrets, nonce: bytes
) -> bytes:
    """Wrap a version's secrets under its compartment's key; `nonce` is WRAP_NONCE_BYTES fresh random bytes."""
    assert len(nonce) == WRAP_NONCE_BYTES
    return nonce + AESGCM(key).encrypt(nonce, secrets.pack(), _place(context))


def unwrap_in_compartment(context: CompartmentContext, key: bytes, wrap: bytes) -> RecordSecrets:
    """
    Open a version's secrets with its compartment's key.

    Raises:
        Undecryptable: The key or the context is another, or the wrap was changed.
    """
    try:
        secrets = AESGCM(key).decrypt(wrap[:WRAP_NONCE_BYTES], wrap[WRAP_NONCE_BYTES:], _place(context))
    except (InvalidTag, ValueError):
        raise Undecryptable("wrap in a compartment") from None
    return unpack_secrets(_of_length(secrets, SECRETS_BYTES))


def _unwrap(context: ReleaseContext, private_key: bytes, wrap: bytes, length: int) -> bytes:
    return _of_length(hpke.unwrap(private_key, context.info(), wrap), length)


def _of_length(secret: bytes, length: int) -> bytes:
    if len(secret) != length:
        raise Undecryptable("the wrap opens, but to something else")
    return secret


def _place(context: CompartmentContext) -> bytes:
    return b"noded/compartment-wrap/1" + encode_value(context)
