"""The network over libp2p between nodes of good will."""

from contextlib import suppress
from dataclasses import replace

import pytest
import trio

from noded.errors import ConfigError, InvalidMessage
from noded.network import InstitutionId, Lane, PeerUnavailable, RequestRefused, RequestTimedOut
from noded.network.faults import PENALTY_BAN
from noded.network.interface import BULK_PAYLOAD_BYTES_MAX
from noded.network.limits import CONSENSUS_QUEUE_MESSAGES_MAX
from tests.helpers.networking import (
    PATIENCE_S,
    Recorder,
    consortium,
    network_key,
    peer_id,
    peer_info,
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


class TestMembers:
    """N1: members change while the network runs."""

    async def test_a_removed_member_is_dropped_and_stays_out(self) -> None:
        async with consortium(3) as (one, two, three):
            one.network.set_members([one.info, three.info])
            await one.handler.until_down()
            await until(lambda: one.network.refusals().get("NotAMember", 0) > 0)

            assert one.handler.down == [(two.info.peer, "MemberRemoved")]
            assert [peer.peer for peer in one.network.peers()] == [three.info.peer]
            assert one.peer(three).connected

    async def test_an_admitted_member_connects(self) -> None:
        async with consortium(2) as (one, two), trio.open_nursery() as nursery:
            three = await start_node(nursery, 3, members=(one.info, two.info))
            for node in (one, two):
                node.network.set_members([one.info, two.info, three.info])
            await three.handler.until_up(2)
            nursery.cancel_scope.cancel()

    async def test_a_rotated_key_replaces_the_old_one(self) -> None:
        async with consortium(2) as (one, two), trio.open_nursery() as nursery:
            rotated = peer_info(2, *two.info.addresses)
            one.network.set_members([one.info, replace(rotated, network_key=network_key(77))])
            await one.handler.until_down()
            await until(lambda: one.peer(two).last_fault == "HandshakeFailed")
            one.network.set_members([one.info, rotated])
            await one.handler.until_up(2)

            assert one.handler.down == [(two.info.peer, "MemberRemoved")]
            nursery.cancel_scope.cancel()

    async def test_a_changed_address_is_dialled_at_once(self) -> None:
        async with trio.open_nursery() as nursery:
            two = await start_node(nursery, 2, members=(peer_info(1),))
            one = await start_node(nursery, 1, members=(peer_info(2, "127.0.0.1:1"),))
            await until(lambda: one.peer(two).last_fault == "DialFailed")
            one.network.set_members([two.info])
            await one.handler.until_up()
            nursery.cancel_scope.cancel()


class TestConnecting:
    """N3: one connection for two peers; N10: coming back."""

    async def test_each_pair_has_one_connection_dialled_by_the_lower(self) -> None:
        async with consortium(4) as nodes:
            for node in nodes:
                assert [peer.dialled for peer in node.network.peers()] == [
                    node.info.peer < peer.peer for peer in node.network.peers()
                ]
                assert len(node.handler.up) == 3
                assert node.handler.down == []

    async def test_the_higher_dials_when_the_lower_cannot(self) -> None:
        async with trio.open_nursery() as nursery:
            one = await start_node(nursery, 1, members=(peer_info(2),))
            two = await start_node(nursery, 2, members=(one.info,))
            await two.handler.until_up()

            assert two.peer(one).dialled
            nursery.cancel_scope.cancel()

    async def test_a_peer_that_returns_is_found_again(self) -> None:
        async with consortium(2) as (one, two), trio.open_nursery() as nursery:
            two.scope.cancel()
            await one.handler.until_down()
            await until(lambda: one.peer(two).last_fault == "DialFailed")
            port = int(two.info.addresses[0].rpartition(":")[2])
            await start_node(nursery, 2, members=(one.info,), port=port)
            await one.handler.until_up(2)

            assert one.handler.down == [(two.info.peer, "ConnectionLost")]
            nursery.cancel_scope.cancel()

    async def test_eight_nodes_in_one_process_find_together(self) -> None:
        await self._start_at_once(8)

    @pytest.mark.slow
    async def test_twenty_nodes_in_one_process_find_together(self) -> None:
        await self._start_at_once(20)

    @staticmethod
    async def _start_at_once(count: int) -> None:
        """No reconnect storm: a connection between each two, and hardly one more."""
        async with trio.open_nursery() as nursery:
            nodes = [await start_node(nursery, number) for number in range(1, count + 1)]
            for node in nodes:
                node.network.set_members([other.info for other in nodes])
            await until(lambda: all(len(node.handler.up) >= count - 1 for node in nodes))
            await trio.sleep(1)

            assert all(peer.connected for node in nodes for peer in node.network.peers())
            assert sum(len(node.handler.down) for node in nodes) <= count
            nursery.cancel_scope.cancel()

    async def test_names_are_resolved(self) -> None:
        async with trio.open_nursery() as nursery:
            two = await start_node(nursery, 2, members=(peer_info(1),))
            port = two.info.addresses[0].rpartition(":")[2]
            one = await start_node(nursery, 1, members=(peer_info(2, f"localhost:{port}"),))
            await one.handler.until_up()

            assert one.peer(two).address == f"localhost:{port}"
            nursery.cancel_scope.cancel()

    async def test_another_chain_is_refused_and_named_on_both_sides(self) -> None:
        """N2."""
        async with trio.open_nursery() as nursery:
            one = await start_node(nursery, 1)
            two = await start_node(nursery, 2, chain=b"b" * 32)
            for node in (one, two):
                node.network.set_members([one.info, two.info])
            await until(lambda: one.peer(two).last_fault == two.peer(one).last_fault == "WrongChain")

            assert (b"b" * 32).hex() in one.peer(two).last_fault_detail
            assert one.handler.up == two.handler.up == []
            assert one.peer(two).score == two.peer(one).score == 0
            nursery.cancel_scope.cancel()


class TestListening:
    async def test_a_taken_address_is_the_operators_to_solve(self) -> None:
        async with consortium(1) as (one,), trio.open_nursery() as nursery:
            port = int(one.info.addresses[0].rpartition(":")[2])
            with pytest.raises(BaseExceptionGroup) as caught:
                async with trio.open_nursery() as inner:
                    await start_node(inner, 2, port=port)
            nursery.cancel_scope.cancel()

        assert caught.group_contains(ConfigError, match=f"cannot listen on 127.0.0.1:{port}")
