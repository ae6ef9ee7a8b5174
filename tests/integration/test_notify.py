"""What a real node tells its service manager; tests/integration/test_systemd.py has a real manager, and takes longer."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from noded.testnet.creating import create_testnet
from noded.testnet.processes import NodeProcess, Testnet
from noded.types.genesis import DEFAULT_PARAMETERS
from tests.helpers.fleet import PATIENCE_S

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("processes")]

WATCHDOG_S = 1.5
"""In which the manager wants a sign of life; the node gives one every third of it."""

Told = dict[str, str]


class Manager:
    """Listens as a service manager does, and starts a node."""

    def __init__(self, node: NodeProcess, folder: Path) -> None:
        self.node = node
        self._path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))

    def start(self) -> None:
        interval = {"WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6))}
        self.node.start(environment={"NOTIFY_SOCKET": str(self._path), **interval})

    def until(self, matches: Callable[[Told], bool], within_s: float = PATIENCE_S) -> Told:
        """The next message that matches."""
        deadline = time.monotonic() + within_s
        while True:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            told = dict(line.split("=", 1) for line in self._socket.recv(4096).decode().split("\n"))
            if matches(told):
                return told

    def forget(self) -> None:
        """Drop what was told up to now."""
        self._socket.setblocking(False)
        while True:
            try:
                self._socket.recv(4096)
            except BlockingIOError:
                return

    def close(self) -> None:
        self._socket.close()


def height(told: Told) -> int:
    """What the status line says of the chain."""
    return int(told["STATUS"].split()[1].rstrip(","))


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    """The manager of a node that is a chain by itself."""
    folder = tmp_path_factory.mktemp("notify")
    parameters = replace(DEFAULT_PARAMETERS, idle_interval_ms=200)
    create_testnet(folder / "net", 1, encrypted=False, parameters=parameters)
    with Testnet(folder / "net") as testnet:
        found = Manager(testnet.nodes[0], folder)
        found.start()
        found.node.wait_ready()  # Before that a SIGHUP would end the process; what it told waits in the socket.
        yield found
        found.close()


def test_it_is_ready_when_it_serves(manager: Manager) -> None:
    told = manager.until(lambda told: "READY" in told)

    assert told["STATUS"].startswith("height ")


def test_signs_of_life_come_with_where_the_node_is(manager: Manager) -> None:
    first = height(manager.until(lambda told: "WATCHDOG" in told))

    manager.until(lambda told: "WATCHDOG" in told and height(told) > first)


def test_a_reload_is_announced_and_ended(manager: Manager) -> None:
    os.kill(manager.node.pid, signal.SIGHUP)

    manager.until(lambda told: "RELOADING" in told)
    manager.until(lambda told: "READY" in told)


def test_a_process_that_hangs_gives_no_sign(manager: Manager) -> None:
    os.kill(manager.node.pid, signal.SIGSTOP)
    try:
        manager.forget()
        with pytest.raises(TimeoutError):
            manager.until(lambda told: "WATCHDOG" in told, within_s=2 * WATCHDOG_S)
    finally:
        os.kill(manager.node.pid, signal.SIGCONT)
    manager.until(lambda told: "WATCHDOG" in told)


def test_its_stop_is_announced(manager: Manager) -> None:
    manager.forget()
    manager.node.stop()

    manager.until(lambda told: "STOPPING" in told, within_s=1)
