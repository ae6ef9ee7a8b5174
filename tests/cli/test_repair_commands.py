"""The commands that mend a stopped node: snapshots, the store, backups."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from noded.cli.root import run
from noded.ops.founding import write_genesis
from noded.ops.home import GENESIS_NAME, STORE_NAME
from noded.storage.lock import HomeLock
from noded.storage.schema import SCHEMA
from noded.storage.sqlite import open_reader
from tests.helpers.command import Captured, complaint, said, told
from tests.helpers.stored_chain import BLOCKS, make_store, short_epochs


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    folder.chmod(0o700)
    genesis = short_epochs()
    write_genesis(folder / GENESIS_NAME, genesis)
    make_store(folder / STORE_NAME, BLOCKS, genesis=genesis)
    return folder


@pytest.fixture
def home(tmp_path: Path, template: Path) -> Path:
    return shutil.copytree(template, tmp_path / "home")


@pytest.fixture
def other(tmp_path: Path, home: Path) -> Path:
    """A home of the same chain without a store."""
    (tmp_path / "other").mkdir(mode=0o700)
    shutil.copy(home / GENESIS_NAME, tmp_path / "other" / GENESIS_NAME)
    return tmp_path / "other"


class TestSnapshot:
    def test_one_is_made_listed_verified_and_restored(
        self, home: Path, other: Path, capsys: Captured
    ) -> None:
        made = told(capsys, "snapshot", "create", "--home", home)
        assert (made["height"], made["certified"]) == (BLOCKS, False)
        assert told(capsys, "snapshot", "list", "--home", home)["snapshots"] == [made]
        verified = told(capsys, "snapshot", "verify", made["file"], "--home", home)

        complaint(capsys, "snapshot", "restore", made["file"], "--home", other, code=1)
        restored = told(capsys, "snapshot", "restore", made["file"], "--home", other, "--uncertified")
        assert restored == {**verified, "old_store": None}

    def test_the_checkpoint_of_the_settings_counts(self, home: Path, capsys: Captured) -> None:
        made = told(capsys, "snapshot", "create", "--home", home)
        (home / "config.toml").write_text(f'[node]\ncheckpoint = "3:{"00" * 32}"\n')

        assert "checkpoint" in complaint(capsys, "snapshot", "verify", made["file"], "--home", home, code=1)
        with closing(open_reader(home / STORE_NAME)) as reader:
            stored = reader.block(3)
        assert stored is not None
        good = f"3:{stored.hash.hex()}"
        told(capsys, "snapshot", "verify", made["file"], "--home", home, "--checkpoint", good)

    def test_a_checkpoint_that_is_none_is_usage(self, home: Path, capsys: Captured) -> None:
        made = told(capsys, "snapshot", "create", "--home", home)

        complaint(capsys, "snapshot", "verify", made["file"], "--home", home, "--checkpoint", "3", code=2)


class TestDatabase:
    def test_a_whole_store_is_said_to_be(self, home: Path, capsys: Captured) -> None:
        checked = told(capsys, "db", "check", "--home", home)

        assert (checked["ok"], checked["height"], checked["findings"]) == (True, BLOCKS, [])

    def test_a_damaged_one_fails_and_is_named(self, home: Path, capsys: Captured) -> None:
        with closing(sqlite3.connect(home / STORE_NAME)) as connection:
            connection.execute("UPDATE contents SET value = x'00' WHERE key = ?", (b"org/",))
            connection.commit()

        checked = told(capsys, "db", "check", "--home", home, code=1)
        assert not checked["ok"]
        assert "does not belong to its leaf" in checked["findings"][0]

    def test_figures(self, home: Path, capsys: Captured) -> None:
        figures = told(capsys, "db", "stat", "--home", home)

        assert (figures["height"], figures["first_body"], figures["schema"]) == (BLOCKS, 0, SCHEMA.version)
        assert "state" in said(capsys, "db", "stat", "--home", home)

    def test_rollback_tells_where_the_old_store_is(self, home: Path, capsys: Captured) -> None:
        done = told(capsys, "db", "rollback", "5", "--home", home)

        assert (done["height"], done["certified"]) == (5, True)
        assert Path(done["old_store"]).exists()

    def test_prune_keeps_what_a_start_needs(self, home: Path, capsys: Captured) -> None:
        """What it did not prune it gives the reason for (O6)."""
        pruned = told(capsys, "db", "prune", "--keep", 1, "--home", home)

        assert (pruned["pruned_blocks"], pruned["kept_from"]) == (0, 0)
        assert pruned["because"] == "batches in the blocks of the last 300 s could be named again"
        pruned = told(capsys, "db", "prune", "--keep", 1000, "--home", home)
        assert pruned["because"] == "the newest 1000 blocks are to be kept"

    def test_a_file_that_is_no_store_comes_with_the_way_out(self, home: Path, capsys: Captured) -> None:
        """A rollback needs blocks that can be read; the way that is named leads out."""
        made = told(capsys, "snapshot", "create", "--home", home)
        (home / STORE_NAME).write_bytes(b"no database at all")

        assert run(["db", "check", "--home", str(home)]) == 1
        assert "snapshot restore FILE --replace" in capsys.readouterr().err
        told(capsys, "snapshot", "restore", made["file"], "--replace", "--uncertified", "--home", home)
        assert told(capsys, "db", "check", "--home", home)["ok"]

    def test_a_newer_schema_is_refused(self, home: Path, capsys: Captured) -> None:
        with closing(sqlite3.connect(home / STORE_NAME)) as connection:
            connection.execute(f"PRAGMA user_version = {SCHEMA.version + 1}")
        before = (home / STORE_NAME).read_bytes()

        assert "newer program" in complaint(capsys, "db", "migrate", "--home", home, code=5)
        complaint(capsys, "db", "check", "--home", home, code=5)
        assert (home / STORE_NAME).read_bytes() == before

    @pytest.mark.parametrize("command", [("prune", "--keep", "1"), ("rollback", "3"), ("migrate",)])
    def test_a_home_in_use_is_left_alone(
        self, home: Path, command: tuple[str, ...], capsys: Captured
    ) -> None:
        with HomeLock(home):
            complaint(capsys, "db", *command, "--home", home, code=5)


class TestBackup:
    def test_a_home_comes_back(self, home: Path, tmp_path: Path, capsys: Captured) -> None:
        made = told(capsys, "backup", "create", tmp_path / "backup", "--home", home)
        assert told(capsys, "backup", "verify", tmp_path / "backup") == made

        restored = told(capsys, "backup", "restore", tmp_path / "backup", "--home", tmp_path / "new")
        checked = told(capsys, "db", "check", "--home", tmp_path / "new")
        assert restored["state_root"] == checked["state_root"]
        complaint(capsys, "backup", "restore", tmp_path / "backup", "--home", tmp_path / "new", code=5)


class TestDoctor:
    def test_its_exit_code_says_that_something_fails(self, home: Path, capsys: Captured) -> None:
        found = told(capsys, "doctor", "--home", home, code=1)

        assert found["verdict"] == "fail"
        (keys,) = [each for each in found["findings"] if each["name"] == "permissions"]
        assert "noded init" in keys["way_out"]
        assert "→" in said(capsys, "doctor", "--home", home, code=1)

    def test_without_a_node_peers_and_top_are_not_reachable(self, home: Path, capsys: Captured) -> None:
        for command in ("peers", "top"):
            complaint(capsys, command, "--home", home, code=4)

    def test_a_bundle_is_never_written_over_a_file(
        self, home: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        made = told(capsys, "debug", "bundle", tmp_path / "bundle.tar.gz", "--home", home)
        assert "doctor.json" in made["parts"]

        complaint(capsys, "debug", "bundle", tmp_path / "bundle.tar.gz", "--home", home, code=5)
