"""Who waits for transactions to become final, or for the next block."""

from collections.abc import Callable, Mapping, Sequence

import trio

from noded.api.backend import Busy, Outcome
from noded.ledger.commit import CommittedBlock
from noded.types.ids import TransactionHash

WAITERS_MAX = 16_384
"""Transactions waited for at a time."""


class TooManyWaiters(Busy):
    """Too many clients wait for transactions; ask for the transaction later instead."""


class _Waiter:
    __slots__ = ("count", "done", "outcome")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.outcome: Outcome | None = None
        self.count = 0


class Waiters:
    """Wakes those who wait when blocks are durable."""

    def __init__(self) -> None:
        self._by_transaction: dict[TransactionHash, _Waiter] = {}
        self._next_block = trio.Event()

    async def transactions(
        self,
        names: Sequence[TransactionHash],
        look: Callable[[Sequence[TransactionHash]], Mapping[TransactionHash, Outcome]],
        outcomes: dict[TransactionHash, Outcome],
    ) -> None:
        """
        Wait until transactions are final, and note what became of each as soon as it is known.

        Args:
            names: Of the transactions.
            look: What the store says of those that it knows; asked once nothing can be missed any more.
            outcomes: Where it is noted, also when the wait is cancelled.

        Raises:
            TooManyWaiters: Too many others wait.
        """
        if len(self._by_transaction) + len(names) > WAITERS_MAX:
            raise TooManyWaiters(f"{WAITERS_MAX} transactions are being waited for")
        waiters = {name: self._enter(name) for name in names}
        try:
            outcomes.update(look(names))
            for name, waiter in waiters.items():
                if waiter.outcome is None and name not in outcomes:  # Most come with the same block.
                    await waiter.done.wait()
        finally:
            for name, waiter in waiters.items():
                if waiter.outcome is not None:
                    outcomes[name] = waiter.outcome
                self._leave(name, waiter)

    async def block(self) -> None:
        """Wait until the next block is durable."""
        await self._next_block.wait()

    def stored(self, blocks: Sequence[CommittedBlock]) -> None:
        """These blocks are durable."""
        waited_for = self._by_transaction
        for committed in blocks:
            if waited_for:
                for entry in committed.entries:
                    waiter = waited_for.get(entry.hash)
                    if waiter is not None and waiter.outcome is None:
                        height = committed.block.header.height
                        receipt = committed.receipts[entry.position]
                        waiter.outcome = Outcome(height, entry.position, receipt)
                        waiter.done.set()
        self._next_block.set()
        self._next_block = trio.Event()

    def _enter(self, name: TransactionHash) -> _Waiter:
        waiter = self._by_transaction.get(name)
        if waiter is None:
            waiter = self._by_transaction[name] = _Waiter()
        waiter.count += 1
        return waiter

    def _leave(self, name: TransactionHash, waiter: _Waiter) -> None:
        waiter.count -= 1
        if waiter.count == 0 and self._by_transaction.get(name) is waiter:
            del self._by_transaction[name]
