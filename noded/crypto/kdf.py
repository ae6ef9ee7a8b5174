"""Keys from keys (HKDF-SHA-256), and secrets sealed under a password (Argon2id, ChaCha20-Poly1305; H5)."""

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from noded.crypto.errors import Undecryptable

SALT_BYTES = 32


def hkdf(secret: bytes, *, salt: bytes = b"", info: bytes, size: int = 32) -> bytes:
    """A key of `size` bytes, at most 8160, from a secret that nobody can guess (RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=size, salt=salt or None, info=info).derive(secret)


def pairwise_seed(seed: bytes, organization: bytes, purpose: str, number: int) -> bytes:
    """
    The seed of a patient's key pair with one organization, for one purpose; 32 bytes.

    Keys of different organizations cannot be connected without `seed`, and all of them come back from it.
    `number` counts the key pairs that replaced one another.
    """
    assert len(seed) >= 32, "a short seed can be guessed"
    parts = (organization, purpose.encode(), number.to_bytes(8))
    framed = b"".join(len(part).to_bytes(2) + part for part in parts)
    return hkdf(seed, info=b"noded/pairwise/1" + framed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretching:
    """How much a guess of a password costs."""

    memory_kib: int = 64 * 1024
    iterations: int = 3
    lanes: int = 4


STRETCHING = Stretching()
"""RFC 9106 §4, second recommended option: 64 MiB, about 0.2 s a guess."""

STRETCHING_MAX = Stretching(memory_kib=4 * 1024 * 1024, iterations=64, lanes=64)
"""What a file may ask for: a forged one must not take the machine's memory or a day."""

_FORMAT = b"\x01"
_HEADER_BYTES = 1 + 4 + 4 + 4 + SALT_BYTES
_NONCE = bytes(12)
"""The salt is fresh each time, so each key seals once."""


def seal_with_password(
    password: bytes, secret: bytes, *, context: bytes, salt: bytes, stretching: Stretching = STRETCHING
) -> bytes:
    """
    Seal a secret under a password, for keeping on a disk.

    Args:
        password: Any bytes.
        secret: Any bytes.
        context: What the secret is; opening takes the same.
        salt: 32 fresh random bytes.
        stretching: Kept in the result; opening needs no argument for it.
    """
    assert len(salt) == SALT_BYTES
    numbers = (stretching.memory_kib, stretching.iterations, stretching.lanes)
    header = _FORMAT + b"".join(number.to_bytes(4) for number in numbers) + salt
    return header + _cipher(password, salt, stretching).encrypt(_NONCE, secret, header + context)


def open_with_password(password: bytes, sealed: bytes, *, context: bytes) -> bytes:
    """
    The secret that was sealed under this password and context.

    Raises:
        Undecryptable: The password or the context is another, or the bytes were changed.
    """
    header = sealed[:_HEADER_BYTES]
    if len(header) < _HEADER_BYTES or header[:1] != _FORMAT:
        raise Undecryptable("not sealed under a password")
    memory_kib, iterations, lanes = (int.from_bytes(header[at : at + 4]) for at in (1, 5, 9))
    stretching = Stretching(memory_kib=memory_kib, iterations=iterations, lanes=lanes)
    if not _is_bearable(stretching):
        raise Undecryptable("opening would take too much memory or time")
    try:
        return _cipher(password, header[13:], stretching).decrypt(
            _NONCE, sealed[_HEADER_BYTES:], header + context
        )
    except InvalidTag:
        raise Undecryptable("the password is wrong, or the bytes were changed") from None


def _is_bearable(asked: Stretching) -> bool:
    most = STRETCHING_MAX
    return (
        0 < asked.lanes <= most.lanes
        and 0 < asked.iterations <= most.iterations
        and 8 * asked.lanes <= asked.memory_kib <= most.memory_kib
    )


def _cipher(password: bytes, salt: bytes, stretching: Stretching) -> ChaCha20Poly1305:
    argon = Argon2id(
        salt=salt,
        length=32,
        iterations=stretching.iterations,
        lanes=stretching.lanes,
        memory_cost=stretching.memory_kib,
    )
    return ChaCha20Poly1305(argon.derive(password))
