"""The store in memory and the one on disk agree, whatever they are given."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noded.storage.memory import MemoryStore
from noded.storage.sqlite import SqliteStore
from noded.storage.store import (
    CommitBatch,
    IndexRow,
    Sidecar,
    StateRow,
    Store,
    StoredBatch,
    TransactionPlace,
)
from tests.helpers.store_rows import hash_of, make_block

paths = st.binary(min_size=1, max_size=1).map(lambda b: hash_of(b.hex()))


keys = st.binary(max_size=3)


hashes = st.integers(0, 3).map(lambda i: hash_of(f"batch {i}"))


places = st.builds(
    lambda head, tail, height, applied: TransactionPlace(
        bytes([head]) * 8 + bytes([tail]) * 24, height, 0, applied
    ),
    st.integers(0, 1),
    st.integers(0, 2),
    st.integers(0, 3),
    st.booleans(),
)


@st.composite
def commit_batches(draw: st.DrawFn) -> list[CommitBatch]:
    """Batches that follow one another, with a block each, over few keys."""
    known: dict[bytes, None] = {}
    return [draw(commit_batch(height, known)) for height in range(draw(st.integers(1, 5)))]


@st.composite
def commit_batch(draw: st.DrawFn, height: int, known: dict[bytes, None]) -> CommitBatch:
    puts = draw(st.dictionaries(paths, st.binary(max_size=40), max_size=6))
    deletes = draw(st.lists(paths.filter(lambda path: path not in puts), max_size=4))
    rows = [StateRow(path, hash_of(value.hex()), b"key", value) for path, value in puts.items()]
    adds = [row for row in rows if row.path not in known and draw(st.booleans())]
    known.update(dict.fromkeys(puts))
    for path in deletes:
        known.pop(path, None)
    roots = draw(st.dictionaries(st.integers(0, 3), st.integers(1, 9), max_size=4))
    return CommitBatch(
        blocks=[make_block(height, certificate=draw(st.sampled_from([None, b"whole"])))],
        state_adds=adds,
        state_puts=[row for row in rows if row not in adds],
        state_deletes=deletes,
        bucket_roots=[(bucket, bytes([root]) * 32) for bucket, root in roots.items()],
        index_puts=[
            IndexRow(*row) for row in draw(st.dictionaries(keys, st.binary(max_size=5), max_size=6)).items()
        ],
        index_deletes=draw(st.lists(keys, max_size=3)),
        transactions=draw(st.lists(places, max_size=5)),
        batches=draw(
            st.lists(
                st.builds(StoredBatch, hashes, st.none() | st.just(height), st.just(b"data")), max_size=3
            )
        ),
        sidecars=draw(st.lists(st.builds(Sidecar, hashes, st.integers(0, 9), st.just(b"wrap")), max_size=3)),
        meta=draw(st.lists(st.tuples(st.sampled_from("ab"), st.binary(max_size=2)), max_size=3)),
    )


def dump(store: Store, batches: list[CommitBatch]) -> list[Any]:
    """All that the store has of what these batches name."""
    named = [place.hash for batch in batches for place in batch.transactions]
    kept = [hash_of(f"batch {i}") for i in range(4)]
    return [
        store.tip(),
        [store.block(height) for height in range(5)],
        store.state_rows(b"", 100),
        [store.state_bucket(int.from_bytes(row.path[:2], "big")) for row in store.state_rows(b"", 100)],
        store.bucket_roots()[:128],
        store.index_range(b"", b"", 100),
        [store.transaction(hash_) for hash_ in named],
        [store.batch(hash_) for hash_ in kept],
        [store.sidecar(hash_) for hash_ in kept],
        [store.meta(key) for key in "ab"],
        [(now, store.prune_sidecars(now, 100)) for now in range(10)],
    ]


@settings(max_examples=40)
@given(batches=commit_batches(), prefix=keys, after=keys)
def test_both_stores_agree(
    tmp_path_factory: pytest.TempPathFactory, batches: list[CommitBatch], prefix: bytes, after: bytes
) -> None:
    memory = MemoryStore()
    sqlite = SqliteStore(tmp_path_factory.mktemp("agree") / "store.db")
    for batch in batches:
        memory.commit(batch)
        sqlite.commit(batch)

    assert sqlite.index_range(prefix, after, 4) == memory.index_range(prefix, after, 4)
    assert dump(sqlite, batches) == dump(memory, batches)
    sqlite.close()
