"""A keystore that is opened quickly."""

from pathlib import Path
from random import Random

from noded.crypto.kdf import Stretching
from noded.keys.keystore import Keystore, create_keystore
from noded.types.ids import ChainId

QUICK = Stretching(memory_kib=8, iterations=1, lanes=1)
SEED = bytes(range(32))
PASSPHRASE = b"correct horse"
CHAIN_1, CHAIN_2 = ChainId(b"\x01" * 32), ChainId(b"\x02" * 32)


def make_keystore(folder: Path, passphrase: bytes | None = PASSPHRASE, *, seed: int = 0) -> Keystore:
    return create_keystore(folder, passphrase, random_bytes=Random(seed).randbytes, stretching=QUICK)
