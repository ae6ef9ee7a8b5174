"""K6, K7: which keys of a keystore have a use, and what the next one is called."""

from pathlib import Path

import pytest

from noded.crypto.signing import public_key_of
from noded.keys.key_file import KeyAlgorithm
from noded.keys.keystore import Keystore, create_keystore
from noded.keys.rotation import find_seed, is_for, kept_watermark, keys_for, next_name
from noded.keys.signer import Watermark
from noded.types.ids import ChainId, Epoch, PublicKey, View

CHAIN = ChainId(b"\x07" * 32)


@pytest.fixture
def keystore(tmp_path: Path) -> Keystore:
    made = create_keystore(tmp_path / "keys", None)
    made.generate("consensus", KeyAlgorithm.ED25519)
    made.generate("network", KeyAlgorithm.ED25519)
    return made


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("consensus", True), ("consensus-2", True), ("consensus-17", True)]
    + [(name, False) for name in ("consensus-0", "consensus-old", "consensus-", "network", "my-consensus")],
)
def test_names(name: str, is_one: bool) -> None:
    assert is_for(name, "consensus") is is_one


def test_the_next_name_is_free(keystore: Keystore) -> None:
    assert next_name(keystore.folder, "consensus") == "consensus-2"
    keystore.generate("consensus-2", KeyAlgorithm.X25519)
    assert next_name(keystore.folder, "consensus") == "consensus-3"
    assert [info.name for info in keys_for(keystore.folder, "consensus")] == ["consensus"]


def test_a_key_is_found_by_what_the_ledger_calls_it(keystore: Keystore) -> None:
    made = keystore.generate(next_name(keystore.folder, "consensus"), KeyAlgorithm.ED25519)

    seed = find_seed(keystore, "consensus", PublicKey(made.public_key))

    assert seed == keystore.secret("consensus-2")
    assert public_key_of(seed) == made.public_key
    assert find_seed(keystore, "consensus", PublicKey(keystore.info("network").public_key)) is None


def test_the_highest_watermark_is_that_of_all(keystore: Keystore) -> None:
    assert kept_watermark(keystore.folder, CHAIN) is None
    low, high = (Watermark(Epoch(epoch), View(9)) for epoch in (3, 4))
    keystore.generate("consensus-2", KeyAlgorithm.ED25519)
    keystore.raise_watermark("consensus", CHAIN, high)
    keystore.raise_watermark("consensus-2", CHAIN, low)

    assert kept_watermark(keystore.folder, CHAIN) == high
    assert kept_watermark(keystore.folder, ChainId(bytes(32))) is None
