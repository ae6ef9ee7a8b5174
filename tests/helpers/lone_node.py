"""A node alone, for hostile peers to try."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from noded.network import Lane
from noded.network.limits import (
    Rates,
)
from tests.helpers.networking import (
    TestNode,
    peer_info,
    start_node,
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


DATA, WINDOW, PING, GO_AWAY = range(4)


SYN, ACK, FIN, RST = 1, 2, 4, 8
