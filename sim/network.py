"""
The network of a simulation: what becomes of a message between two nodes.

A message waits for its sender's uplink, travels, and waits for its receiver's downlink. Faults are switches on this:
cuts, closed connections, loss, copies, delays. Random draws are by link and number, so that a fault shifts nothing
but what it hits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from noded.node.inputs import MessageReceived
from noded.types.messages import CONSENSUS_MESSAGE_BYTES_MAX, Message, is_bulk
from sim.engine import Engine
from sim.models.bandwidth import BULK, CONSENSUS, LANES, Bandwidth
from sim.models.latency import Latency
from sim.streams import LinkStreams

Indices = NDArray[np.int64]

CHANCE_BITS = 32
"""A chance is compared with this many random bits; the others say by how much."""


class Parcel:
    """A message on its way: one object for all its receivers."""

    __slots__ = (
        "copy_cost", "cost", "digest", "down_ns", "encoding", "event", "kind", "lane", "message", "send_cost", "sender", "sent",
        "size",
    )  # fmt: skip

    def __init__(
        self, sender: int, message: Message | None, size: int, digest: int, encoding: bytes | None = None
    ) -> None:
        self.sender = sender
        self.message = message
        """None for bytes that are no message."""
        self.size = size
        """Bytes of its encoding."""
        self.digest = digest
        """First 64 bits of the hash of its encoding."""
        self.encoding = encoding
        """What receivers decode; None where they share the message itself."""
        self.event: MessageReceived | None = None
        """What receivers share, once the first has opened it."""
        self.sent = 0
        """When it left its sender."""
        self.down_ns = -1
        """How long it occupies a downlink; −1 until the first receiver asks."""
        self.kind = type(message).__name__
        self.cost = self.send_cost = self.copy_cost = 0
        """Nanoseconds of work: to take it in, to encode it, to hand it to one peer's stream."""
        is_large = size > CONSENSUS_MESSAGE_BYTES_MAX
        self.lane = BULK if is_large or (message is not None and is_bulk(message)) else CONSENSUS

    def again(self, sender: int) -> "Parcel":
        """The same message, to be sent at another time, perhaps by another node."""
        other = Parcel(sender, self.message, self.size, self.digest, self.encoding)
        other.cost, other.send_cost, other.copy_cost = self.cost, self.send_cost, self.copy_cost
        return other


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Disturbance:
    """What happens to some of the messages that some nodes send."""

    kind: Literal["loss", "duplicate", "reorder"]
    senders: frozenset[int]
    rate: float
    by_ns: int = 0
    """How much later a copy or a message that is overtaken comes, at most."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """Groups that do not hear each other; `groups[node]` is −1 for nodes in none."""

    groups: Indices
    symmetric: bool

    def blocks(self, source: int, target: int) -> bool:
        """Whether nothing comes from `source` to `target`."""
        here, there = int(self.groups[source]), int(self.groups[target])
        if self.symmetric:
            return here >= 0 and there >= 0 and here != there
        return here == 0 and there > 0

    def passes(self, source: int, targets: Indices) -> NDArray[np.bool_]:
        """Which of the targets hear `source`."""
        here, there = int(self.groups[source]), self.groups[targets]
        if here < 0 or (not self.symmetric and here != 0):
            return np.ones(len(targets), dtype=np.bool_)
        heard: NDArray[np.bool_] = (there == here) | (there < 0)
        return heard


@dataclass(slots=True)
class Traffic:
    """What has been sent so far, delivered or not."""

    messages: int = 0
    bytes: int = 0
    lost: int = 0
    """Cut off, or dropped by a fault."""
    messages_by_kind: dict[str, int] = field(default_factory=dict)
    bytes_by_kind: dict[str, int] = field(default_factory=dict)


class Network:
    """Carries parcels between `count` nodes."""

    def __init__(
        self, engine: Engine, latency: Latency, bandwidth: Bandwidth, *, count: int, seed: int, fifo: bool
    ) -> None:
        self._engine = engine
        self._latency = latency
        self._bandwidth = bandwidth
        self._count = count
        self._fifo = fifo
        self._jitter = LinkStreams(seed, "latency", count)
        self._chances = {name: LinkStreams(seed, name, count) for name in ("loss", "duplicate", "reorder")}
        self._last: list[list[tuple[Indices, memoryview] | None]] = [[None] * count for _ in range(LANES)]
        """Latest arrival of each link and lane, as an array and, for one link at a time, as a view of it."""
        self._closed: NDArray[np.bool_] | None = None
        """Links without a connection; None while all are connected."""
        self._cuts: list[Cut] = []
        self._disturbances: list[Disturbance] = []
        self._extra: Indices | None = None
        """Nanoseconds added at each end; None while nothing is slow."""
        self.traffic = Traffic()
        self.sent_messages = [0] * count
        self.sent_bytes = [0] * count

    def send(self, targets: Indices, parcel: Parcel) -> None:
        """Send a parcel to these nodes, which are all different; it leaves the sender now."""
        sender = parcel.sender
        parcel.sent = self._engine.now
        self._count_traffic(parcel, len(targets))
        departures = self._bandwidth.send_copies(
            sender, parcel.lane, parcel.size, len(targets), self._engine.now
        )
        if self._cuts or self._closed is not None:
            passes = self._passes(sender, targets)
            if not passes.all():
                targets, departures = targets[passes], departures[passes]
        if len(targets) == 0:
            return
        delays = self._latency.delays(sender, targets, self._jitter.draw(sender, targets))
        if self._extra is not None:
            delays += self._extra[sender]
            delays += self._extra[targets]
        arrivals = delays + departures
        if self._disturbances:
            targets, arrivals = self._disturb(sender, targets, arrivals, parcel)
        elif self._fifo:
            arrivals = self._in_order(sender, targets, arrivals, parcel.lane)
        self._engine.broadcast(arrivals, targets, parcel)

    def send_few(self, targets: Indices, parcel: Parcel) -> None:
        """Send a parcel to a few nodes; the same as `send` to one after another, at a fraction of its cost."""
        if self._cuts or self._closed is not None or self._disturbances or self._extra is not None:
            for index in range(len(targets)):
                self.send(targets[index : index + 1], parcel)
            return
        engine, sender, lane = self._engine, parcel.sender, parcel.lane
        parcel.sent = now = engine.now
        self._count_traffic(parcel, len(targets))
        latest = self._row(sender, lane)[1] if self._fifo else None
        for target in targets.tolist():
            departure = self._bandwidth.send(sender, lane, parcel.size, now)
            arrival = departure + self._latency.delay(sender, target, self._jitter.draw_one(sender, target))
            if latest is not None:
                if latest[target] > arrival:
                    arrival = latest[target]
                latest[target] = arrival
            engine.send(arrival, target, parcel)

    def received(self, target: int, parcel: Parcel) -> int:
        """When a parcel that arrives now has come through the receiver's downlink."""
        duration = parcel.down_ns
        if duration < 0:
            duration = parcel.down_ns = self._bandwidth.downlink_ns(parcel.size)
        if duration == 0:
            return self._engine.now
        return self._bandwidth.receive(target, parcel.lane, duration, self._engine.now)

    def cut(self, cut: Cut) -> None:
        """Keep groups apart, until `mend`."""
        self._cuts.append(cut)

    def mend(self, cut: Cut) -> None:
        """End a cut."""
        self._cuts.remove(cut)

    def has_cut(self, cut: Cut) -> bool:
        """Whether a cut has not ended yet."""
        return cut in self._cuts

    def is_cut(self, source: int, target: int) -> bool:
        """Whether a cut keeps everything from `source` from reaching `target`."""
        return any(cut.blocks(source, target) for cut in self._cuts)

    def disturb(self, disturbance: Disturbance) -> None:
        """Let messages suffer, until `calm`."""
        self._disturbances.append(disturbance)

    def calm(self, disturbance: Disturbance) -> None:
        """End a disturbance."""
        self._disturbances.remove(disturbance)

    def connect(self, node: int, peer: int, *, open_: bool) -> None:
        """Open or close the connection of two nodes; a closed one carries nothing either way."""
        if self._closed is None:
            if open_:
                return
            self._closed = np.zeros((self._count, self._count), dtype=np.bool_)
        self._closed[node, peer] = self._closed[peer, node] = not open_
        if open_ and not self._closed.any():
            self._closed = None

    def is_connected(self, node: int, peer: int) -> bool:
        """Whether two nodes have a connection."""
        return self._closed is None or not self._closed[node, peer]

    def any_closed(self) -> bool:
        """Whether any connection is closed."""
        return self._closed is not None

    def median_delay(self, source: int, target: int) -> int:
        """Nanoseconds that a message usually takes."""
        return self._latency.median(source, target)

    def slow(self, nodes: Sequence[int], delay_ns: int) -> None:
        """Add this much to each message from or to each of the nodes; a negative number takes it back."""
        if self._extra is None:
            self._extra = np.zeros(self._count, dtype=np.int64)
        self._extra[list(nodes)] += delay_ns
        if not self._extra.any():
            self._extra = None

    def _passes(self, sender: int, targets: Indices) -> NDArray[np.bool_]:
        passes = np.ones(len(targets), dtype=np.bool_)
        if self._closed is not None:
            passes &= ~self._closed[sender][targets]
        for cut in self._cuts:
            passes &= cut.passes(sender, targets)
        self.traffic.lost += len(targets) - int(passes.sum())
        return passes

    def _disturb(
        self, sender: int, targets: Indices, arrivals: Indices, parcel: Parcel
    ) -> tuple[Indices, Indices]:
        late_targets: list[Indices] = []
        late_arrivals: list[Indices] = []
        for disturbance in self._disturbances:
            if sender not in disturbance.senders or len(targets) == 0:
                continue
            bits = self._chances[disturbance.kind].draw(sender, targets)
            hit = (bits >> np.uint64(64 - CHANCE_BITS)) < np.uint64(
                round(disturbance.rate * (1 << CHANCE_BITS))
            )
            if disturbance.kind == "loss":
                self.traffic.lost += int(hit.sum())
                targets, arrivals = targets[~hit], arrivals[~hit]
                continue
            low = bits & np.uint64((1 << 31) - 1)
            by = ((low * np.uint64(disturbance.by_ns >> 10)) >> np.uint64(31)).astype(np.int64) << 10
            late_targets.append(targets[hit])
            late_arrivals.append((arrivals + by)[hit])
            if disturbance.kind == "reorder":
                targets, arrivals = targets[~hit], arrivals[~hit]
        if self._fifo:
            arrivals = self._in_order(sender, targets, arrivals, parcel.lane)
        return np.concatenate([targets, *late_targets]), np.concatenate([arrivals, *late_arrivals])

    def _in_order(self, sender: int, targets: Indices, arrivals: Indices, lane: int) -> Indices:
        row = self._row(sender, lane)[0]
        arrivals = np.maximum(arrivals, row[targets])
        row[targets] = arrivals
        return arrivals

    def _row(self, sender: int, lane: int) -> tuple[Indices, memoryview]:
        row = self._last[lane][sender]
        if row is None:
            times = np.zeros(self._count, dtype=np.int64)
            row = self._last[lane][sender] = times, times.data
        return row

    def _count_traffic(self, parcel: Parcel, copies: int) -> None:
        size = copies * parcel.size
        traffic, kind = self.traffic, parcel.kind
        traffic.messages += copies
        traffic.bytes += size
        traffic.messages_by_kind[kind] = traffic.messages_by_kind.get(kind, 0) + copies
        traffic.bytes_by_kind[kind] = traffic.bytes_by_kind.get(kind, 0) + size
        self.sent_messages[parcel.sender] += copies
        self.sent_bytes[parcel.sender] += size
