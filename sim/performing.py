"""
What a node wants done, done by its machine: messages sent, timers started, blocks stored.

A step's effects are gathered in a `Plan` while the node works, and performed when the work's time is over and its
records are durable. Final blocks are written into the store beside the core, several in one transaction.
"""

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, assert_never

from noded.consensus.inputs import Timer
from noded.ledger.commit import CommittedBlock
from noded.node.effects import (
    Answer,
    CommitBlocks,
    Effect,
    Halt,
    MembersChanged,
    PenalizePeer,
    Persist,
    Send,
    SendBlocks,
    StartTimer,
    Verify,
)
from noded.node.inputs import Committed, TimerFired
from noded.types.ids import PeerId
from noded.types.records import BatchRecord, Record
from sim.models.clock import NS_PER_MS
from sim.network import Parcel
from sim.streams import mix

if TYPE_CHECKING:
    from sim.host import Host

BLOCKS_PER_COMMIT_MAX = 32
"""Blocks that the store writes in one transaction, as in the daemon."""

FEW = 8
"""Up to this many copies of a message are cheaper to send one by one than as arrays."""

RECORD_BYTES = 1024
"""What a record takes in the log, unless it is a batch: a vote takes 200 bytes, a block 800 and its certificates."""

LOG_RECORDS_MAX = 2_000
"""Records in the log at which it is compacted, as the daemon does: what is still needed is written anew."""


class Plan:
    """What some steps want done, in order; a message stands beside its Send, ready to be sent."""

    __slots__ = ("records", "shows", "steps")

    def __init__(self, records: list[Record]) -> None:
        self.steps: list[tuple[Effect, Parcel | None]] = []
        self.records = records
        """Where records go that are to be written."""
        self.shows = False
        """Whether anybody outside will see that the steps were taken: then the records must be durable before."""


NOTHING = Plan([])


def size_of(record: Record) -> int:
    """Bytes that a record takes in the log."""
    return len(record.encoding) if isinstance(record, BatchRecord) else RECORD_BYTES


class Performer:
    """Performs what the node of one machine wants done."""

    def __init__(self, host: "Host") -> None:
        self._host = host
        self._world = host.world
        self._to_store: deque[CommittedBlock] = deque()
        self._is_storing = False

    def forget(self) -> None:
        """The process is gone: what was not stored is lost."""
        self._to_store.clear()
        self._is_storing = False

    def perform(self, plan: Plan, *, writes: bool) -> None:
        """Do what is to be done, in order; what must be durable before is."""
        host, world = self._host, self._world
        if writes:
            world.observers.persisted(host, host.disk.sync())
        for effect, parcel in plan.steps:
            if parcel is not None:
                assert type(effect) is Send
                self.send(effect.peers, parcel)
                continue
            match effect:
                case StartTimer(timer, after_ms):
                    engine = world.engine
                    wait = host.clock.until(engine.now, after_ms * NS_PER_MS)
                    engine.at(engine.now + wait, partial(self._fire, host.life, timer))
                case CommitBlocks(blocks):
                    world.observers.committed(host, blocks)
                    for committed in blocks:
                        self._store(committed)
                case Answer():
                    world.observers.answered(host, effect)
                case SendBlocks(peer, first, last):
                    message = host.archive.read_range(first, last)
                    self.send((peer,), world.parcel(host.index, message))
                case PenalizePeer(peer, reason):
                    world.observers.penalized(host, world.index_of[peer], reason)
                case Halt(reason):
                    world.observers.halted(host, reason)
                case MembersChanged() | Persist() | Verify() | Send():
                    pass  # Done with the steps, where anything is to be done at all.
                case _:
                    assert_never(effect)

    def send(self, peers: tuple[PeerId, ...], parcel: Parcel) -> None:
        """Give a parcel to the network."""
        world = self._world
        targets = world.targets(peers)
        world.observers.sent(self._host, targets, parcel)
        if len(targets) > FEW:
            world.network.send(targets, parcel)
        else:
            world.network.send_few(targets, parcel)

    def _fire(self, life: int, timer: Timer) -> None:
        if life == self._host.life:
            digest = mix((timer.kind << 56) ^ (timer.epoch << 40) ^ timer.view) ^ timer.token
            self._host.feed(TimerFired(timer), digest=digest)

    def _store(self, committed: CommittedBlock) -> None:
        """Write a block into the store once those before it are written."""
        self._to_store.append(committed)
        if not self._is_storing:
            self._store_what_waits()

    def _store_what_waits(self) -> None:
        """Write blocks in one transaction, beside the core."""
        host, engine = self._host, self._world.engine
        count = min(len(self._to_store), BLOCKS_PER_COMMIT_MAX)
        blocks = [self._to_store.popleft() for _ in range(count)]
        work = self._world.costs.commit.of(sum(len(committed.entries) for committed in blocks))
        done = host.machine.run(host.scaled(work), engine.now) + host.disk.sync_ns
        if done > engine.now:
            self._is_storing = True
            engine.at(done, partial(self._stored, host.life, blocks))
        else:
            self._stored(host.life, blocks)

    def _stored(self, life: int, blocks: Sequence[CommittedBlock]) -> None:
        """Blocks are durable in the store."""
        host = self._host
        if life != host.life or not host.is_up:
            return
        self._is_storing = False
        for committed in blocks:
            host.archive.store(committed)
            self._world.observers.stored(host, committed)
        if len(host.disk) > LOG_RECORDS_MAX:
            host.disk.compact(host.node.live_records())
        last = blocks[-1].block
        host.feed(Committed(last.header.height), digest=int.from_bytes(last.hash[:8], "big"))
        if self._to_store and not self._is_storing:
            self._store_what_waits()
