"""Who watches a run: checkers, recorders, workloads. Each overrides what it needs to see."""

from collections.abc import Callable, Sequence
from functools import partial
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
        self._watching: dict[str, list[Callable[..., None]]] = {
            name: [] for name in vars(Observer) if not name.startswith("_")
        }
        self.has_steps = False
        """Whether anybody watches single steps, of which there are many."""

    def add(self, observer: Observer) -> None:
        """Let an observer watch from now on."""
        for name, watching in self._watching.items():
            if getattr(type(observer), name) is not getattr(Observer, name):
                watching.append(getattr(observer, name))
                setattr(self, name, watching[0] if len(watching) == 1 else partial(_tell, watching))
        self.has_steps = bool(self._watching["stepped"])


def _tell(watching: list[Callable[..., None]], *what: object) -> None:
    for each in watching:
        each(*what)
