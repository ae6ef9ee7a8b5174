"""Who waits for a transaction to become final, or for the next block."""

from collections.abc import Sequence
from dataclasses import dataclass

import trio

from noded.ledger.commit import CommittedBlock, Receipt
from noded.types.ids import Height, TransactionHash

WAITERS_MAX = 16_384
"""Transactions waited for at a time."""


class TooManyWaiters(Exception):
    """Too many clients wait for transactions; ask for the transaction later instead."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A final transaction."""

    height: Height
    position: int
    receipt: Receipt


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

    async def transaction(self, name: TransactionHash) -> Outcome:
        """
        Wait until a transaction is final, from now on; look into the store first or afterwards as well.

        Raises:
            TooManyWaiters: Too many others wait.
        """
        waiter = self._by_transaction.get(name)
        if waiter is None:
            if len(self._by_transaction) >= WAITERS_MAX:
                raise TooManyWaiters(f"{WAITERS_MAX} transactions are being waited for")
            waiter = self._by_transaction[name] = _Waiter()
        waiter.count += 1
        try:
            await waiter.done.wait()
        finally:
            waiter.count -= 1
            if waiter.count == 0 and self._by_transaction.get(name) is waiter:
                del self._by_transaction[name]
        assert waiter.outcome is not None
        return waiter.outcome

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
