"""
The shell around a node: one task owns the core, all others feed it.

Inputs that wait together are stepped together: their records share one write of the log before any of their messages
is sent. Signatures are judged at once while they are few, and in worker threads where there are many.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from time import perf_counter
from typing import assert_never

import structlog
import trio
from prometheus_client import Counter

from noded.consensus.effects import signatures_of
from noded.crypto.signing import verify_many
from noded.daemon.observing import Observer
from noded.daemon.serving import read_range
from noded.daemon.waiting import Waiters
from noded.daemon.writing import Writer, stored_height
from noded.keys.signer import Watermark, WatermarkSigner
from noded.ledger.commit import CommittedBlock
from noded.network.interface import Lane, Network
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
    Submission,
    Verify,
)
from noded.node.inputs import (
    Committed,
    Input,
    MessageReceived,
    PeerDown,
    PeerUp,
    TimerFired,
    TransactionsSubmitted,
    Verified,
)
from noded.node.node import Node
from noded.ops.rows import StoreBase
from noded.storage.store import Reader
from noded.storage.wal import Wal
from noded.storage.wal_format import WalRecord
from noded.types.checks import SignatureCheck
from noded.types.ids import Height, PeerId, TimestampMs, View
from noded.types.messages import (
    BULK_MESSAGE_BYTES_MAX,
    CONSENSUS_MESSAGE_BYTES_MAX,
    MESSAGES,
    Message,
    is_bulk,
)
from noded.types.records import RECORDS, BatchRecord, Record, VoteRecord

INPUTS_WAITING_MAX = 4096
"""Inputs waiting for the core; votes of about 200 bytes make 0.8 MiB. A full channel stops the readers."""

STEPS_TOGETHER_MAX = 64
"""Inputs whose records share one write of the log; at 1 ms each none waits long for its messages."""

THREAD_CHECKS_MIN = 100
"""Signatures worth a worker thread: a hop costs about as much as one check."""

THREAD_CHUNK = 128
"""Signatures of one worker; two workers run at once on two cores."""

SIGNED_VIEWS_KEPT = 128
"""Views below the last final one in which the key may still repeat what it signed."""

LAG_INTERVAL_S = 1.0

LOG_BYTES_MAX = 32 * 1024 * 1024
"""What may pile up in the log before it is rewritten; read back in about a second at start."""

PENALTY_POINTS_DEFAULT = 20.0
PENALTY_POINTS = {
    "BadCertificate": 100.0,
    "BadRange": 100.0,
    "InvalidBatch": 50.0,
    "QuotaExceeded": 5.0,
    "UnaskedRange": 5.0,
}
"""By name of the fault; 100 points cut the peer off for a while."""

SUBMISSIONS_WAITING_MAX = 1024
"""Calls of clients that wait for an answer."""

log = structlog.get_logger("noded.shell")


class Overloaded(Exception):
    """Too many calls wait for the core; the client may try again."""


class _Call:
    __slots__ = ("done", "submissions")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.submissions: tuple[Submission, ...] = ()


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
        self.node = node
        self.waiters = Waiters()
        self.stored_height = node.chain.height
        self._base = base
        self._signer = signer
        self._reader = reader
        self._wal = wal
        self._network = network
        self._writer = writer_of(self._stored)
        self._clock_ms = clock_ms
        self._members_changed = members_changed
        self._observer = observer
        self._inputs, self._received = trio.open_memory_channel[Input](INPUTS_WAITING_MAX)
        self._local: deque[Input] = deque()
        self._unfolded: deque[CommittedBlock] = deque()
        self._unwritten: list[WalRecord] = []
        self._answers: dict[int, _Call] = {}
        self._calls = 0
        self._nursery: trio.Nursery | None = None
        self._counters: dict[tuple[str, type], tuple[Counter, Counter]] = {}
        self._threads = trio.CapacityLimiter(2)

    # For the rest of the daemon

    async def submit(self, transactions: tuple[bytes, ...]) -> tuple[Submission, ...]:
        """
        Hand in encoded transactions and return what became of each.

        Raises:
            Overloaded: Too many calls wait.
        """
        if len(self._answers) >= SUBMISSIONS_WAITING_MAX:
            raise Overloaded(f"{SUBMISSIONS_WAITING_MAX} calls are waiting")
        return await self._call(transactions)

    async def probe(self) -> None:
        """Return when the core has answered: it takes inputs, and what it wants is done."""
        await self._call(())

    async def _call(self, transactions: tuple[bytes, ...]) -> tuple[Submission, ...]:
        self._calls += 1
        token = self._calls
        call = self._answers[token] = _Call()
        try:
            await self._inputs.send(TransactionsSubmitted(token, transactions))
            await call.done.wait()
        finally:
            self._answers.pop(token, None)
        return call.submissions

    @property
    def inputs_waiting(self) -> int:
        """Inputs that wait for the core."""
        return self._received.statistics().current_buffer_used + len(self._local)

    @property
    def calls_waiting(self) -> int:
        """Calls of `submit` without an answer yet."""
        return len(self._answers)

    @property
    def log_bytes(self) -> int:
        """Size of the log."""
        return self._wal.size_bytes

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
        message = MESSAGES.decode(payload, max_bytes=BULK_MESSAGE_BYTES_MAX)
        self._count("in", message, len(payload), 1)
        await self._inputs.send(MessageReceived(peer, message))

    async def run(self, start: Sequence[Effect]) -> None:
        """
        Step the node for every input until cancelled.

        Raises:
            StorageError: The disk failed.
        """
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._writer.run)
            nursery.start_soon(self._measure_lag)
            effects = list(start)
            self._judge(effects)
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
            self._judge(new)
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

    def _judge(self, effects: list[Effect]) -> None:
        """Judge signatures: few at once, so that their step comes next; many in threads."""
        for effect in effects:
            if isinstance(effect, Verify):
                signatures = [signatures_of(check) for check in effect.checks]
                count = sum(map(len, signatures))
                self._observer.metrics.signatures.inc(count)
                if count < THREAD_CHECKS_MIN:
                    with self._observer.metrics.verify.time():
                        verdicts = tuple(all(verify_many(each)) for each in signatures)
                    self._local.append(Verified(effect.token, verdicts))
                else:
                    self._tasks.start_soon(self._judge_in_threads, effect.token, signatures)

    async def _judge_in_threads(self, token: int, signatures: list[list[SignatureCheck]]) -> None:
        flat = [signature for each in signatures for signature in each]
        good: dict[int, list[bool]] = {}

        async def judge(start: int) -> None:
            chunk = flat[start : start + THREAD_CHUNK]
            good[start] = await trio.to_thread.run_sync(verify_many, chunk, limiter=self._threads)

        with self._observer.metrics.verify.time():
            async with trio.open_nursery() as nursery:
                for start in range(0, len(flat), THREAD_CHUNK):
                    nursery.start_soon(judge, start)
        verdicts = iter([verdict for start in sorted(good) for verdict in good[start]])
        results = tuple(all(tuple(islice(verdicts, len(each)))) for each in signatures)
        await self._inputs.send(Verified(token, results))

    async def _perform(self, effects: Sequence[Effect]) -> None:
        """Do what the steps want, in order; records are durable before the first message after them."""
        self._count_records(effects)
        self._unwritten += [
            _log_entry(effect.record, self.node) for effect in effects if isinstance(effect, Persist)
        ]
        for effect in effects:
            if self._unwritten and isinstance(effect, (Send, Answer, CommitBlocks)):
                records, self._unwritten = self._unwritten, []
                with self._observer.metrics.log_sync.time():
                    await trio.to_thread.run_sync(self._wal.append, records)
            match effect:
                case Send(peers, message):
                    self._send(peers, message)
                case StartTimer(timer, after_ms):
                    self._tasks.start_soon(self._fire, TimerFired(timer), after_ms)
                case CommitBlocks(blocks):
                    for committed in blocks:
                        await self._writer.put(committed)
                case Answer(token, submissions):
                    for submission in submissions:
                        self._observer.metrics.submissions.labels(submission.refused or "").inc()
                    call = self._answers.get(token)
                    if call is not None:
                        call.submissions = submissions
                        call.done.set()
                case SendBlocks(peer, first, last):
                    self._send((peer,), read_range(self._reader, first, last))
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

    def _count_records(self, effects: Sequence[Effect]) -> None:
        metrics = self._observer.metrics
        for effect in effects:
            if isinstance(effect, Persist):
                record = effect.record
                if isinstance(record, VoteRecord):
                    metrics.votes.labels(record.vote.kind.name.lower()).inc()
                elif isinstance(record, BatchRecord):
                    metrics.batches.inc()

    async def _shorten_log(self) -> None:
        """Rewrite the log to what a restart needs, when that frees enough and all final blocks are in the store."""
        node = self.node
        covered = self._wal.covered_bytes(self.stored_height)
        if covered < LOG_BYTES_MAX:
            return
        if node.chain.is_waiting() or self._unfolded or self.stored_height < node.chain.height:
            return
        records = self._unwritten + [_log_entry(record, node) for record in node.live_records()]
        self._unwritten = []
        await trio.to_thread.run_sync(self._wal.checkpoint, self.stored_height, records)

    def _send(self, peers: Sequence[PeerId], message: Message) -> None:
        payload = MESSAGES.encode(message)
        self._count("out", message, len(payload), len(peers))
        if len(payload) > BULK_MESSAGE_BYTES_MAX:
            log.error("a message is too large to be sent", message=type(message).__name__, size=len(payload))
            return
        bulk = is_bulk(message) or len(payload) > CONSENSUS_MESSAGE_BYTES_MAX
        self._network.broadcast(Lane.BULK if bulk else Lane.CONSENSUS, payload, peers)

    def _count(self, direction: str, message: Message, size: int, copies: int) -> None:
        key = (direction, type(message))
        counters = self._counters.get(key)
        if counters is None:
            kind = type(message).__name__
            metrics = self._observer.metrics
            counters = self._counters[key] = (
                metrics.messages.labels(direction, kind),
                metrics.message_bytes.labels(direction, kind),
            )
        counters[0].inc(copies)
        counters[1].inc(size * copies)

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
        self._observer.stored(blocks, TimestampMs(self._clock_ms()))
        self.waiters.stored(blocks)

    @property
    def _tasks(self) -> trio.Nursery:
        assert self._nursery is not None
        return self._nursery


def _log_entry(record: Record, node: Node) -> WalRecord:
    """A record as the log keeps it; once the store is past this height, live ones are written anew."""
    return WalRecord(RECORDS.tag_of(type(record)), node.chain.height, RECORDS.encode(record))
