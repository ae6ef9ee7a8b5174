"""N6 and N11 with a peer whose process is stopped: found out, let go, taken back, and no hindrance to ending."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio
from trio.testing import wait_all_tasks_blocked

from noded.network import Lane
from tests.helpers.networking import PATIENCE_S, TestNode, peer_id, peer_info, start_node, until


@asynccontextmanager
async def node_and_process() -> AsyncIterator[tuple[TestNode, trio.Process]]:
    """Node 1 here, node 2 in a process, connected."""
    async with trio.open_nursery() as nursery:
        node = await start_node(nursery, 1, members=(peer_info(2),))
        command = [sys.executable, "-m", "tests.helpers.peer_process", "2", "1", node.info.addresses[0]]
        process = await nursery.start(partial(trio.run_process, command, check=False))
        try:
            await node.handler.until_up()
            yield node, process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()
            nursery.cancel_scope.cancel()


def written_to_death(node: TestNode) -> bool:
    """Send bulk until nothing more fits."""
    while node.network.send(peer_id(2), Lane.BULK, bytes(1_000_000)):
        pass
    return True


async def test_a_hung_peer_is_found_out_and_taken_back() -> None:
    async with node_and_process() as (node, process):
        process.send_signal(signal.SIGSTOP)
        await node.handler.until_down()
        assert node.handler.down == [(peer_id(2), "PeerSilent")]
        process.send_signal(signal.SIGCONT)
        await node.handler.until_up(2)


async def test_a_hung_peer_with_full_queues_is_found_out_too() -> None:
    """The library deadlocks on closing a connection in which a write is blocked."""
    async with node_and_process() as (node, process):
        process.send_signal(signal.SIGSTOP)
        assert written_to_death(node)
        await node.handler.until_down()

        assert node.handler.down[0][1] in ("PeerSilent", "PeerStalled")
        assert not node.peer(2).connected


async def test_ending_does_not_wait_for_a_hung_peer() -> None:
    """N11: nothing is waited for at all; the socket to the peer and the one that listens are closed."""
    async with node_and_process() as (node, process):
        process.send_signal(signal.SIGSTOP)
        assert written_to_death(node)
        await until(lambda: node.peer(2).lanes[Lane.BULK].queue_bytes < 8_000_000)
        files = len(os.listdir("/proc/self/fd"))
        node.scope.cancel()
        await wait_all_tasks_blocked()

        assert node.ended.is_set()
        assert len(os.listdir("/proc/self/fd")) == files - 2


async def test_a_killed_peer_is_known_at_once() -> None:
    async with node_and_process() as (node, process):
        process.send_signal(signal.SIGKILL)
        with trio.fail_after(PATIENCE_S):
            await node.handler.until_down()

        assert node.handler.down == [(peer_id(2), "ConnectionLost")]


def test_the_process_ends_on_a_signal() -> None:
    """Ctrl-C: nothing of the library holds the loop; also where these tests run in the background of a shell."""
    command = [sys.executable, "-m", "tests.helpers.peer_process", "2", "1", "127.0.0.1:1"]
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # Ignored signals are inherited.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=heed
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"127.0.0.1:")
            process.send_signal(signal.SIGINT)

            assert process.wait(timeout=PATIENCE_S) != 0
        finally:
            process.kill()
