"""Signatures waiting for their verdicts: gathered over a step, judged in one Verify (R14)."""

from collections.abc import Callable

from noded.consensus.effects import Check, Effect, Verify
from noded.types.ids import PeerId

Verdict = Callable[[tuple[bool, ...]], None]

PEER_CHECKS_MAX = 128
"""Checks waiting on one peer's account: two full pages of certificates; more is dropped unseen."""


class CheckQueue:
    """Asks for verdicts and remembers what to do with them; tokens are even, and never used twice."""

    __slots__ = ("_asked", "_charged", "_next_token", "_then", "_waiting")

    def __init__(self) -> None:
        self._next_token = 0
        self._asked: list[Check] = []
        self._then: list[tuple[int, Verdict, PeerId | None]] = []
        self._waiting: dict[int, list[tuple[int, Verdict, PeerId | None]]] = {}
        self._charged: dict[PeerId, int] = {}

    def may_ask(self, peer: PeerId) -> bool:
        """Whether a peer's account has room for more checks."""
        return self._charged.get(peer, 0) < PEER_CHECKS_MAX

    def ask(self, checks: tuple[Check, ...], then: Verdict, peer: PeerId | None = None) -> None:
        """Have `then` called with the verdicts in a later step; on the account of `peer` if given."""
        assert checks
        self._asked.extend(checks)
        self._then.append((len(checks), then, peer))
        if peer is not None:
            self._charged[peer] = self._charged.get(peer, 0) + len(checks)

    def flush(self, out: list[Effect]) -> None:
        """Put the step's checks into one effect."""
        if self._asked:
            self._next_token += 2
            out.append(Verify(self._next_token, tuple(self._asked)))
            self._waiting[self._next_token] = self._then
            self._asked = []
            self._then = []

    def verified(self, token: int, results: tuple[bool, ...]) -> None:
        """Hand out verdicts; a token of an epoch that is over is ignored."""
        start = 0
        for count, then, peer in self._waiting.pop(token, ()):
            if peer is not None:
                left = self._charged[peer] - count
                if left:
                    self._charged[peer] = left
                else:
                    del self._charged[peer]
            then(results[start : start + count])
            start += count

    def forget(self) -> None:
        """Drop all that waits; the epoch is over."""
        self._asked = []
        self._then = []
        self._waiting = {}
        self._charged = {}

    @property
    def waiting_count(self) -> int:
        """Verify effects without an answer yet."""
        return len(self._waiting)
