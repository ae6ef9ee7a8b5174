"""The connection under a link: what libp2p breaks or leaves open, and how it holds here."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from noded.network.faults import ConnectionLost
from noded.network.libp2p import ConnectionClosedError
from noded.network.limits import HANDSHAKE_BYTES_MAX, READ_BYTES, WINDOW_BYTES
from noded.network.upgrade import InStream, Muxer, OutStream, Upgrader
from noded.network.wire import Wire
from tests.helpers.hostile import UNLIMITED
from tests.helpers.networking import PATIENCE_S, network_key, peer_id, seed


@asynccontextmanager
async def sockets() -> AsyncIterator[tuple[trio.SocketStream, trio.SocketStream]]:
    """Both ends of a TCP connection on loopback."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listeners[0] as listener:
        there = await trio.open_tcp_stream(*listener.socket.getsockname()[:2])
        here = await listener.accept()
    async with here, there:
        yield here, there


@asynccontextmanager
async def muxers() -> AsyncIterator[tuple[Muxer, Muxer]]:
    """Both ends of a secured, multiplexed connection; the first has dialled."""
    async with sockets() as (here, there), trio.open_nursery() as nursery:
        ends: dict[str, Muxer] = {}

        async def dial() -> None:
            ends["dialled"] = await Upgrader(seed(1), UNLIMITED).outbound(
                Wire(there, is_initiator=True), network_key(2)
            )

        async def accept() -> None:
            ends["accepted"] = await Upgrader(seed(2), UNLIMITED).inbound(
                Wire(here, is_initiator=False), lambda proved: peer_id(1)
            )

        async with trio.open_nursery() as upgrading:
            upgrading.start_soon(dial)
            upgrading.start_soon(accept)
        for muxer in ends.values():
            nursery.start_soon(muxer.start)
            await muxer.event_started.wait()
        yield ends["dialled"], ends["accepted"]
        nursery.cancel_scope.cancel()


async def open_pair(opener: Muxer, other: Muxer) -> tuple[OutStream, InStream]:
    """A stream from one to the other."""
    opened: list[OutStream] = []
    taken: list[InStream] = []

    async def open_it() -> None:
        opened.append(await opener.open_lane("/test"))

    async def take_it() -> None:
        taken.append((await other.agree(await other.accept_stream(), ("/test",)))[1])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_it)
        nursery.start_soon(take_it)
    return opened[0], taken[0]


async def read_bytes(stream: InStream, count: int) -> bytes:
    """The next so many bytes."""
    data = bytearray()
    with trio.fail_after(PATIENCE_S):
        while len(data) < count:
            data += await stream.read()
    return bytes(data)


class TestWire:
    async def test_reads_give_exactly_what_is_asked_for(self) -> None:
        """The library gives up a message that comes in more than a hundred pieces."""
        async with sockets() as (here, there), trio.open_nursery() as nursery:

            async def dribble() -> None:
                for number in range(500):
                    await there.send_all(bytes([number % 256]))
                    await trio.lowlevel.checkpoint()

            nursery.start_soon(dribble)
            wire = Wire(here, is_initiator=False)

            assert await wire.read(499) == bytes(number % 256 for number in range(499))
            assert await wire.read(0) == b""

    async def test_a_stranger_may_send_only_so_much(self) -> None:
        """N8."""
        async with sockets() as (here, there):
            await there.send_all(bytes(2 * HANDSHAKE_BYTES_MAX))
            wire = Wire(here, is_initiator=False)
            await wire.read(HANDSHAKE_BYTES_MAX)

            with pytest.raises(ConnectionClosedError):
                await wire.read(1)
            wire.trust()
            await wire.read(HANDSHAKE_BYTES_MAX)

    async def test_a_write_cut_short_closes_the_socket(self) -> None:
        """Else the next record would follow half a record."""
        async with sockets() as (here, there):
            wire = Wire(here, is_initiator=False)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(wire.write, bytes(50_000_000))
                await wait_all_tasks_blocked()
                assert wire.writing_since_s is not None
                nursery.cancel_scope.cancel()

            with pytest.raises(ConnectionClosedError):
                await wire.write(b"x")
            with trio.fail_after(PATIENCE_S):
                while await there.receive_some(1_000_000):
                    pass

    async def test_closing_wakes_who_reads_and_who_writes(self) -> None:
        async with sockets() as (here, _):
            wire = Wire(here, is_initiator=False)

            async def fail(call: Callable[..., Awaitable[object]], *args: object) -> None:
                with pytest.raises(ConnectionClosedError):
                    await call(*args)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail, wire.read, 1)
                nursery.start_soon(fail, wire.write, bytes(50_000_000))
                await wait_all_tasks_blocked()
                wire.abort()


class TestStreams:
    async def test_what_is_written_is_read(self) -> None:
        data = bytes(range(256)) * 20_000
        async with muxers() as (one, two), trio.open_nursery() as nursery:
            out, into = await open_pair(one, two)
            nursery.start_soon(out.write, data)

            assert await read_bytes(into, len(data)) == data

    async def test_reads_are_bounded(self) -> None:
        async with muxers() as (one, two), trio.open_nursery() as nursery:
            out, into = await open_pair(one, two)
            nursery.start_soon(out.write, bytes(500_000))
            await wait_all_tasks_blocked(0.01)

            assert len(await into.read()) == READ_BYTES
            nursery.cancel_scope.cancel()

    async def test_a_slow_reader_stops_the_writer_and_costs_a_window_at_most(self) -> None:
        """The library would reset the stream after 5 s."""
        async with muxers() as (one, two), trio.open_nursery() as nursery:
            out, into = await open_pair(one, two)
            nursery.start_soon(out.write, bytes(5 * WINDOW_BYTES))
            with trio.fail_after(PATIENCE_S):
                while out.stalled_since_s is None:
                    await trio.sleep(0.01)
            assert two.unread_bytes() <= WINDOW_BYTES
            await trio.sleep(5.5)

            assert len(await read_bytes(into, 5 * WINDOW_BYTES)) == 5 * WINDOW_BYTES
            assert out.stalled_since_s is None

    async def test_both_sides_sending_much_at_once_do_not_block_each_other(self) -> None:
        """With the library's own pings each can wait for the other to read its answer."""
        size = 30_000_000
        async with muxers() as (one, two), trio.open_nursery() as nursery:
            forth, from_one = await open_pair(one, two)
            back, from_two = await open_pair(two, one)
            nursery.start_soon(forth.write, bytes(size))
            nursery.start_soon(back.write, bytes(size))
            nursery.start_soon(read_bytes, from_one, size)

            assert len(await read_bytes(from_two, size)) == size

    async def test_nobody_pings(self) -> None:
        async with muxers() as (one, two):
            await trio.sleep(1)

            assert one._ping_id == two._ping_id == 0

    @pytest.mark.parametrize("side", [0, 1])
    async def test_a_stream_that_either_side_resets_ends_reading_and_writing(self, side: int) -> None:
        async with muxers() as (one, two):
            out, into = ends = await open_pair(one, two)
            await ends[side]._stream.reset()
            await wait_all_tasks_blocked(0.05)

            with pytest.raises(ConnectionLost):
                await read_bytes(into, 1)
            with pytest.raises(ConnectionLost):
                await out.write(b"x")

    async def test_a_connection_that_closes_ends_reading(self) -> None:
        async with muxers() as (one, two):
            _, into = await open_pair(one, two)
            await one.secured.close()

            with pytest.raises(ConnectionLost):
                await read_bytes(into, 1)
