"""Settings of a real node: from file and environment, read again while it runs, refused where they are bad."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from noded.config import CONFIG_NAME
from noded.testnet.processes import NodeFailed, NodeProcess
from noded.types.genesis import DEFAULT_PARAMETERS
from tests.helpers.command import Captured, complaint, told
from tests.helpers.fleet import figure, fleet, labels, status, until, until_height

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("processes")]

EPOCH = 10

PARAMETERS = replace(
    DEFAULT_PARAMETERS, epoch_length=EPOCH, idle_interval_ms=100, batch_expiry_ms=DEFAULT_PARAMETERS.drift_ms
)
"""Blocks come quickly, and may soon be forgotten."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node that is a chain by itself."""
    with fleet(tmp_path_factory.mktemp("settings") / "net", 1, parameters=PARAMETERS) as (testnet, _):
        yield testnet.nodes[0]


def configure(node: NodeProcess, section: str, line: str) -> None:
    """Put a line into the node's file, instead of one with its key."""
    path = node.home / CONFIG_NAME
    key = line.partition(" = ")[0]
    lines = [each for each in path.read_text("utf-8").splitlines() if not each.startswith(f"{key} =")]
    lines.insert(lines.index(f"[{section}]") + 1, line)
    path.write_text("\n".join(lines) + "\n", "utf-8")


def hang_up(node: NodeProcess, result: str) -> None:
    """Send SIGHUP, and wait until the node has read its settings."""
    before = labels(node, "noded_config_reloads_total").get(f'{{result="{result}"}}', 0)
    os.kill(node.pid, signal.SIGHUP)
    until(
        lambda: labels(node, "noded_config_reloads_total").get(f'{{result="{result}"}}', 0) > before,
        f"the settings were found to be {result}",
    )


def test_bad_settings_leave_the_old_ones_in_force(node: NodeProcess, capsys: Captured) -> None:
    configure(node, "log", 'level = "debug"')
    configure(node, "storage", "keep_blocs = 4")
    hang_up(node, "bad")

    assert figure(node, "noded_config_reload_failed") == 1
    assert "storage.keep_blocs: there is no such setting; did you mean storage.keep_blocks?" in node.log
    assert '"level": "debug"' not in node.log
    refused = complaint(capsys, "reload", "--home", node.home, code=1)
    assert "did you mean storage.keep_blocks?" in refused
    assert "keep_blocs" in complaint(capsys, "config", "validate", "--home", node.home, code=3)
    height = status(node)["height"]
    until_height([node], height + 2)

    text = (node.home / CONFIG_NAME).read_text("utf-8").replace("keep_blocs = 4\n", "")
    (node.home / CONFIG_NAME).write_text(text, "utf-8")
    hang_up(node, "good")
    assert figure(node, "noded_config_reload_failed") == 0
    assert '"key": "log.level"' in node.log


def test_a_reload_names_what_waits_for_a_restart(node: NodeProcess, capsys: Captured) -> None:
    configure(node, "storage", "reserve_mib = 512")

    assert told(capsys, "reload", "--home", node.home)["needs_restart"] == ["storage.reserve_mib"]


def test_blocks_are_forgotten_once_the_setting_says_so(node: NodeProcess, capsys: Captured) -> None:
    until_height([node], 3 * EPOCH)
    assert told(capsys, "db", "stat", "--home", node.home)["first_body"] == 0

    configure(node, "storage", "keep_blocks = 5")
    hang_up(node, "good")

    until(
        lambda: told(capsys, "db", "stat", "--home", node.home)["first_body"] > EPOCH,
        "old blocks are forgotten",
    )
    assert told(capsys, "db", "check", "--home", node.home)["findings"] == []
    node.stop()
    node.start()
    node.wait_ready()
    until_height([node], status(node)["height"] + 2)


def test_the_environment_overrides_the_file(node: NodeProcess, capsys: Captured, tmp_path: Path) -> None:
    node.stop()
    node.start(environment={"NODED_LOG__LEVLE": "debug"})
    with pytest.raises(NodeFailed):
        node.wait_ready()
    assert "NODED_LOG__LEVLE: log.levle: there is no such setting; did you mean log.level?" in node.log

    node.start(environment={"NODED_STORAGE__KEEP_BLOCKS": "7"})
    node.wait_ready()
    configure(node, "storage", "keep_blocks = 9")
    hang_up(node, "good")
    assert '"key": "storage.keep_blocks", "new": 9' not in node.log
