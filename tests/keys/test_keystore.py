import json
from pathlib import Path
from types import MappingProxyType

import pytest

from noded.crypto.hpke import unwrap, wrap
from noded.crypto.signing import public_key_of
from noded.keys.errors import (
    BadKeyName,
    KeyExists,
    KeyFileDamaged,
    KeyMissing,
    PassphraseMissing,
    PassphraseUnneeded,
    WrongPassphrase,
)
from noded.keys.key_file import KeyAlgorithm, decode_key_file
from noded.keys.keystore import create_keystore, list_keys, open_keystore
from noded.keys.master import MASTER_NAME
from tests.helpers.keystores import CHAIN_1, CHAIN_2, PASSPHRASE, QUICK, SEED, make_keystore
from tests.helpers.signers import at


class TestKeys:
    @pytest.mark.parametrize("algorithm", KeyAlgorithm)
    def test_a_key_comes_back_after_opening_again(
        self, folder: Path, passphrase: bytes | None, algorithm: KeyAlgorithm
    ) -> None:
        made = make_keystore(folder, passphrase)
        info = made.generate("consensus", algorithm)
        opened = open_keystore(folder, passphrase)

        assert opened.is_encrypted is (passphrase is not None)
        assert opened.info("consensus") == info
        assert opened.secret("consensus") == made.secret("consensus")
        assert algorithm.public_key(opened.secret("consensus")) == info.public_key
        assert list_keys(folder) == [info]

    def test_a_signing_key_is_a_seed_of_ed25519(self, folder: Path) -> None:
        info = make_keystore(folder).add("network", KeyAlgorithm.ED25519, SEED)

        assert info.public_key == public_key_of(SEED)

    @pytest.mark.parametrize("algorithm", [KeyAlgorithm.X25519, KeyAlgorithm.HYBRID])
    def test_a_wrapping_key_opens_what_was_wrapped_for_it(
        self, folder: Path, algorithm: KeyAlgorithm
    ) -> None:
        keystore = make_keystore(folder)
        info = keystore.generate("wrapping", algorithm)

        assert (
            unwrap(keystore.secret("wrapping"), b"info", wrap(info.public_key, b"info", b"text")) == b"text"
        )

    def test_keys_are_listed_by_name_without_a_passphrase(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        infos = [
            keystore.generate(name, KeyAlgorithm.ED25519) for name in ("network", "consensus", "institution")
        ]

        assert list_keys(folder) == sorted(infos, key=lambda info: info.name)

    def test_no_two_keys_are_alike(self, folder: Path) -> None:
        keystore = create_keystore(folder, None)

        assert keystore.generate("a", KeyAlgorithm.ED25519).public_key != (
            keystore.generate("b", KeyAlgorithm.ED25519).public_key
        )

    def test_a_key_is_never_overwritten(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("network", KeyAlgorithm.ED25519, SEED)

        with pytest.raises(KeyExists, match="'network'"):
            keystore.generate("network", KeyAlgorithm.ED25519)
        assert keystore.secret("network") == SEED

    def test_a_missing_key_is_named(self, folder: Path) -> None:
        with pytest.raises(KeyMissing, match="'absent'"):
            make_keystore(folder).secret("absent")

    @pytest.mark.parametrize("name", ["", "../evil", "a/b", "A", "-a", ".key", "a" * 65, "ä", "a\n"])
    def test_a_name_that_is_no_files_is_refused(self, folder: Path, name: str) -> None:
        keystore = make_keystore(folder)

        with pytest.raises(BadKeyName):
            keystore.generate(name, KeyAlgorithm.ED25519)
        with pytest.raises(BadKeyName):
            keystore.secret(name)
        assert list(folder.iterdir()) == [folder / MASTER_NAME]


class TestPassphrase:
    def test_another_passphrase_opens_nothing(self, folder: Path) -> None:
        make_keystore(folder)

        with pytest.raises(WrongPassphrase):
            open_keystore(folder, b"wrong")

    def test_encrypted_keys_need_one(self, folder: Path) -> None:
        make_keystore(folder)

        with pytest.raises(PassphraseMissing, match="encrypted"):
            open_keystore(folder, None)

    def test_plain_keys_take_none(self, folder: Path) -> None:
        make_keystore(folder, None)

        with pytest.raises(PassphraseUnneeded):
            open_keystore(folder, PASSPHRASE)

    def test_it_can_be_changed(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("network", KeyAlgorithm.ED25519, SEED)
        keystore.change_passphrase(b"other", QUICK)

        assert open_keystore(folder, b"other").secret("network") == SEED
        with pytest.raises(WrongPassphrase):
            open_keystore(folder, PASSPHRASE)

    def test_plain_keys_do_not_become_encrypted_by_it(self, folder: Path) -> None:
        with pytest.raises(PassphraseUnneeded):
            make_keystore(folder, None).change_passphrase(b"other", QUICK)

    def test_a_guess_costs_what_the_standard_says(self, folder: Path) -> None:
        create_keystore(folder, PASSPHRASE)

        sealed = bytes.fromhex(json.loads((folder / MASTER_NAME).read_text())["sealed"])
        assert [int.from_bytes(sealed[at : at + 4]) for at in (1, 5, 9)] == [64 * 1024, 3, 4]


class TestWatermark:
    """K4: the watermark stays with the key, and only rises."""

    def test_it_is_kept_for_each_chain(self, folder: Path, passphrase: bytes | None) -> None:
        keystore = make_keystore(folder, passphrase)
        keystore.add("consensus", KeyAlgorithm.ED25519, SEED)
        keystore.raise_watermark("consensus", CHAIN_1, at(2, 9))
        keystore.raise_watermark("consensus", CHAIN_2, at(1, 1))

        opened = open_keystore(folder, passphrase)
        assert opened.info("consensus").watermarks == {CHAIN_1: at(2, 9), CHAIN_2: at(1, 1)}
        assert opened.secret("consensus") == SEED

    def test_it_never_falls(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("consensus", KeyAlgorithm.ED25519, SEED, {CHAIN_1: at(2, 9)})
        keystore.raise_watermark("consensus", CHAIN_1, at(2, 8))
        keystore.raise_watermark("consensus", CHAIN_1, at(1, 99))

        assert keystore.info("consensus").watermarks == {CHAIN_1: at(2, 9)}


class TestExport:
    def test_a_key_and_its_watermark_arrive_elsewhere(self, tmp_path: Path) -> None:
        here, there = make_keystore(tmp_path / "here"), make_keystore(tmp_path / "there", b"other", seed=1)
        here.add("consensus", KeyAlgorithm.ED25519, SEED, {CHAIN_1: at(1, 5), CHAIN_2: at(1, 1)})
        exported = here.export("consensus", b"for the way", {CHAIN_1: at(2, 3)}, QUICK)
        info = there.import_key(Path("moved.key"), exported, b"for the way", name="moved")

        assert info.watermarks == {CHAIN_1: at(2, 3), CHAIN_2: at(1, 1)}
        assert (info.name, info.public_key) == ("moved", public_key_of(SEED))
        assert there.info("moved") == info
        assert there.secret("moved") == SEED
        assert SEED.hex().encode() not in exported

    def test_an_export_cannot_lose_its_watermark(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("consensus", KeyAlgorithm.ED25519, SEED)
        exported = json.loads(keystore.export("consensus", b"for the way", {CHAIN_1: at(2, 3)}, QUICK))
        exported["watermarks"] = {}

        with pytest.raises(WrongPassphrase):
            keystore.import_key(Path("moved.key"), json.dumps(exported).encode(), b"for the way")

    def test_another_passphrase_does_not_open_it(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("consensus", KeyAlgorithm.ED25519, SEED)
        exported = keystore.export("consensus", b"for the way", {}, QUICK)

        with pytest.raises(WrongPassphrase, match=r"^moved\.key: the passphrase does not open it"):
            keystore.import_key(Path("moved.key"), exported, PASSPHRASE)

    def test_importing_a_key_that_is_here_raises_its_watermark(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("consensus", KeyAlgorithm.ED25519, SEED, {CHAIN_1: at(5, 5), CHAIN_2: at(1, 1)})
        exported = keystore.export("consensus", b"w", {CHAIN_1: at(5, 6)}, QUICK)
        keystore.raise_watermark("consensus", CHAIN_2, at(7, 7))
        keystore.import_key(Path("moved.key"), exported, b"w")

        assert keystore.info("consensus").watermarks == {CHAIN_1: at(5, 6), CHAIN_2: at(7, 7)}

    def test_another_key_of_the_name_is_not_replaced(self, tmp_path: Path) -> None:
        here, there = make_keystore(tmp_path / "here"), make_keystore(tmp_path / "there", seed=1)
        here.add("consensus", KeyAlgorithm.ED25519, SEED)
        there.add("consensus", KeyAlgorithm.ED25519, b"\x09" * 32)

        with pytest.raises(KeyExists):
            there.import_key(Path("moved.key"), here.export("consensus", b"w", {}, QUICK), b"w")
        assert there.secret("consensus") == b"\x09" * 32

    def test_a_plain_key_file_is_no_export(self, folder: Path) -> None:
        keystore = make_keystore(folder, None)
        keystore.add("consensus", KeyAlgorithm.ED25519, SEED)

        with pytest.raises(KeyFileDamaged, match="not sealed"):
            keystore.import_key(Path("moved.key"), (folder / "consensus.key").read_bytes(), b"w", name="copy")

    def test_a_sealed_key_file_is_no_export(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("consensus", KeyAlgorithm.ED25519, SEED)

        with pytest.raises(WrongPassphrase):
            keystore.import_key(
                Path("moved.key"), (folder / "consensus.key").read_bytes(), PASSPHRASE, name="copy"
            )

    def test_an_export_is_readable_as_a_key_file(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        info = keystore.add("consensus", KeyAlgorithm.ED25519, SEED)

        kept = decode_key_file(folder, keystore.export("consensus", b"w", {}, QUICK))
        assert (kept.info, kept.is_sealed) == (info, True)
        assert isinstance(kept.info.watermarks, MappingProxyType)
