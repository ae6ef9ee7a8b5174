import json
import stat
from pathlib import Path
from random import Random
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.crypto.hpke import unwrap, wrap
from noded.crypto.kdf import Stretching
from noded.crypto.signing import public_key_of
from noded.errors import ConfigError, StorageError
from noded.keys.errors import (
    BadKeyName,
    FileExposed,
    KeyExists,
    KeyFileDamaged,
    KeyMissing,
    KeystoreExists,
    KeystoreMissing,
    PassphraseMissing,
    PassphraseUnneeded,
    WrongPassphrase,
)
from noded.keys.key_file import KeyAlgorithm, decode_key_file
from noded.keys.keystore import Keystore, create_keystore, list_keys, open_keystore
from noded.keys.master import MASTER_NAME
from noded.keys.signer import Watermark
from noded.types.ids import ChainId, Epoch, View
from tests.helpers.limits import file_size_limit

QUICK = Stretching(memory_kib=8, iterations=1, lanes=1)
SEED = bytes(range(32))
PASSPHRASE = b"correct horse"
CHAIN_1, CHAIN_2 = ChainId(b"\x01" * 32), ChainId(b"\x02" * 32)


def at(epoch: int, view: int) -> Watermark:
    return Watermark(Epoch(epoch), View(view))


def make_keystore(folder: Path, passphrase: bytes | None = PASSPHRASE, *, seed: int = 0) -> Keystore:
    return create_keystore(folder, passphrase, random_bytes=Random(seed).randbytes, stretching=QUICK)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture(params=[PASSPHRASE, None], ids=["encrypted", "plain"])
def passphrase(request: pytest.FixtureRequest) -> bytes | None:
    passphrase: bytes | None = request.param
    return passphrase


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


class TestDisk:
    def test_no_secret_is_found_on_the_disk(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("network", KeyAlgorithm.ED25519, SEED)

        content = b"".join(path.read_bytes() for path in folder.iterdir())
        for secret in (SEED, PASSPHRASE):
            assert secret not in content
            assert secret.hex().encode() not in content

    def test_files_are_for_their_owner_only(self, folder: Path, passphrase: bytes | None) -> None:
        make_keystore(folder, passphrase).generate("network", KeyAlgorithm.ED25519)

        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600, 0o600]

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
    def test_a_key_that_others_can_open_is_refused(self, folder: Path, mode: int) -> None:
        keystore = make_keystore(folder)
        keystore.generate("network", KeyAlgorithm.ED25519)
        path = folder / "network.key"
        path.chmod(mode)

        with pytest.raises(FileExposed, match=f"mode 0{mode:o}.*chmod 600 {path}"):
            keystore.secret("network")

    def test_an_exposed_master_or_folder_is_refused(self, folder: Path) -> None:
        make_keystore(folder)
        (folder / MASTER_NAME).chmod(0o644)
        with pytest.raises(FileExposed, match="chmod 600"):
            open_keystore(folder, PASSPHRASE)
        (folder / MASTER_NAME).chmod(0o600)
        folder.chmod(0o755)
        with pytest.raises(FileExposed, match="chmod 700"):
            open_keystore(folder, PASSPHRASE)

    def test_a_folder_open_to_others_gets_no_keystore(self, folder: Path) -> None:
        folder.mkdir(mode=0o755)

        with pytest.raises(FileExposed):
            make_keystore(folder)

    def test_a_second_keystore_is_not_made_over_the_first(self, folder: Path) -> None:
        make_keystore(folder).add("network", KeyAlgorithm.ED25519, SEED)

        with pytest.raises(KeystoreExists):
            make_keystore(folder, None)
        assert open_keystore(folder, PASSPHRASE).secret("network") == SEED

    def test_a_missing_keystore_is_named(self, folder: Path) -> None:
        with pytest.raises(KeystoreMissing, match="noded init"):
            open_keystore(folder, PASSPHRASE)

    def test_a_full_disk_leaves_what_was_there(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("network", KeyAlgorithm.ED25519, SEED)

        with file_size_limit(10):
            with pytest.raises(StorageError, match=r"network\.key"):
                keystore.raise_watermark("network", CHAIN_1, at(1, 1))
            with pytest.raises(StorageError):
                keystore.generate("other", KeyAlgorithm.ED25519)
        assert open_keystore(folder, PASSPHRASE).secret("network") == SEED
        assert [info.name for info in list_keys(folder)] == ["network"]


class TestTampering:
    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("algorithm", "x25519"),
            ("public_key", "00" * 32),
            ("watermarks", {}),
            ("watermarks", {CHAIN_1.hex(): [0, 0]}),
            ("sealed", "00" * 90),
        ],
    )
    def test_a_changed_field_is_noticed(self, folder: Path, field: str, value: object) -> None:
        keystore = make_keystore(folder)
        keystore.add("network", KeyAlgorithm.ED25519, SEED, {CHAIN_1: at(3, 4)})
        path = folder / "network.key"
        path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))

        with pytest.raises(WrongPassphrase):
            keystore.secret("network")

    def test_a_file_under_another_name_is_noticed(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("network", KeyAlgorithm.ED25519, SEED)
        (folder / "network.key").rename(folder / "consensus.key")

        with pytest.raises(KeyFileDamaged, match="'network'"):
            keystore.secret("consensus")

    def test_a_plain_secret_of_another_key_is_noticed(self, folder: Path) -> None:
        keystore = make_keystore(folder, None)
        keystore.add("network", KeyAlgorithm.ED25519, SEED)
        path = folder / "network.key"
        path.write_text(json.dumps({**json.loads(path.read_text()), "secret": "00" * 32}))

        with pytest.raises(KeyFileDamaged, match="not that of its public key"):
            keystore.secret("network")

    def test_a_plain_key_in_an_encrypted_store_is_noticed(self, tmp_path: Path) -> None:
        plain, sealed = make_keystore(tmp_path / "plain", None), make_keystore(tmp_path / "sealed")
        plain.add("network", KeyAlgorithm.ED25519, SEED)
        sealed.add("consensus", KeyAlgorithm.ED25519, SEED)
        (tmp_path / "plain" / "network.key").rename(tmp_path / "sealed" / "network.key")
        (tmp_path / "sealed" / "consensus.key").rename(tmp_path / "plain" / "consensus.key")

        with pytest.raises(KeyFileDamaged, match="another keystore"):
            sealed.secret("network")
        with pytest.raises(KeyFileDamaged, match="another keystore"):
            plain.secret("consensus")

    @given(
        content=st.one_of(
            st.binary(max_size=50), st.just(b"[" * 60_000), st.just(b'{"format":1}'), st.just(b"{}")
        )
    )
    def test_no_content_of_a_file_causes_another_error(
        self, tmp_path_factory: pytest.TempPathFactory, content: bytes
    ) -> None:
        folder = tmp_path_factory.mktemp("keys")
        keystore = make_keystore(folder)
        keystore.add("network", KeyAlgorithm.ED25519, SEED)
        for name in ("network.key", MASTER_NAME):
            (folder / name).write_bytes(content)

        with pytest.raises(ConfigError):
            keystore.secret("network")
        with pytest.raises(ConfigError):
            open_keystore(folder, PASSPHRASE)
        with pytest.raises(ConfigError):
            keystore.import_key(content, PASSPHRASE)

    def test_a_newer_format_is_named(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("network", KeyAlgorithm.ED25519, SEED)
        for name in ("network.key", MASTER_NAME):
            path = folder / name
            path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2}))

        with pytest.raises(KeyFileDamaged, match="format 2"):
            keystore.secret("network")
        with pytest.raises(KeyFileDamaged, match="format 2"):
            open_keystore(folder, PASSPHRASE)


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
        info = there.import_key(exported, b"for the way", name="moved")

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
            keystore.import_key(json.dumps(exported).encode(), b"for the way")

    def test_another_passphrase_does_not_open_it(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("consensus", KeyAlgorithm.ED25519, SEED)
        exported = keystore.export("consensus", b"for the way", {}, QUICK)

        with pytest.raises(WrongPassphrase):
            keystore.import_key(exported, PASSPHRASE)

    def test_importing_a_key_that_is_here_raises_its_watermark(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("consensus", KeyAlgorithm.ED25519, SEED, {CHAIN_1: at(5, 5), CHAIN_2: at(1, 1)})
        exported = keystore.export("consensus", b"w", {CHAIN_1: at(5, 6)}, QUICK)
        keystore.raise_watermark("consensus", CHAIN_2, at(7, 7))
        keystore.import_key(exported, b"w")

        assert keystore.info("consensus").watermarks == {CHAIN_1: at(5, 6), CHAIN_2: at(7, 7)}

    def test_another_key_of_the_name_is_not_replaced(self, tmp_path: Path) -> None:
        here, there = make_keystore(tmp_path / "here"), make_keystore(tmp_path / "there", seed=1)
        here.add("consensus", KeyAlgorithm.ED25519, SEED)
        there.add("consensus", KeyAlgorithm.ED25519, b"\x09" * 32)

        with pytest.raises(KeyExists):
            there.import_key(here.export("consensus", b"w", {}, QUICK), b"w")
        assert there.secret("consensus") == b"\x09" * 32

    def test_a_plain_key_file_is_no_export(self, folder: Path) -> None:
        keystore = make_keystore(folder, None)
        keystore.add("consensus", KeyAlgorithm.ED25519, SEED)

        with pytest.raises(KeyFileDamaged, match="not sealed"):
            keystore.import_key((folder / "consensus.key").read_bytes(), b"w", name="copy")

    def test_a_sealed_key_file_is_no_export(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        keystore.add("consensus", KeyAlgorithm.ED25519, SEED)

        with pytest.raises(WrongPassphrase):
            keystore.import_key((folder / "consensus.key").read_bytes(), PASSPHRASE, name="copy")

    def test_an_export_is_readable_as_a_key_file(self, folder: Path) -> None:
        keystore = make_keystore(folder)
        info = keystore.add("consensus", KeyAlgorithm.ED25519, SEED)

        kept = decode_key_file(folder, keystore.export("consensus", b"w", {}, QUICK))
        assert (kept.info, kept.is_sealed) == (info, True)
        assert isinstance(kept.info.watermarks, MappingProxyType)
