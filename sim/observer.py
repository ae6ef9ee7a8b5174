"""Who watches a run: checkers, recorders, workloads. Each overrides what it needs to see."""
# ruff: noqa: D102  (`Observers` only passes on what `Observer` documents.)

from collections.abc import Sequence
from typing import TYPE_CHECKING

from noded.ledger.commit import CommittedBlock
from noded.node.effects import Answer, Effect
from noded.node.inputs import Input
from noded.types.records import Record

if TYPE_CHECKING:
    from sim.host import Host
    from sim.network import Indices, Parcel


class Observer:
    """
    Sees what happens at every host, in order; must change nothing that a node could see.

    Only methods that a subclass overrides are called.
    """

    def stepped(self, host: "Host", event: Input, effects: Sequence[Effect]) -> None:
        """A node took an input and wants these things done."""

    def persisted(self, host: "Host", records: Sequence[Record]) -> None:
        """Records became durable."""

    def sent(self, host: "Host", targets: "Indices", parcel: "Parcel") -> None:
        """A message left a host."""

    def committed(self, host: "Host", blocks: Sequence[CommittedBlock]) -> None:
        """A node called blocks final."""

    def stored(self, host: "Host", committed: CommittedBlock) -> None:
        """A final block became durable at a host."""

    def answered(self, host: "Host", answer: Answer) -> None:
        """A node answered its clients."""

    def penalized(self, host: "Host", culprit: int, reason: str) -> None:
        """A node found a peer at fault."""

    def halted(self, host: "Host", reason: str) -> None:
        """A node stopped voting."""

    def failed(self, host: "Host", error: Exception) -> None:
        """A node raised what it must never raise."""

    def crashed(self, host: "Host") -> None:
        """A host went down."""

    def started(self, host: "Host") -> None:
        """A host came up, for the first time or again, and its node is about to act."""


class Observers(Observer):
    """Tells everything to all who watch for it."""

    def __init__(self) -> None:
        self._watching: dict[str, list[Observer]] = {
            name: [] for name in vars(Observer) if not name.startswith("_")
        }

    def add(self, observer: Observer) -> None:
        """Let an observer watch from now on."""
        for name, watching in self._watching.items():
            if getattr(type(observer), name) is not getattr(Observer, name):
                watching.append(observer)

    def stepped(self, host: "Host", event: Input, effects: Sequence[Effect]) -> None:
        for each in self._watching["stepped"]:
            each.stepped(host, event, effects)

    def persisted(self, host: "Host", records: Sequence[Record]) -> None:
        for each in self._watching["persisted"]:
            each.persisted(host, records)

    def sent(self, host: "Host", targets: "Indices", parcel: "Parcel") -> None:
        for each in self._watching["sent"]:
            each.sent(host, targets, parcel)

    def committed(self, host: "Host", blocks: Sequence[CommittedBlock]) -> None:
        for each in self._watching["committed"]:
            each.committed(host, blocks)

    def stored(self, host: "Host", committed: CommittedBlock) -> None:
        for each in self._watching["stored"]:
            each.stored(host, committed)

    def answered(self, host: "Host", answer: Answer) -> None:
        for each in self._watching["answered"]:
            each.answered(host, answer)

    def penalized(self, host: "Host", culprit: int, reason: str) -> None:
        for each in self._watching["penalized"]:
            each.penalized(host, culprit, reason)

    def halted(self, host: "Host", reason: str) -> None:
        for each in self._watching["halted"]:
            each.halted(host, reason)

    def failed(self, host: "Host", error: Exception) -> None:
        for each in self._watching["failed"]:
            each.failed(host, error)

    def crashed(self, host: "Host") -> None:
        for each in self._watching["crashed"]:
            each.crashed(host)

    def started(self, host: "Host") -> None:
        for each in self._watching["started"]:
            each.started(host)
