"""
A key's file: JSON, so that an operator sees what it is, with the secret sealed or plain.

What stands beside a sealed secret (name, public key, watermarks) is authenticated with it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from noded.crypto.hpke import HYBRID_PRIVATE_BYTES, X25519_PRIVATE_BYTES, wrapping_key_of
from noded.crypto.signing import SEED_BYTES, public_key_of
from noded.keys.errors import KeyFileDamaged
from noded.keys.signer import Watermark
from noded.types.ids import ChainId, Epoch, View

FORMAT: Final = 1


class KeyAlgorithm(StrEnum):
    """What a key is for."""

    ED25519 = "ed25519"
    """Signs."""
    X25519 = "x25519"
    """Opens what was wrapped for it."""
    HYBRID = "x25519-mlkem768"
    """The same, for what must stay closed for decades."""

    @property
    def secret_bytes(self) -> int:
        """Length of the secret; any random bytes are one."""
        return _SECRET_BYTES[self]

    def public_key(self, secret: bytes) -> bytes:
        """The public key of a secret."""
        return public_key_of(secret) if self is KeyAlgorithm.ED25519 else wrapping_key_of(secret)


_SECRET_BYTES: Final = MappingProxyType(
    {
        KeyAlgorithm.ED25519: SEED_BYTES,
        KeyAlgorithm.X25519: X25519_PRIVATE_BYTES,
        KeyAlgorithm.HYBRID: HYBRID_PRIVATE_BYTES,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """What everyone may know of a key."""

    name: str
    algorithm: KeyAlgorithm
    public_key: bytes
    watermarks: Mapping[ChainId, Watermark] = field(default_factory=lambda: MappingProxyType({}))
    """For each chain where the key may have voted: nothing new is signed at or below it (K4)."""

    def context(self) -> bytes:
        """The bytes that a sealed secret is bound to; equal exactly for equal infos."""
        return json.dumps(self._fields(), sort_keys=True, separators=(",", ":")).encode()

    def _fields(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "name": self.name,
            "algorithm": self.algorithm.value,
            "public_key": self.public_key.hex(),
            "watermarks": {chain.hex(): list(mark) for chain, mark in sorted(self.watermarks.items())},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A key as it is kept: what everyone may know, and the secret."""

    info: KeyInfo
    secret: bytes
    is_sealed: bool
    """Whether `secret` is sealed, with the context of `info`."""

    def encode(self) -> bytes:
        """The file's content."""
        name = "sealed" if self.is_sealed else "secret"
        return json.dumps({**self.info._fields(), name: self.secret.hex()}, indent=2).encode() + b"\n"


def decode_key_file(path: Path, data: bytes) -> KeyFile:
    """
    The inverse of `KeyFile.encode`.

    Raises:
        KeyFileDamaged: The content is none of ours.
    """
    try:
        fields = json.loads(data)
        if fields["format"] != FORMAT:
            raise KeyFileDamaged(path, f"its format {fields['format']} is unknown to this program")
        info = KeyInfo(
            name=str(fields["name"]),
            algorithm=KeyAlgorithm(fields["algorithm"]),
            public_key=bytes.fromhex(fields["public_key"]),
            watermarks=MappingProxyType(
                {
                    ChainId(bytes.fromhex(chain)): Watermark(Epoch(int(epoch)), View(int(view)))
                    for chain, (epoch, view) in fields["watermarks"].items()
                }
            ),
        )
        is_sealed = "sealed" in fields
        secret = bytes.fromhex(fields["sealed" if is_sealed else "secret"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise KeyFileDamaged(path, f"{type(error).__name__}: {error}") from error
    return KeyFile(info=info, secret=secret, is_sealed=is_sealed)


def check_secret(path: Path, info: KeyInfo, secret: bytes) -> None:
    """
    Pass if the secret is that of the public key.

    Raises:
        KeyFileDamaged: It is another's.
    """
    if len(secret) != info.algorithm.secret_bytes:
        raise KeyFileDamaged(path, f"its secret has {len(secret)} bytes")
    if info.algorithm.public_key(secret) != info.public_key:
        raise KeyFileDamaged(path, "its secret is not that of its public key")


def merged_watermarks(
    first: Mapping[ChainId, Watermark], second: Mapping[ChainId, Watermark]
) -> Mapping[ChainId, Watermark]:
    """The higher watermark of each chain."""
    merged = dict(first)
    for chain, mark in second.items():
        merged[chain] = max(mark, merged.get(chain, mark))
    return MappingProxyType(merged)
