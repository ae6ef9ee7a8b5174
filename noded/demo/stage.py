"""What all scenes of the story share: its members' desks, what was imported, and the checks."""

from collections.abc import Callable
from dataclasses import dataclass, field

from noded.errors import NodedError
from noded.ops.desk import Desk
from noded.testnet.processes import Testnet
from noded.types.genesis import Genesis
from noded.types.medical import RecordId
from noded.types.operations.records import RecordRegister

Say = Callable[[str], None]


class StoryBroken(NodedError):
    """A step of the story did not come about, so what follows cannot be told."""


@dataclass(slots=True)
class Check:
    """Something that the story promises, and whether it holds."""

    name: str
    ok: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Imported:
    """A record that is registered, and the bytes that went in."""

    registration: RecordRegister
    content: bytes

    @property
    def id(self) -> RecordId:
        """Of the record."""
        return self.registration.record


@dataclass(slots=True)
class Story:
    """All that the scenes share."""

    testnet: Testnet
    genesis: Genesis
    say: Say
    checks: list[Check] = field(default_factory=list)
    desks: list[Desk] = field(default_factory=list)
    """The members', in the order of their nodes."""
    imported: list[Imported] = field(default_factory=list)

    @property
    def hospital(self) -> Desk:
        """Keeps the records."""
        return self._desk(0)

    @property
    def second(self) -> Desk:
        """Of another hospital, which treats the same patient."""
        return self._desk(1)

    @property
    def insurer(self) -> Desk:
        """Would like to know."""
        return self._desk(3)

    def _desk(self, number: int) -> Desk:
        """A desk whose node has all that was final for anybody in the story: it may be a block behind."""
        desk = self.desks[number]
        heights = [each.height for each in self.desks if each.height is not None]
        desk.node.at_least = max(heights, default=None)
        return desk

    def name(self, number: int) -> str:
        """What a member is called."""
        return self.testnet.nodes[number].institution.legal_name

    def check(self, name: str, ok: bool, detail: str = "") -> None:
        """Note whether a promise holds."""
        self.checks.append(Check(name, ok, detail))
        self.say(f"  {'✓' if ok else '✗'} {name}" + (f" ({detail})" if detail else ""))
