"""What the parts of a node want done in one step, in order."""

from collections.abc import Callable, Sequence

from noded.consensus.inputs import Timer, TimerKind
from noded.node.effects import Effect, PenalizePeer, Send, StartTimer, Verify
from noded.types.checks import SignatureCheck
from noded.types.ids import Epoch, PeerId, View
from noded.types.messages import Message

Verdict = Callable[[tuple[bool, ...]], None]


class Outbox:
    """
    Collects effects, and remembers what to do with the verdicts on signatures.

    Node and consensus number their Verify effects apart: even tokens are of consensus.
    """

    def __init__(self) -> None:
        self._effects: list[Effect] = []
        self._verdicts: dict[int, Verdict] = {}
        self._count = 0

    def put(self, effect: Effect) -> None:
        """Have something done."""
        self._effects.append(effect)

    def send(self, peers: Sequence[PeerId], message: Message) -> None:
        """Have a message sent, if there is anyone to send it to."""
        if peers:
            self._effects.append(Send(tuple(peers), message))

    def penalize(self, peer: PeerId, error: Exception) -> None:
        """Have a peer scored for an `InvalidMessage`."""
        self._effects.append(PenalizePeer(peer, type(error).__name__))

    def wake(self, kind: TimerKind, after_ms: int) -> None:
        """Have a timer of the node's own started."""
        self._effects.append(StartTimer(Timer(kind, Epoch(0), View(0)), after_ms))

    def verify(self, checks: tuple[SignatureCheck, ...], then: Verdict) -> None:
        """Have signatures judged, and `then` called with the verdicts in a later step."""
        if not checks:
            then(())
            return
        self._count += 1
        token = 2 * self._count + 1
        self._verdicts[token] = then
        self._effects.append(Verify(token, checks))

    def verified(self, token: int, results: tuple[bool, ...]) -> None:
        """Pass a verdict on to whom it is for."""
        self._verdicts.pop(token)(results)

    @property
    def waiting_count(self) -> int:
        """Verdicts that are still to come."""
        return len(self._verdicts)

    def take(self) -> list[Effect]:
        """All effects since the last call."""
        taken = self._effects
        self._effects = []
        return taken
