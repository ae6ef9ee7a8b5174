"""
A host of the library as it comes, as member 2: `python -m tests.helpers.stock_host PEER_ADDRESS PEER_KEY_HEX`.

It says hello on both lanes, sends one message on the consensus lane, and prints what it gets on that lane.
"""

import sys

import libp2p
import trio
from libp2p.crypto.ed25519 import Ed25519PublicKey, create_new_key_pair
from libp2p.network.stream.net_stream import NetStream
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo
from multiaddr import Multiaddr

SEED = (2).to_bytes(32, "big")
ME, NODE = (2).to_bytes(16, "big"), (3).to_bytes(16, "big")
PROTOCOLS = ("/noded/consensus/1", "/noded/bulk/1")


def frame(kind: int, body: bytes) -> bytes:
    return (len(body) + 1).to_bytes(4, "big") + bytes([kind]) + body


async def main(address: str, key: bytes) -> None:
    host = libp2p.new_host(key_pair=create_new_key_pair(SEED), muxer_preference="YAMUX")
    peer = ID.from_pubkey(Ed25519PublicKey.from_bytes(key))
    ip, port = address.split(":")

    async def receive(stream: NetStream) -> None:
        data = b""
        while b"from noded" not in data:
            data += await stream.read(65536)
        print("got it", flush=True)

    async def ignore(stream: NetStream) -> None:
        await trio.sleep_forever()

    host.set_stream_handler(PROTOCOLS[0], receive)
    host.set_stream_handler(PROTOCOLS[1], ignore)
    async with host.run(listen_addrs=[Multiaddr("/ip4/127.0.0.1/tcp/0")]):
        await host.connect(PeerInfo(peer, [Multiaddr(f"/ip4/{ip}/tcp/{port}")]))
        streams = [await host.new_stream(peer, [protocol]) for protocol in PROTOCOLS]
        for lane, stream in enumerate(streams):
            await stream.write(frame(0, (1).to_bytes(2, "big") + bytes([lane]) + bytes(32) + ME + NODE))
        await streams[0].write(frame(1, b"from a stock host"))
        await trio.sleep_forever()


if __name__ == "__main__":
    trio.run(main, sys.argv[1], bytes.fromhex(sys.argv[2]))
