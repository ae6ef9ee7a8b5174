"""O5: a rolled back store has the state that the members certified, made anew by execution."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from noded.ledger import execution
from noded.ops.home import SNAPSHOTS_NAME, STORE_NAME
from noded.ops.rollback import CannotRollBack, roll_back
from noded.ops.rows import read_header
from noded.ops.snapshots import take_snapshot
from noded.storage.errors import HomeLocked
from noded.storage.lock import HomeLock
from noded.storage.schema import SCHEMA
from noded.storage.snapshot import create_snapshot
from noded.storage.sqlite import SqliteStore, open_reader
from noded.types.genesis import Genesis
from tests.helpers.stored_chain import BLOCKS, EPOCH_LENGTH, StoredChain


def named_after(home: Path, height: int) -> bytes:
    """The state root that the header above names."""
    with closing(open_reader(home / STORE_NAME)) as reader:
        header = read_header(reader, height + 1)
        assert header is not None
        return header.parent_state_root


def spoil(path: Path, sql: str, *arguments: object) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(sql, arguments).rowcount != 0
        connection.commit()


@pytest.mark.parametrize(
    "height", [0, 1, EPOCH_LENGTH - 1, EPOCH_LENGTH, EPOCH_LENGTH + 1, BLOCKS - 1], ids=str
)
def test_the_state_is_the_one_that_the_next_header_names(home: Path, genesis: Genesis, height: int) -> None:
    wanted = named_after(home, height)
    done = roll_back(home, genesis, height)

    assert (done.height, done.state_root, done.is_certified, done.start) == (height, wanted, True, 0)
    with closing(StoredChain(home / STORE_NAME, genesis)) as chain:
        assert chain.ledger.final_height == height
        assert chain.ledger.state_root_after(chain.tip) == wanted
        chain.grow(2)
    with closing(open_reader(done.set_aside)) as old:
        tip = old.tip()
        assert tip is not None
        assert tip.height == BLOCKS


def test_a_damaged_state_is_made_anew_at_the_same_height(home: Path, genesis: Genesis) -> None:
    with closing(StoredChain(home / STORE_NAME, genesis)) as chain:
        wanted = chain.ledger.state_root_after(chain.tip)
    spoil(home / STORE_NAME, "DELETE FROM state")

    done = roll_back(home, genesis, BLOCKS)

    assert (done.state_root, done.is_certified) == (wanted, False)


def test_a_snapshot_below_saves_work(home: Path, genesis: Genesis) -> None:
    take_snapshot(home, genesis)
    with closing(StoredChain(home / STORE_NAME, genesis)) as chain:
        chain.grow(4)
    wanted = named_after(home, BLOCKS + 2)
    reached: list[int] = []

    done = roll_back(home, genesis, BLOCKS + 2, progress=reached.append)

    assert (done.start, done.state_root, done.is_certified) == (BLOCKS, wanted, True)


def test_a_damaged_snapshot_is_passed_over(home: Path, genesis: Genesis) -> None:
    path = take_snapshot(home, genesis).path
    path.write_bytes(path.read_bytes()[:-1])
    with closing(StoredChain(home / STORE_NAME, genesis)) as chain:
        chain.grow(2)

    assert roll_back(home, genesis, BLOCKS + 1).start == 0


@pytest.mark.parametrize("schema", [SCHEMA.version - 1, SCHEMA.version + 1])
def test_a_snapshot_of_another_schema_is_passed_over(home: Path, genesis: Genesis, schema: int) -> None:
    """As a migration leaves one behind."""
    spoil(home / STORE_NAME, f"PRAGMA user_version = {schema}")
    create_snapshot(home / STORE_NAME, home / SNAPSHOTS_NAME)
    spoil(home / STORE_NAME, f"PRAGMA user_version = {SCHEMA.version}")

    assert roll_back(home, genesis, BLOCKS).start == 0


@pytest.mark.parametrize("suffix", [".json", ".proof"])
def test_a_snapshot_with_a_damaged_companion_is_passed_over(
    home: Path, genesis: Genesis, suffix: str
) -> None:
    path = take_snapshot(home, genesis).path
    path.with_suffix(suffix).write_bytes(b"{")

    assert roll_back(home, genesis, BLOCKS).start == 0


def test_pruned_blocks_need_a_snapshot(home: Path, genesis: Genesis) -> None:
    with closing(SqliteStore(home / STORE_NAME)) as store:
        store.prune_blocks(10, 100)
    before = (home / STORE_NAME).read_bytes()

    with pytest.raises(CannotRollBack, match="are pruned"):
        roll_back(home, genesis, 12)
    assert (home / STORE_NAME).read_bytes() == before


def test_pruned_blocks_with_a_snapshot_above_them(home: Path, genesis: Genesis) -> None:
    take_snapshot(home, genesis)
    with closing(StoredChain(home / STORE_NAME, genesis)) as chain:
        chain.grow(3)
        chain.store.prune_blocks(10, 100)

    assert roll_back(home, genesis, BLOCKS + 1).is_certified


def test_a_lost_batch_is_named_and_nothing_changes(home: Path, genesis: Genesis) -> None:
    spoil(home / STORE_NAME, "DELETE FROM batches WHERE height = 7")

    with pytest.raises(CannotRollBack, match="of block 7 is missing"):
        roll_back(home, genesis, 9)
    assert sorted(path.name for path in home.iterdir()) == [STORE_NAME, "lock"]


def test_blocks_that_execute_to_another_state_are_refused(
    home: Path, genesis: Genesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a program that has another rule than the other members'."""
    monkeypatch.setattr(execution, "sweep", lambda state, context, deadlines: state.put(b"stray", b"value"))

    with pytest.raises(CannotRollBack, match="this program differs"):
        roll_back(home, genesis, 5)
    assert (home / STORE_NAME).exists()


@pytest.mark.parametrize("height", [-1, BLOCKS + 1])
def test_heights_that_are_not_there(home: Path, genesis: Genesis, height: int) -> None:
    with pytest.raises(CannotRollBack, match=f"0 to {BLOCKS}"):
        roll_back(home, genesis, height)


def test_a_home_in_use_is_left_alone(home: Path, genesis: Genesis) -> None:
    with HomeLock(home), pytest.raises(HomeLocked):
        roll_back(home, genesis, 3)
