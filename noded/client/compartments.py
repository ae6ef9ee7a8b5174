"""
Keys of compartments: one for each epoch, under which the keys of records are sealed, so that granting is one wrap.

Epochs are hashed backwards: whoever holds the key of an epoch makes those of all earlier ones from it, and none of
a later one. So a new reader reads what is there, and a new epoch closes only what comes (L46).
"""

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from noded.codec.schema import encode_value
from noded.crypto.errors import Undecryptable, UnusableKey
from noded.crypto.hashing import tagged_hash
from noded.crypto.kdf import hkdf
from noded.types.medical import Compartment, KeyEpoch, PatientId, RecordId, Version, WrapHash
from noded.types.sidecar import wrap_hash

EPOCHS_MAX: Final = 1024
"""Keys of a compartment: making the first takes as many hashes, about a millisecond."""

_ROOT_DOMAIN: Final = b"noded/compartment-root/1"
_STEP_DOMAIN: Final = "noded/compartment-step/1"
_SEAL_DOMAIN: Final = b"noded/compartment-seal/1"
_NONCE: Final = bytes(12)
"""Each record version is sealed under a key of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a record's keys belong; sealed keys open nowhere else."""

    patient: PatientId
    compartment: Compartment
    epoch: KeyEpoch
    record: RecordId
    version: Version


def compartment_key(secret: bytes, patient: PatientId, compartment: Compartment, epoch: KeyEpoch) -> bytes:
    """
    The key of a compartment in an epoch; 32 bytes.

    Args:
        secret: The custodian's, for all its compartments; 32 random bytes.
        patient: Whose compartment.
        compartment: Which one.
        epoch: Below EPOCHS_MAX.

    Raises:
        UnusableKey: There is none for so high an epoch.
    """
    if epoch >= EPOCHS_MAX:
        raise UnusableKey(f"compartment {compartment} has had {EPOCHS_MAX} keys; use another")
    last = hkdf(secret, info=_ROOT_DOMAIN + patient + bytes((compartment,)))
    return earlier_key(last, EPOCHS_MAX - 1 - epoch)


def earlier_key(key: bytes, epochs: int) -> bytes:
    """The compartment's key of so many epochs before."""
    assert epochs >= 0, "a later key cannot be made from an earlier one"
    for _ in range(epochs):
        key = tagged_hash(_STEP_DOMAIN, key)
    return key


def seal_keys(key: bytes, keys: bytes, place: Place) -> tuple[bytes, WrapHash]:
    """A record's keys sealed under its compartment's, and the hash that its registration names (L32)."""
    context = _context(place)
    sealed = _cipher(key, context).encrypt(_NONCE, keys, context)
    return sealed, wrap_hash(sealed)


def open_keys(key: bytes, sealed: bytes, place: Place) -> bytes:
    """
    A record's keys, with its compartment's of the same epoch.

    Raises:
        Undecryptable: They were sealed under another key, or for another place, or were changed.
    """
    context = _context(place)
    try:
        return _cipher(key, context).decrypt(_NONCE, sealed, context)
    except InvalidTag:
        raise Undecryptable("sealed keys") from None


def _context(place: Place) -> bytes:
    return _SEAL_DOMAIN + encode_value(place)


def _cipher(key: bytes, context: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(hkdf(key, info=context))
