"""
One simulated machine: it feeds a node its inputs, and does what the node wants done.

It works as the daemon's shell does. Inputs that wait together are stepped together; few signatures are judged at once
and many by other cores; the records of these steps share one write of the log before the first message leaves. All
of this takes the virtual time that the models say, and a crash in between loses what a crash would lose.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, assert_never

from noded.consensus.effects import Check
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
from noded.node.inputs import (
    Committed,
    Input,
    TimerFired,
    TransactionsSubmitted,
    Verified,
)
from noded.node.node import Node
from noded.types.ids import PeerId, TimestampMs
from noded.types.messages import BatchPushed, Proposal, Votes
from noded.types.records import BatchRecord, Record
from sim.archive import Archive
from sim.models.clock import NS_PER_MS, Clock
from sim.models.cpu import Machine
from sim.models.disk import Disk, Fate
from sim.network import Parcel
from sim.streams import MASK, mix
from sim.world import World

STEPS_TOGETHER_MAX = 64
"""Inputs whose records share one write of the log, as in the daemon."""

INLINE_CHECKS_MAX = 100
"""Fewer signatures than this are judged by the core that runs the node, as in the daemon."""

BLOCKS_PER_COMMIT_MAX = 32
"""Blocks that the store writes in one transaction, as in the daemon."""

RECORD_BYTES = 1024
"""What a record takes in the log, unless it is a batch: a vote takes 200 bytes, a block 800 and its certificates."""


class Steps(Protocol):
    """A node, or a behaviour around one."""

    def step(self, event: Input, now_ms: TimestampMs) -> list[Effect]:
        """Apply one input and return what to do about it."""
        ...


Boot = Callable[["Host", TimestampMs], tuple[Steps, Node, list[Effect]]]
"""Makes a node from what its host has durably, and starts it; the node may stand behind a behaviour."""

LOG_RECORDS_MAX = 2_000
"""Records in the log at which it is compacted, as the daemon does: what is still needed is written anew."""


class Host:
    """One machine with one node."""

    def __init__(
        self,
        index: int,
        *,
        world: World,
        boot: Boot,
        disk: Disk[Record],
        archive: Archive,
        clock: Clock,
        machine: Machine,
        speed: float,
        is_correct: bool,
    ) -> None:
        self.index = index
        self.name = world.names[index]
        self.world = world
        self.disk = disk
        self.archive = archive
        self.clock = clock
        self.is_correct = is_correct
        self.is_up = False
        self.is_log_lost = False
        """Whether the log of what this key signed is gone."""
        self.is_wiped = False
        """Whether the last crash took the disk."""
        self.life = 0
        """Counts starts; what belongs to an earlier life comes to nothing."""
        self._up_since = 0
        self.busy_ns = 0
        """Time for which the core that runs the node has worked."""
        self.inbox_peak = 0
        self.node: Node
        self.steps: Steps
        self._boot = boot
        self.machine = machine
        self._speed = speed
        self._inbox: deque[tuple[Input, int, int]] = deque()
        """Inputs with their digest and the nanoseconds that taking them in costs."""
        self._local: deque[Input] = deque()
        self._unwritten: list[Record] = []
        self._is_busy = False
        self._pauses = 0
        self._frozen: Callable[[], None] | None = None
        """What was under way when the machine was paused."""
        self._to_store: deque[CommittedBlock] = deque()
        self._is_storing = False

    # Life

    def start(self) -> None:
        """Start the node from what is durable."""
        assert not self.is_up
        self.is_up = True
        self.life += 1
        self._up_since = self.world.engine.now
        self._is_storing = False
        now_ms = self.now_ms()
        self.archive.fold(self.archive.height)
        try:
            self.steps, self.node, effects = self._boot(self, now_ms)
        except Exception as error:
            self.world.observers.failed(self, error)
            self.is_up = False
            return
        self.world.observers.started(self)
        self.world.meter = 0
        plan = Plan()
        cost = self._add(plan, effects, 0)
        self._is_busy = True
        if not self._carry_out(plan, cost):
            self._is_busy = False
            self._work()

    def crash(self, fate: Fate) -> None:
        """Kill the process."""
        assert self.is_up
        self.is_up = False
        self._is_busy = False
        self._pauses = 0
        self._inbox.clear()
        self._local.clear()
        self._unwritten.clear()
        self._to_store.clear()
        self._frozen = None
        self.disk.crash(fate)
        self.is_wiped = fate == "lost"
        if self.is_wiped:
            self.is_log_lost = True
            self.archive.wipe()
        self.world.observers.crashed(self)

    def pause(self) -> None:
        """Stand still; inputs wait."""
        self._pauses += 1

    def resume(self) -> None:
        """Go on."""
        self._pauses = max(0, self._pauses - 1)
        if not self.is_up or self._is_paused:
            return
        if self._frozen is not None:
            frozen, self._frozen = self._frozen, None
            frozen()
        elif not self._is_busy:
            self._work()

    @property
    def _is_paused(self) -> bool:
        return self._pauses > 0

    def now_ms(self) -> TimestampMs:
        """What this machine's clock shows."""
        return TimestampMs(self.clock.now_ms(self.world.engine.now))

    # Inputs

    def receive(self, parcel: Parcel) -> None:
        """A parcel arrives at this machine's access link; one sent to an earlier process died with its connection."""
        if not self.is_up or parcel.sent < self._up_since:
            return
        engine = self.world.engine
        ready = self.world.network.received(self.index, parcel)
        if ready > engine.now:
            engine.at(ready, partial(self._take_in, self.life, parcel))
        else:
            self._take_in(self.life, parcel)

    def submit(self, token: int, transactions: tuple[bytes, ...]) -> None:
        """Clients of this node hand in transactions; lost if the node is down."""
        size = sum(len(each) for each in transactions)
        cost = self.world.costs.submit.of(size)
        self.feed(TransactionsSubmitted(token, transactions), digest=token, cost=cost)

    def feed(self, event: Input, *, digest: int, cost: int | None = None) -> None:
        """Let the node have an input when its turn comes."""
        if not self.is_up:
            return
        self._inbox.append((event, digest & MASK, self.world.costs.step.of(1) if cost is None else cost))
        if len(self._inbox) > self.inbox_peak:
            self.inbox_peak = len(self._inbox)
        if not self._is_busy and not self._is_paused:
            self._work()

    def _take_in(self, life: int, parcel: Parcel) -> None:
        if life != self.life or not self.is_up:
            return
        costs = self.world.costs
        match parcel.message:
            case Votes():
                price = costs.votes
            case Proposal():
                price = costs.proposal
            case BatchPushed():
                price = costs.batch
            case _:
                price = costs.message
        event = self.world.opened(parcel)
        if event is None:
            self.world.observers.penalized(self, parcel.sender, "Malformed")
            return
        self.feed(event, digest=parcel.digest, cost=price.of(parcel.size))

    # Steps

    def _work(self) -> None:
        """Step whatever waits, until nothing does or it takes time."""
        self._is_busy = True
        while (self._inbox or self._local) and self.is_up and not self._is_paused:
            plan, cost = self._step_together()
            if self._carry_out(plan, cost):
                return
        self._is_busy = False

    def _step_together(self) -> "tuple[Plan, int]":
        """Step the inputs that wait; what they want done, and nanoseconds of work."""
        world, plan = self.world, Plan()
        cost = 0
        for _ in range(STEPS_TOGETHER_MAX):
            if self._local:
                event, digest, price = self._local.popleft(), 0, world.costs.step.of(1)
            elif self._inbox:
                event, digest, price = self._inbox.popleft()
                world.engine.note(self.index, digest)
            else:
                break
            if isinstance(event, Committed):
                self.archive.fold(event.height)
            cost += self._scaled(price)
            world.meter = 0
            try:
                effects = self.steps.step(event, self._ms_in(cost))
            except Exception as error:
                world.observers.failed(self, error)
                self.crash("kept")
                return Plan(), 0
            world.observers.stepped(self, event, effects)
            cost += self._add(plan, effects, cost)
        return plan, cost

    def _add(self, plan: "Plan", effects: Sequence[Effect], after: int) -> int:
        """Put effects into a plan, and signatures under judgement; nanoseconds that all this costs."""
        world = self.world
        costs, cost = world.costs, world.meter
        for effect in effects:
            match effect:
                case Send(peers, message):
                    parcel = world.parcel(self.index, message)
                    cost += costs.send.of(parcel.size) + len(peers) * costs.copy.of(parcel.size)
                    plan.add(effect, parcel)
                case Verify(token, checks):
                    cost += self._judge(token, checks, after + self._scaled(cost))
                case _:
                    plan.add(effect, None)
        return self._scaled(cost)

    def _judge(self, token: int, checks: tuple[Check, ...], after: int) -> int:
        """Judge signatures: few at once, many on other cores; nanoseconds for which this core is busy with it."""
        judge, costs = self.world.judge, self.world.costs
        count = sum(map(judge.count, checks))
        verified = Verified(token, tuple(map(judge.judge, checks)))
        if count < INLINE_CHECKS_MAX:
            self._local.append(verified)
            return costs.verify.of(count)
        engine = self.world.engine
        done = self.machine.verify(count, costs, self._speed, engine.now + after)
        engine.at(done, partial(self._feed_in, self.life, verified, token))
        return 0

    def _carry_out(self, plan: "Plan", cost: int) -> bool:
        """Do what a plan says once its work and its log are done; False if it is all done already."""
        self.busy_ns += cost
        self._unwritten += plan.records
        engine = self.world.engine
        done = self.machine.run(cost, engine.now)
        writes = bool(self._unwritten) and plan.shows
        if writes:
            records, self._unwritten = self._unwritten, []
            done += self.disk.write(records, sum(map(_size_of, records)))
        if done > engine.now:
            engine.at(done, partial(self._end, self.life, plan, writes))
            return True
        self._perform(plan, writes)
        return False

    def _end(self, life: int, plan: "Plan", writes: bool) -> None:
        if life != self.life or not self.is_up:
            return
        if self._is_paused:
            self._frozen = partial(self._end, life, plan, writes)
            return
        self._perform(plan, writes)
        self._is_busy = False
        self._work()

    def _perform(self, plan: "Plan", writes: bool) -> None:
        """Do what is to be done, in order; what must be durable before is."""
        world = self.world
        if writes:
            world.observers.persisted(self, self.disk.sync())
        for effect, parcel in plan.steps:
            match effect:
                case Send(peers, _):
                    assert parcel is not None
                    self.send(peers, parcel)
                case StartTimer(timer, after_ms):
                    engine = world.engine
                    wait = self.clock.until(engine.now, after_ms * NS_PER_MS)
                    engine.at(engine.now + wait, partial(self._fire, self.life, timer))
                case CommitBlocks(blocks):
                    world.observers.committed(self, blocks)
                    for committed in blocks:
                        self._store(committed)
                case Answer():
                    world.observers.answered(self, effect)
                case SendBlocks(peer, first, last):
                    message = self.archive.read_range(first, last)
                    self.send((peer,), world.parcel(self.index, message))
                case PenalizePeer(peer, reason):
                    world.observers.penalized(self, world.index_of[peer], reason)
                case Halt(reason):
                    world.observers.halted(self, reason)
                case MembersChanged() | Persist() | Verify():
                    pass
                case _:
                    assert_never(effect)

    def send(self, peers: tuple[PeerId, ...], parcel: Parcel) -> None:
        """Give a parcel to the network."""
        world = self.world
        targets = world.targets(peers)
        world.observers.sent(self, targets, parcel)
        if len(targets) == 1:
            world.network.send_one(int(targets[0]), parcel)
        elif len(targets):
            world.network.send(targets, parcel)

    def do_later(self, effects: Sequence[Effect], after_ns: int) -> None:
        """Do what a behaviour puts off."""
        self.world.meter = 0
        plan = Plan()
        self._add(plan, effects, 0)
        engine = self.world.engine
        engine.at(engine.now + after_ns, partial(self._perform_late, self.life, plan))

    def _perform_late(self, life: int, plan: "Plan") -> None:
        if life == self.life and self.is_up:
            self._perform(plan, writes=False)

    def _store(self, committed: CommittedBlock) -> None:
        """Write a block into the store once those before it are written."""
        self._to_store.append(committed)
        if not self._is_storing:
            self._store_what_waits()

    def _store_what_waits(self) -> None:
        """Write blocks in one transaction, beside the core."""
        engine = self.world.engine
        count = min(len(self._to_store), BLOCKS_PER_COMMIT_MAX)
        blocks = [self._to_store.popleft() for _ in range(count)]
        work = self.world.costs.commit.of(sum(len(committed.entries) for committed in blocks))
        done = self.machine.run(self._scaled(work), engine.now) + self.disk.sync_ns
        if done > engine.now:
            self._is_storing = True
            engine.at(done, partial(self._stored, self.life, blocks))
        else:
            self._stored(self.life, blocks)

    def _stored(self, life: int, blocks: Sequence[CommittedBlock]) -> None:
        """Blocks are durable in the store."""
        if life != self.life or not self.is_up:
            return
        self._is_storing = False
        for committed in blocks:
            self.archive.store(committed)
            self.world.observers.stored(self, committed)
        if len(self.disk) > LOG_RECORDS_MAX:
            self.disk.compact(self.node.live_records())
        last = blocks[-1].block
        self.feed(Committed(last.header.height), digest=int.from_bytes(last.hash[:8], "big"))
        if self._to_store and not self._is_storing:
            self._store_what_waits()

    def _fire(self, life: int, timer: Timer) -> None:
        if life == self.life:
            digest = mix((timer.kind << 56) ^ (timer.epoch << 40) ^ timer.view) ^ timer.token
            self.feed(TimerFired(timer), digest=digest)

    def _feed_in(self, life: int, verified: Verified, token: int) -> None:
        if life == self.life:
            self.feed(verified, digest=token)

    def _scaled(self, work: int) -> int:
        return work if self._speed == 1.0 else int(work / self._speed)

    def _ms_in(self, cost: int) -> TimestampMs:
        return TimestampMs(self.clock.now_ms(self.world.engine.now + cost))


class Plan:
    """What some steps want done, in order, with messages ready to be sent."""

    __slots__ = ("records", "shows", "steps")

    def __init__(self) -> None:
        self.steps: list[tuple[Effect, Parcel | None]] = []
        self.records: list[Record] = []
        self.shows = False
        """Whether anybody outside will see that the steps were taken: then the records must be durable before."""

    def add(self, effect: Effect, parcel: Parcel | None) -> None:
        """Have something done after all else."""
        if isinstance(effect, Persist):
            self.records.append(effect.record)
            return
        if isinstance(effect, (Send, Answer, CommitBlocks)):
            self.shows = True
        self.steps.append((effect, parcel))


def _size_of(record: Record) -> int:
    return len(record.encoding) if isinstance(record, BatchRecord) else RECORD_BYTES
