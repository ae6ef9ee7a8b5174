"""What the store writes for several blocks at once."""

from dataclasses import replace

from noded.ledger.commit import CommittedBlock, StateWrite
from noded.ledger.genesis import found
from noded.ops.rows import commit_batch
from noded.storage.memory import MemoryStore
from tests.helpers.ledger import make_genesis
from tests.helpers.store_rows import hash_of

GENESIS = found(make_genesis())


def block(*values: tuple[str, bytes | None], replaced: tuple[str, ...] = ()) -> CommittedBlock:
    """A block that leaves these values, of which it found `replaced` with another."""
    writes = tuple(
        StateWrite(hash_of(key), key.encode(), value, None if value is None else hash_of("leaf"))
        for key, value in values
    )
    return replace(GENESIS, writes=writes, replaced={hash_of(key): hash_of("old") for key in replaced})


def test_a_key_is_new_if_the_first_block_that_writes_it_found_none() -> None:
    batch = commit_batch([block(("a", b"1")), block(("a", b"2"), replaced=("a",))])

    assert batch.state_adds == [(hash_of("a"), hash_of("leaf"), b"a", b"2")]
    assert (batch.state_puts, batch.state_deletes) == ([], [])


def test_a_key_that_was_there_is_put_even_if_it_was_removed_between() -> None:
    batch = commit_batch([block(("a", None), replaced=("a",)), block(("a", b"2"))])

    assert batch.state_puts == [(hash_of("a"), hash_of("leaf"), b"a", b"2")]
    assert (batch.state_adds, batch.state_deletes) == ([], [])


def test_of_a_key_that_came_and_went_nothing_is_written() -> None:
    batch = commit_batch([block(("a", b"1")), block(("a", None), replaced=("a",))])

    assert (batch.state_adds, batch.state_puts, batch.state_deletes) == ([], [], [])


def test_a_removed_key_is_deleted() -> None:
    batch = commit_batch([block(("a", b"2"), replaced=("a",)), block(("a", None), replaced=("a",))])

    assert batch.state_deletes == [hash_of("a")]
    assert (batch.state_adds, batch.state_puts) == ([], [])


def test_all_of_genesis_is_new() -> None:
    store = MemoryStore()
    batch = commit_batch([GENESIS])
    store.commit(batch)

    assert len(batch.state_adds) == len(GENESIS.writes)
    assert not batch.state_puts
    assert [row.key for row in store.state_rows(b"", 100)] == [
        write.key for write in sorted(GENESIS.writes, key=lambda write: write.path)
    ]
