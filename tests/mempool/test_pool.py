"""What waits in the pool, and what it keeps of batches that blocks have named: enough, and no more."""

import pytest

from noded.mempool.pool import (
    ACKNOWLEDGED_MAX,
    AUTHOR_BYTES_MIN,
    ORDERED_KEPT_BYTES,
    ORDERED_KEPT_HEIGHTS,
    PREFIX_BYTES,
    WAITING_BYTES_MAX,
    BatchPool,
    HeldBatch,
)
from noded.types.batch import BATCH_BYTES_MAX, Batch, SealedBatch, seal_batch
from noded.types.ids import Epoch, Height, Signature, TimestampMs
from noded.types.messages import HASHES_MAX
from tests.helpers.consensus_values import equal_set, validator_id


@pytest.fixture
def pool() -> BatchPool:
    return BatchPool(expiry_ms=60_000, author_bytes_max=1_000_000)


def batch(number: int, size: int, author: int = 1) -> SealedBatch:
    """A batch of about this size."""
    return seal_batch(
        Batch(
            author=validator_id(author),
            epoch=Epoch(1),
            number=number,
            time_ms=TimestampMs(number),
            transactions=(bytes(size // 2), bytes(size // 2)),
            signature=Signature(bytes(64)),
        )
    )


def name_in_blocks(pool: BatchPool, batches: list[SealedBatch]) -> None:
    """Each in a block of its own."""
    for number, sealed in enumerate(batches):
        pool.hold(HeldBatch(sealed, 1))
        pool.order(Height(number + 1), [sealed.hash])


@pytest.mark.parametrize(
    ("authors", "part"),
    [(1, 4 << 20), (32, 4 << 20), (64, WAITING_BYTES_MAX // 64), (1000, AUTHOR_BYTES_MIN)],
)
def test_authors_have_a_part_each_of_what_may_wait(pool: BatchPool, authors: int, part: int) -> None:
    """M5: all of them together cannot fill a node's memory, and each has room for a batch."""
    sealed = batch(1, 1000)
    author = sealed.author

    pool.limit(expiry_ms=60_000, author_bytes_max=4 << 20, authors=authors)
    pool.hold(HeldBatch(sealed, 1))

    assert pool.room(author) == part - len(sealed.encoding)
    assert pool.room(validator_id(2)) == part
    pool.order(Height(1), [sealed.hash])
    assert pool.room(author) == part


def test_blocks_take_from_all_authors_alike(pool: BatchPool) -> None:
    """M5: who has others wait for what it piled up piles up for itself; each author's own stay in order."""
    first, *piled = [batch(number, 100_000) for number in range(10)]
    small = [batch(100 + number, 1_000, author=2) for number in range(5)]
    for sealed in (first, *piled, *small):
        pool.hold(HeldBatch(sealed, 1))

    chosen = pool.select(named=[first.hash], bytes_max=220_000, count_max=100, is_nameable=lambda held: True)

    assert chosen == (piled[0].hash, *(each.hash for each in small), piled[1].hash)


def test_votes_name_batches_of_all_authors_alike(pool: BatchPool) -> None:
    """M2: who sends each validator other small batches, which are never available, hides nobody's."""
    hidden = [batch(100 + author, 1_000, author=author) for author in (2, 3)]
    for sealed in (*(batch(number, 10) for number in range(200)), *hidden):
        pool.hold(HeldBatch(sealed, 1))

    named = pool.unordered_prefixes(8)

    assert len(named) == 8
    assert {sealed.hash[:PREFIX_BYTES] for sealed in hidden} <= set(named)
    pool.order(Height(1), [sealed.hash for sealed in hidden])
    assert len(pool.unordered_prefixes(1000)) == 200


def test_nobody_makes_others_acknowledgements_forgotten(pool: BatchPool) -> None:
    """M2: a validator that acknowledges what there is not keeps no batch out of blocks."""
    validators = equal_set(4)
    sealed = batch(1, 100)
    pool.hold(HeldBatch(sealed, 1))
    for index in (1, 2):
        pool.acknowledge([sealed.hash[:PREFIX_BYTES]], index)
    assert pool.is_available(sealed.hash, validators, 0)

    names = [number.to_bytes(PREFIX_BYTES) for number in range(2 * ACKNOWLEDGED_MAX)]
    for start in range(0, len(names), HASHES_MAX):
        pool.acknowledge(names[start : start + HASHES_MAX], 3)

    assert pool.is_available(sealed.hash, validators, 0)
    assert len(pool._acknowledged) <= ACKNOWLEDGED_MAX


def test_batches_of_recent_blocks_stay(pool: BatchPool) -> None:
    batches = [batch(number, 100) for number in range(ORDERED_KEPT_HEIGHTS + 5)]
    name_in_blocks(pool, batches)

    assert [pool.encoding_of(sealed.hash) is not None for sealed in batches] == [False] * 5 + [
        True
    ] * ORDERED_KEPT_HEIGHTS
    assert all(pool.is_ordered(sealed.hash) for sealed in batches)
    assert not any(sealed.hash in pool for sealed in batches), "of what is ordered only the encoding stays"


def test_of_full_blocks_fewer_stay(pool: BatchPool) -> None:
    size = BATCH_BYTES_MAX - 1024
    batches = [batch(number, size) for number in range(ORDERED_KEPT_HEIGHTS)]
    name_in_blocks(pool, batches)

    kept = [sealed for sealed in batches if pool.encoding_of(sealed.hash) == sealed.encoding]
    assert kept == batches[-len(kept) :]
    assert ORDERED_KEPT_BYTES - size < sum(len(sealed.encoding) for sealed in kept) <= ORDERED_KEPT_BYTES


def test_the_last_block_keeps_its_batches_however_large(pool: BatchPool) -> None:
    batches = [batch(number, BATCH_BYTES_MAX - 1024) for number in range(2 * ORDERED_KEPT_HEIGHTS)]
    for sealed in batches:
        pool.hold(HeldBatch(sealed, 1))
    pool.order(Height(1), [sealed.hash for sealed in batches])

    assert all(pool.encoding_of(sealed.hash) for sealed in batches)

    pool.hold(HeldBatch(batch(100, 100), 1))
    pool.order(Height(2), [batch(100, 100).hash])

    assert not any(pool.encoding_of(sealed.hash) for sealed in batches)


def test_what_was_named_is_forgotten_by_the_time_of_the_chain(pool: BatchPool) -> None:
    """M3: after a standstill longer than the expiry the next block may still be so old that it could name it again."""
    sealed = batch(1, 1000)
    name_in_blocks(pool, [sealed])
    hours_later = TimestampMs(10_000_000)

    pool.expire(hours_later, TimestampMs(60_001), Epoch(1))
    assert pool.is_ordered(sealed.hash)
    pool.expire(hours_later, TimestampMs(60_002), Epoch(1))
    assert not pool.is_ordered(sealed.hash)
