"""The network over libp2p between nodes of good will."""

from contextlib import suppress

import pytest
import trio

from noded.errors import InvalidMessage
from noded.network import InstitutionId, Lane, PeerUnavailable, RequestRefused, RequestTimedOut
from noded.network.faults import PENALTY_BAN
from noded.network.interface import BULK_PAYLOAD_BYTES_MAX
from noded.network.limits import CONSENSUS_QUEUE_MESSAGES_MAX
from tests.helpers.networking import (
    PATIENCE_S,
    Recorder,
    consortium,
    peer_id,
    start_node,
    until,
)


class TestMessages:
    """N4: two lanes in each direction."""

    async def test_messages_arrive_in_order_on_each_lane(self) -> None:
        async with consortium(2) as (one, two):
            sent = [(one.info.peer, lane, bytes([number])) for number in range(100) for lane in Lane]
            for _, lane, payload in sent:
                assert one.network.send(two.info.peer, lane, payload)
            await two.handler.until_messages(len(sent))

        for lane in Lane:
            assert [m for m in two.handler.messages if m[1] is lane] == [m for m in sent if m[1] is lane]

    async def test_the_largest_messages_arrive(self) -> None:
        async with consortium(2) as (one, two):
            for lane in Lane:
                one.network.send(two.info.peer, lane, b"x" * lane.payload_bytes_max)
            await two.handler.until_messages(2)

        assert sorted(len(payload) for _, _, payload in two.handler.messages) == [
            lane.payload_bytes_max for lane in Lane
        ]

    async def test_a_broadcast_names_whom_it_did_not_reach(self) -> None:
        async with consortium(3) as (one, two, three):
            peers = [two.info.peer, peer_id(99), three.info.peer]

            assert one.network.broadcast(Lane.CONSENSUS, b"all", peers) == [peer_id(99)]
            await two.handler.until_messages(1)
            await three.handler.until_messages(1)

    async def test_traffic_is_counted(self) -> None:
        async with consortium(2) as (one, two):
            one.network.send(two.info.peer, Lane.BULK, bytes(1000))
            await two.handler.until_messages(1)
            await until(
                lambda: one.peer(two).rtt_ms is not None and one.peer(two).lanes[Lane.BULK].bytes_out > 0
            )
            out, into = one.peer(two), two.peer(one)

        assert out.connected
        assert out.dialled
        assert not into.dialled
        assert out.address == two.info.addresses[0]
        assert out.lanes[Lane.BULK].messages_out == into.lanes[Lane.BULK].messages_in == 1
        assert out.lanes[Lane.BULK].bytes_out == into.lanes[Lane.BULK].bytes_in == 1005


class SlowRecorder(Recorder):
    """Takes nothing on one lane until told to."""

    def __init__(self, lane: Lane) -> None:
        super().__init__()
        self.lane = lane
        self.open = trio.Event()

    async def on_message(self, peer: InstitutionId, lane: Lane, payload: bytes) -> None:
        if lane is self.lane:
            await self.open.wait()
        await super().on_message(peer, lane, payload)


class TestQueues:
    """N5: a full consensus queue ends the connection; a full bulk queue drops."""

    async def test_bulk_is_dropped_and_consensus_goes_on(self) -> None:
        async with trio.open_nursery() as nursery:
            slow = SlowRecorder(Lane.BULK)
            one = await start_node(nursery, 1)
            two = await start_node(nursery, 2, handler=slow)
            for node in (one, two):
                node.network.set_members([one.info, two.info])
            await one.handler.until_up()
            taken = 0
            with trio.fail_after(PATIENCE_S):
                while one.network.send(two.info.peer, Lane.BULK, bytes(BULK_PAYLOAD_BYTES_MAX)):
                    taken += 1
                    await trio.sleep(0.01)
            one.network.send(two.info.peer, Lane.CONSENSUS, b"vote")
            await slow.until_messages(1)

            assert slow.messages == [(one.info.peer, Lane.CONSENSUS, b"vote")]
            assert one.peer(two).lanes[Lane.BULK].dropped == 1
            slow.open.set()
            await slow.until_messages(1 + taken)
            assert one.network.send(two.info.peer, Lane.BULK, b"again")
            assert one.handler.down == []
            nursery.cancel_scope.cancel()

    async def test_too_slow_for_consensus_is_disconnected(self) -> None:
        async with trio.open_nursery() as nursery:
            one = await start_node(nursery, 1)
            two = await start_node(nursery, 2, handler=SlowRecorder(Lane.CONSENSUS))
            for node in (one, two):
                node.network.set_members([one.info, two.info])
            await one.handler.until_up()
            with trio.fail_after(PATIENCE_S):
                while one.network.send(two.info.peer, Lane.CONSENSUS, bytes(1000)):
                    await trio.lowlevel.checkpoint()
            await one.handler.until_down()

            assert one.handler.down == [(two.info.peer, "ConsensusQueueFull")]
            nursery.cancel_scope.cancel()

    async def test_the_queue_holds_as_many_messages_as_it_says(self) -> None:
        async with consortium(2) as (one, two):
            sent = [
                one.network.send(two.info.peer, Lane.CONSENSUS, b"v")
                for _ in range(CONSENSUS_QUEUE_MESSAGES_MAX + 1)
            ]

        assert sent == [True] * CONSENSUS_QUEUE_MESSAGES_MAX + [False]


class Librarian(Recorder):
    """Answers requests in several ways, by kind."""

    async def on_request(self, peer: InstitutionId, kind: int, payload: bytes) -> bytes:
        match kind:
            case 1:
                raise RequestRefused("NoPermit")
            case 2:
                await trio.sleep_forever()
            case 3:
                raise InvalidMessage("not like that")
            case 4:
                return bytes(BULK_PAYLOAD_BYTES_MAX)
        return payload


class TestRequests:
    """Questions and answers on the bulk lane."""

    async def test_answers_refusals_and_silence(self) -> None:
        async with consortium(2, handler_type=Librarian) as (one, two):
            peer = two.info.peer

            assert await one.network.request(peer, 0, b"echo", PATIENCE_S) == b"echo"
            assert len(await one.network.request(peer, 4, b"", PATIENCE_S)) == BULK_PAYLOAD_BYTES_MAX
            with pytest.raises(RequestRefused) as refused:
                await one.network.request(peer, 1, b"", PATIENCE_S)
            assert refused.value.reason == "NoPermit"
            with pytest.raises(RequestTimedOut):
                await one.network.request(peer, 2, b"", 0.1)
            with pytest.raises(PeerUnavailable):
                await one.network.request(peer_id(99), 0, b"", PATIENCE_S)
            assert one.handler.down == []

    async def test_a_connection_that_ends_fails_the_questions(self) -> None:
        async with consortium(2, handler_type=Librarian) as (one, two), trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(PeerUnavailable):
                    await one.network.request(two.info.peer, 2, b"", PATIENCE_S)

            nursery.start_soon(ask)
            await until(lambda: one.peer(two).lanes[Lane.BULK].bytes_out > 0)
            two.scope.cancel()

    async def test_many_large_answers_at_once(self) -> None:
        async with consortium(2, handler_type=Librarian) as (one, two):
            sizes = []

            async def ask() -> None:
                sizes.append(len(await one.network.request(two.info.peer, 4, b"", PATIENCE_S)))

            async with trio.open_nursery() as nursery:
                for _ in range(40):
                    nursery.start_soon(ask)

        assert sizes == [BULK_PAYLOAD_BYTES_MAX] * 40


class Faulty(Recorder):
    """Finds fault with every message."""

    async def on_message(self, peer: InstitutionId, lane: Lane, payload: bytes) -> None:
        raise InvalidMessage("no")


class Broken(Recorder):
    """Has a bug."""

    async def on_message(self, peer: InstitutionId, lane: Lane, payload: bytes) -> None:
        raise ZeroDivisionError


class TestFaults:
    """N7: a peer's fault ends its connection, a bug of ours ends the node; N9: scores."""

    async def test_a_fault_ends_the_connection_and_the_second_bans(self) -> None:
        async with consortium(2, handler_type=Faulty) as (one, two):
            one.network.send(two.info.peer, Lane.BULK, b"1")
            await one.handler.until_up(2)
            one.network.send(two.info.peer, Lane.BULK, b"2")
            await two.handler.until_down(2)
            await until(lambda: two.network.refusals().get("PeerBanned", 0) > 0)

            assert two.handler.down == [(one.info.peer, "InvalidMessage")] * 2
            assert two.peer(one).banned_s > 0
            assert not two.peer(one).connected

    async def test_a_bug_of_the_handler_ends_the_network(self) -> None:
        async def provoke() -> None:
            async with consortium(2, handler_type=Broken) as (one, two):
                one.network.send(two.info.peer, Lane.BULK, b"1")
                await trio.sleep(PATIENCE_S)

        with pytest.raises(BaseExceptionGroup) as caught:
            await provoke()

        assert caught.group_contains(ZeroDivisionError)

    async def test_an_answer_too_large_is_a_bug_of_ours(self) -> None:
        class Verbose(Recorder):
            async def on_request(self, peer: InstitutionId, kind: int, payload: bytes) -> bytes:
                return bytes(BULK_PAYLOAD_BYTES_MAX + 1)

        async def provoke() -> None:
            async with consortium(2, handler_type=Verbose) as (one, two):
                with suppress(PeerUnavailable):
                    await one.network.request(two.info.peer, 0, b"", PATIENCE_S)
                await trio.sleep(PATIENCE_S)

        with pytest.raises(BaseExceptionGroup) as caught:
            await provoke()

        assert caught.group_contains(AssertionError)

    async def test_points_from_above_ban_and_a_ban_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("noded.network.scores.BAN_S_MIN", 0.5)
        async with consortium(2) as (one, two):
            one.network.penalize(two.info.peer, "Equivocation", PENALTY_BAN)
            await one.handler.until_down()

            assert one.handler.down == [(two.info.peer, "PeerBanned")]
            assert not one.network.send(two.info.peer, Lane.CONSENSUS, b"")
            await one.handler.until_up(2)
            assert one.peer(two).score == 0

    async def test_few_points_do_nothing(self) -> None:
        async with consortium(2) as (one, two):
            one.network.penalize(two.info.peer, "Late", 1.0)
            one.network.penalize(peer_id(99), "Unknown", PENALTY_BAN)

            assert 0 < one.peer(two).score <= 1
            assert one.peer(two).last_fault == "Late"
            assert one.peer(two).connected
