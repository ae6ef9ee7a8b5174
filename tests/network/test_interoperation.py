"""On the wire this is libp2p: a host of the library as it comes can be a member."""

import subprocess
import sys

import trio

from noded.network import Lane
from tests.helpers.networking import peer_id, peer_info, start_node


async def test_a_stock_host_exchanges_messages() -> None:
    async with trio.open_nursery() as nursery:
        node = await start_node(nursery, 3, members=(peer_info(2),))
        arguments = [node.info.addresses[0], node.info.network_key.hex()]
        command = [sys.executable, "-m", "tests.helpers.stock_host", *arguments]
        process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
        try:
            await node.handler.until_messages(1)
            assert node.handler.messages == [(peer_id(2), Lane.CONSENSUS, b"from a stock host")]
            node.network.send(peer_id(2), Lane.CONSENSUS, b"from noded")
            assert process.stdout is not None
            said = b""
            while not said.endswith(b"\n"):  # A line may come in pieces.
                piece = await process.stdout.receive_some()
                assert piece, "it ended"
                said += piece
            assert said == b"got it\n"
            assert node.handler.down == []
        finally:
            process.kill()
        nursery.cancel_scope.cancel()
