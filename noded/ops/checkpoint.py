"""A block that somebody trusted vouches for: no chain without it is taken for the consortium's."""

from dataclasses import dataclass

from noded.crypto.hashing import HASH_BYTES
from noded.types.ids import BlockHash, Height


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A block that somebody trusted vouches for."""

    height: Height
    hash: BlockHash

    def __str__(self) -> str:
        return f"{self.height}:{self.hash.hex()}"


def parse_checkpoint(text: str) -> Checkpoint | None:
    """
    The checkpoint written as ``HEIGHT:HASH``; None for an empty text.

    Raises:
        ValueError: The text is none.
    """
    if not text:
        return None
    height, _, name = text.partition(":")
    hash_ = bytes.fromhex(name)
    if not height.isdecimal() or len(hash_) != HASH_BYTES:
        raise ValueError("expected HEIGHT:HASH, with a hash of 64 hexadecimal digits")
    return Checkpoint(height=Height(int(height)), hash=BlockHash(hash_))
