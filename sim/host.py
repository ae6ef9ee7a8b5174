"""
One simulated machine: it feeds a node its inputs, and has done what the node wants done.

It works as the daemon's shell does. Inputs that wait together are stepped together; few signatures are judged at once
and many by other cores; the records of these steps share one write of the log before the first message leaves. All
of this takes the virtual time that the models say, and a crash in between loses what a crash would lose.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from noded.node.effects import Answer, CommitBlocks, Effect, Persist, Send, Verify
from noded.node.inputs import Committed, Input, TransactionsSubmitted, Verified
from noded.node.node import Node
from noded.types.ids import PeerId, TimestampMs
from noded.types.records import Record
from sim.archive import Archive
from sim.engine import NOTES_MAX
from sim.models.clock import Clock
from sim.models.cpu import Machine
from sim.models.disk import Disk, Fate
from sim.network import Parcel
from sim.performing import NOTHING, Performer, Plan, size_of
from sim.streams import MASK
from sim.world import World

STEPS_TOGETHER_MAX = 64
"""Inputs whose records share one write of the log, as in the daemon."""

INLINE_CHECKS_MAX = 100
"""Fewer signatures than this are judged by the core that runs the node, as in the daemon."""


class Steps(Protocol):
    """A node, or a behaviour around one."""

    def step(self, event: Input, now_ms: TimestampMs) -> list[Effect]:
        """Apply one input and return what to do about it."""
        ...


Boot = Callable[["Host", TimestampMs], tuple[Steps, Node, list[Effect]]]
"""Makes a node from what its host has durably, and starts it; the node may stand behind a behaviour."""


class Host:
    """One machine with one node."""

    __slots__ = (
        "_boot",
        "_engine",
        "_free_at",
        "_frozen",
        "_inbox",
        "_is_busy",
        "_local",
        "_pauses",
        "_performer",
        "_plan",
        "_received",
        "_speed",
        "_step_cost",
        "_unwritten",
        "archive",
        "busy_ns",
        "clock",
        "disk",
        "inbox_peak",
        "index",
        "is_correct",
        "is_log_lost",
        "is_up",
        "is_wiped",
        "life",
        "machine",
        "name",
        "node",
        "steps",
        "up_since",
        "world",
    )  # fmt: skip

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
        self.up_since = 0
        self.busy_ns = 0
        """Time for which the core that runs the node has worked."""
        self.inbox_peak = 0
        self.node: Node
        self.steps: Steps
        self._boot = boot
        self._engine = world.engine
        self._received = world.network.received
        self.machine = machine
        self._speed = speed
        self._step_cost = self.scaled(world.step_cost)
        self._inbox: deque[tuple[Input, int, int]] = deque()
        """Inputs with their digest and the nanoseconds that taking them in costs."""
        self._local: deque[Input] = deque()
        self._unwritten: list[Record] = []
        self._plan = Plan(self._unwritten)
        """What the next steps want done goes here."""
        self._is_busy = False
        self._free_at = 0
        """When the core is done with work of which nothing is to be seen; no event is spent on its end."""
        self._pauses = 0
        self._frozen: Callable[[], None] | None = None
        """What was under way when the machine was paused."""
        self._performer = Performer(self)

    # Life

    def start(self) -> None:
        """Start the node from what is durable."""
        assert not self.is_up
        self.is_up = True
        self.life += 1
        self.up_since = self._engine.now
        self._free_at = 0
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
        cost = self._add(self._plan, effects, 0)
        self._is_busy = True
        if not self._carry_out(cost):
            self._is_busy = False
            if self._inbox or self._local:
                self._work()

    def crash(self, fate: Fate) -> None:
        """Kill the process."""
        assert self.is_up
        self.is_up = False
        self._is_busy = False
        self._pauses = 0
        self._inbox.clear()
        self._local.clear()
        self._unwritten = []
        self._plan = Plan(self._unwritten)
        self._performer.forget()
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
        if not self.is_up or self._pauses:
            return
        if self._frozen is not None:
            frozen, self._frozen = self._frozen, None
            frozen()
        elif not self._is_busy:
            self._work()

    def now_ms(self) -> TimestampMs:
        """What this machine's clock shows."""
        return TimestampMs(self.clock.now_ms(self._engine.now))

    # Inputs

    def receive(self, parcel: Parcel) -> None:
        """
        A parcel arrives at this machine's access link.

        What was sent to an earlier process of this node, or by one that is gone, died with the connection.
        """
        sent = parcel.sent
        if self.is_up and sent >= self.up_since and sent >= self.world.hosts[parcel.sender].up_since:
            ready = self._received(self.index, parcel)
            if ready > self._engine.now:
                self._engine.at(ready, partial(self._take_in, self.life, parcel))
            else:
                self._take_in(self.life, parcel)

    def arrive(self, parcel: Parcel) -> None:
        """The same as `receive`, where nothing else follows from the event."""
        sent, world = parcel.sent, self.world
        if self.is_up and sent >= self.up_since and sent >= world.hosts[parcel.sender].up_since:
            engine = self._engine
            ready = self._received(self.index, parcel)
            if ready == engine.now or engine.is_next(ready):
                self._take_in(self.life, parcel)
            else:
                engine.at(ready, partial(self._take_in, self.life, parcel))

    def submit(self, token: int, transactions: tuple[bytes, ...]) -> None:
        """Clients of this node hand in transactions; lost if the node is down."""
        size = sum(len(each) for each in transactions)
        cost = self.world.costs.submit.of(size)
        self.feed(TransactionsSubmitted(token, transactions), digest=token, cost=cost)

    def feed(self, event: Input, *, digest: int, cost: int | None = None) -> None:
        """Let the node have an input when its turn comes."""
        if self.is_up:
            self._put(event, digest & MASK, self.world.step_cost if cost is None else cost)

    def _put(self, event: Input, digest: int, cost: int) -> None:
        inbox = self._inbox
        inbox.append((event, digest, cost if self._speed == 1.0 else self.scaled(cost)))
        if len(inbox) > self.inbox_peak:
            self.inbox_peak = len(inbox)
        if not self._is_busy and not self._pauses:
            self._work()

    def _take_in(self, life: int, parcel: Parcel) -> None:
        """A parcel has come through the access link."""
        if life != self.life or not self.is_up:
            return
        event = parcel.event or self.world.opened(parcel)
        if event is None:
            self.world.observers.penalized(self, parcel.sender, "Malformed")
            return
        self._put(event, parcel.digest, parcel.cost)

    # Steps

    def _work(self) -> None:
        """As soon as the core is free, step whatever waits, until nothing does or it takes time."""
        self._is_busy = True
        engine = self._engine
        if self._free_at > engine.now:
            engine.at(self._free_at, partial(self._end, self.life, NOTHING, writes=False))
            return
        while (self._inbox or self._local) and self.is_up and not self._pauses:
            if self._carry_out(self._step_together()):
                return
        self._is_busy = False

    def _step_together(self) -> int:
        """Step the inputs that wait, and plan what they want done; nanoseconds of work."""
        world, engine, inbox, local = self.world, self._engine, self._inbox, self._local
        now, now_ms, notes, plan = engine.now, self.clock.now_ms, engine.notes, self._plan
        step, has_steps = self.steps.step, world.observers.has_steps
        cost = 0
        for _ in range(STEPS_TOGETHER_MAX):
            if local:
                event = local.popleft()
                cost += self._step_cost
            elif inbox:
                event, digest, price = inbox.popleft()
                cost += price
                notes += (now, self.index, digest)
                if type(event) is Committed:
                    self.archive.fold(event.height)
            else:
                break
            world.meter = 0
            try:
                effects = step(event, TimestampMs(now_ms(now + cost)))
            except Exception as error:
                world.observers.failed(self, error)
                self.crash("kept")
                return 0
            if has_steps:
                world.observers.stepped(self, event, effects)
            if effects or world.meter:
                cost += self._add(plan, effects, cost)
        if len(notes) >= NOTES_MAX:
            engine.absorb()
        return cost

    def _add(self, plan: Plan, effects: Sequence[Effect], after: int) -> int:
        """Put effects into a plan, and signatures under judgement; nanoseconds that all this costs."""
        world = self.world
        cost = world.meter
        for effect in effects:
            if type(effect) is Send:
                parcel = world.parcel(self.index, effect.message)
                cost += parcel.send_cost + len(effect.peers) * parcel.copy_cost
                plan.shows = True
                plan.steps.append((effect, parcel))
            elif type(effect) is Persist:
                plan.records.append(effect.record)
            elif type(effect) is Verify:
                cost += self._judge(effect, after, cost)
            else:
                if type(effect) is Answer or type(effect) is CommitBlocks:
                    plan.shows = True
                plan.steps.append((effect, None))
        return cost if self._speed == 1.0 else self.scaled(cost)

    def _judge(self, verify: Verify, after: int, cost: int) -> int:
        """
        Judge signatures: few at once, many on other cores.

        Returns:
            Nanoseconds for which this core is busy with it, after the steps before and the cost of this one so far.
        """
        world, token = self.world, verify.token
        count, verdicts = world.judge.judge_all(verify.checks)
        verified = Verified(token, verdicts)
        if count < INLINE_CHECKS_MAX:
            self._local.append(verified)
            return world.costs.verify.of(count)
        engine = world.engine
        begin = engine.now + after + self.scaled(cost)
        done = self.machine.verify(count, world.costs, self._speed, begin)
        engine.at(done, partial(self._feed_in, self.life, verified, token))
        return 0

    def _carry_out(self, cost: int) -> bool:
        """Do what is planned once its work and its log are done; False if it is all done already."""
        self.busy_ns += cost
        engine, plan = self._engine, self._plan
        done = self.machine.run(cost, engine.now)
        if not plan.steps and not self._inbox and not self._local:
            self._free_at = done
            return False
        records = self._unwritten
        writes = plan.shows and bool(records)
        if writes:
            self._unwritten = []
            done += self.disk.write(records, sum(map(size_of, records)))
        self._plan = Plan(self._unwritten)
        if done > engine.now:
            engine.at(done, partial(self._end, self.life, plan, writes))
            return True
        self._performer.perform(plan, writes=writes)
        return False

    def _end(self, life: int, plan: Plan, writes: bool) -> None:
        if life != self.life or not self.is_up:
            return
        if self._pauses:
            self._frozen = partial(self._end, life, plan, writes)
            return
        self._performer.perform(plan, writes=writes)
        self._is_busy = False
        self._work()

    def send(self, peers: tuple[PeerId, ...], parcel: Parcel) -> None:
        """Give a parcel to the network."""
        self._performer.send(peers, parcel)

    def do_later(self, effects: Sequence[Effect], after_ns: int) -> None:
        """Do what a behaviour puts off."""
        self.world.meter = 0
        plan = Plan([])
        self._add(plan, effects, 0)
        engine = self._engine
        engine.at(engine.now + after_ns, partial(self._perform_late, self.life, plan))

    def _perform_late(self, life: int, plan: Plan) -> None:
        if life == self.life and self.is_up:
            self._performer.perform(plan, writes=False)

    def _feed_in(self, life: int, verified: Verified, token: int) -> None:
        if life == self.life:
            self.feed(verified, digest=token)

    def scaled(self, work: int) -> int:
        """Nanoseconds that work takes on this machine."""
        return work if self._speed == 1.0 else int(work / self._speed)
