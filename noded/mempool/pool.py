"""Batches that this node holds: which are available, which a proposer may name, which were named before."""

from collections.abc import Callable, Iterable, Sequence
from itertools import repeat
from operator import itemgetter
from typing import NamedTuple

from noded.types.batch import BATCH_BYTES_MAX, SealedBatch
from noded.types.ids import BatchHash, Epoch, Height, TimestampMs, ValidatorId
from noded.types.validator_set import ValidatorSet

ORDERED_KEPT_HEIGHTS = 16
"""Blocks for which batches stay at hand for peers who still lack one; older ones come by block sync."""

ORDERED_KEPT_BYTES = 4 * 1024 * 1024
"""Encodings of these batches: of full blocks fewer stay than of small ones, but always the last block's."""

WAITING_BYTES_MAX = 128 * 1024 * 1024
"""Encodings of all authors' unordered batches, divided among them; what one does not use is nobody else's."""

AUTHOR_BYTES_MIN = 2 * BATCH_BYTES_MAX
"""An author's part, however many they are: one batch waits while the next one is filled."""

ACKNOWLEDGED_MAX = 16_384
"""Batches whose acknowledgements are counted at a time; those that are not held are forgotten first."""

PREFIX_BYTES = 8
"""Of a batch's hash, in acknowledgements."""

_PREFIX = itemgetter(slice(PREFIX_BYTES))


class HeldBatch(NamedTuple):
    """A valid batch whose record is written."""

    sealed: SealedBatch
    operations: int
    """In all its transactions together."""


class BatchPool:
    """
    Valid batches by hash.

    A batch is *held* from the moment that its record is written, *ordered* once a finalised block names it, and
    forgotten once none may name it that is later than the last final one (M3, M4).
    """

    def __init__(self, *, expiry_ms: int, author_bytes_max: int) -> None:
        self.part_bytes = author_bytes_max
        """What one author may have under way (M5)."""
        self._expiry_ms = expiry_ms
        self._held: dict[BatchHash, HeldBatch] = {}
        self.get: Callable[[BatchHash], HeldBatch | None] = self._held.get
        """A batch that is held and not ordered."""
        self._unordered: dict[BatchHash, int] = {}
        self._bytes_by_author: dict[ValidatorId, int] = {}
        self._by_author: dict[ValidatorId, dict[BatchHash, None]] = {}
        """Those of `_unordered`, in the same order."""
        self._ordered: dict[BatchHash, TimestampMs] = {}
        self._ordered_at: dict[Height, tuple[BatchHash, ...]] = {}
        self._served: dict[BatchHash, bytes] = {}
        """Encodings of those ordered last, for peers who lack them: their transactions are in blocks."""
        self._ordered_bytes = 0
        self._acknowledged: dict[bytes, int] = {}

    def __contains__(self, batch: BatchHash) -> bool:
        return batch in self._held

    def all_of(self, batches: Sequence[BatchHash]) -> tuple[SealedBatch, ...] | None:
        """These batches, in this order; None if one is not held."""
        held = self._held
        try:
            return tuple([held[name].sealed for name in batches])
        except KeyError:
            return None

    def encoding_of(self, batch: BatchHash) -> bytes | None:
        """What is sent to a peer who lacks this batch, if it is at hand."""
        held = self._held.get(batch)
        return self._served.get(batch) if held is None else held.sealed.encoding

    def is_ordered(self, batch: BatchHash) -> bool:
        """Whether a finalised block that is not too old named the batch (M3)."""
        return batch in self._ordered

    def first_ordered(self, batches: Sequence[BatchHash]) -> BatchHash | None:
        """The first of these that a finalised block named, if any."""
        ordered = self._ordered
        for name in batches:
            if name in ordered:
                return name
        return None

    def knows(self, batch: BatchHash) -> bool:
        """Whether a batch is held, or was and is ordered."""
        return batch in self._held or batch in self._ordered

    def has_unordered(self) -> bool:
        """Whether anything waits to be named."""
        return bool(self._unordered)

    @property
    def unordered_count(self) -> int:
        """Batches that wait to be named."""
        return len(self._unordered)

    def live(self) -> list[bytes]:
        """Encodings of all that is held and not ordered: what a restart needs."""
        return [self._held[name].sealed.encoding for name in self._unordered]

    def unordered(self) -> list[BatchHash]:
        """What waits to be named, in order of arrival."""
        return list(self._unordered)

    def unordered_prefixes(self, count_max: int) -> tuple[bytes, ...]:
        """PREFIX_BYTES of each of these, at most so many: the first of each author, then the second, and so on."""
        found: list[bytes] = []
        queues = [map(_PREFIX, batches) for batches in self._by_author.values()]
        while queues and len(found) < count_max:
            turn = [(queue, next(queue, None)) for queue in queues]
            found += [prefix for _, prefix in turn if prefix is not None]
            queues = [queue for queue, prefix in turn if prefix is not None]
        return tuple(found[:count_max])

    def room(self, author: ValidatorId) -> int:
        """Bytes that an author may still have under way (M5)."""
        return self.part_bytes - self._bytes_by_author.get(author, 0)

    def limit(self, *, expiry_ms: int, author_bytes_max: int, authors: int) -> None:
        """Take the limits of an epoch, and give so many authors a part each of what may wait (M4, M5)."""
        self._expiry_ms = expiry_ms
        self.part_bytes = min(author_bytes_max, max(AUTHOR_BYTES_MIN, WAITING_BYTES_MAX // authors))

    def unordered_bytes(self, author: ValidatorId) -> int:
        """Bytes of an author's batches that wait to be named."""
        return self._bytes_by_author.get(author, 0)

    def hold(self, held: HeldBatch) -> None:
        """Take a valid batch whose record is written or, after a restart, was read."""
        sealed = held.sealed
        name = sealed.hash
        if self.knows(name):
            return
        self._held[name] = held
        size = len(sealed.encoding)
        self._unordered[name] = size
        author, under_way = sealed.author, self._bytes_by_author
        under_way[author] = under_way.get(author, 0) + size
        self._by_author.setdefault(author, {})[name] = None

    def acknowledge(self, prefixes: Sequence[bytes], validator_index: int) -> None:
        """Count a validator among those who hold the batches of these prefixes."""
        bit = 1 << validator_index
        counted = self._acknowledged
        known = map(counted.get, prefixes, repeat(0))
        counted.update(
            zip(prefixes, map(bit.__or__, known), strict=False)
        )  # Without a step of Python's for each.
        if len(counted) > ACKNOWLEDGED_MAX:
            self._forget_acknowledged()

    def _forget_acknowledged(self) -> None:
        """Forget half: what is held here last, so that no validator can push that out with names of nothing (M2)."""
        held = dict.fromkeys(map(_PREFIX, self._unordered))
        counted = self._acknowledged
        ordered = sorted(counted, key=held.__contains__)  # Stable: within both the oldest first.
        for prefix in ordered[: len(ordered) - ACKNOWLEDGED_MAX // 2]:
            del counted[prefix]

    def is_available(self, batch: BatchHash, validators: ValidatorSet, me: int | None) -> bool:
        """Whether a quorum says that it holds the batch, so that naming it cannot fail a view (M2)."""
        bits = self._acknowledged.get(batch[:PREFIX_BYTES], 0)
        if me is not None:
            bits |= 1 << me
        return validators.is_quorum(validators.mask_power(bits))

    def select(
        self,
        *,
        named: Sequence[BatchHash],
        bytes_max: int,
        count_max: int,
        is_nameable: Callable[[HeldBatch], bool],
    ) -> tuple[BatchHash, ...]:
        """Batches for the next block: first those of which least of the same author waits longer, as many as fit."""
        taken = dict.fromkeys(named)
        before: dict[BatchHash, int] = {}
        piled: dict[ValidatorId, int] = {}
        for name, size in self._unordered.items():
            if name not in taken:
                author = self._held[name].sealed.author
                before[name] = piled.get(author, 0)
                piled[author] = before[name] + size
        chosen: list[BatchHash] = []
        room = bytes_max
        for name in sorted(before, key=before.__getitem__):
            if len(chosen) == count_max:
                break
            size = self._unordered[name]
            if size <= room and is_nameable(self._held[name]):
                chosen.append(name)
                room -= size
        return tuple(chosen)

    def order(self, height: Height, batches: Sequence[BatchHash]) -> None:
        """A finalised block names these."""
        for name in batches:
            self._leave(name)
            sealed = self._held.pop(name).sealed
            self._ordered[name] = sealed.time_ms
            self._served[name] = sealed.encoding
            self._ordered_bytes += len(sealed.encoding)
        kept = self._ordered_at
        kept[height] = tuple(batches)
        while len(kept) > ORDERED_KEPT_HEIGHTS or (
            self._ordered_bytes > ORDERED_KEPT_BYTES and len(kept) > 1
        ):
            for name in kept.pop(next(iter(kept))):
                self._ordered_bytes -= len(self._served.pop(name, b""))

    def restore_ordered(self, batches: Iterable[tuple[BatchHash, TimestampMs]]) -> None:
        """After a restart, or from block sync: what recent finalised blocks named."""
        for name, time_ms in batches:
            self._ordered[name] = time_ms
            self._leave(name)
            self._held.pop(name, None)

    def expire(self, now_ms: TimestampMs, final_ms: TimestampMs, epoch: Epoch) -> list[SealedBatch]:
        """
        Forget what no block of this epoch or a later one may name (M4); returns the batches that were never ordered.

        A batch is of its block's epoch or the one before: what a partition kept back for longer must be packed anew.
        What was named goes by the time of the last final block: after a standstill a block may be much older than now (M3).
        """
        deadline = now_ms - self._expiry_ms
        overdue = []
        for name in self._unordered:
            batch = self._held[name].sealed
            if batch.time_ms < deadline or batch.epoch < epoch - 1:
                overdue.append(name)
        lost = []
        for name in overdue:
            self._leave(name)
            lost.append(self._held.pop(name).sealed)
        while self._ordered:
            oldest = next(iter(self._ordered))
            if self._ordered[oldest] >= final_ms - self._expiry_ms:
                break
            del self._ordered[oldest]
        return lost

    def _leave(self, name: BatchHash) -> None:
        size = self._unordered.pop(name, None)
        self._acknowledged.pop(name[:PREFIX_BYTES], None)
        if size is not None:
            author = self._held[name].sealed.author
            left = self._bytes_by_author[author] - size
            if left:
                self._bytes_by_author[author] = left
                del self._by_author[author][name]
            else:
                del self._bytes_by_author[author]
                del self._by_author[author]
