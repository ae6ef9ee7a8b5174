"""The faults of the store in memory; what it does without them is in test_store."""

import pytest

from noded.storage.errors import DiskFailed, StoreCorrupt, StoreFailed
from noded.storage.memory import CommitFault, MemoryStore
from noded.storage.store import CommitBatch, Tip
from tests.helpers.store_rows import hash_of, make_block, make_blocks, make_row


def commit(store: MemoryStore, height: int) -> None:
    row = make_row("counter", str(height))
    store.commit(CommitBatch(blocks=make_blocks(height, height), state_puts=[row]))


def height_of(store: MemoryStore) -> int:
    """The height that the state says; the tip says the same."""
    tip, value = store.tip(), store.state_get(hash_of("counter"))
    height = -1 if value is None else int(value)
    assert tip == (None if height < 0 else Tip(height, make_block(height).hash))
    return height


def test_without_faults_everything_survives_a_crash() -> None:
    store = MemoryStore()
    for height in range(3):
        commit(store, height)

    assert height_of(store.crash()) == 2


def test_a_failed_commit_leaves_nothing() -> None:
    store = MemoryStore(faults={1: CommitFault.FAILED})
    commit(store, 0)

    with pytest.raises(DiskFailed):
        commit(store, 1)
    assert height_of(store) == 0
    assert height_of(store.crash()) == 0


def test_an_uncertain_commit_is_there_after_a_restart() -> None:
    store = MemoryStore(faults={1: CommitFault.UNCERTAIN})
    commit(store, 0)

    with pytest.raises(DiskFailed):
        commit(store, 1)
    assert height_of(store.crash()) == 1


@pytest.mark.parametrize("fault", [CommitFault.FAILED, CommitFault.UNCERTAIN])
def test_after_a_failure_only_a_restart_helps(fault: CommitFault) -> None:
    store = MemoryStore(faults={0: fault})
    with pytest.raises(DiskFailed):
        commit(store, 0)
    with pytest.raises(StoreFailed):
        commit(store, 0)

    restarted = store.crash()
    commit(restarted, height_of(restarted) + 1)


def test_a_lost_commit_takes_all_later_ones_with_it() -> None:
    store = MemoryStore(faults={2: CommitFault.LOST})
    for height in range(5):
        commit(store, height)

    assert height_of(store) == 4
    assert height_of(store.crash()) == 1


def test_a_store_that_lost_commits_goes_on() -> None:
    store = MemoryStore(faults={1: CommitFault.LOST})
    for height in range(3):
        commit(store, height)
    restarted = store.crash()
    commit(restarted, 1)

    assert height_of(restarted.crash()) == 1


def test_a_torn_store_cannot_be_opened() -> None:
    store = MemoryStore(faults={0: CommitFault.TORN})
    commit(store, 0)

    assert height_of(store) == 0
    with pytest.raises(StoreCorrupt):
        store.crash()


def test_faults_are_counted_from_the_restart() -> None:
    store = MemoryStore()
    commit(store, 0)
    restarted = store.crash(faults={1: CommitFault.FAILED})
    commit(restarted, 1)

    with pytest.raises(DiskFailed):
        commit(restarted, 2)


def test_a_commit_within_a_snapshot_is_a_bug_here() -> None:
    store = MemoryStore()
    with pytest.raises(AssertionError), store.snapshot():
        commit(store, 0)
