"""A node in a process of its own: `python -m tests.helpers.peer_process NUMBER PEER_NUMBER PEER_ADDRESS`."""

import sys

import trio

from tests.helpers.networking import peer_info, start_node


async def main(number: int, other: int, address: str) -> None:
    async with trio.open_nursery() as nursery:
        node = await start_node(nursery, number, members=(peer_info(other, address),))
        print(node.info.addresses[0], flush=True)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
