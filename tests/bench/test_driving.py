"""An open load keeps its times whatever the nodes do; a closed one keeps its bound."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import cast

import pytest
import trio
import trio.testing

from noded.bench.driving import OUTSTANDING_MAX, SLOT_S, drive_closed, drive_open
from noded.bench.load import make_sender
from noded.client.answers import POSTED_MAX, Posted
from noded.client.async_http import AsyncNodeClient
from noded.client.transactions import key_pair
from noded.ledger.admission import SEQUENCE_WINDOW
from noded.types.ids import ChainId, Height, InstitutionId, TransactionHash
from noded.types.operations.records import RecordRegister
from noded.types.transaction import SignedTransaction, decode_transaction

MEMBER = InstitutionId(b"m" * 16)
_NAME = TransactionHash(bytes(32))


class Answering:
    """A node that finalises everything after a while."""

    def __init__(self, delay_s: float, *, refuse: str | None = None) -> None:
        self.posts: list[tuple[float, list[bytes]]] = []
        self.under_way = 0
        self.most = 0
        self._delay_s = delay_s
        self._refuse = refuse

    async def post_transactions(self, encodings: Sequence[bytes], *, wait_s: float) -> list[Posted]:
        self.posts.append((trio.current_time(), list(encodings)))
        self.under_way += len(encodings)
        self.most = max(self.most, self.under_way)
        await trio.sleep(self._delay_s)
        self.under_way -= len(encodings)
        final = None if self._refuse else Height(7)
        return [Posted(_NAME, self._refuse, "", final, 0, None) for _ in encodings]


def clients(*nodes: Answering) -> Sequence[AsyncNodeClient]:
    return cast(Sequence[AsyncNodeClient], nodes)


def transactions(operations: int = 1) -> Iterator[SignedTransaction]:
    sender = make_sender(MEMBER, key_pair(bytes(32)), ChainId(bytes(32)), Height(10))
    sender.register_patient()
    return sender.records(operations)


def signed(count: int) -> Iterator[SignedTransaction]:
    return iter(list(islice(transactions(), count)))


class TestOpenLoad:
    @pytest.mark.parametrize("rate", [7.0, 100.0, 450.0])
    async def test_all_are_posted_within_a_slot_of_their_time(
        self, autojump_clock: trio.testing.MockClock, rate: float
    ) -> None:
        node = Answering(0.3)
        start = trio.current_time() + SLOT_S

        tally = await drive_open(clients(node), [signed(1000)], rate=rate, seconds=2)

        number = 0
        for at, batch in node.posts:
            for _ in batch:
                intended = start + number / rate
                assert intended - 1e-9 <= at <= intended + SLOT_S + 1e-9
                number += 1
        assert number == int(2 * rate) == len(tally.latencies_ms)

    async def test_slow_nodes_do_not_slow_the_load(self, autojump_clock: trio.testing.MockClock) -> None:
        start = trio.current_time()
        node = Answering(100.0)

        tally = await drive_open(clients(node), [signed(200)], rate=100, seconds=2)

        assert node.posts[-1][0] - start <= 2 + 2 * SLOT_S
        assert min(tally.latencies_ms) >= 100_000

    async def test_a_node_that_stands_finds_no_sequence_too_old(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        """L4: of one key no more is on its way than may overtake one another; who is held up is late."""
        node = Answering(3.0)

        tally = await drive_open(clients(node), [signed(3000)], rate=1000, seconds=3)

        assert SEQUENCE_WINDOW - POSTED_MAX < node.most <= SEQUENCE_WINDOW
        assert len(tally.latencies_ms) == 3000
        assert max(tally.latencies_ms) > 6000

    async def test_latency_counts_from_the_intended_time(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        tally = await drive_open(clients(Answering(0.5)), [signed(100)], rate=1000, seconds=0.1)

        assert min(tally.latencies_ms) >= 500
        assert max(tally.latencies_ms) <= 500 + 1000 * SLOT_S + 1e-6
        assert max(tally.latencies_ms) > 505

    async def test_nodes_take_turns(self, autojump_clock: trio.testing.MockClock) -> None:
        nodes = [Answering(0.1) for _ in range(4)]

        await drive_open(clients(*nodes), [signed(500) for _ in nodes], rate=1000, seconds=0.4)

        assert [len(node.posts) for node in nodes] == [10] * 4

    async def test_a_fast_load_stays_within_what_a_node_takes(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        node = Answering(0.1)

        await drive_open(clients(node), [signed(2000)], rate=100_000, seconds=0.02)

        assert sum(len(batch) for _, batch in node.posts) == 2000
        assert max(len(batch) for _, batch in node.posts) <= POSTED_MAX

    async def test_refusals_are_counted_by_reason(self, autojump_clock: trio.testing.MockClock) -> None:
        node = Answering(0.1, refuse="PoolFull")

        tally = await drive_open(clients(node), [signed(10)], rate=10, seconds=1)

        assert tally.failed == {"PoolFull": 10}
        assert tally.latencies_ms == []


class TestClosedLoad:
    async def test_never_more_is_on_its_way_than_the_bound(
        self, autojump_clock: trio.testing.MockClock
    ) -> None:
        nodes = [Answering(1.0) for _ in range(2)]

        tally = await drive_closed(clients(*nodes), [signed(9000) for _ in nodes], seconds=3, operations=1)

        assert sum(node.most for node in nodes) <= OUTSTANDING_MAX
        assert len(tally.final_at) == 3 * sum(node.most for node in nodes)

    async def test_it_ends_where_the_source_does(self, autojump_clock: trio.testing.MockClock) -> None:
        tally = await drive_closed(clients(Answering(0.1)), [signed(100)], seconds=60, operations=1)

        assert len(tally.final_at) == 100

    async def test_large_transactions_are_fewer(self, autojump_clock: trio.testing.MockClock) -> None:
        node = Answering(1.0)

        await drive_closed(clients(node), [signed(500)], seconds=1, operations=256)

        assert node.most == 64


class TestTransactions:
    def test_each_is_of_its_own_records_and_sequence(self) -> None:
        found = list(islice(transactions(operations=3), 5))

        bodies = [decode_transaction(each.encoding).transaction.body for each in found]
        assert [body.sequence for body in bodies] == [1, 2, 3, 4, 5]
        assert [len(body.operations) for body in bodies] == [3] * 5
        records = [op.record for body in bodies for op in body.operations if isinstance(op, RecordRegister)]
        assert len(set(records)) == 15
