"""
Wrapping keys for a reader: HPKE (RFC 9180) in base mode, with HKDF-SHA-256 and AES-256-GCM (H5).

The kind of key decides the method: X25519, or ML-KEM-768 with X25519 (X-Wing, KEM 0x647A) for records that must stay closed for
decades. Base mode says nothing of the sender, so whoever wraps signs the wrap as well, and all that a
wrap is for goes into `info`.

`wrap` is the one function here whose randomness is not an argument: the library draws the ephemeral key itself.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from noded.crypto.errors import Undecryptable, UnusableKey

X25519_PRIVATE_BYTES = 32
"""Any 32 random bytes."""
X25519_PUBLIC_BYTES = 32

HYBRID_PRIVATE_BYTES = 64 + 32
"""Any 96 random bytes: the seed of an ML-KEM-768 key, then an X25519 key."""
HYBRID_PUBLIC_BYTES = 1184 + 32

X25519_OVERHEAD_BYTES = 32 + 16
"""A wrap is longer than what it wraps by an encapsulated key and a tag."""
HYBRID_OVERHEAD_BYTES = 1088 + 32 + 16

_MLKEM_SEED_BYTES = 64
_MLKEM_PUBLIC_BYTES = 1184

_X25519 = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_HYBRID = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def wrap(public_key: bytes, info: bytes, content: bytes) -> bytes:
    """
    Encrypt for the owner of a public key, who can open it only with the same `info`.

    Raises:
        UnusableKey: Nothing can be encrypted for this key.
    """
    try:
        if len(public_key) == HYBRID_PUBLIC_BYTES:
            lattice = MLKEM768PublicKey.from_public_bytes(public_key[:_MLKEM_PUBLIC_BYTES])
            curve = X25519PublicKey.from_public_bytes(public_key[_MLKEM_PUBLIC_BYTES:])
            return _HYBRID.encrypt(content, MLKEM768X25519PublicKey(lattice, curve), info)
        return _X25519.encrypt(content, X25519PublicKey.from_public_bytes(public_key), info)
    except ValueError as error:
        raise UnusableKey(str(error)) from None


def unwrap(private_key: bytes, info: bytes, wrapped: bytes) -> bytes:
    """
    Open what was wrapped for this private key and `info`.

    Raises:
        Undecryptable: It was wrapped for another key, or with another `info`, or was changed.
    """
    try:
        if len(private_key) == HYBRID_PRIVATE_BYTES:
            return _HYBRID.decrypt(wrapped, _hybrid(private_key), info)
        return _X25519.decrypt(wrapped, X25519PrivateKey.from_private_bytes(private_key), info)
    except (InvalidTag, ValueError):
        raise Undecryptable("wrap") from None


def wrapping_key_of(private_key: bytes) -> bytes:
    """The public key of X25519_PRIVATE_BYTES or HYBRID_PRIVATE_BYTES random bytes."""
    if len(private_key) == HYBRID_PRIVATE_BYTES:
        lattice = MLKEM768PrivateKey.from_seed_bytes(private_key[:_MLKEM_SEED_BYTES]).public_key()
        return lattice.public_bytes_raw() + wrapping_key_of(private_key[_MLKEM_SEED_BYTES:])
    return X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def _hybrid(private_key: bytes) -> MLKEM768X25519PrivateKey:
    return MLKEM768X25519PrivateKey(
        MLKEM768PrivateKey.from_seed_bytes(private_key[:_MLKEM_SEED_BYTES]),
        X25519PrivateKey.from_private_bytes(private_key[_MLKEM_SEED_BYTES:]),
    )
