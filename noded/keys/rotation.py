"""The consensus keys of a keystore: the one that it began with, and those that replaced it (K6)."""

import re
from pathlib import Path
from typing import Final

from noded.keys.key_file import KeyInfo
from noded.keys.keystore import Keystore, list_keys
from noded.keys.names import CONSENSUS, NODE_KEYS
from noded.keys.signer import Watermark
from noded.types.ids import ChainId, PublicKey

_NAME: Final = re.compile(rf"{CONSENSUS}(-[1-9][0-9]*)?")


def is_consensus(name: str) -> bool:
    """Whether a key of this name signs votes: ``consensus``, ``consensus-2`` and so on."""
    return _NAME.fullmatch(name) is not None


def consensus_keys(folder: Path) -> list[KeyInfo]:
    """All consensus keys in a keystore's folder; which of them signs, the ledger says."""
    algorithm = NODE_KEYS[CONSENSUS]
    return [info for info in list_keys(folder) if is_consensus(info.name) and info.algorithm is algorithm]


def next_name(folder: Path) -> str:
    """What the next consensus key is to be called."""
    number = 2
    names = {info.name for info in list_keys(folder)}
    while f"{CONSENSUS}-{number}" in names:
        number += 1
    return f"{CONSENSUS}-{number}"


def find_seed(keystore: Keystore, key: PublicKey) -> bytes | None:
    """
    The seed of a consensus key; None if the keystore has no such key.

    Raises:
        KeyProblem: A key's file cannot be used.
    """
    for info in consensus_keys(keystore.folder):
        if info.public_key == key:
            return keystore.secret(info.name)
    return None


def kept_watermark(folder: Path, chain_id: ChainId) -> Watermark | None:
    """The highest place that came with any of the consensus keys; None if none ever signed elsewhere."""
    marks = [info.watermarks[chain_id] for info in consensus_keys(folder) if chain_id in info.watermarks]
    return max(marks, default=None)
