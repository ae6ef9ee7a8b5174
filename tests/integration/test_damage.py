"""What may be wrong with a home and its machine: a clear error and a way out, or correct progress; never damage."""

import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noded.client.answers import NodeUnreachable, Refused
from noded.client.http import NodeClient
from noded.ops.founding import write_genesis
from noded.ops.home import GENESIS_NAME, WAL_NAME
from noded.testnet.creating import create_testnet, homes
from noded.testnet.processes import NodeProcess
from noded.types.genesis import Genesis
from noded.types.ids import TransactionHash
from tests.helpers.fleet import (
    PATIENCE_S,
    check_agreement,
    check_signatures,
    fleet,
    remains,
    status,
    until_height,
)
from tests.helpers.steady_load import SteadyLoad, check_all_there

pytestmark = pytest.mark.integration


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[tuple[NodeProcess, Genesis]]:
    """A chain of one node, which runs."""
    with fleet(tmp_path / "net", 1) as (testnet, genesis):
        yield testnet.nodes[0], genesis


def refuses(node: NodeProcess, code: int, *said: str) -> None:
    """The node does not start, with this exit code, and says all of this."""
    before = len(node.log)
    node.start()
    assert node.wait(PATIENCE_S) == code
    told = node.log[before:]
    for text in said:
        assert text in told, told
    assert "Traceback" not in told, told


def limit_files(size_bytes: int) -> Callable[[], None]:
    """Let no file of a process grow beyond this, as on a full disk."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))


def test_a_damaged_log_is_refused_and_named_and_leaves_the_store_alone(
    lone: tuple[NodeProcess, Genesis],
) -> None:
    node, genesis = lone
    with SteadyLoad([node], genesis, senders=1) as load:
        load.until_more(20)
    assert node.stop() == 0
    before = remains(node.home)
    [segment] = (node.home / WAL_NAME).glob("*.wal")
    good = segment.read_bytes()
    damaged = bytearray(good)
    damaged[len(good) // 2] ^= 1
    segment.write_bytes(damaged)

    refuses(node, 5, str(segment), "is damaged at byte", "move the log's folder away")

    assert segment.read_bytes() == damaged
    assert remains(node.home) == before

    segment.write_bytes(good)
    node.start()
    node.wait_ready()
    check_all_there([node], load.final)


def test_another_chains_genesis_is_refused_and_harms_nothing(
    lone: tuple[NodeProcess, Genesis], tmp_path: Path
) -> None:
    node, _ = lone
    assert node.stop() == 0
    before = remains(node.home)
    other = create_testnet(tmp_path / "other", 1, encrypted=False)
    good = (node.home / GENESIS_NAME).read_bytes()

    write_genesis(node.home / GENESIS_NAME, other)
    refuses(node, 3, str(node.home), "genesis")

    (node.home / GENESIS_NAME).write_bytes(good[: len(good) // 2])
    refuses(node, 3, str(node.home / GENESIS_NAME))

    (node.home / GENESIS_NAME).unlink()
    refuses(node, 3, str(node.home / GENESIS_NAME))

    (node.home / GENESIS_NAME).write_bytes(good)
    assert remains(node.home) == before
    node.start()
    node.wait_ready()


def test_a_second_process_on_a_home_is_refused_and_the_first_goes_on(
    lone: tuple[NodeProcess, Genesis],
) -> None:
    node, genesis = lone
    second = NodeProcess(node.home)

    refuses(second, 5, str(node.home), f"process {node.pid}")

    with SteadyLoad([node], genesis, senders=1) as load:
        load.until_more(5)
    check_all_there([node], load.final)


def fill(node: NodeProcess, load: SteadyLoad) -> dict[TransactionHash, int]:
    """Hand in transactions until the node ends for want of space; returns those that it called final."""
    final = dict(load.final)
    with NodeClient.in_home(node.home) as client:
        try:
            while True:
                rows = client.post_transactions([each.encoding for each in load.signed(16)], wait_s=30)
                final |= {row.hash: row.height for row in rows if row.height is not None}
        except (NodeUnreachable, Refused):
            pass
    assert node.wait(PATIENCE_S) == 1
    assert "Traceback" not in node.log
    assert len(final) > len(load.final)
    return final


def goes_on(node: NodeProcess, final: dict[TransactionHash, int]) -> None:
    """With space again, the node has all that was final, and agrees with itself."""
    node.start()
    node.wait_ready()
    check_all_there([node], final)
    assert node.stop() == 0
    check_agreement([node.home])
    check_signatures([node.home])


@pytest.mark.slow
def test_files_that_may_not_grow_end_the_node_and_nothing_is_lost(lone: tuple[NodeProcess, Genesis]) -> None:
    node, genesis = lone
    with SteadyLoad([node], genesis, senders=1) as load:
        load.until_more(10)
    assert node.stop() == 0
    largest = max(path.stat().st_size for path in node.home.rglob("*") if path.is_file())
    node.start(limits=limit_files(largest + 128 * 1024))
    node.wait_ready()

    final = fill(node, load)

    last = node.log.splitlines()[-1]
    assert str(node.home) in last
    assert "then start again" in last
    goes_on(node, final)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 32 MiB; only root may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"a small file system takes the right to mount: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_ends_the_node_and_with_space_it_goes_on(small_disk: Path) -> None:
    with fleet(small_disk / "net", 1) as (testnet, genesis):
        [node] = testnet.nodes
        with SteadyLoad([node], genesis, senders=1) as load:
            load.until_more(10)
        filler = small_disk / "filler"
        free = os.statvfs(small_disk)
        filler.write_bytes(bytes(free.f_bavail * free.f_frsize - 512 * 1024))

        final = fill(node, load)

        assert "no space left for this write; free space or prune, then start again" in node.log
        filler.unlink()
        goes_on(node, final)


@pytest.mark.slow
def test_a_node_that_lost_its_log_follows_without_a_conflicting_vote(tmp_path: Path) -> None:
    with fleet(tmp_path / "net") as (testnet, genesis):
        nodes = testnet.nodes
        last = nodes[3]
        with SteadyLoad(nodes[:3], genesis) as load:
            load.until_more(20)
            last.kill()
            shutil.move(last.home / WAL_NAME, tmp_path / "old-log")  # As the error about a damaged log says.
            last.start()
            load.until_more(20)
            last.wait_ready()
            load.until_more(5)
        until_height(nodes, max(load.final.values()))
        check_all_there(nodes, load.final)
        assert status(last)["halted"] is None
        assert testnet.stop() == [0] * 4

    found = homes(tmp_path / "net")
    check_agreement(found)
    check_signatures(found, logs=[tmp_path / "old-log"])
