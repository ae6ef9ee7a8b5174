"""Upkeep and repair of real nodes: while they run, and back from what was kept."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from noded.ops.home import STORE_NAME, WAL_NAME
from noded.storage.sqlite import open_reader
from noded.testnet.processes import NodeProcess
from noded.types.genesis import DEFAULT_PARAMETERS, Genesis
from tests.helpers.command import Captured, told
from tests.helpers.fleet import check_agreement, fleet, status, until, until_height
from tests.helpers.steady_load import SteadyLoad

pytestmark = pytest.mark.integration

PARAMETERS = replace(DEFAULT_PARAMETERS, epoch_length=30, idle_interval_ms=300)
"""Epochs of ten seconds, so that a node which must wait for the next one does not wait long."""


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[list[NodeProcess], Genesis]]:
    """Four nodes in their second epoch, which ordered transactions."""
    with fleet(tmp_path / "net", parameters=PARAMETERS) as (testnet, genesis):
        found = list(testnet.nodes)
        with SteadyLoad(found[:1], genesis, senders=1) as load:
            load.until_more(20)
        until_height(found, PARAMETERS.epoch_length + 5)
        yield found, genesis


def checkpoint_of(node: NodeProcess, height: int) -> str:
    with closing(open_reader(node.home / STORE_NAME)) as reader:
        stored = reader.block(height)
    assert stored is not None
    return f"{height}:{stored.hash.hex()}"


def votes_again(node: NodeProcess, others: NodeProcess) -> bool:
    """Whether the others see votes of a node."""
    name = node.institution.id.hex()
    return any(each["id"] == name and each["voted"] for each in status(others)["validators"])


def test_a_running_node_is_looked_at_and_backed_up(
    nodes: tuple[list[NodeProcess], Genesis], tmp_path: Path, capsys: Captured
) -> None:
    (first, *others), _ = nodes
    home = first.home

    failed = [
        each for each in told(capsys, "doctor", "--home", home)["findings"] if each["verdict"] == "fail"
    ]
    assert failed == []
    assert all(each["connected"] for each in told(capsys, "peers", "--home", home)["peers"])
    seen = told(capsys, "top", "--home", home, "--count", 2, "--interval", 0.1)
    assert seen["blocks_per_s"] is not None
    parts = told(capsys, "debug", "bundle", tmp_path / "bundle.tar.gz", "--home", home)["parts"]
    assert {"status.json", "metrics.txt", "log.json"} <= set(parts)
    checked = told(capsys, "db", "check", "--home", home)
    assert (checked["ok"], checked["certified"]) == (True, True)

    made = told(capsys, "backup", "create", tmp_path / "backup", "--home", home)
    assert made["certified"]
    first.stop()
    shutil.rmtree(home)
    restored = told(capsys, "backup", "restore", tmp_path / "backup", "--home", home)
    assert restored["height"] == made["height"]
    with closing(open_reader(others[0].home / STORE_NAME)) as reader:
        following = reader.block(restored["height"] + 1)
    assert following is not None
    assert bytes.fromhex(restored["state_root"]) in following.header

    first.start()
    first.wait_ready()
    until(lambda: votes_again(first, others[0]), "the restored node votes in a new epoch")
    for node in (first, *others):
        node.stop()
    check_agreement([node.home for node in (first, *others)])


def test_a_node_without_a_store_syncs_from_a_snapshot(
    nodes: tuple[list[NodeProcess], Genesis], capsys: Captured
) -> None:
    (first, second, third, last), _ = nodes
    last.stop()
    (last.home / STORE_NAME).unlink()
    shutil.rmtree(last.home / WAL_NAME)
    made = told(capsys, "snapshot", "create", "--home", first.home)
    assert made["certified"]

    checkpoint = checkpoint_of(second, 3)
    told(capsys, "snapshot", "restore", made["file"], "--home", last.home, "--checkpoint", checkpoint)
    last.start()
    last.wait_ready()
    until_height([last], status(first)["height"])
    until(lambda: votes_again(last, first), "the node votes in an epoch that began since")
    for node in (first, second, third, last):
        node.stop()
    check_agreement([node.home for node in (first, second, third, last)])


def test_a_node_that_was_rolled_back_catches_up(
    nodes: tuple[list[NodeProcess], Genesis], capsys: Captured
) -> None:
    """Its log is ahead of its store by more than an epoch, and is left as it is."""
    found, _ = nodes
    last = found[-1]
    last.stop()
    log = {path.name: path.read_bytes() for path in (last.home / WAL_NAME).iterdir()}

    done = told(capsys, "db", "rollback", 5, "--home", last.home)
    assert done["certified"]
    assert {path.name: path.read_bytes() for path in (last.home / WAL_NAME).iterdir()} == log
    last.start()
    last.wait_ready()
    until_height([last], status(found[0])["height"])
    until(lambda: votes_again(last, found[0]), "the node votes again")
    for node in found:
        node.stop()
    check_agreement([node.home for node in found])
