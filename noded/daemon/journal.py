"""The log of what the core wants to be durable: written before messages leave, and shortened now and then."""

from collections.abc import Sequence

import trio

from noded.metrics import Metrics
from noded.node.effects import Effect, Persist
from noded.node.node import Node
from noded.storage.wal import Wal
from noded.storage.wal_format import WalRecord
from noded.types.ids import Height
from noded.types.records import RECORDS, BatchRecord, Record, VoteRecord

LOG_BYTES_MAX = 32 * 1024 * 1024
"""What may pile up in the log before it is rewritten; read back in about a second at start."""


class Journal:
    """Collects records and writes them together."""

    def __init__(self, wal: Wal, node: Node, metrics: Metrics) -> None:
        self._wal = wal
        self._node = node
        self._metrics = metrics
        self._unwritten: list[WalRecord] = []

    @property
    def size_bytes(self) -> int:
        """Size of the log."""
        return self._wal.size_bytes

    @property
    def is_behind(self) -> bool:
        """Whether there are records that are not durable yet."""
        return bool(self._unwritten)

    def note(self, effects: Sequence[Effect]) -> None:
        """Take over the records that effects want persisted."""
        for effect in effects:
            if isinstance(effect, Persist):
                record = effect.record
                if isinstance(record, VoteRecord):
                    self._metrics.votes.labels(record.vote.kind.name.lower()).inc()
                elif isinstance(record, BatchRecord):
                    self._metrics.batches.inc()
                self._unwritten.append(self._entry(record))

    async def write(self) -> None:
        """
        Make durable what was noted.

        Raises:
            StorageError: The disk failed.
        """
        records, self._unwritten = self._unwritten, []
        with self._metrics.log_sync.time():
            await trio.to_thread.run_sync(self._wal.append, records)

    def is_long(self, stored: Height) -> bool:
        """Whether enough of the log is of no use any more, as the store has all up to this height."""
        return self._wal.covered_bytes(stored) >= LOG_BYTES_MAX

    async def shorten(self, stored: Height) -> None:
        """
        Rewrite the log to what a restart needs; all final blocks must be in the store.

        Raises:
            StorageError: The disk failed.
        """
        records = self._unwritten + [self._entry(record) for record in self._node.live_records()]
        self._unwritten = []
        await trio.to_thread.run_sync(self._wal.checkpoint, stored, records)

    def _entry(self, record: Record) -> WalRecord:
        """A record as the log keeps it; once the store is past this height, live ones are written anew."""
        return WalRecord(RECORDS.tag_of(type(record)), self._node.chain.height, RECORDS.encode(record))
