"""
A window of a run as a trace for Perfetto (ui.perfetto.dev): one track a node, one slice a step, arrows for messages.

The format is Chrome's JSON trace event format.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from noded.consensus.inputs import TimerFired
from noded.ledger.commit import CommittedBlock
from noded.node.effects import Effect
from noded.node.inputs import Input, MessageReceived
from noded.types.messages import Message, Proposal, Votes
from sim.cluster import Cluster
from sim.host import Host
from sim.network import Indices, Parcel
from sim.observer import Observer

EVENTS_MAX = 500_000
"""Events of a trace, about 150 bytes each: Perfetto opens 75 MB in a few seconds."""


@dataclass(slots=True)
class Tracer(Observer):
    """Takes down the steps of a window."""

    cluster: Cluster
    start_ns: int
    end_ns: int
    events: list[dict[str, Any]] = field(default_factory=list)

    def stepped(self, host: Host, event: Input, effects: Sequence[Effect]) -> None:
        """One slice on the node's track."""
        arguments = {"view": host.node.core.view, "epoch": host.node.core.epoch, "effects": len(effects)}
        if isinstance(event, MessageReceived):
            arguments["from"] = self.cluster.world.index_of[event.peer]
        self._add(host.index, "X", _name_of(event), dur=1, args=arguments)

    def sent(self, host: Host, targets: Indices, parcel: Parcel) -> None:
        """What a node sends, and to how many."""
        if parcel.message is not None:
            arguments = {"to": targets.tolist()[:16], "peers": len(targets), "bytes": parcel.size}
            self._add(host.index, "i", f"send {_describe(parcel.message)}", s="t", args=arguments)

    def committed(self, host: Host, blocks: Sequence[CommittedBlock]) -> None:
        """A block became final."""
        heights = [block.block.header.height for block in blocks]
        self._add(host.index, "i", f"final {heights[-1]}", s="t", args={"heights": heights})

    def crashed(self, host: Host) -> None:
        """A node went down."""
        self._add(host.index, "i", "crash", s="t", args={})

    def started(self, host: Host) -> None:
        """A node came up."""
        self._add(host.index, "i", "start", s="t", args={"life": host.life})

    def json(self) -> dict[str, Any]:
        """The trace."""
        names = [
            {
                "ph": "M",
                "pid": 1,
                "tid": host.index,
                "name": "thread_name",
                "args": {"name": f"node {host.index}" + ("" if host.is_correct else " (byzantine)")},
            }
            for host in self.cluster.hosts
        ]
        return {"displayTimeUnit": "ms", "traceEvents": names + self.events}

    def _add(self, node: int, phase: str, name: str, **more: Any) -> None:
        now = self.cluster.engine.now
        if self.start_ns <= now <= self.end_ns and len(self.events) < EVENTS_MAX:
            self.events.append({"ph": phase, "pid": 1, "tid": node, "ts": now / 1000, "name": name, **more})


def _name_of(event: Input) -> str:
    match event:
        case MessageReceived(_, message):
            return _describe(message)
        case TimerFired(timer):
            return f"timer {timer.kind.name.lower()}"
        case _:
            return type(event).__name__


def _describe(message: Message) -> str:
    match message:
        case Proposal():
            header = message.block.header
            return f"Proposal {header.epoch}.{header.view} height {header.height}"
        case Votes():
            votes = ", ".join(f"{vote.kind.name[0]}{vote.view}" for vote in message.votes)
            return f"Votes {votes}"
        case _:
            return type(message).__name__
