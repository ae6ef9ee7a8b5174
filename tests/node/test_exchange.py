"""M2, M3: what blocks name that this node lacks is looked for, and not for ever."""

import pytest

from noded.ledger.admission import OpenBatch
from noded.mempool.errors import InvalidBatch, QuotaExceeded
from noded.mempool.pool import BatchPool
from noded.node.exchange import ANNOUNCED_MAX, ANNOUNCED_TRIES, FETCH_RETRY_MS, NEEDED_MS, BatchExchange
from noded.node.payload import PayloadLimits, PayloadRules
from noded.types.batch import Batch, SealedBatch, seal_batch
from noded.types.ids import BatchHash, ChainId, Signature, TimestampMs
from tests.helpers.consensus_values import equal_set, make_block, make_genesis, validator_id

VALIDATORS = equal_set(4)
PEERS = [validator_id(number) for number in (1, 2, 3)]
NOW = TimestampMs(1_000_000)
NAMES = [BatchHash(bytes([number]) * 32) for number in range(1, 101)]


@pytest.fixture
def pool() -> BatchPool:
    return BatchPool(expiry_ms=60_000, author_bytes_max=1_000_000)


@pytest.fixture
def exchange(pool: BatchPool) -> BatchExchange:
    def unused(sealed: object) -> OpenBatch:
        raise AssertionError

    exchange = BatchExchange(ChainId(bytes(32)), pool, unused)
    limit(exchange)
    return exchange


def limit(exchange: BatchExchange, validators: int = 4) -> None:
    exchange.limit(validators=validators, expiry_ms=60_000, drift_ms=500)


def make_exchange(pool: BatchPool) -> BatchExchange:
    exchange = BatchExchange(ChainId(bytes(32)), pool, lambda sealed: OpenBatch((), 0))
    limit(exchange)
    return exchange


def batch_of(author: int, number: int, time_ms: int = NOW) -> SealedBatch:
    return seal_batch(
        Batch(
            author=validator_id(author),
            epoch=VALIDATORS.epoch,
            number=number,
            time_ms=TimestampMs(time_ms),
            transactions=(bytes(1000),),
            signature=Signature(bytes(64)),
        )
    )


def asked(exchange: BatchExchange, now_ms: int) -> list[BatchHash]:
    requests = exchange.requests(TimestampMs(now_ms), PEERS)
    return [name for _, request in requests for name in request.hashes]


class TestNeeded:
    """M2: a batch that a block names."""

    def test_it_is_asked_of_all_in_turn(self, exchange: BatchExchange) -> None:
        exchange.need(NAMES[:1], PEERS[:1], TimestampMs(0))

        requests = [exchange.requests(TimestampMs(step * FETCH_RETRY_MS), PEERS) for step in range(6)]

        assert [peer for [(peer, _)] in requests] == PEERS * 2

    def test_no_more_is_asked_of_a_peer_than_it_serves(
        self, monkeypatch: pytest.MonkeyPatch, exchange: BatchExchange
    ) -> None:
        monkeypatch.setattr("noded.node.exchange.BATCHES_SERVED_MAX", 40)
        exchange.announced(NAMES, PEERS[0], TimestampMs(0))

        assert [asked(exchange, 0) for _ in range(4)] == [NAMES[:40], NAMES[40:80], NAMES[80:], []]

    def test_what_nobody_has_is_forgotten_once_no_block_needs_it(self, exchange: BatchExchange) -> None:
        exchange.need(NAMES[:50], PEERS[:1], TimestampMs(0))
        exchange.need(NAMES[:3], PEERS[:1], TimestampMs(NEEDED_MS))

        assert asked(exchange, NEEDED_MS) == NAMES[:50]
        assert asked(exchange, NEEDED_MS + FETCH_RETRY_MS) == NAMES[:3]
        assert asked(exchange, 2 * NEEDED_MS + FETCH_RETRY_MS) == []
        assert not exchange.has_wanted()


class TestQuota:
    """M5: what one author may have under way."""

    def test_more_is_refused_unless_a_block_needs_it(self, exchange: BatchExchange, pool: BatchPool) -> None:
        author = PEERS[0]
        sealed = batch_of(1, 1)
        pool.part_bytes = len(sealed.encoding) - 1
        sets = {VALIDATORS.epoch: VALIDATORS}

        with pytest.raises(QuotaExceeded):
            exchange.receive(author, sealed.encoding, sets, NOW)

        exchange.need([sealed.hash], [author], TimestampMs(0))
        with pytest.raises(AssertionError):  # It is opened now.
            exchange.receive(author, sealed.encoding, sets, NOW)
        pool.part_bytes += 1
        with pytest.raises(AssertionError):
            exchange.receive(author, sealed.encoding, sets, NOW)

    def test_what_was_announced_counts(self, pool: BatchPool) -> None:
        exchange = make_exchange(pool)
        first, second = batch_of(1, 1), batch_of(1, 2)
        pool.part_bytes = len(first.encoding)
        sets = {VALIDATORS.epoch: VALIDATORS}
        exchange.announced([first.hash, second.hash], PEERS[1], TimestampMs(0))
        assert exchange.receive(PEERS[1], first.encoding, sets, NOW) is not None

        assert exchange.receive(PEERS[1], second.encoding, sets, NOW) is None
        with pytest.raises(QuotaExceeded):
            exchange.receive(PEERS[0], second.encoding, sets, NOW)

        exchange.verified(first.hash, (True,))
        exchange.announced([second.hash], PEERS[1], TimestampMs(0))
        assert exchange.receive(PEERS[1], second.encoding, sets, NOW) is not None

    def test_blocks_need_no_more_than_blocks_can_carry(
        self, monkeypatch: pytest.MonkeyPatch, pool: BatchPool
    ) -> None:
        exchange = make_exchange(pool)
        batches = [batch_of(1, number) for number in range(4)]
        pool.part_bytes = 0
        monkeypatch.setattr("noded.node.exchange.NEEDED_BYTES_MAX", 3 * len(batches[0].encoding))
        exchange.need([each.hash for each in batches], PEERS[1:2], TimestampMs(0))

        taken = [
            exchange.receive(PEERS[1], each.encoding, {VALIDATORS.epoch: VALIDATORS}, NOW) for each in batches
        ]

        assert [each is not None for each in taken] == [True, True, True, False]

    def test_what_is_being_verified_counts(self, pool: BatchPool) -> None:
        exchange = make_exchange(pool)
        first, second, others = (batch_of(author, number) for author, number in ((1, 1), (1, 2), (2, 1)))
        pool.part_bytes = len(first.encoding) + len(second.encoding) - 1
        sets = {VALIDATORS.epoch: VALIDATORS}
        assert exchange.receive(PEERS[0], first.encoding, sets, NOW) is not None

        with pytest.raises(QuotaExceeded):
            exchange.receive(PEERS[0], second.encoding, sets, NOW)
        assert exchange.receive(PEERS[1], others.encoding, sets, NOW) is not None

        with pytest.raises(InvalidBatch):
            exchange.verified(first.hash, (False,))
        assert exchange.receive(PEERS[0], second.encoding, sets, NOW) is not None


class TestTime:
    """M4: what no block may name now is taken in when one does."""

    @pytest.mark.parametrize(
        ("ahead_ms", "is_taken"), [(-60_001, False), (-60_000, True), (1_000, True), (1_001, False)]
    )
    def test_what_is_of_another_time_is_not_held(
        self, pool: BatchPool, ahead_ms: int, is_taken: bool
    ) -> None:
        exchange = make_exchange(pool)
        sealed = batch_of(1, 1, NOW + ahead_ms)

        incoming = exchange.receive(PEERS[0], sealed.encoding, {VALIDATORS.epoch: VALIDATORS}, NOW)

        assert (incoming is not None) == is_taken
        exchange.need([sealed.hash], PEERS[:1], NOW)
        if not is_taken:
            assert exchange.receive(PEERS[0], sealed.encoding, {VALIDATORS.epoch: VALIDATORS}, NOW)


class TestAnnounced:
    """M5: what one peer may have others fetch."""

    def test_one_peer_fills_its_own_part_only(self, exchange: BatchExchange) -> None:
        limit(exchange, ANNOUNCED_MAX // 10)
        exchange.announced(NAMES[:50], PEERS[0], TimestampMs(0))
        exchange.announced(NAMES[45:60], PEERS[1], TimestampMs(0))

        assert asked(exchange, 0) == NAMES[:10] + NAMES[45:55]

    def test_a_block_finds_room_for_what_it_needs(self, exchange: BatchExchange) -> None:
        limit(exchange, ANNOUNCED_MAX // 10)
        exchange.announced(NAMES[:50], PEERS[0], TimestampMs(0))
        exchange.need(NAMES[40:60], PEERS[:1], TimestampMs(0))

        assert asked(exchange, 0) == NAMES[:10] + NAMES[40:60]

    def test_a_place_is_free_again_once_the_word_was_empty(self, exchange: BatchExchange) -> None:
        limit(exchange, ANNOUNCED_MAX // 10)
        exchange.announced(NAMES[:10], PEERS[0], TimestampMs(0))
        for attempt in range(ANNOUNCED_TRIES):
            assert asked(exchange, attempt * FETCH_RETRY_MS) == NAMES[:10]
        later = ANNOUNCED_TRIES * FETCH_RETRY_MS
        assert asked(exchange, later) == []
        exchange.announced(NAMES[20:40], PEERS[0], TimestampMs(later))

        assert asked(exchange, later) == NAMES[20:30]


class TestKnownInvalid:
    """M3: what this node need not have to know that a block is bad."""

    def test_a_batch_that_was_named_before_and_is_gone(
        self, exchange: BatchExchange, pool: BatchPool
    ) -> None:
        limits = PayloadLimits(
            block_bytes_max=1, block_operations_max=1, batch_expiry_ms=1, patience_ms=1, drift_ms=1
        )
        rules = PayloadRules(limits, pool, exchange)
        block = make_block(VALIDATORS, view=1, parent=make_genesis(VALIDATORS), payload=tuple(NAMES[:2]))
        assert rules.known_invalid(block) is None

        pool.restore_ordered([(NAMES[1], TimestampMs(0))])

        assert NAMES[1] not in pool
        assert "was named before" in (rules.known_invalid(block) or "")
