"""Faults at their times: switches on machines, network and clocks."""

from collections.abc import Callable
from functools import partial
from typing import assert_never

import numpy as np

from sim.connections import Connections
from sim.host import Host
from sim.models.disk import Fate
from sim.network import Cut, Disturbance
from sim.scenario import faults as spec
from sim.world import World


class Faults:
    """Lets faults happen to a cluster; healing ends them all."""

    def __init__(
        self, world: World, hosts: list[Host], connections: Connections, faults: list[spec.Fault]
    ) -> None:
        self._world = world
        self._hosts = hosts
        self._connections = connections
        self._faults = faults
        self._undo: dict[int, Callable[[], None]] = {}
        """What ends each fault that is under way."""
        self._restarting = 0
        """Machines that are down and will be started again."""
        self._is_healed = False
        self._changed = 0
        """When a fault last began or ended."""

    def quiet_since(self) -> int | None:
        """Since when no fault is under way, crashes included that will be followed by a restart; None while one is."""
        return None if self._undo or self._restarting else self._changed

    def schedule(self) -> None:
        """Let each fault happen at its time."""
        for number, fault in enumerate(self._faults):
            self._world.engine.before(fault.at, partial(self._begin, number, fault))

    def heal(self) -> None:
        """End every fault, start every machine, and let nothing more happen."""
        self._is_healed = True
        self._restarting = 0
        for number in list(self._undo):
            self._end(number)
        for host in self._hosts:
            if not host.is_up:
                self.restart(host)

    def crash(self, host: Host, fate: Fate) -> None:
        """Kill a machine's process."""
        host.crash(fate)
        self._connections.went_down(host.index)

    def restart(self, host: Host) -> None:
        """Start a machine that is down."""
        host.start()
        self._connections.came_up(host.index)

    def _begin(self, number: int, fault: spec.Fault) -> None:
        if self._is_healed:
            return
        self._changed = self._world.engine.now
        if isinstance(fault, spec.Crash):
            self._crash(fault)
            return
        if isinstance(fault, spec.Skew):
            now = self._world.engine.now
            for host in self._chosen(fault.nodes):
                host.clock.skew(now, offset_ns=fault.offset, drift_ppm=fault.drift_ppm)
            return
        self._undo[number] = self._switch_on(fault)
        self._world.engine.before(fault.at + fault.span, partial(self._end, number))

    def _end(self, number: int) -> None:
        undo = self._undo.pop(number, None)
        if undo is not None:
            self._changed = self._world.engine.now
            undo()

    def _crash(self, fault: spec.Crash) -> None:
        engine = self._world.engine
        for host in self._chosen(fault.nodes):
            if not host.is_up:
                continue
            self.crash(host, fault.disk)
            if fault.restart_after is not None:
                self._restarting += 1
                engine.before(engine.now + fault.restart_after, partial(self._come_back, host, host.life))

    def _come_back(self, host: Host, life: int) -> None:
        if not host.is_up and host.life == life:
            self._restarting -= 1
            self._changed = self._world.engine.now
            self.restart(host)

    def _switch_on(self, fault: spec.Fault) -> Callable[[], None]:
        """Begin a fault that lasts; returns what ends it."""
        network = self._world.network
        match fault:
            case spec.Partition():
                return self._cut(fault)
            case spec.Pause():
                for host in self._chosen(fault.nodes):
                    host.pause()
                return partial(_each, Host.resume, self._chosen(fault.nodes))
            case spec.Loss() | spec.Duplicate() | spec.Reorder():
                disturbance = Disturbance(
                    kind=fault.kind,
                    senders=frozenset(host.index for host in self._chosen(fault.nodes)),
                    rate=fault.rate,
                    by_ns=0 if isinstance(fault, spec.Loss) else fault.by,
                )
                network.disturb(disturbance)
                return partial(network.calm, disturbance)
            case spec.SlowDisk():
                hosts = self._chosen(fault.nodes)
                for host in hosts:
                    host.disk.extra_fsync_ns += fault.fsync
                return partial(_each, partial(_quicken, by=fault.fsync), hosts)
            case spec.SlowLink():
                nodes = [host.index for host in self._chosen(fault.nodes)]
                network.slow(nodes, fault.delay)
                return partial(network.slow, nodes, -fault.delay)
            case spec.Crash() | spec.Skew() | spec.Churn():
                raise AssertionError("not a fault that lasts")
            case _:
                assert_never(fault)

    def _cut(self, fault: spec.Partition) -> Callable[[], None]:
        groups = np.full(len(self._hosts), -1, dtype=np.int64)
        for number, group in enumerate(fault.groups):
            for node in group:
                groups[int(node)] = number
        cut = Cut(groups=groups, symmetric=fault.symmetric)
        self._world.network.cut(cut)
        self._connections.cut(cut)

        def mend() -> None:
            self._world.network.mend(cut)
            self._connections.mended()

        return mend

    def _chosen(self, nodes: object) -> list[Host]:
        assert isinstance(nodes, list), "scenarios are made explicit before they run"
        return [self._hosts[int(node)] for node in nodes]


def _each(action: Callable[[Host], None], hosts: list[Host]) -> None:
    for host in hosts:
        action(host)


def _quicken(host: Host, *, by: int) -> None:
    host.disk.extra_fsync_ns -= by
