"""N1, N7 and N8 against strangers over real sockets: refused, scored, bounded."""

import os
from contextlib import suppress

import pytest
import trio

from noded.network import PeerUnavailable
from noded.network.frames import Kind, encode_frame
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
    gets_in,
    never_stop,
    open_socket,
    raw_member,
    until_closed,
)
from tests.helpers.lone_node import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    MULTISTREAM,
    NOISE,
    PING,
    RST,
    SYN,
    WINDOW,
    lone_node,
    still_works,
)
from tests.helpers.networking import (
    peer_id,
    peer_info,
    seed,
    start_node,
    until,
)


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
