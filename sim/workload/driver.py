"""Lets the clients of all gateways submit, and takes down what becomes of each transaction."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from noded.ledger.commit import CommittedBlock
from noded.node.effects import Answer
from noded.types.ids import Height
from sim.cluster import Cluster
from sim.host import Host
from sim.observer import Observer
from sim.scenario.explicit import founding_nodes
from sim.scenario.model import Workload
from sim.streams import Stream
from sim.workload.accounts import Notary
from sim.workload.arrivals import NS, arrivals
from sim.workload.transactions import Clients, Kind

PATIENTS = 8
"""Patients whom each gateway registers before anything else."""

RETRY_NS = NS
"""After a refusal a client of a closed loop tries again."""


@dataclass(slots=True)
class _Call:
    gateway: int
    client: int | None
    open: int
    """Transactions of which the client does not know yet what became of them."""


@dataclass(slots=True)
class _Submitted:
    call: _Call
    kind: Kind
    intended_ns: int
    is_counted: bool

    @property
    def gateway(self) -> int:
        return self.call.gateway


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one transaction."""

    gateway: int
    kind: str
    intended_ns: int
    final_ns: int
    height: int
    applied: bool


class Outcomes:
    """All transactions that became final, column by column."""

    def __init__(self) -> None:
        self.gateway = array("l")
        self.kind: list[str] = []
        self.intended_ns = array("q")
        self.final_ns = array("q")
        self.height = array("l")
        self.applied = array("b")

    def add(self, done: Done) -> None:
        """One more."""
        self.gateway.append(done.gateway)
        self.kind.append(done.kind)
        self.intended_ns.append(done.intended_ns)
        self.final_ns.append(done.final_ns)
        self.height.append(done.height)
        self.applied.append(done.applied)

    def __len__(self) -> int:
        return len(self.gateway)


class Driver(Observer):
    """Clients at the gateways of a run."""

    def __init__(self, cluster: Cluster, notary: Notary, *, end_ns: int) -> None:
        self._cluster = cluster
        self._workload: Workload = cluster.scenario.workload
        self._end_ns = end_ns
        self._waiting: dict[bytes, _Submitted] = {}
        self._names: set[bytes] = set()
        self._calls: dict[int, list[bytes]] = {}
        self._tokens = 0
        self.outcomes = Outcomes()
        self.submitted = 0
        self.counted = 0
        """Of which figures are made: intended after the warm-up, whatever became of them."""
        self.refused = 0
        """Not taken by a gateway, or lost because it was down."""
        self.rejected = 0
        """Final without effect."""
        self.gateways = self._choose_gateways()
        seed = cluster.scenario.seed
        self._mixes = Stream(seed, "mix")
        self._kinds: list[Kind] = list(self._workload.mix)
        self._weights = [round(1_000_000 * weight) for weight in self._workload.mix.values()]
        self._clients = {
            gateway: Clients(
                cluster.hosts[gateway].name,
                notary.account(gateway),
                notary,
                Stream(seed, "clients", gateway),
            )
            for gateway in self.gateways
        }

    def start(self) -> None:
        """Schedule the first submissions."""
        workload, engine = self._workload, self._cluster.engine
        if workload.model == "none":
            return
        for number, gateway in enumerate(self.gateways):
            engine.at(workload.start, partial(self._register_patients, gateway))
            stream = Stream(self._cluster.scenario.seed, "arrivals", number)
            times = arrivals(
                workload, gateway=number, gateways=len(self.gateways), stream=stream, end_ns=self._end_ns
            )
            self._await_next(gateway, times)
        if workload.model == "closed":
            for client in range(workload.clients):
                gateway = self.gateways[client % len(self.gateways)]
                offset = self._mixes.below(NS)
                engine.at(workload.start + NS + offset, partial(self._submit_for, gateway, client))

    def is_submitted(self, name: bytes) -> bool:
        """Whether a client made the transaction with this hash."""
        return name in self._names

    def answered(self, host: Host, answer: Answer) -> None:
        """A gateway says what became of a call."""
        names = self._calls.pop(answer.token, None)
        if names is None:
            return
        for name, submission in zip(names, answer.submissions, strict=True):
            if submission.refused is not None:
                self._refuse(name)

    def stored(self, host: Host, committed: CommittedBlock) -> None:
        """A gateway can tell its clients that their transactions are final."""
        clients = self._clients.get(host.index)
        if clients is None:
            return
        engine = self._cluster.engine
        for entry in committed.entries:
            submitted = self._waiting.get(entry.hash)
            if submitted is None or submitted.gateway != host.index:
                continue
            del self._waiting[entry.hash]
            clients.became_final(entry.hash, applied=entry.applied)
            self.rejected += not entry.applied
            if submitted.is_counted:
                height = committed.block.header.height
                self.outcomes.add(
                    Done(
                        submitted.gateway,
                        submitted.kind,
                        submitted.intended_ns,
                        engine.now,
                        height,
                        entry.applied,
                    )
                )
            self._go_on(submitted.call, engine.now + self._workload.think)

    def crashed(self, host: Host) -> None:
        """Calls that a gateway did not answer are lost."""
        if host.index not in self._clients:
            return
        for token in [token for token, names in self._calls.items() if self._gateway_of(names) == host.index]:
            for name in self._calls.pop(token):
                self._refuse(name)

    @property
    def waiting(self) -> int:
        """Transactions that were submitted and are not final."""
        return len(self._waiting)

    def _choose_gateways(self) -> list[int]:
        founders = founding_nodes(self._cluster.scenario)
        correct = [host.index for host in self._cluster.correct if host.index in founders]
        stream = Stream(self._cluster.scenario.seed, "gateways")
        return sorted(stream.sample(correct, min(self._workload.gateways, len(correct))))

    def _gateway_of(self, names: Sequence[bytes]) -> int | None:
        submitted = self._waiting.get(names[0])
        return None if submitted is None else submitted.gateway

    def _register_patients(self, gateway: int) -> None:
        height = self._height(gateway)
        for _ in range(PATIENTS):
            made = self._clients[gateway].register_patient(height)
            submitted = _Submitted(
                _Call(gateway, None, 1), "patient", self._cluster.engine.now, is_counted=False
            )
            self._note(made.hash, submitted)
            self._submit(gateway, [made.hash], (made.encoding,))

    def _await_next(self, gateway: int, times: Iterator[int]) -> None:
        time = next(times, None)
        if time is not None:
            self._cluster.engine.at(time, partial(self._arrive, gateway, times))

    def _arrive(self, gateway: int, times: Iterator[int]) -> None:
        self._submit_for(gateway, None)
        self._await_next(gateway, times)

    def _submit_for(self, gateway: int, client: int | None) -> None:
        """A client makes the transactions of one call."""
        engine, post = self._cluster.engine, self._workload.post
        now = engine.now
        if now >= self._end_ns:
            return
        if now >= self._cluster.scenario.time.warmup:
            self.counted += post
        call = _Call(gateway, client, post)
        height = self._height(gateway)
        names: list[bytes] = []
        encodings: list[bytes] = []
        for _ in range(post):
            kind = self._kinds[self._mixes.weighted(self._weights)]
            kind, made = self._clients[gateway].make(kind, height)
            self._note(made.hash, _Submitted(call, kind, now, is_counted=True))
            names.append(made.hash)
            encodings.append(made.encoding)
        ready = now
        if self._workload.beside:
            work = self._cluster.world.costs.client.of(post)
            ready = self._cluster.hosts[gateway].machine.run(work, now)
        if ready > now:
            engine.at(ready, partial(self._submit, gateway, names, tuple(encodings)))
        else:
            self._submit(gateway, names, tuple(encodings))

    def _note(self, name: bytes, submitted: _Submitted) -> None:
        self.submitted += 1
        self._names.add(name)
        self._waiting[name] = submitted

    def _submit(self, gateway: int, names: list[bytes], encodings: tuple[bytes, ...]) -> None:
        host = self._cluster.hosts[gateway]
        if not host.is_up:
            for name in names:
                self._refuse(name)
            return
        self._tokens += 1
        self._calls[self._tokens] = names
        host.submit(self._tokens, encodings)

    def _refuse(self, name: bytes) -> None:
        submitted = self._waiting.pop(name, None)
        if submitted is None:
            return
        self.refused += 1
        self._clients[submitted.gateway].became_final(name, applied=False)
        self._go_on(submitted.call, self._cluster.engine.now + RETRY_NS)

    def _go_on(self, call: _Call, at: int) -> None:
        """A client of a closed loop hands in its next ones, once it knows what became of the last."""
        call.open -= 1
        if call.client is not None and call.open == 0:
            again = partial(self._submit_for, call.gateway, call.client)
            self._cluster.engine.at(at, again)

    def _height(self, gateway: int) -> Height:
        return self._cluster.hosts[gateway].archive.height
