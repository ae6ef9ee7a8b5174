"""All machines of a run, made from an explicit scenario."""

from collections.abc import Callable, Sequence

from noded.ledger.genesis import found
from noded.ledger.ledger import Ledger
from noded.node.effects import Effect
from noded.node.node import Node
from noded.node.starting import Durable, start_node
from noded.types.batch import decode_batch
from noded.types.block import Block, BlockKind
from noded.types.ids import BatchHash, TimestampMs
from noded.types.records import BatchRecord, Record
from sim.archive import Archive, History
from sim.connections import Connections
from sim.engine import Engine
from sim.faults import Faults
from sim.host import Host, Steps
from sim.judge import Judge, SimSigner
from sim.members import make_consortium
from sim.memo import Executions
from sim.models.bandwidth import Bandwidth
from sim.models.clock import Clock
from sim.models.cpu import Machine, load_costs
from sim.models.disk import Disk
from sim.models.latency import make_latency
from sim.network import Disturbance, Network, Parcel
from sim.scenario.explicit import byzantine_nodes, places, region_names
from sim.scenario.model import Scenario
from sim.scenario.selectors import Population, select
from sim.streams import Stream
from sim.world import World

Behave = Callable[[Host, Node], Steps]
"""Puts a behaviour around a node."""


class Cluster:
    """
    The machines of a scenario, with everything between them.

    Args:
        scenario: An explicit one.
        memo: Whether nodes share pure work.
        wire: Whether messages are encoded and decoded on each hop.
        behave: Puts behaviours around byzantine nodes.
    """

    def __init__(
        self, scenario: Scenario, *, memo: bool = True, wire: bool = False, behave: Behave | None = None
    ) -> None:
        self.scenario = scenario
        self.consortium = make_consortium(scenario)
        self.genesis = self.consortium.genesis
        self.chain_id = self.genesis.chain_id
        self._behave = behave
        count, seed = scenario.nodes.count, scenario.seed
        ties = seed if scenario.time.ties == "random" else None
        self.receivers: list[Callable[[Parcel], None]] = []
        """Who takes in what arrives at each node; a behaviour may put itself here."""
        self.engine = Engine(self.receivers, tie_seed=ties)
        net = scenario.network
        self.network = Network(
            self.engine,
            make_latency(net.latency, count, places(scenario)),
            Bandwidth(count, up_bits=net.up, down_bits=net.down),
            count=count,
            seed=seed,
            fifo=net.fifo,
        )
        if net.loss:
            everybody = frozenset(range(count))
            self.network.disturb(Disturbance(kind="loss", senders=everybody, rate=net.loss))
        costs = load_costs("none" if scenario.cpu.model == "none" else scenario.cpu.costs)
        self.judge = Judge(memo=memo)
        self.world = World(
            engine=self.engine,
            network=self.network,
            costs=costs,
            judge=self.judge,
            names=[member.id for member in self.consortium.keys],
            wire=wire,
        )
        self._executions = Executions(self._charge_execution, memo=memo)
        self._founding = found(self.genesis)
        self._history = History()
        self._history.append(self._founding)
        bad = byzantine_nodes(scenario)
        speeds = self._speeds()
        machines = self._machines()
        self.hosts = [
            self._make_host(index, machines[index], speeds[index], is_correct=index not in bad)
            for index in range(count)
        ]
        self.world.hosts += self.hosts
        self.receivers += [host.arrive for host in self.hosts]
        self.connections = Connections(
            self.world, self.hosts, notice_ns=net.notice_down, reconnect_ns=net.reconnect
        )
        self.faults = Faults(self.world, self.hosts, self.connections, scenario.fault)

    @property
    def correct(self) -> list[Host]:
        """The hosts whose nodes follow the protocol."""
        return [host for host in self.hosts if host.is_correct]

    def start(self) -> None:
        """Start all machines at time 0, and let faults happen at theirs."""
        for host in self.hosts:
            self.engine.before(0, host.start)
        self.faults.schedule()
        self.engine.at(0, self.connections.start)

    def signer(self, index: int) -> SimSigner:
        """The consensus key of a node."""
        return SimSigner(self.consortium.keys[index].consensus, self.judge, self.world.sign_meter)

    def make_twin(self, index: int) -> Host:
        """A second machine with the key of a byzantine node, not started yet."""
        return self._make_host(index, Machine(self.scenario.nodes.cores), 1.0, is_correct=False)

    def boot(self, host: Host, now_ms: TimestampMs) -> tuple[Steps, Node, list[Effect]]:
        """Make a host's node from what the host has durably, and start it."""
        archive = host.archive
        tip = archive.block(archive.height).block
        records = host.disk.records()
        node, effects = start_node(
            me=host.name,
            signer=self.signer(host.index),
            ledger=Ledger(self.genesis, archive, memo=self._memo_of(archive)),
            durable=Durable(
                tip=tip,
                proof=archive.proof(archive.height),
                epoch_genesis=(start := _epoch_genesis(archive, tip)),
                epoch_blocks=[
                    archive.block(height).block
                    for height in range(start.header.height + 1, tip.header.height + 1)
                ],
                recent_batches=self._recent_batches(archive, tip, records),
                records=records,
                is_log_lost=host.is_log_lost,
            ),
            now_ms=now_ms,
        )
        if host.is_correct or self._behave is None:
            return node, node, effects
        return self._behave(host, node), node, effects

    def _make_host(self, index: int, machine: Machine, speed: float, *, is_correct: bool) -> Host:
        scenario = self.scenario
        stream = Stream(scenario.seed, "machine", index)
        skew = scenario.clock.offset
        drift = scenario.clock.drift_ppm
        clock = Clock(
            offset_ns=stream.between(-abs(skew), abs(skew)), drift_ppm=drift * (2 * stream.fraction() - 1)
        )
        disk = scenario.disk
        return Host(
            index,
            world=self.world,
            boot=self.boot,
            disk=Disk(
                fsync_ns=disk.fsync, bytes_per_s=disk.write, stream=Stream(scenario.seed, "disk", index)
            ),
            archive=Archive(self._history),
            clock=clock,
            machine=machine,
            speed=speed,
            is_correct=is_correct,
        )

    def _memo_of(self, archive: Archive) -> Executions:
        """What is executed once for all; a node that believes something else executes by itself."""
        return Executions(self._charge_execution, memo=True) if archive.is_altered else self._executions

    def _machines(self) -> list[Machine]:
        """The machine of each node."""
        nodes = self.scenario.nodes
        is_shared = nodes.per_machine > 1
        machines = [
            Machine(nodes.cores, is_shared=is_shared) for _ in range(0, nodes.count, nodes.per_machine)
        ]
        return [machines[index // nodes.per_machine] for index in range(nodes.count)]

    def _speeds(self) -> list[float]:
        scenario = self.scenario
        population = Population(powers=[1] * scenario.nodes.count, regions=region_names(scenario))
        speeds = [scenario.nodes.speed] * scenario.nodes.count
        for number, (selector, speed) in enumerate(scenario.nodes.slow.items()):
            stream = Stream(scenario.seed, "slow", number)
            for node in select(selector, population, stream, key="nodes.slow"):
                speeds[node] = speed
        return speeds

    def _charge_execution(self, transactions: int) -> None:
        self.world.meter += self.world.costs.execute.of(transactions)

    def _recent_batches(
        self, archive: Archive, tip: Block, records: Sequence[Record]
    ) -> list[tuple[BatchHash, TimestampMs]]:
        """What blocks named that are not older than a batch may be or those of the log are, oldest first."""
        parameters = self.genesis.parameters
        logged = (decode_batch(each.encoding) for each in records if isinstance(each, BatchRecord))
        times = [sealed.time_ms - parameters.drift_ms for sealed in logged]
        oldest = min(times, default=tip.header.time_ms)
        oldest = min(oldest, tip.header.time_ms - parameters.batch_expiry_ms)
        recent: list[tuple[BatchHash, TimestampMs]] = []
        for height in range(archive.height, 0, -1):
            committed = archive.block(height)
            if committed.block.header.time_ms < oldest:
                break
            recent += [(batch.hash, decode_batch(batch.encoding).time_ms) for batch in committed.batches]
        recent.reverse()
        return recent


def _epoch_genesis(archive: Archive, tip: Block) -> Block:
    """The block on which the epoch of the tip's children began."""
    block = tip
    while block.header.kind is not BlockKind.TERMINAL:
        block = archive.block(block.header.height - 1).block
    return block
