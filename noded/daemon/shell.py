"""
The shell around a node: one task owns the core, all others feed it.

Inputs that wait together are stepped together: their records share one write of the log before any of their messages
is sent.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import assert_never

import structlog
import trio

from noded.daemon.calls import Calls
from noded.daemon.journal import Journal
from noded.daemon.judging import Judge
from noded.daemon.mail import Mail
from noded.daemon.observing import Observer
from noded.daemon.serving import Ranges
from noded.daemon.waiting import Waiters
from noded.daemon.writing import Writer, stored_height
from noded.keys.signer import Watermark, WatermarkSigner
from noded.ledger.commit import CommittedBlock
from noded.network.interface import Network
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
    MessageReceived,
    PeerDown,
    PeerUp,
    TimerFired,
)
from noded.node.node import Node
from noded.ops.rows import StoreBase
from noded.storage.store import Reader
from noded.storage.wal import Wal
from noded.types.ids import Height, PeerId, TimestampMs, View

INPUTS_WAITING_MAX = 4096
"""Inputs waiting for the core; votes of about 200 bytes make 0.8 MiB. A full channel stops the readers."""

STEPS_TOGETHER_MAX = 64
"""Inputs whose records share one write of the log; at 1 ms each none waits long for its messages."""

SIGNED_VIEWS_KEPT = 128
"""Views below the last final one in which the key may still repeat what it signed."""

LAG_INTERVAL_S = 1.0

PENALTY_POINTS_DEFAULT = 20.0
PENALTY_POINTS = {
    "BadCertificate": 100.0,
    "BadRange": 100.0,
    "InvalidBatch": 50.0,
    "QuotaExceeded": 5.0,
    "UnaskedRange": 5.0,
}
"""By name of the fault; 100 points cut the peer off for a while."""

log = structlog.get_logger("noded.shell")


class Shell:
    """Runs one node; everything else of the daemon talks to the node through it."""

    def __init__(
        self,
        *,
        node: Node,
        base: StoreBase,
        signer: WatermarkSigner,
        reader: Reader,
        wal: Wal,
        network: Network,
        writer_of: Callable[[Callable[[Sequence[CommittedBlock]], Awaitable[None]]], Writer],
        clock_ms: Callable[[], int],
        members_changed: Callable[[], None],
        observer: Observer,
    ) -> None:
        self._inputs, self._received = trio.open_memory_channel[Input](INPUTS_WAITING_MAX)
        self._local: deque[Input] = deque()
        self.node = node
        self.calls = Calls(self._inputs.send)
        self.waiters = Waiters()
        self.stored_height = node.chain.height
        self.started_s = trio.current_time()
        self.stored_s: float | None = None
        """When the last block became durable, by a clock that does not jump; None before the first since the start."""
        self._base = base
        self._signer = signer
        self._reader = reader
        self._network = network
        self._writer = writer_of(self._stored)
        self._clock_ms = clock_ms
        self._members_changed = members_changed
        self._observer = observer
        self._unfolded: deque[CommittedBlock] = deque()
        self._nursery: trio.Nursery | None = None
        self._journal = Journal(wal, node, observer.metrics)
        self._judge = Judge(observer.metrics, at_once=self._local.append, later=self._inputs.send)
        self._mail = Mail(network, observer.metrics)
        self._ranges = Ranges(reader, self._mail.send)

    # For the rest of the daemon

    @property
    def inputs_waiting(self) -> int:
        """Inputs that wait for the core."""
        return self._received.statistics().current_buffer_used + len(self._local)

    @property
    def log_bytes(self) -> int:
        """Size of the log."""
        return self._journal.size_bytes

    async def peer_up(self, peer: PeerId) -> None:
        """A peer can be reached."""
        await self._inputs.send(PeerUp(peer))

    async def peer_down(self, peer: PeerId) -> None:
        """A peer cannot be reached any more."""
        await self._inputs.send(PeerDown(peer))

    async def received(self, peer: PeerId, payload: bytes) -> None:
        """
        Take a peer's message; returns when the core has room for it.

        Raises:
            Malformed: It is no message.
        """
        await self._inputs.send(MessageReceived(peer, self._mail.read(payload)))

    async def run(self, start: Sequence[Effect]) -> None:
        """
        Step the node for every input until cancelled.

        Raises:
            StorageError: The disk failed.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._writer.run)
            nursery.start_soon(self._ranges.run)
            nursery.start_soon(self._measure_lag)
            effects = list(start)
            self._judge.judge(effects, nursery)
            while True:
                await self._perform(effects)
                await self._shorten_log()
                effects = await self._step_what_waits()

    # The core's task

    async def _step_what_waits(self) -> list[Effect]:
        """Step one input, and those that wait with it."""
        effects: list[Effect] = []
        metrics = self._observer.metrics
        for count in range(STEPS_TOGETHER_MAX):
            if self._local:
                event = self._local.popleft()
            elif count == 0:
                if self.node.has_work_ahead:
                    await self._work_ahead()
                event = await self._received.receive()
            else:
                try:
                    event = self._received.receive_nowait()
                except trio.WouldBlock:
                    break
            if isinstance(event, Committed):
                self._fold(event.height)
            began_s = perf_counter()
            with self._reader.snapshot():  # After the fold, which the state read must show.
                new = self.node.step(event, TimestampMs(self._clock_ms()))
            metrics.step.observe(perf_counter() - began_s)
            self._judge.judge(new, self._tasks)
            effects += new
        return effects

    async def _work_ahead(self) -> None:
        """Execute the newest block, unless an input is there once those who read have had their turn."""
        await trio.lowlevel.checkpoint()
        if self._received.statistics().current_buffer_used == 0:
            began_s = perf_counter()
            with self._reader.snapshot():
                self.node.work_ahead()
            self._observer.metrics.step.observe(perf_counter() - began_s)

    def _fold(self, height: Height) -> None:
        """The base's tree and the ledger take over durable blocks at the same moment."""
        while self._unfolded and self._unfolded[0].block.header.height <= height:
            self._base.fold(self._unfolded.popleft())
        core = self.node.core
        self._signer.raise_watermark(Watermark(core.epoch, View(max(0, core.final_view - SIGNED_VIEWS_KEPT))))

    async def _perform(self, effects: Sequence[Effect]) -> None:
        """Do what the steps want, in order; records are durable before the first message after them."""
        self._journal.note(effects)
        for effect in effects:
            if self._journal.is_behind and isinstance(effect, (Send, Answer, CommitBlocks)):
                await self._journal.write()
            match effect:
                case Send(peers, message):
                    self._mail.send(peers, message)
                case StartTimer(timer, after_ms):
                    self._tasks.start_soon(self._fire, TimerFired(timer), after_ms)
                case CommitBlocks(blocks):
                    for committed in blocks:
                        await self._writer.put(committed)
                case Answer(token, submissions):
                    for submission in submissions:
                        self._observer.metrics.submissions.labels(submission.refused or "").inc()
                    self.calls.answer(token, submissions)
                case SendBlocks():
                    self._ranges.ask(effect)
                case PenalizePeer(peer, reason):
                    log.warning("peer at fault", peer=peer.hex(), reason=reason)
                    self._observer.metrics.penalties.labels(reason).inc()
                    self._network.penalize(peer, reason, PENALTY_POINTS.get(reason, PENALTY_POINTS_DEFAULT))
                case MembersChanged():
                    self._members_changed()
                case Halt(reason):
                    self._observer.metrics.halted.set(1)
                    log.critical("the node halted and does not vote any more", reason=reason)
                case Persist() | Verify():
                    pass
                case _:
                    assert_never(effect)

    async def _shorten_log(self) -> None:
        """Rewrite the log to what a restart needs, when that frees enough and all final blocks are in the store."""
        node, stored = self.node, self.stored_height
        if not self._journal.is_long(stored) or node.chain.is_waiting():
            return
        if not self._unfolded and stored >= node.chain.height:
            await self._journal.shorten(stored)

    async def _measure_lag(self) -> None:
        while True:
            due_s = trio.current_time() + LAG_INTERVAL_S
            await trio.sleep_until(due_s)
            metrics = self._observer.metrics
            metrics.loop_lag.observe(max(0.0, trio.current_time() - due_s))
            metrics.tasks.set(trio.lowlevel.current_statistics().tasks_living)

    async def _fire(self, event: TimerFired, after_ms: int) -> None:
        await trio.sleep(after_ms / 1000)
        await self._inputs.send(event)

    async def _stored(self, blocks: Sequence[CommittedBlock]) -> None:
        """The store has these blocks: tell the core, then those who wait."""
        self._unfolded += blocks
        event = Committed(stored_height(blocks))
        try:
            self._inputs.send_nowait(event)
        except trio.WouldBlock:
            self._local.append(event)  # The core is busy, perhaps with waiting for this very writer.
        self.stored_height = stored_height(blocks)
        self.stored_s = trio.current_time()
        self._observer.stored(blocks, TimestampMs(self._clock_ms()))
        self.waiters.stored(blocks)

    @property
    def _tasks(self) -> trio.Nursery:
        assert self._nursery is not None
        return self._nursery
