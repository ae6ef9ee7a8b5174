"""The homes of a testnet belong together, and nothing else is touched."""

import stat
from pathlib import Path

import pytest

from noded.config import load
from noded.keys.keystore import is_encrypted
from noded.ops.founding import read_genesis
from noded.ops.home import FOUNDER_NAME, HomeExists, open_keys, read_institution
from noded.testnet.creating import NODES_MAX, PORTS, TooManyNodes, create_testnet, free_ports, homes
from noded.types.roles import Role


class TestCreateTestnet:
    def test_every_home_has_the_same_founding_document(self, tmp_path: Path) -> None:
        genesis = create_testnet(tmp_path / "net", 4, encrypted=False)

        found = homes(tmp_path / "net")
        assert [home.name for home in found] == ["node1", "node2", "node3", "node4"]
        assert [read_genesis(home / "genesis.cbor") for home in found] == [genesis] * 4

    def test_every_home_is_of_one_founder(self, tmp_path: Path) -> None:
        genesis = create_testnet(tmp_path / "net", 4, encrypted=False)

        founders = [read_institution(home / FOUNDER_NAME) for home in homes(tmp_path / "net")]
        assert sorted(each.id for each in founders) == [each.id for each in genesis.institutions]
        assert [each.role for each in founders] == [Role.HOSPITAL, Role.HOSPITAL, Role.LAB, Role.INSURER]

    def test_nodes_listen_where_the_others_look_for_them(self, tmp_path: Path) -> None:
        create_testnet(tmp_path / "net", 3, encrypted=False)

        for home in homes(tmp_path / "net"):
            (endpoint,) = read_institution(home / FOUNDER_NAME).endpoints
            assert load(home, {}).network.listen == endpoint

    def test_encrypted_keys_open_with_the_settings_as_they_are(self, tmp_path: Path) -> None:
        create_testnet(tmp_path / "net", 1, encrypted=True)

        (home,) = homes(tmp_path / "net")
        assert is_encrypted(home / "keys")
        assert open_keys(load(home, {})).secret("consensus")
        assert stat.S_IMODE((home / "passphrase").stat().st_mode) == 0o600

    def test_more_founders_than_roles_have_names_of_their_own(self, tmp_path: Path) -> None:
        genesis = create_testnet(tmp_path / "net", 10, encrypted=False)

        assert len({each.legal_name for each in genesis.institutions}) == 10
        assert homes(tmp_path / "net")[-1].name == "node10"

    @pytest.mark.parametrize("count", [0, -1, NODES_MAX + 1])
    def test_other_sizes_are_refused(self, tmp_path: Path, count: int) -> None:
        with pytest.raises(TooManyNodes):
            create_testnet(tmp_path / "net", count, encrypted=False)

        assert not (tmp_path / "net").exists()

    def test_a_folder_with_anything_in_it_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("mine")

        with pytest.raises(HomeExists):
            create_testnet(tmp_path, 1, encrypted=False)

        assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_free_ports_are_distinct_and_not_the_systems_own() -> None:
    ports = free_ports(50)

    assert len(set(ports)) == 50
    assert all(port in PORTS for port in ports)
