"""Keys that may be replaced: those that a keystore began with, and those that replaced them (K6, K7)."""

import re
from pathlib import Path

from noded.keys.key_file import KeyInfo
from noded.keys.keystore import Keystore, list_keys
from noded.keys.names import CONSENSUS, NODE_KEYS
from noded.keys.signer import Watermark
from noded.types.ids import ChainId, PublicKey


def is_for(name: str, use: str) -> bool:
    """Whether a key of this name has this use, as ``consensus``, ``consensus-2`` and so on vote."""
    return re.fullmatch(rf"{use}(-[1-9][0-9]*)?", name) is not None


def keys_for(folder: Path, use: str) -> list[KeyInfo]:
    """All keys of one use in a keystore's folder; which of them counts, the ledger says."""
    algorithm = NODE_KEYS[use]
    return [info for info in list_keys(folder) if is_for(info.name, use) and info.algorithm is algorithm]


def next_name(folder: Path, use: str) -> str:
    """What the next key of this use is to be called."""
    number = 2
    names = {info.name for info in list_keys(folder)}
    while f"{use}-{number}" in names:
        number += 1
    return f"{use}-{number}"


def find_seed(keystore: Keystore, use: str, key: PublicKey) -> bytes | None:
    """
    The seed of a key of this use; None if the keystore has no such key.

    Raises:
        KeyProblem: A key's file cannot be used.
    """
    for info in keys_for(keystore.folder, use):
        if info.public_key == key:
            return keystore.secret(info.name)
    return None


def kept_watermark(folder: Path, chain_id: ChainId) -> Watermark | None:
    """The highest place that came with any of the consensus keys; None if none ever signed elsewhere."""
    marks = [info.watermarks[chain_id] for info in keys_for(folder, CONSENSUS) if chain_id in info.watermarks]
    return max(marks, default=None)
