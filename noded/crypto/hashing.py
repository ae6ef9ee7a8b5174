"""
SHA-256 in domains (H2), and commitments.

A hash of one domain never equals a hash of another, nor a hash of the same bytes cut into other parts. A
domain fills SHA-256's first block, which is hashed once and then copied, so it costs nothing.
"""

import hashlib
import hmac
from collections.abc import Callable
from functools import cache

HASH_BYTES = 32

ZERO_HASH = bytes(HASH_BYTES)
"""Stands for "nothing"; no input is known that hashes to it."""


def tagged_hash(domain: str, *parts: bytes) -> bytes:
    """
    SHA-256 of the parts in a domain; 32 bytes.

    `domain` is a constant of the program such as ``noded/vote/1``, never anything that others send.
    """
    if len(parts) == 1:
        return hasher(domain)(parts[0])
    return _hasher(f"{domain}:parts")(b"".join([len(part).to_bytes(8) + part for part in parts]))


def hasher(domain: str) -> Callable[[bytes], bytes]:
    """The function `part -> tagged_hash(domain, part)`, for places where looking up the domain would show."""
    return _hasher(f"{domain}:part")


def _state(prefix: str) -> "hashlib._Hash":
    return hashlib.sha256(2 * hashlib.sha256(prefix.encode()).digest())


@cache
def _hasher(prefix: str) -> Callable[[bytes], bytes]:
    begin = _state(prefix).copy

    def digest(part: bytes) -> bytes:
        begun = begin()
        begun.update(part)
        return begun.digest()

    return digest


def commit(salt_key: bytes, data: bytes) -> bytes:
    """
    A commitment to `data` that is noise to all who lack the salt key; HMAC-SHA-256, 32 bytes.

    The salt key must be at least 16 random bytes and its own for each piece of data; destroying it erases what the
    commitment says.
    """
    assert len(salt_key) >= 16, "a short salt key can be guessed"
    return hmac.digest(salt_key, data, "sha256")
