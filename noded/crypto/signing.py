"""
Ed25519 with one pinned meaning of "valid" (H1).

Libraries disagree on edge cases, and a vote that is valid here and invalid there splits a quorum. So a
signature is refused, before any library sees it, if

- R or A is one of the 14 encodings of a point of low order,
- the y coordinate of R or A is not below 2^255 − 19, or
- s is not below the group's order ℓ.

What remains is judged by the equation without cofactor, R = [s]B − [k]A compared as bytes; on it libsodium and
OpenSSL agree.
"""

from collections.abc import Iterable

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493

_LOW_ORDER_Y = (
    0,  # order 4
    1,  # order 1
    2707385501144840649318225287225658788936804267575313519463743609750303402022,  # order 8
    55188659117513257062467267217118295137698188065244968500265048394206261417927,  # order 8
    _P - 1,  # order 2
    _P,  # 0 again
    _P + 1,  # 1 again
)

_LOW_ORDER = frozenset((y | sign << 255).to_bytes(32, "little") for y in _LOW_ORDER_Y for sign in (0, 1))


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature is valid (H1); anything of a wrong length is not."""
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    if not (_is_usable_point(public_key) and _is_usable_point(signature[:32])):
        return False
    if signature[63] >= 0x10 and int.from_bytes(signature[32:], "little") >= _ORDER:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def verify_many(items: Iterable[tuple[bytes, bytes, bytes]]) -> list[bool]:
    """Whether each (public key, message, signature) is valid; one by one, as batch equations have another meaning."""
    return [verify(public_key, message, signature) for public_key, message, signature in items]


def public_key_of(seed: bytes) -> bytes:
    """The public key of a seed of 32 random bytes."""
    return secret_of(seed)[SEED_BYTES:]


def secret_of(seed: bytes) -> bytes:
    """The secret key for `sign`, 64 bytes: seed and public key. Never to be put together in another way."""
    _, secret = crypto_sign_seed_keypair(seed)
    return bytes(secret)


def sign(secret: bytes, message: bytes) -> bytes:
    """The signature by a secret key, or by a seed, which costs half as much again; 64 bytes, no randomness."""
    if len(secret) == SEED_BYTES:
        secret = secret_of(secret)
    return bytes(crypto_sign(message, secret)[:SIGNATURE_BYTES])


def _is_usable_point(encoding: bytes) -> bool:
    """Whether y is below 2^255 − 19 and the encoding is none of low order; needs no arithmetic in the usual case."""
    if encoding in _LOW_ORDER:
        return False
    return encoding[30] != 0xFF or int.from_bytes(encoding, "little") & (2**255 - 1) < _P
