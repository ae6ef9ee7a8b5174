"""N2–N8 against members gone bad, in what they send and do not read; honest peers notice nothing."""

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio

from noded.network import Lane
from noded.network.faults import PENALTY_BAN
from noded.network.frames import Kind, encode_answer, encode_frame
from noded.network.limits import (
    Rates,
)
from tests.helpers.hostile import (
    RawMember,
    never_stop,
    open_socket,
    raw_member,
    until_closed,
)
from tests.helpers.lone_node import ACK, PING, lone_node
from tests.helpers.networking import (
    CHAIN,
    Recorder,
    consortium,
    peer_id,
    peer_info,
    start_node,
    until,
)

if TYPE_CHECKING:
    from trio_typing import TaskStatus  # libp2p brings outdated stubs of trio, which lack trio.TaskStatus


class TestLanes:
    """N4: a member that misuses the lanes."""

    @pytest.mark.parametrize(
        ("lane", "sent", "reason"),
        [
            (Lane.CONSENSUS, b"\x00\x01\x00\x00", "OversizeFrame"),
            (Lane.BULK, b"\xff\xff\xff\xff", "OversizeFrame"),
            (Lane.BULK, bytes(4), "OversizeFrame"),
            (Lane.CONSENSUS, encode_frame(Kind.REQUEST, bytes(5)), "UnexpectedFrame"),
            (Lane.CONSENSUS, encode_frame(Kind.HELLO, bytes(99)), "UnexpectedFrame"),
            (Lane.CONSENSUS, encode_frame(Kind.PING, bytes(9)), "UnexpectedFrame"),
            (Lane.BULK, encode_frame(Kind.PING, bytes(8)), "UnexpectedFrame"),
            (Lane.BULK, encode_frame(Kind.REQUEST, bytes(4)), "UnexpectedFrame"),
            (Lane.BULK, encode_frame(Kind.RESPONSE, bytes(3)), "UnexpectedFrame"),
            (Lane.BULK, encode_answer(Kind.RESPONSE, 7, b"to what?"), "UnexpectedFrame"),
            (Lane.BULK, b"\x00\x00\x00\x01\xc8", "UnexpectedFrame"),
        ],
    )
    async def test_a_bad_frame_ends_the_connection_and_costs_points(
        self, lane: Lane, sent: bytes, reason: str
    ) -> None:
        async with lone_node() as node, raw_member(node, 2) as member:
            lanes = await member.come_up()
            await lanes[lane].write(sent)
            await node.handler.until_down()

            assert node.handler.down == [(peer_id(2), reason)]
            assert node.peer(2).last_fault == reason
            assert node.peer(2).last_fault_detail
            assert 0 < node.peer(2).score < PENALTY_BAN

    async def test_a_lane_opened_twice_is_a_fault(self) -> None:
        async with lone_node() as node, raw_member(node, 2) as member:
            await member.come_up()
            with suppress(Exception):
                await member.open_lane(Lane.BULK)
            await node.handler.until_down()

            assert node.handler.down == [(peer_id(2), "UnexpectedStream")]

    async def test_another_first_frame_than_a_hello_is_a_fault(self) -> None:
        async with lone_node() as node, raw_member(node, 2) as member:
            out = await member.muxer.open_lane("/noded/bulk/1")
            await out.write(encode_frame(Kind.MESSAGE, b"hi"))
            await until(lambda: node.peer(2).last_fault == "WrongHello")

            assert node.handler.up == []

    async def test_another_chain_is_refused(self) -> None:
        """N2."""
        async with lone_node() as node, raw_member(node, 2) as member:
            await member.open_lane(Lane.BULK, chain=b"x" * len(CHAIN))
            await until(lambda: node.peer(2).last_fault == "WrongChain")

            assert node.handler.up == []
            assert node.peer(2).score == 0

    async def test_who_says_no_hello_is_given_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("noded.network.link.HELLO_TIMEOUT_S", 1.0)
        async with lone_node() as node, raw_member(node, 2) as member:
            await member.open_lane(Lane.BULK)
            await until(lambda: node.peer(2).last_fault == "HandshakeTimedOut")
            await member.until_closed()

            assert node.handler.up == []

    async def test_opening_many_connections_leaves_one(self) -> None:
        """N8: a member may have one connection up and one coming up."""
        async with lone_node() as node, trio.open_nursery() as nursery:

            async def hold(task_status: "TaskStatus[RawMember]") -> None:
                async with raw_member(node, 2) as member:
                    task_status.started(member)
                    await trio.sleep_forever()

            members = [await nursery.start(hold) for _ in range(10)]
            for member in members[:-1]:
                await member.until_closed()

            assert not members[-1].muxer.event_shutting_down.is_set()
            nursery.cancel_scope.cancel()

    async def test_of_two_connections_the_newer_stays(self) -> None:
        """N3: the peer has restarted, and we have not noticed that its old connection is dead."""
        async with lone_node() as node, raw_member(node, 2) as old:
            await old.come_up()
            async with raw_member(node, 2) as new:
                consensus, _ = await new.come_up()
                await node.handler.until_up(2)
                await consensus.write(encode_frame(Kind.MESSAGE, b"new"))
                await node.handler.until_messages(1)

                assert node.handler.down == [(peer_id(2), "DuplicateConnection")]
                assert node.peer(2).connected

    async def test_a_flood_on_the_consensus_lane_is_slowed_down_and_then_banned(self) -> None:
        async with lone_node(Rates(consensus_messages=200)) as node, raw_member(node, 2) as member:
            consensus, _ = await member.come_up()
            await never_stop(lambda: consensus.write(encode_frame(Kind.MESSAGE, b"x") * 10))
            await node.handler.until_down()

            assert node.handler.down == [(peer_id(2), "PeerBanned")]
            assert len(node.handler.messages) < 60 * 200

    async def test_a_flood_on_the_bulk_lane_is_only_slowed_down(self) -> None:
        async with lone_node(Rates(bulk_messages=200, burst_s=1)) as node, raw_member(node, 2) as member:
            _, bulk = await member.come_up()
            await bulk.write(encode_frame(Kind.MESSAGE, b"x") * 600)
            begun_s = trio.current_time()
            await node.handler.until_messages(600)
            await bulk.write(encode_frame(Kind.MESSAGE, b"y"))
            await node.handler.until_messages(601)

            assert trio.current_time() - begun_s > 1.5
            assert node.peer(2).score == 0

    async def test_a_flood_of_requests_is_refused(self) -> None:
        class Slow(Recorder):
            running = 0
            most = 0

            async def on_request(self, peer: bytes, kind: int, payload: bytes) -> bytes:
                self.running += 1
                self.most = max(self.most, self.running)
                await trio.sleep(0.05)
                self.running -= 1
                return b""

        async with trio.open_nursery() as nursery:
            slow = Slow()
            node = await start_node(nursery, 3, members=(peer_info(2),), handler=slow)
            async with raw_member(node, 2) as member:
                _, bulk = await member.come_up()
                await bulk.write(
                    b"".join(
                        encode_frame(Kind.REQUEST, number.to_bytes(4, "big") + b"\0")
                        for number in range(1000)
                    )
                )
                await until(lambda: slow.most > 0 and slow.running == 0)

            assert slow.most == 32
            nursery.cancel_scope.cancel()


class TestSlowReaders:
    """N5, N6: peers that do not take what is sent."""

    async def test_who_opens_no_window_for_votes_is_cut_off(self) -> None:
        async with lone_node() as node, raw_member(node, 2) as member, trio.open_nursery() as nursery:
            await member.come_up()
            for _ in range(20):
                assert node.network.send(peer_id(2), Lane.CONSENSUS, bytes(60_000))
            nursery.start_soon(self._keep_alive, member)
            await node.handler.until_down()

            assert node.handler.down == [(peer_id(2), "PeerStalled")]
            nursery.cancel_scope.cancel()

    async def test_who_does_not_read_the_socket_is_cut_off(self) -> None:
        async with trio.open_nursery() as nursery:
            node = await start_node(nursery, 3, members=(peer_info(2),))
            async with raw_member(node, 2) as member:
                await member.come_up()
                member.nursery.cancel_scope.cancel()
                await node.handler.until_down()
            nursery.cancel_scope.cancel()

    async def test_silence_proves_nothing_while_we_do_not_listen(self) -> None:
        """N6: its pings wait behind votes that we have not read; or this node itself was suspended."""

        class Deaf(Recorder):
            async def on_message(self, peer: bytes, lane: Lane, payload: bytes) -> None:
                await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            node = await start_node(nursery, 3, members=(peer_info(2),), handler=Deaf())
            async with raw_member(node, 2) as member:
                consensus, _ = await member.come_up()
                link = node.network._links.up[peer_id(2)]
                link.beat(trio.current_time() + 100, judge=False)
                assert link.reason is None
                await consensus.write(encode_frame(Kind.MESSAGE, b"x") * 50_000)
                await until(lambda: link.inbound_bytes() > 0)
                link.beat(trio.current_time() + 100, judge=True)
                assert link.reason is None
            nursery.cancel_scope.cancel()

    async def test_silence_while_we_listen_is_the_end(self) -> None:
        async with lone_node() as node, raw_member(node, 2) as member:
            await member.come_up()
            link = node.network._links.up[peer_id(2)]
            link.beat(trio.current_time() + 3, judge=True)
            assert link.reason is None
            link.beat(trio.current_time() + 100, judge=True)
            await node.handler.until_down()

            assert node.handler.down == [(peer_id(2), "PeerSilent")]

    async def test_who_makes_us_hold_most_goes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """N8: all connections together are bounded too; a frame for many peers counts once."""
        monkeypatch.setattr("noded.network.swarm.MEMORY_BYTES_MAX", 5_000_000)
        async with trio.open_nursery() as nursery:
            node = await start_node(nursery, 3, members=(peer_info(1), peer_info(2)))
            async with raw_member(node, 1) as one, raw_member(node, 2) as two:
                await one.come_up()
                await two.come_up()
                await node.handler.until_up(2)
                for _ in range(4):
                    node.network.broadcast(Lane.BULK, bytes(1_000_000), [peer_id(1), peer_id(2)])
                await trio.sleep(1.5)
                assert node.handler.down == []
                for _ in range(3):
                    node.network.send(peer_id(2), Lane.BULK, bytes(1_000_000))
                await node.handler.until_down()

                assert node.handler.down == [(peer_id(2), "MemoryPressure")]
            nursery.cancel_scope.cancel()

    @staticmethod
    async def _keep_alive(member: RawMember) -> None:
        while True:
            await member.send_yamux(PING, ACK, 0, 1)
            await trio.sleep(0.5)


async def test_honest_peers_notice_nothing() -> None:
    """While all of this goes on at once, two honest nodes exchange messages."""
    async with consortium(2) as (one, two), trio.open_nursery() as nursery:

        async def throw_garbage() -> None:
            while True:
                stream = await open_socket(one)
                with trio.move_on_after(1):
                    with suppress(trio.BrokenResourceError):
                        await stream.send_all(os.urandom(1000))
                        await until_closed(stream)
                await stream.aclose()

        async def leave_half_open() -> None:
            streams = []
            while True:
                streams.append(await open_socket(one))
                await trio.sleep(0.02)

        for attack in (throw_garbage, throw_garbage, leave_half_open):
            nursery.start_soon(attack)
        for number in range(200):
            assert two.network.send(one.info.peer, Lane.CONSENSUS, number.to_bytes(2, "big"))
            await trio.sleep(0.01)
        await one.handler.until_messages(200)

        assert [m[2] for m in one.handler.messages] == [number.to_bytes(2, "big") for number in range(200)]
        assert one.handler.down == two.handler.down == []
        nursery.cancel_scope.cancel()
