"""A new home has keys, settings and particulars that belong together, and is its owner's alone."""

import json
import stat
from pathlib import Path

import pytest

from noded.config import CONFIG_NAME, default_text, load
from noded.crypto.kdf import Stretching
from noded.keys.errors import FileExposed
from noded.keys.keystore import is_encrypted, open_keystore
from noded.keys.names import ACCOUNT, CONSENSUS, ENCRYPTION, NETWORK, NODE_KEYS
from noded.ops.home import (
    FOUNDER_NAME,
    KEYS_NAME,
    BadInstitution,
    HomeExists,
    Particulars,
    create_home,
    endpoint_of,
    read_institution,
    with_settings,
)
from noded.types.roles import Role

FAST = Stretching(memory_kib=64, iterations=1, lanes=1)
PARTICULARS = Particulars(
    legal_name="Krankenhaus Süd", role=Role.HOSPITAL, jurisdiction="DE", address="127.0.0.1:9470"
)


class TestCreateHome:
    def test_keys_are_those_of_the_particulars(self, tmp_path: Path) -> None:
        home = tmp_path / "home"

        made = create_home(home, PARTICULARS, passphrase=None, settings={})

        keystore = open_keystore(home / KEYS_NAME, None)
        assert made.consensus_key == keystore.info(CONSENSUS).public_key
        assert made.network_key == keystore.info(NETWORK).public_key
        assert made.account_key == keystore.info(ACCOUNT).public_key
        assert made.encryption_key == keystore.info(ENCRYPTION).public_key
        assert {name: keystore.info(name).algorithm for name in NODE_KEYS} == NODE_KEYS

    def test_particulars_come_back(self, tmp_path: Path) -> None:
        made = create_home(tmp_path / "home", PARTICULARS, passphrase=None, settings={})

        assert read_institution(tmp_path / "home" / FOUNDER_NAME) == made

    def test_settings_are_valid_and_hold_what_was_asked(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        settings = {"network": {"listen": "127.0.0.1:9999"}, "node": {"passphrase": "none"}}

        create_home(home, PARTICULARS, passphrase=None, settings=settings)

        config = load(home, {})
        assert (config.network.listen, config.node.passphrase) == ("127.0.0.1:9999", "none")
        assert "# Folder of the keystore." in (home / CONFIG_NAME).read_text()

    def test_a_passphrase_encrypts(self, tmp_path: Path) -> None:
        home = tmp_path / "home"

        create_home(home, PARTICULARS, passphrase=b"word", settings={}, stretching=FAST)

        assert is_encrypted(home / KEYS_NAME)
        assert open_keystore(home / KEYS_NAME, b"word").secret(CONSENSUS)

    def test_is_for_its_owner_only(self, tmp_path: Path) -> None:
        home = tmp_path / "home"

        create_home(home, PARTICULARS, passphrase=None, settings={})

        assert stat.S_IMODE(home.stat().st_mode) == 0o700

    def test_never_touches_a_folder_with_anything_in_it(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        create_home(home, PARTICULARS, passphrase=None, settings={})
        before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}

        with pytest.raises(HomeExists):
            create_home(home, PARTICULARS, passphrase=None, settings={})

        assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before

    def test_a_folder_open_to_others_is_refused(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        home.mkdir(mode=0o755)
        home.chmod(0o755)

        with pytest.raises(FileExposed):
            create_home(home, PARTICULARS, passphrase=None, settings={})


class TestReadInstitution:
    def test_names_the_file_and_the_member_at_fault(self, tmp_path: Path) -> None:
        create_home(tmp_path / "home", PARTICULARS, passphrase=None, settings={})
        path = tmp_path / "home" / FOUNDER_NAME
        path.write_text(json.dumps(json.loads(path.read_text()) | {"role": "clinic"}))

        with pytest.raises(BadInstitution, match=r"institution\.role: one of these is expected: hospital"):
            read_institution(path)

    @pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "x" * 100_000])
    def test_anything_else_is_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "other.json"
        path.write_text(text)

        with pytest.raises(BadInstitution):
            read_institution(path)


@pytest.mark.parametrize("address", ["127.0.0.1:9470", "[::1]:1", "node.example:9470"])
def test_endpoints_are_addresses(address: str) -> None:
    assert endpoint_of(address) == address


@pytest.mark.parametrize("address", ["127.0.0.1", "::1:9470", ":9470", "host:0", "host:70000"])
def test_anything_else_is_no_endpoint(address: str) -> None:
    with pytest.raises(ValueError, match=r"is not host:port|needs brackets"):
        endpoint_of(address)


def test_a_setting_is_replaced_in_its_section_only() -> None:
    text = with_settings(default_text(), {"metrics": {"listen": "127.0.0.1:9000"}})

    assert text.count('listen = "127.0.0.1:9000"') == 1
    assert text.index('listen = "127.0.0.1:9000"') > text.index("[metrics]")
