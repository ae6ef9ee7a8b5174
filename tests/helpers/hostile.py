"""Peers that do not play by the rules, over real sockets."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import trio

from noded.network import Lane
from noded.network.addresses import parse_address
from noded.network.faults import ConnectionLost
from noded.network.frames import LANE_PROTOCOLS, Hello
from noded.network.libp2p import ConnectionClosedError
from noded.network.limits import Rates
from noded.network.upgrade import InStream, Muxer, OutStream, Upgrader
from noded.network.wire import Wire
from tests.helpers.networking import CHAIN, PATIENCE_S, TestNode, peer_id, seed

UNLIMITED = Rates(
    frames=1e9, consensus_messages=1e9, consensus_bytes=1e12, bulk_messages=1e9, bulk_bytes=1e12
)


async def open_socket(node: TestNode) -> trio.SocketStream:
    """A TCP connection to a node."""
    return await trio.open_tcp_stream(*parse_address(node.info.addresses[0]))


async def until_closed(stream: trio.SocketStream) -> bytes:
    """Everything the node sends before it closes."""
    said = b""
    with trio.fail_after(PATIENCE_S):
        try:
            while data := await stream.receive_some(65536):
                said += data
        except trio.BrokenResourceError:
            pass
    return said


@dataclass
class RawMember:
    """A connection with a member's key, on which a test may send what it likes."""

    node: TestNode
    number: int
    stream: trio.SocketStream
    wire: Wire
    muxer: Muxer
    nursery: trio.Nursery

    async def send_yamux(self, kind: int, flags: int, stream: int, length: int, body: bytes = b"") -> None:
        """One frame of the multiplexer."""
        head = (
            bytes([0, kind])
            + flags.to_bytes(2, "big")
            + stream.to_bytes(4, "big")
            + length.to_bytes(4, "big")
        )
        await self.muxer.secured.write(head + body)

    async def until_closed(self) -> None:
        """The node has closed the connection."""
        with trio.fail_after(PATIENCE_S):
            await self.muxer.event_shutting_down.wait()

    async def open_lane(self, lane: Lane, chain: bytes = CHAIN) -> OutStream:
        """Open one lane and say hello."""
        out = await self.muxer.open_lane(LANE_PROTOCOLS[lane])
        hello = Hello(chain_id=chain, speaker=peer_id(self.number), listener=self.node.info.peer)
        await out.write(hello.encode(lane))
        return out

    async def accept_lanes(self) -> list[InStream]:
        """Take both of the node's lanes, which are then not read."""
        accepted = []
        for _ in Lane:
            stream = await self.muxer.accept_stream()
            _, inbound = await self.muxer.agree(stream, LANE_PROTOCOLS)
            accepted.append(inbound)
        return accepted

    async def come_up(self) -> tuple[OutStream, OutStream]:
        """Do all that an honest member does to be up; its lanes to write to, by Lane."""
        accepted: list[InStream] = []

        async def accept() -> None:
            accepted.extend(await self.accept_lanes())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            consensus, bulk = [await self.open_lane(lane) for lane in Lane]
        await self.node.handler.until_up()
        return consensus, bulk


@asynccontextmanager
async def raw_member(node: TestNode, number: int) -> AsyncIterator[RawMember]:
    """Dial a node as the member of that number."""
    async with await open_socket(node) as stream, trio.open_nursery() as nursery:
        wire = Wire(stream, is_initiator=True)
        muxer = await Upgrader(seed(number), UNLIMITED).outbound(wire, node.info.network_key)
        nursery.start_soon(muxer.start)
        await muxer.event_started.wait()
        yield RawMember(node, number, stream, wire, muxer, nursery)
        wire.abort()
        nursery.cancel_scope.cancel()


async def gets_in(node: TestNode, number: int) -> bool:
    """Whether the node lets the holder of that key speak to it."""
    try:
        async with raw_member(node, number) as member:
            await member.open_lane(Lane.BULK)
    except Exception:
        return False
    return True


async def never_stop(send: Callable[[], Awaitable[None]]) -> None:
    """Send again and again until the node closes the connection."""
    with suppress(ConnectionClosedError, ConnectionLost), trio.fail_after(2 * PATIENCE_S):
        while True:
            await send()
