"""
A node's disk: a log of records, and what a crash does to it.

Records are pending until the fsync of their step has ended. A crash keeps what is durable. What is pending was one
write: a killed process leaves all of it or nothing ("kept"), a power cut any beginning, whose last record is torn and
cut off by the log's framing ("torn"), and a broken disk nothing at all, durable or not ("lost").
"""

from collections.abc import Sequence
from typing import Generic, Literal, TypeVar

from sim.streams import Stream

R = TypeVar("R")

Fate = Literal["kept", "torn", "lost"]

FRAME_BYTES = 8
"""Length and checksum of a record in the log."""


class Disk(Generic[R]):
    """The log of one node."""

    __slots__ = ("_bytes_per_s", "_durable", "_fsync_ns", "_pending", "_stream", "extra_fsync_ns", "fsyncs")

    def __init__(self, *, fsync_ns: int, bytes_per_s: int, stream: Stream) -> None:
        self._fsync_ns = fsync_ns
        self._bytes_per_s = bytes_per_s
        self._stream = stream
        self._durable: list[R] = []
        self._pending: list[R] = []
        self.extra_fsync_ns = 0
        """Added to each fsync while the disk is slow."""
        self.fsyncs = 0

    def write(self, records: Sequence[R], size_bytes: int) -> int:
        """Begin to write records; returns the nanoseconds until `sync` may be called."""
        self._pending += records
        self.fsyncs += 1
        framed = size_bytes + FRAME_BYTES * len(records)
        transfer = framed * 1_000_000_000 // self._bytes_per_s if self._bytes_per_s else 0
        return self.sync_ns + transfer

    @property
    def sync_ns(self) -> int:
        """Nanoseconds of an fsync, at present."""
        return self._fsync_ns + self.extra_fsync_ns

    def sync(self) -> list[R]:
        """All that was written is durable now; what was not before."""
        written, self._pending = self._pending, []
        self._durable += written
        return written

    def crash(self, fate: Fate) -> None:
        """The process died; afterwards `records` are what it finds."""
        pending = len(self._pending)
        survivors = 0
        if fate == "lost":
            self._durable.clear()
        elif fate == "kept":
            survivors = pending * self._stream.below(2)
        elif pending:
            survivors = self._stream.below(pending)
        self._durable += self._pending[:survivors]
        self._pending.clear()

    def compact(self, live: Sequence[R]) -> None:
        """Write anew what is still needed, durably, and drop everything older."""
        self._durable = list(live)

    def __len__(self) -> int:
        """Durable records."""
        return len(self._durable)

    def records(self) -> list[R]:
        """What a restart reads, in order."""
        return list(self._durable)
