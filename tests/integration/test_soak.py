"""
A day in miniature: four real nodes for twenty minutes under load, with faults; what they use stays where it is.

NODED_SOAK_S sets another length. Before it, so many records are registered that what keeps a part of them (a ledger's
16,384 values, the pages of readers and writer, 16 MiB of the tree's leaves) is full when counting begins. The first two
fifths do not count either: what expires after five minutes (batches that could be named again) has to begin to expire.
After that the line through all samples must not rise by more than `GROWTH_PART_MAX` of the memory, `FILES_GROWTH_MAX`
files, or `TASKS_PART_MAX` of the tasks, on a node that ran all the time. Most tasks are timers of views, which are never
cancelled and end by themselves after some seconds: how many there are follows the pace of the blocks, and that the
machine's load. So a task that is lost with a block or a transaction is found, one that is lost with a fault is not.
"""

import os
import random
import signal
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import Final

import pytest

from noded.client.sockets import SOCKET_NAME
from noded.testnet.creating import HOST, create_testnet, free_ports
from noded.testnet.processes import NodeProcess, Testnet
from noded.types.genesis import Genesis
from tests.helpers.flatness import Course, fit
from tests.helpers.fleet import (
    check_agreement,
    check_signatures,
    figure,
    open_files,
    rss_bytes,
    status,
    until,
    until_height,
)
from tests.helpers.steady_load import TOGETHER, SteadyLoad, check_all_there, without_effect

SOAK_S: Final = float(os.environ.get("NODED_SOAK_S", "1200"))
WARM_PART: Final = 0.4
PER_S: Final = 50.0
"""Transactions a second: a busy consortium's, and a modest part of what the machine bears."""

FILLED: Final = 180_000
"""Records registered before the soak."""

FILLED_AT_ONCE: Final = 50
"""Records in one transaction, then."""

SENDERS: Final = 2

SAMPLE_S: Final = 2.0
FAULT_S: Final = 30.0
"""From one fault to the next."""

DOWN_S: Final = 5.0
SLOW_CLIENTS: Final = 40

GROWTH_PART_MAX: Final = 0.04
FILES_GROWTH_MAX: Final = 3.0
TASKS_PART_MAX: Final = 0.25

FIGURES: Final[dict[str, Callable[[NodeProcess], float]]] = {
    "memory": rss_bytes,
    "files": open_files,
    "tasks": lambda node: figure(node, "noded_tasks"),
}

Samples = dict[tuple[str, str], list[tuple[float, float]]]
"""By node and figure: second and value."""


class TestJudgement:
    """The bounds find what they are there for."""

    def test_noise_is_flat(self) -> None:
        draw = random.Random(1)
        course = fit([(float(at), 120e6 + draw.uniform(-5e6, 5e6)) for at in range(0, 720, 2)])

        assert abs(course.growth_part) < GROWTH_PART_MAX / 4
        assert is_flat("memory", course)

    def test_two_kilobytes_a_transaction_are_a_leak(self) -> None:
        draw = random.Random(1)
        lost = 2_000 * PER_S
        course = fit([(float(at), 120e6 + lost * at + draw.uniform(-5e6, 5e6)) for at in range(0, 720, 2)])

        assert not is_flat("memory", course)

    def test_a_file_left_open_by_each_fault_is_a_leak(self) -> None:
        course = fit([(float(at), 60.0 + at // FAULT_S) for at in range(0, 720, 2)])

        assert not is_flat("files", course)

    def test_a_task_left_by_each_block_is_a_leak(self) -> None:
        assert not is_flat("tasks", fit([(float(at), 80.0 + at) for at in range(0, 720, 2)]))


class Soak:
    """The nodes, and what is done to them: the first two run all the time, the last two are killed."""

    def __init__(self, testnet: Testnet, genesis: Genesis, stack: ExitStack) -> None:
        self.nodes = list(testnet.nodes)
        self.genesis = genesis
        self.samples: Samples = {}
        self.faults: dict[str, int] = {}
        self._draw = random.Random(1)
        self._stack = stack
        self._ports = free_ports(len(self.nodes))
        self._began = time.monotonic()
        self._next_fault_s = FAULT_S
        self._pending: list[tuple[float, Callable[[], None]]] = []
        self._clients: list[socket.socket] = []

    def start(self, node: NodeProcess) -> None:
        """Start a node with a door for strangers."""
        node.start(environment={"NODED_API__LISTEN": f"{HOST}:{self._ports[self.nodes.index(node)]}"})

    def begin(self) -> None:
        """Count the time from now on."""
        self._began = time.monotonic()

    def run(self, seconds: float) -> None:
        """Sample, and let faults happen, for so long."""
        while (passed := time.monotonic() - self._began) < seconds:
            for due in [each for each in self._pending if each[0] <= passed]:
                self._pending.remove(due)
                due[1]()
            if passed >= self._next_fault_s and not self._pending and passed < seconds - 2 * FAULT_S:
                self._next_fault_s = passed + FAULT_S
                self._fault(passed)
            for node in self.nodes[:2]:
                for name, read in FIGURES.items():
                    self.samples.setdefault((node.home.name, name), []).append((passed, read(node)))
            time.sleep(SAMPLE_S)
        for _, repair in self._pending:
            repair()

    def _fault(self, passed: float) -> None:
        draw, steady, frail = self._draw, self.nodes[:2], self.nodes[2:]
        kind = draw.choice(("kill", "stop", "pause", "slow heads", "deaf stream"))
        self.faults[kind] = self.faults.get(kind, 0) + 1
        if kind in ("kill", "stop"):
            node = draw.choice(frail)
            if kind == "kill":
                node.kill()
            else:
                assert node.stop() == 0
            self._pending.append((passed + DOWN_S, lambda: self.start(node)))
        elif kind == "pause":
            node = draw.choice(frail)
            node.signal(signal.SIGSTOP)
            self._pending.append((passed + DOWN_S, lambda: node.signal(signal.SIGCONT)))
        elif kind == "slow heads":
            node = draw.choice(steady)
            address = (HOST, self._ports[self.nodes.index(node)])
            for _ in range(SLOW_CLIENTS):
                self._keep(socket.create_connection(address)).sendall(
                    b"GET /v1/status HTTP/1.1\r\nHost: a\r\n"
                )
        else:
            deaf = self._keep(socket.socket(socket.AF_UNIX))
            deaf.connect(str(draw.choice(steady).home / SOCKET_NAME))
            deaf.sendall(b"GET /v1/events HTTP/1.1\r\nHost: a\r\nLast-Event-ID: 0\r\n\r\n")

    def _keep(self, client: socket.socket) -> socket.socket:
        """Clients never read and never close; the node has to."""
        self._stack.enter_context(closing(client))
        return client


@pytest.mark.integration
@pytest.mark.slow
def test_nothing_grows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    genesis = create_testnet(tmp_path / "net", 4, encrypted=False)
    with ExitStack() as stack:
        testnet = stack.enter_context(Testnet(tmp_path / "net"))
        soak = Soak(testnet, genesis, stack)
        nodes = soak.nodes
        for node in nodes:
            soak.start(node)
        for node in nodes:
            node.wait_ready()
        with SteadyLoad(nodes[::-1], genesis, operations=FILLED_AT_ONCE) as load:
            for _ in range(20):
                load.until_more(FILLED // FILLED_AT_ONCE // 20)
        soak.begin()
        with SteadyLoad(nodes, genesis, senders=SENDERS, per_s=PER_S) as load:
            soak.run(SOAK_S)
            for node in nodes:
                node.wait_ready()
            load.until_more(10)
            load.stop()
            final = load.final
        check_all_there(nodes, final)
        until_height(nodes, max(final.values()))
        heights = [status(node)["height"] for node in nodes]
        until(
            lambda: all(status(node)["standing"] is None for node in nodes),
            "no node says that the chain stands",
        )
        assert [status(node)["halted"] for node in nodes] == [None] * 4
        assert testnet.stop() == [0] * 4

    homes = [node.home for node in nodes]
    check_agreement(homes)
    check_signatures(homes)
    ends = soak.faults.get("kill", 0) + soak.faults.get("stop", 0)
    repeated = without_effect(homes[0])
    assert repeated <= ends * SENDERS * TOGETHER, (
        "only what a node that ended did not answer is handed in again"
    )
    courses = {key: fit(after(samples, WARM_PART * SOAK_S)) for key, samples in soak.samples.items()}
    with capsys.disabled():
        print(
            f"\n{SOAK_S:.0f} s, {len(final)} transactions final, {repeated} without effect, height {min(heights)},"
            f" faults {soak.faults}"
        )
        for (node_name, name), course in courses.items():
            first, last = soak.samples[node_name, name][0][1], soak.samples[node_name, name][-1][1]
            print(
                f"{node_name} {name}: first {first:.0f}, last {last:.0f}, mean {course.mean:.0f},"
                f" fitted growth {course.growth:+.1f} ({course.growth_part:+.2%})"
            )
    assert [each for each in courses.items() if not is_flat(each[0][1], each[1])] == []


def after(samples: Sequence[tuple[float, float]], since_s: float) -> list[tuple[float, float]]:
    """The samples that count, as medians by minute: forty slow clients for ten seconds are no growth."""
    minutes: dict[int, list[float]] = {}
    for at_s, value in samples:
        if at_s >= since_s:
            minutes.setdefault(int(at_s // 60), []).append(value)
    return [(60.0 * minute, median(values)) for minute, values in sorted(minutes.items())]


def is_flat(name: str, course: Course) -> bool:
    """Whether a figure's course is within the bounds."""
    if name == "files":
        return course.growth <= FILES_GROWTH_MAX
    return course.growth_part <= {"memory": GROWTH_PART_MAX, "tasks": TASKS_PART_MAX}[name]
