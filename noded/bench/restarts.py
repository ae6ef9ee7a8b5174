"""A node that is stopped and started again: how long both take, and how fast it catches up."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import trio

from noded.bench.driving import Source, drive_open
from noded.client.answers import NodeUnreachable
from noded.client.async_http import AsyncNodeClient
from noded.testnet.processes import NodeProcess

AWAY_S: Final = 10.0
"""Of load while one node is away: a hundred blocks and more to catch up with."""

CATCH_UP_S_MAX: Final = 120.0

LOOK_S: Final = 0.02
"""Between looks how far a node has come."""

NODES_MIN: Final = 4
"""The least network that goes on without one node."""


@dataclass(frozen=True, slots=True)
class Restart:
    """One node among others that have nothing to do."""

    stop_s: float
    """From SIGTERM to the end of the process."""
    start_s: float
    """From the start of the process until the node is ready."""


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What a node did that had missed something."""

    seconds: float
    """From its first answer until it had all that it had missed."""
    blocks: int
    missed_s: float
    """In which the others made these blocks."""


async def restart(node: NodeProcess) -> Restart:
    """Stop a node and start it again at once; raises `NodeFailed` if it does not come up."""
    return await trio.to_thread.run_sync(_restart, node)


def _restart(node: NodeProcess) -> Restart:
    began = time.monotonic()
    node.stop()
    stopped = time.monotonic()
    node.start()
    node.wait_ready()
    return Restart(stop_s=stopped - began, start_s=time.monotonic() - stopped)


async def catch_up(
    node: NodeProcess,
    others: Sequence[AsyncNodeClient],
    sources: Sequence[Source],
    *,
    rate: float,
) -> CatchUp:
    """
    Stop a node, have the others work for some time, and see it catch up.

    Raises:
        NodeFailed: It does not come up.
        trio.TooSlowError: It does not catch up.
    """
    own = AsyncNodeClient(node.home)
    before = await _status(own)
    await own.aclose()
    await trio.to_thread.run_sync(node.stop)
    await drive_open(others, sources, rate=rate, seconds=AWAY_S)
    goal = await _status(others[0])
    node.start()
    with trio.fail_after(CATCH_UP_S_MAX):
        first = await _first_status(own)
        began = trio.current_time()
        found = first
        while found["height"] < goal["height"]:
            await trio.sleep(LOOK_S)
            found = await _status(own)
    seconds = trio.current_time() - began
    await own.aclose()
    blocks = goal["height"] - first["height"]
    share = blocks / (goal["height"] - before["height"])
    missed_s = (goal["block_time_ms"] - before["block_time_ms"]) / 1000
    return CatchUp(seconds=seconds, blocks=blocks, missed_s=share * missed_s)


async def _status(client: AsyncNodeClient) -> Any:
    return (await client.get("/v1/status"))["status"]


async def _first_status(client: AsyncNodeClient) -> Any:
    while True:
        try:
            return await _status(client)
        except NodeUnreachable:
            await trio.sleep(LOOK_S)
