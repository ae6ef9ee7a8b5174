"""N7 and N8 against hostile peers over real sockets: refused, scored, bounded; honest peers are not disturbed."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import trio

from noded.network import Lane, PeerUnavailable
from noded.network.faults import PENALTY_BAN
from noded.network.frames import Kind, encode_answer, encode_frame
from noded.network.limits import (
    HANDSHAKES_PENDING_MAX,
    STREAMS_PER_CONNECTION_MAX,
    WINDOW_BYTES,
    Rates,
)
from noded.network.upgrade import Upgrader, _offer
from noded.network.wire import SecuredWire, Wire
from tests.helpers.hostile import (
    UNLIMITED,
    RawMember,
    gets_in,
    never_stop,
    open_socket,
    raw_member,
    until_closed,
)
from tests.helpers.networking import (
    CHAIN,
    Recorder,
    TestNode,
    consortium,
    peer_id,
    peer_info,
    seed,
    start_node,
    until,
)


@asynccontextmanager
async def lone_node(rates: Rates = Rates()) -> AsyncIterator[TestNode]:  # noqa: B008
    """Node 3, with member 2 still to come, without an address."""
    async with trio.open_nursery() as nursery:
        yield await start_node(nursery, 3, members=(peer_info(2),), rates=rates)
        nursery.cancel_scope.cancel()


async def still_works(node: TestNode) -> None:
    """Member 2 connects, and is heard."""
    known = len(node.handler.messages)
    async with trio.open_nursery() as nursery:
        two = await start_node(nursery, 2, members=(node.info,))
        await two.handler.until_up()
        two.network.send(node.info.peer, Lane.CONSENSUS, b"still there?")
        await node.handler.until_messages(known + 1)
        nursery.cancel_scope.cancel()


MULTISTREAM = b"\x13/multistream/1.0.0\n"
NOISE = b"\x07/noise\n"


class TestStrangers:
    """Bytes from nobody in particular."""

    @pytest.mark.parametrize(
        "garbage",
        [
            b"GET / HTTP/1.1\r\nHost: node\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
            bytes(100_000),
            b"\xff" * 100_000,
            b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            MULTISTREAM + b"\x05\xff\xfe\xfd\xfc\n",
            MULTISTREAM + b"\x04no\x00\n" * 5000,
            MULTISTREAM + b"\x03ls\n" * 5000,
            MULTISTREAM + NOISE + b"\x00\x00" * 1000,
            MULTISTREAM + NOISE + b"\x00\x20" + bytes(32),
            MULTISTREAM + NOISE + b"\x00\x20" + bytes(range(32)) + b"\x00\x40" + bytes(64),
            MULTISTREAM + NOISE + b"\xff\xff" + bytes(65535),
        ],
        ids=lambda garbage: f"{len(garbage)}-bytes",
    )
    async def test_garbage_is_refused(self, garbage: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("noded.network.swarm.HANDSHAKE_TIMEOUT_S", 3.0)
        async with lone_node() as node:
            stream = await open_socket(node)
            with suppress(trio.BrokenResourceError):
                await stream.send_all(garbage)
            await until_closed(stream)
            await until(lambda: node.network.refusals() != {})

            assert set(node.network.refusals()) <= {"HandshakeFailed", "HandshakeTimedOut"}
            await still_works(node)

    async def test_random_bytes_at_every_depth_are_refused(self) -> None:
        async with lone_node() as node:
            for prefix in (b"", MULTISTREAM, MULTISTREAM + NOISE, MULTISTREAM + NOISE + b"\x00\x20"):
                for _ in range(5):
                    stream = await open_socket(node)
                    await stream.send_all(prefix + os.urandom(200))
                    await stream.send_eof()
                    await until_closed(stream)
            await still_works(node)

            assert node.network.refusals()["HandshakeFailed"] == 20

    async def test_plaintext_is_not_spoken(self) -> None:
        """The library's default would take any peer id for true."""
        async with lone_node() as node:
            stream = await open_socket(node)
            await stream.send_all(MULTISTREAM + b"\x11/plaintext/2.0.0\n" + b"\x0b/tls/1.0.0\n")
            await stream.send_eof()

            assert await until_closed(stream) == MULTISTREAM + b"\x03na\n" * 2

    async def test_a_strangers_key_is_refused_after_the_handshake(self) -> None:
        """N1."""
        async with lone_node() as node:
            assert not await gets_in(node, 66)
            await until(lambda: node.network.refusals() == {"NotAMember": 1})
            await still_works(node)

    async def test_half_open_connections_are_bounded_and_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("noded.network.door.STRANGER_BURST", 1e9)
        monkeypatch.setattr("noded.network.swarm.HANDSHAKE_TIMEOUT_S", 3.0)
        async with lone_node() as node:
            streams = [await open_socket(node) for _ in range(HANDSHAKES_PENDING_MAX + 20)]
            await still_works(node)
            for stream in streams:
                await until_closed(stream)
            await until(lambda: sum(node.network.refusals().values()) == len(streams) + 1)

            refusals = node.network.refusals()
            assert refusals["TooManyHandshakes"] >= 20
            assert refusals["HandshakeTimedOut"] >= HANDSHAKES_PENDING_MAX - 1

    async def test_thousands_of_connections_leave_nothing_behind(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The library's host takes nobody in any more after some hundred connections of its life."""
        monkeypatch.setattr("noded.network.door.MEMBER_ADDRESS_RATE_PER_S", 1e9)
        monkeypatch.setattr("noded.network.door.MEMBER_ADDRESS_BURST", 1e9)
        async with lone_node() as node:
            node.network.set_members([peer_info(2, "127.0.0.1:1")])
            await still_works(node)
            node.network.set_members([peer_info(2)])
            await trio.sleep(0.1)
            tasks = trio.lowlevel.current_statistics().tasks_living
            files = len(os.listdir("/proc/self/fd"))
            before = sum(node.network.refusals().values())
            for number in range(2000):
                stream = await open_socket(node)
                if number % 20 == 0:
                    await stream.send_all(MULTISTREAM)
                await stream.aclose()
            for _ in range(100):
                assert not await gets_in(node, 66)
            await until(lambda: sum(node.network.refusals().values()) == before + 2100)
            await trio.sleep(0.1)

            assert trio.lowlevel.current_statistics().tasks_living == tasks
            assert len(os.listdir("/proc/self/fd")) == files
            await still_works(node)

    async def test_faster_than_the_door_allows_is_turned_away(self) -> None:
        async with lone_node() as node:
            for _ in range(150):
                await (await open_socket(node)).aclose()
            await until(lambda: node.network.refusals().get("TooManyHandshakes", 0) > 0)


DATA, WINDOW, PING, GO_AWAY = range(4)
SYN, ACK, FIN, RST = 1, 2, 4, 8


class TestYamux:
    """A member that misuses the multiplexer."""

    async def test_garbage_ends_the_connection(self) -> None:
        async with lone_node() as node, raw_member(node, 2) as member:
            await member.come_up()
            await member.wire.write(b"\x00\x40" + bytes(64))
            await member.until_closed()
            await node.handler.until_down()

            assert node.handler.down == [(peer_id(2), "ConnectionLost")]
            await still_works(node)

    async def test_frames_of_any_kind_do_no_harm(self) -> None:
        """Every type and flag, for streams that exist and that do not; the node ends the connection or carries on."""
        async with lone_node() as node:
            for kind in (DATA, WINDOW, PING, GO_AWAY, 4, 255):
                for flags in (0, SYN, ACK, FIN, RST, SYN | RST, SYN | FIN, FIN | RST, 0xFFFF):
                    body = b"hello" if kind == DATA else b""
                    with suppress(Exception):
                        async with raw_member(node, 2) as member:
                            for stream in (0, 1, 2, 3, 99):
                                await member.send_yamux(kind, flags, stream, 5, body)
                            await trio.sleep(0.01)
            await until(lambda: sum(node.network.refusals().values()) == 6 * 9)
            await still_works(node)

    async def test_more_than_the_window_is_a_fault(self) -> None:
        async with lone_node() as node, raw_member(node, 2) as member:
            await member.come_up()
            await member.send_yamux(WINDOW, SYN, 101, 0)
            await never_stop(lambda: member.send_yamux(DATA, 0, 101, WINDOW_BYTES, bytes(WINDOW_BYTES)))
            await node.handler.until_down()

            assert node.handler.down == [(peer_id(2), "WindowExceeded")]

    async def test_a_frame_larger_than_any_window_is_a_fault(self) -> None:
        async with lone_node() as node, raw_member(node, 2) as member:
            await member.come_up()
            await member.send_yamux(DATA, 0, 1, 16 * 1024 * 1024)
            await node.handler.until_down()

            assert node.handler.down == [(peer_id(2), "WindowExceeded")]

    async def test_many_streams_are_a_fault(self) -> None:
        async with lone_node() as node, raw_member(node, 2) as member:
            await member.come_up()
            for number in range(STREAMS_PER_CONNECTION_MAX):
                await member.send_yamux(WINDOW, SYN, 101 + 2 * number, 0)
            await node.handler.until_down()

            assert node.handler.down == [(peer_id(2), "UnexpectedStream")]

    async def test_a_stream_for_something_else_is_let_be(self) -> None:
        """A stock host asks who we are on a stream of its own."""
        async with lone_node() as node, raw_member(node, 2) as member:
            consensus, _ = await member.come_up()
            stream = await member.muxer.open_stream()
            with pytest.raises(Exception, match="not supported"):
                await _offer(stream, "/ipfs/id/1.0.0")
            await stream.close()
            await consensus.write(encode_frame(Kind.MESSAGE, b"vote"))
            await node.handler.until_messages(1)

            assert node.handler.down == []

    async def test_a_flood_of_pings_is_slowed_down_and_then_banned(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("noded.network.links.FLOOD_POINTS_PER_S", 50)
        async with lone_node(Rates(frames=100)) as node, raw_member(node, 2) as member:
            await member.come_up()
            await never_stop(lambda: member.send_yamux(PING, ACK, 0, 1))
            await node.handler.until_down()

            assert node.handler.down == [(peer_id(2), "PeerBanned")]
            assert node.network.refusals()["FrameFlood"] > 10

    async def test_mplex_is_not_spoken(self) -> None:
        async with lone_node() as node, await open_socket(node) as stream:
            wire = Wire(stream, is_initiator=True)
            upgrader = Upgrader(seed(2), UNLIMITED)
            await _offer(wire, "/noise")
            session = await upgrader._noise.secure_outbound(wire, None)
            secured = SecuredWire(session, is_initiator=True, rates=UNLIMITED)
            with pytest.raises(Exception, match="not supported"):
                await _offer(secured, "/mplex/6.7.0")


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

            async def hold(task_status: trio.TaskStatus[RawMember]) -> None:
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


async def test_a_dialled_node_with_another_key_gets_nothing() -> None:
    """N1, from the side that dials: the impostor never sees our key's proof."""
    async with trio.open_nursery() as nursery:
        impostor = await start_node(nursery, 66, members=(peer_info(1),))
        one = await start_node(nursery, 1)
        one.network.set_members([peer_info(2, *impostor.info.addresses)])
        await until(lambda: one.peer(2).last_fault == "HandshakeFailed")

        assert "PeerIDMismatchesPubkey" in one.peer(2).last_fault_detail
        with pytest.raises(PeerUnavailable):
            await one.network.request(peer_id(2), 0, b"", 1)
        nursery.cancel_scope.cancel()
