"""
The event loop of a simulation: a heap in virtual time, and a digest of all that happened.

Time is an integer number of nanoseconds. Events run in the order (time, tie, sequence): sequence is the order of
scheduling, tie is 0 unless a seed shuffles simultaneous events, and −1 for faults, which come first. A broadcast is
one heap entry with its arrivals sorted; it is put back with its next arrival when something else comes before that.

Only what happens within the present slot of time is in the heap. What comes later, such as most timers, waits unsorted
by slot, so that the heap stays small.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.streams import GOLDEN, MASK, mix, stream_key

NS_PER_MS = 1_000_000

FOREVER = 1 << 62

NOTES_MAX = 3 * 16_384
"""Words gathered before they enter the digest: 384 KiB, so that hashing costs little per event."""

SLOT_BITS = 24
"""A slot takes 2^24 ns, about 17 ms."""

Entry = tuple[int, int, int, int, Any]
"""Time, tie, sequence; the node that receives, or what else the last is."""

_CALL = -1
_FLIGHT = -2


class Flight:
    """A parcel on its way to several nodes."""

    __slots__ = ("end", "index", "parcel", "targets", "times")

    def __init__(self, times: list[int], targets: list[int], parcel: object) -> None:
        self.times = times
        self.targets = targets
        self.parcel = parcel
        self.index = 0
        self.end = len(times)


@dataclass(frozen=True, slots=True)
class EngineStats:
    """What a run cost."""

    events: int
    deliveries: int


class Engine:
    """
    Runs events in virtual time.

    `receivers[node](parcel)` is called for each arrival; everything else is a callback given to `at`.
    """

    __slots__ = (
        "_deliveries",
        "_digest",
        "_edge",
        "_events",
        "_heap",
        "_later",
        "_receivers",
        "_sequence",
        "_skipped",
        "_stopped",
        "_tie_key",
        "_until",
        "notes",
        "now",
    )

    def __init__(self, receivers: Sequence[Callable[[Any], None]], *, tie_seed: int | None = None) -> None:
        self.now = 0
        self._receivers = receivers
        self._heap: list[Entry] = []
        """What happens before the edge."""
        self._edge = 0
        self._later: dict[int, list[Entry]] = {}
        """By slot."""
        self._sequence = 0
        self._tie_key = None if tie_seed is None else stream_key(tie_seed, "ties")
        self.notes: list[int] = []
        """What `note` gathers; who notes much may add to it, and calls `absorb` at NOTES_MAX."""
        self._digest = blake2b(digest_size=32)
        self._events = 0
        self._deliveries = 0
        self._skipped = 0
        """Events that took no place in the heap."""
        self._stopped = False
        self._until = FOREVER

    def at(self, time: int, callback: Callable[[], None]) -> None:
        """Run `callback` at this time, after what is scheduled for it already."""
        assert time >= self.now
        if self._tie_key is None and time < self._edge:
            self._sequence = sequence = self._sequence + 1
            heappush(self._heap, (time, 0, sequence, _CALL, callback))
        else:
            self._push(time, _CALL, callback)

    def is_next(self, time: int) -> bool:
        """
        Go on to this time at once, if nothing is to happen up to and including it; for the last act of an event.

        Only within the present slot. What would have been a callback at that time is then done by the caller:
        the order of events is the same, and half of all arrivals need no second place in the heap.
        """
        heap = self._heap
        if time > self._until or time >= self._edge or self._stopped or (heap and heap[0][0] <= time):
            return False
        self.now = time
        self._sequence += 1  # As the callback would have taken one: ties are drawn by it.
        self._skipped += 1
        return True

    def before(self, time: int, callback: Callable[[], None]) -> None:
        """Run `callback` at this time, before all deliveries and callbacks of `at`."""
        assert time >= self.now
        self._sequence += 1
        self._put((time, -1, self._sequence, _CALL, callback))

    def send(self, time: int, target: int, parcel: object) -> None:
        """Deliver a parcel to one node."""
        assert time >= self.now
        self._push(time, target, parcel)

    def broadcast(self, times: NDArray[np.int64], targets: NDArray[np.int64], parcel: object) -> None:
        """Deliver a parcel to several nodes; simultaneous arrivals keep the order of `targets`."""
        if len(times) == 0:
            return
        order = times.argsort(kind="stable")
        flight = Flight(times[order].tolist(), targets[order].tolist(), parcel)
        assert flight.times[0] >= self.now
        self._push(flight.times[0], _FLIGHT, flight)

    def note(self, node: int, digest: int) -> None:
        """Enter (time, node, 64-bit digest) into the digest of the run."""
        notes = self.notes
        notes += (self.now, node & MASK, digest)
        if len(notes) >= NOTES_MAX:
            self.absorb()

    def absorb(self) -> None:
        """Take what was noted into the digest."""
        self._digest.update(array("Q", self.notes).tobytes())
        self.notes.clear()

    def stop(self) -> None:
        """End `run` after the current event."""
        self._stopped = True

    def run(self, until: int = FOREVER) -> bool:
        """
        Run all events up to and including this time, or until `stop`.

        Returns:
            Whether anything is left to run later.
        """
        heap, receivers = self._heap, self._receivers
        events = deliveries = 0
        self._stopped = False
        self._until = until
        while not self._stopped:
            if not heap and not self._open_slot():
                break
            entry = heap[0]
            time = entry[0]
            if time > until:
                break
            events += 1
            self.now = time
            kind = entry[3]
            if kind == _FLIGHT:
                flight = entry[4]
                index = flight.index
                flight.index = following = index + 1
                if following == flight.end:
                    heappop(heap)
                else:
                    time = flight.times[following]
                    entry = (time, entry[1], entry[2], _FLIGHT, flight)
                    if time < self._edge:
                        heapreplace(heap, entry)
                    else:
                        heappop(heap)
                        self._put(entry)
                deliveries += 1
                receivers[flight.targets[index]](flight.parcel)
                continue
            heappop(heap)
            if kind == _CALL:
                entry[4]()
            else:
                deliveries += 1
                receivers[kind](entry[4])
        self._events += events
        self._deliveries += deliveries
        if self.now < until < FOREVER and not self._stopped:
            self.now = until
        return bool(heap or self._later)

    def hexdigest(self) -> str:
        """The digest of all notes so far."""
        self.absorb()
        return self._digest.hexdigest()

    @property
    def pending(self) -> int:
        """Entries of what is to happen; a broadcast is one."""
        return len(self._heap) + sum(map(len, self._later.values()))

    def stats(self) -> EngineStats:
        """Counts since the beginning."""
        return EngineStats(events=self._events + self._skipped, deliveries=self._deliveries)

    def _push(self, time: int, kind: int, item: object) -> None:
        self._sequence += 1
        key = self._tie_key
        tie = 0 if key is None else mix((key + self._sequence * GOLDEN) & MASK) >> 1
        self._put((time, tie, self._sequence, kind, item))

    def _put(self, entry: Entry) -> None:
        if entry[0] < self._edge:
            heappush(self._heap, entry)
            return
        slot = entry[0] >> SLOT_BITS
        waiting = self._later.get(slot)
        if waiting is None:
            self._later[slot] = [entry]
        else:
            waiting.append(entry)

    def _open_slot(self) -> bool:
        """Nothing is left in this slot: go on to the next one in which something happens, if there is any."""
        if not self._later:
            return False
        slot = min(self._later)
        self._edge = (slot + 1) << SLOT_BITS
        self._heap += self._later.pop(slot)
        heapify(self._heap)
        return True
