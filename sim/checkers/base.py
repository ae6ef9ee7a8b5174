"""What all checkers share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from noded.ledger.commit import CommittedBlock
from noded.types.genesis import Genesis
from noded.types.ids import ChainId, Epoch
from noded.types.validator_set import ValidatorSet
from sim.host import Host
from sim.observer import Observer
from sim.scenario.model import Scenario
from sim.world import World

Kind = Literal["safety", "liveness", "crash"]

VIOLATIONS_MAX = 20
"""Violations that one checker reports; the first says it all, a few more show the pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A claim that did not hold."""

    checker: str
    kind: Kind
    at_ns: int
    detail: str
    nodes: tuple[int, ...] = ()
    """Those it happened to, or who are to blame where the claim is about blame."""


class Tables(Observer):
    """The validators of each epoch, as correct nodes enter them."""

    def __init__(self) -> None:
        self.by_epoch: dict[Epoch, ValidatorSet] = {}

    def committed(self, host: Host, blocks: Sequence[CommittedBlock]) -> None:
        """Learn the table of the epoch that a node is in."""
        self.learn(host)

    def started(self, host: Host) -> None:
        """Learn the table of the epoch in which a node starts."""
        self.learn(host)

    def learn(self, host: Host) -> None:
        """Take over what a correct node knows."""
        if host.is_correct:
            validators = host.node.validators
            self.by_epoch.setdefault(validators.epoch, validators)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What checkers know of a run."""

    scenario: Scenario
    genesis: Genesis
    chain_id: ChainId
    """Of the genesis, which takes long to compute."""
    world: World
    hosts: Sequence[Host]
    tables: Tables
    is_submitted: Callable[[bytes], bool]
    """Whether a client made the transaction with this hash."""
    quiet_since: Callable[[], int | None]
    """Since when no fault is under way; None while one is."""
    base_timeout_ns: int
    """T0: the shortest timeout of a view."""


class Checker(Observer):
    """
    One claim about a run.

    `claim` says it in a sentence; `kind` what it is when it does not hold.
    """

    claim: ClassVar[str]
    kind: ClassVar[Kind] = "safety"

    def __init__(self, context: Context, report: Callable[[Violation], None]) -> None:
        self.context = context
        self._report = report
        self._count = 0

    @property
    def name(self) -> str:
        """Of the claim."""
        return type(self).__name__.lower()

    def fail(self, detail: str, nodes: Sequence[int] = ()) -> None:
        """The claim does not hold."""
        self._count += 1
        if self._count > VIOLATIONS_MAX:
            return
        violation = Violation(
            checker=self.name,
            kind=self.kind,
            at_ns=self.context.world.engine.now,
            detail=detail,
            nodes=tuple(sorted(nodes)),
        )
        self._report(violation)

    def tick(self) -> None:
        """Look at what no event shows; called every second of virtual time."""

    def healed(self) -> None:
        """All faults are over, for good."""

    def is_content(self) -> bool:
        """Whether, after healing, nothing more is waited for."""
        return True

    def finish(self) -> None:
        """The run is over."""
