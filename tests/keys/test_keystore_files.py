"""A keystore's files: durable, private, and proof against changes."""

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.errors import ConfigError, StorageError
from noded.keys.errors import (
    FileExposed,
    KeyFileDamaged,
    KeystoreExists,
    KeystoreMissing,
    WrongPassphrase,
)
from noded.keys.key_file import KeyAlgorithm
from noded.keys.keystore import list_keys, open_keystore
from noded.keys.master import MASTER_NAME
from tests.helpers.keystores import CHAIN_1, PASSPHRASE, SEED, make_keystore
from tests.helpers.limits import file_size_limit
from tests.helpers.signers import at


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
            keystore.import_key(Path("moved.key"), content, PASSPHRASE)

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
