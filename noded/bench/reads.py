"""Reads of the HTTP API: as many as a few connections get out of one node."""

from dataclasses import dataclass
from typing import Final

import trio

from noded.bench.figures import usage_of
from noded.client.async_http import AsyncNodeClient
from noded.testnet.processes import NodeProcess

READ_S: Final = 5.0
"""Of reading: some ten thousand answers."""

CONNECTIONS: Final = 8
"""Each asks again as soon as it is answered: enough that the node never waits for the reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What one node answered."""

    per_s: float
    per_cpu_s: float
    """Answers in a second of the node's processor time: what one core gives."""


async def drive_reads(node: NodeProcess, client: AsyncNodeClient, path: str) -> Reads:
    """
    Read one thing, which this node has, again and again.

    Raises:
        Refused, NodeUnreachable: The node does not answer.
    """
    answers = 0
    start, before = trio.current_time(), usage_of(node.pid).cpu_s
    end = start + READ_S

    async def keep_reading() -> None:
        nonlocal answers
        while trio.current_time() < end:
            await client.get(path)
            answers += 1

    async with trio.open_nursery() as nursery:
        for _ in range(CONNECTIONS):
            nursery.start_soon(keep_reading)
    seconds = trio.current_time() - start
    used_s = usage_of(node.pid).cpu_s - before
    return Reads(per_s=answers / seconds, per_cpu_s=answers / used_s)
