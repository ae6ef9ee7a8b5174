"""Calls of clients that wait until the core has answered."""

from collections.abc import Awaitable, Callable

import trio

from noded.node.effects import Submission
from noded.node.inputs import TransactionsSubmitted

CALLS_WAITING_MAX = 1024
"""Calls of clients that wait for an answer."""


class Overloaded(Exception):
    """Too many calls wait for the core; the client may try again."""


class _Call:
    __slots__ = ("done", "submissions")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.submissions: tuple[Submission, ...] = ()


class Calls:
    """Hands transactions to the core, and its answers to whoever waits for them."""

    def __init__(self, feed: Callable[[TransactionsSubmitted], Awaitable[None]]) -> None:
        """`feed` lets the core have an input, and returns when it has room for it."""
        self._feed = feed
        self._calls: dict[int, _Call] = {}
        self._last_token = 0

    @property
    def waiting(self) -> int:
        """Calls without an answer yet."""
        return len(self._calls)

    async def submit(self, transactions: tuple[bytes, ...]) -> tuple[Submission, ...]:
        """
        Hand in encoded transactions and return what became of each.

        Raises:
            Overloaded: Too many calls wait.
        """
        if len(self._calls) >= CALLS_WAITING_MAX:
            raise Overloaded(f"{CALLS_WAITING_MAX} calls are waiting")
        return await self._call(transactions)

    async def probe(self) -> None:
        """Return when the core has answered: it takes inputs, and what it wants is done."""
        await self._call(())

    async def _call(self, transactions: tuple[bytes, ...]) -> tuple[Submission, ...]:
        self._last_token += 1
        token = self._last_token
        call = self._calls[token] = _Call()
        try:
            await self._feed(TransactionsSubmitted(token, transactions))
            await call.done.wait()
        finally:
            self._calls.pop(token, None)
        return call.submissions

    def answer(self, token: int, submissions: tuple[Submission, ...]) -> None:
        """The core says what became of a call's transactions; who has gone since is not told."""
        call = self._calls.get(token)
        if call is not None:
            call.submissions = submissions
            call.done.set()
