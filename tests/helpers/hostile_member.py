"""A member of a real testnet that does as a test likes: it has the keys of one home, in which no node runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from noded.keys.keystore import open_keystore
from noded.keys.names import CONSENSUS, NETWORK
from noded.keys.signer import WatermarkSigner
from noded.network import Lane
from noded.network.addresses import parse_address
from noded.network.faults import ConnectionLost
from noded.network.frames import LANE_PROTOCOLS, Hello, Kind, encode_frame
from noded.network.libp2p import ConnectionClosedError
from noded.network.upgrade import InStream, Muxer, OutStream, Upgrader
from noded.network.wire import Wire
from noded.ops.home import FOUNDER_NAME, KEYS_NAME, read_institution
from noded.types.genesis import Institution
from noded.types.ids import ChainId
from noded.types.messages import MESSAGES, Message, is_bulk
from tests.helpers.fleet import PATIENCE_S
from tests.helpers.hostile import UNLIMITED

REFUSED = (ConnectionLost, ConnectionClosedError, trio.BrokenResourceError, trio.ClosedResourceError)
"""How a connection that the node has ended looks from here."""


@dataclass
class Visit:
    """A connection to a node, up as far as that is the member's doing."""

    muxer: Muxer
    lanes: tuple[OutStream, OutStream]

    async def send(self, message: Message) -> None:
        """One message, well formed."""
        lane = Lane.BULK if is_bulk(message) else Lane.CONSENSUS
        await self.write(lane, encode_frame(Kind.MESSAGE, MESSAGES.encode(message)))

    async def write(self, lane: Lane, data: bytes) -> None:
        """Any bytes."""
        await self.lanes[lane].write(data)

    async def until_closed(self) -> None:
        """The node has ended the connection."""
        with trio.fail_after(PATIENCE_S):
            await self.muxer.event_shutting_down.wait()


class HostileMember:
    """Has a home's keys; `visit` connects to a node."""

    def __init__(self, home: Path, chain_id: ChainId) -> None:
        self.institution: Institution = read_institution(home / FOUNDER_NAME)
        self.chain_id = chain_id
        keystore = open_keystore(home / KEYS_NAME, None)
        self.signer = WatermarkSigner(keystore.secret(CONSENSUS), chain_id)
        self.network_seed = keystore.secret(NETWORK)

    @asynccontextmanager
    async def visit(
        self,
        target: Institution,
        *,
        seed: bytes | None = None,
        chain_id: bytes | None = None,
        reads: bool = True,
    ) -> AsyncIterator[Visit]:
        """
        Dial a node and say both hellos.

        Args:
            target: Whose node.
            seed: Of another network key than this member's.
            chain_id: Another one than this chain's.
            reads: Whether what the node sends is taken.
        """
        address = parse_address(target.endpoints[0])
        async with await trio.open_tcp_stream(*address) as stream, trio.open_nursery() as nursery:
            wire = Wire(stream, is_initiator=True)
            upgrader = Upgrader(self.network_seed if seed is None else seed, UNLIMITED)
            muxer = await upgrader.outbound(wire, target.network_key)
            nursery.start_soon(muxer.start)
            await muxer.event_started.wait()
            nursery.start_soon(_accept, muxer, reads)
            hello = Hello(
                chain_id=self.chain_id if chain_id is None else chain_id,
                speaker=self.institution.id,
                listener=target.id,
            )
            lanes = []
            for lane in Lane:
                out = await muxer.open_lane(LANE_PROTOCOLS[lane])
                await out.write(hello.encode(lane))
                lanes.append(out)
            yield Visit(muxer, (lanes[0], lanes[1]))
            wire.abort()
            nursery.cancel_scope.cancel()


async def _accept(muxer: Muxer, reads: bool) -> None:
    """Take the node's lanes, and what comes on them if it is to be read."""
    async with trio.open_nursery() as nursery:
        try:
            for _ in Lane:
                stream = await muxer.accept_stream()
                _, inbound = await muxer.agree(stream, LANE_PROTOCOLS)
                if reads:
                    nursery.start_soon(_drain, inbound)
        except Exception:  # The node ended the connection, which libp2p tells in many ways.
            return


async def _drain(inbound: InStream) -> None:
    try:
        while True:
            await inbound.read()
    except REFUSED:
        return
