"""A check of a store finds what is wrong with it, and says what nothing certifies."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from noded.ops.checking import PATIENCE_S, Checked, check_database
from noded.ops.home import STORE_NAME
from noded.storage.errors import StoreMissing
from noded.storage.lock import HomeLock
from noded.types.genesis import Genesis
from tests.helpers.stored_chain import BLOCKS, StoredChain


def spoil(home: Path, genesis: Genesis, sql: str, *arguments: object) -> Checked:
    """Change the store behind the node's back; what the check then says."""
    with closing(sqlite3.connect(home / STORE_NAME)) as connection:
        assert connection.execute(sql, arguments).rowcount > 0
        connection.commit()
    return check_database(home, genesis)


def test_a_whole_store_of_a_stopped_node(home: Path, genesis: Genesis) -> None:
    found = check_database(home, genesis)

    assert found.findings == ()
    assert found.height == BLOCKS
    assert found.is_certified is None
    with closing(StoredChain(home / STORE_NAME, genesis)) as chain:
        assert chain.ledger.state_root_after(chain.tip) == found.state_root


def test_the_next_header_certifies_the_state(home: Path, genesis: Genesis) -> None:
    """A node that runs is waited for, until it adds a block."""
    with HomeLock(home), closing(StoredChain(home / STORE_NAME, genesis)) as chain:
        naps = iter((0, 0, 1))
        found = check_database(home, genesis, sleep=lambda _: chain.grow(next(naps)))

    assert found.findings == ()
    assert (found.height, found.is_certified) == (BLOCKS, True)


def test_a_chain_that_stands_is_not_waited_for_for_ever(home: Path, genesis: Genesis) -> None:
    naps: list[float] = []
    with HomeLock(home), closing(StoredChain(home / STORE_NAME, genesis)):
        found = check_database(home, genesis, sleep=naps.append)

    assert (found.findings, found.is_certified) == ((), None)
    assert sum(naps) == pytest.approx(PATIENCE_S)


def test_a_store_without_blocks_is_no_chain(other: Path, genesis: Genesis) -> None:
    with pytest.raises(StoreMissing):
        check_database(other, genesis)


def test_another_chain(home: Path, genesis: Genesis) -> None:
    found = check_database(home, replace(genesis, name="other"))

    assert "does not follow from the genesis document" in found.findings[0]


def test_a_changed_value(home: Path, genesis: Genesis) -> None:
    found = spoil(home, genesis, "UPDATE contents SET value = x'00' WHERE key = ?", b"org/")

    assert found.findings == (f"the value of key {b'org/'.hex()} does not belong to its leaf",)


def test_a_changed_body(home: Path, genesis: Genesis) -> None:
    found = spoil(
        home, genesis, "UPDATE bodies SET body = (SELECT body FROM bodies WHERE height = 5) WHERE height = 9"
    )

    assert found.findings == ("the body of block 9 is not the one that its header names",)


def test_a_missing_body_between_others(home: Path, genesis: Genesis) -> None:
    assert spoil(home, genesis, "DELETE FROM bodies WHERE height = 4").findings == (
        "the body of block 4 is missing between others",
    )


def test_a_changed_and_a_missing_batch(home: Path, genesis: Genesis) -> None:
    (changed,) = spoil(home, genesis, "UPDATE batches SET data = x'00' WHERE height = 3").findings
    assert "of block 3 has another hash" in changed

    (missing,) = spoil(home, genesis, "DELETE FROM batches WHERE height = 3").findings
    assert "of block 3 is missing" in missing


def test_a_finalization_of_another_block(home: Path, genesis: Genesis) -> None:
    found = spoil(
        home,
        genesis,
        "UPDATE certificates SET data = (SELECT data FROM certificates WHERE height = 2) WHERE height = 3",
    )

    assert found.findings == ("finality of block 3: the votes are not for the last header",)


def test_a_missing_end_of_an_epoch(home: Path, genesis: Genesis) -> None:
    found = spoil(home, genesis, "DELETE FROM meta WHERE key = 'epoch/2'")

    assert found.findings[0] == "the store lacks the proof that epoch 2 ended"


def test_damaged_pages(home: Path, genesis: Genesis) -> None:
    data = bytearray((home / STORE_NAME).read_bytes())
    for page in range(8, len(data) // 4096 - 2, 3):
        data[page * 4096 : page * 4096 + 100] = b"\xa5" * 100
    (home / STORE_NAME).write_bytes(data)

    assert check_database(home, genesis).findings
