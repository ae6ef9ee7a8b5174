"""Load on real nodes that goes on whatever happens to them, and remembers what they acknowledged as final."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from noded.api.chain_data import receipts_of
from noded.bench.load import Sender
from noded.client.answers import NodeUnreachable, Refused
from noded.client.http import NodeClient
from noded.ops.home import STORE_NAME
from noded.storage.sqlite import open_reader
from noded.testnet.processes import NodeProcess
from noded.types.genesis import Genesis
from noded.types.ids import TransactionHash
from noded.types.transaction import SignedTransaction
from tests.helpers.fleet import PATIENCE_S, sender_of, until_height

TOGETHER: Final = 8
"""Transactions in one call."""

WAIT_S: Final = 10.0
"""For them to become final; what is not by then counts as not acknowledged."""

UNANSWERED_S: Final = 0.05
"""Pause after a node did not answer, so that a network that is down costs no processor."""


class SteadyLoad:
    """
    One thread for each of some institutions, which hands in records at one node after another.

    A context manager; it ends by raising what went wrong in a thread.
    """

    def __init__(
        self,
        nodes: Sequence[NodeProcess],
        genesis: Genesis,
        *,
        senders: int = 2,
        per_s: float | None = None,
        operations: int = 1,
    ) -> None:
        """
        Prepare; entering the context begins.

        Args:
            nodes: To which transactions are handed in, in turn.
            genesis: Of their chain.
            senders: How many institutions.
            per_s: Transactions a second of all of them, at most; None for as many as are answered.
            operations: Records in one transaction.
        """
        self.final: dict[TransactionHash, int] = {}
        """Height at which each transaction is final, as a node said."""
        self._nodes = nodes
        self._senders = [sender_of(node, genesis) for node in nodes[:senders]]
        self._operations = operations
        self._pace_s = 0.0 if per_s is None else TOGETHER * senders / per_s
        self._changed = threading.Condition()
        self._signing = threading.Lock()
        self._stopping = threading.Event()
        self._failed: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=(number, sender), daemon=True)
            for number, sender in enumerate(self._senders)
        ]

    def __enter__(self) -> Self:
        for sender in self._senders:
            with NodeClient.in_home(self._nodes[0].home) as client:
                [posted] = client.post_transactions([sender.register_patient().encoding], wait_s=60)
            assert posted.is_applied, posted
            assert posted.height is not None
            self.final[posted.hash] = posted.height
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Hand in no more, and wait until what was handed in is answered."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        if self._failed:
            raise self._failed[0]

    def signed(self, count: int) -> list[SignedTransaction]:
        """Transactions of the first institution that the load itself does not hand in."""
        with self._signing:
            return list(islice(self._senders[0].records(1), count))

    def until_more(self, count: int) -> None:
        """Wait until so many further transactions were acknowledged."""
        with self._changed:
            wanted = len(self.final) + count
            reached = self._changed.wait_for(lambda: len(self.final) >= wanted or self._failed, PATIENCE_S)
            assert reached, f"{len(self.final)} transactions are final, {wanted} were to be"
        if self._failed:
            raise self._failed[0]

    def _run(self, number: int, sender: Sender) -> None:
        try:
            self._drive(number, sender.records(self._operations))
        except BaseException as error:
            with self._changed:
                self._failed.append(error)
                self._changed.notify_all()

    def _drive(self, turn: int, records: Iterator[SignedTransaction]) -> None:
        waiting: list[SignedTransaction] = []
        while not self._stopping.is_set():
            with self._signing:
                waiting = waiting or list(islice(records, TOGETHER))
            turn += 1
            node = self._nodes[turn % len(self._nodes)]
            began = time.monotonic()
            with NodeClient.in_home(node.home) as client:
                try:
                    rows = client.post_transactions([each.encoding for each in waiting], wait_s=WAIT_S)
                except (NodeUnreachable, Refused):
                    self._stopping.wait(UNANSWERED_S)
                    continue
            done = {row.hash for row in rows if row.height is not None}
            with self._changed:
                for row in rows:
                    if row.height is not None:
                        assert row.error is None, row
                        known = self.final.setdefault(row.hash, row.height)
                        assert known == row.height, f"{row.hash.hex()} is final at {known} and {row.height}"
                self._changed.notify_all()
            # What is not final may still become so: the same transactions go to the next node.
            waiting = [each for each in waiting if each.hash not in done]
            self._stopping.wait(max(0.0, self._pace_s - (time.monotonic() - began)))


def check_all_there(nodes: Sequence[NodeProcess], final: dict[TransactionHash, int]) -> None:
    """Every node, which runs, comes to have every transaction at the height at which it was acknowledged."""
    until_height(nodes, max(final.values()))
    for node in nodes:
        with closing(open_reader(node.home / STORE_NAME)) as reader:
            for name, height in final.items():
                place = reader.transaction(name)
                assert place is not None, f"{node.home.name} lost {name.hex()}, final at {height}"
                assert (place.height, place.applied) == (height, True)


def without_effect(home: Path) -> int:
    """Transactions in the blocks of a store that had none, such as those that were ordered before."""
    with closing(open_reader(home / STORE_NAME)) as reader:
        tip = reader.tip()
        assert tip is not None
        blocks = [reader.block(height) for height in range(1, tip.height + 1)]
    return sum(
        receipt.error is not None for block in blocks if block is not None for receipt in receipts_of(block)
    )
