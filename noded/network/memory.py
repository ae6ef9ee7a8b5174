"""The network inside one process: for tests of the shell, with delays and partitions."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

import trio

from noded.errors import InvalidMessage, NodedError
from noded.network.faults import (
    ConnectionLost,
    ConsensusQueueFull,
    LinkEnded,
    MemberRemoved,
    PeerBanned,
    PeerFault,
)
from noded.network.interface import (
    Handler,
    InstitutionId,
    Lane,
    PeerInfo,
    PeerStatistics,
    PeerUnavailable,
    RequestRefused,
    RequestTimedOut,
)
from noded.network.limits import BULK_QUEUE_MESSAGES_MAX, CONSENSUS_QUEUE_MESSAGES_MAX
from noded.network.members import LaneCounters, LinkStatistics, Members
from noded.network.requests import Tether

_T = TypeVar("_T")

if TYPE_CHECKING:
    from trio_typing import TaskStatus


class MemoryHub:
    """What connects the networks of one process: every two that are running, are members to each other, and not cut."""

    def __init__(self, delay_s: Callable[[InstitutionId, InstitutionId], float] = lambda a, b: 0.0) -> None:
        """`delay_s` gives the time from the first peer to the second; asked for each message."""
        self.delay_s = delay_s
        self._networks: dict[InstitutionId, MemoryNetwork] = {}
        self._cut: set[frozenset[InstitutionId]] = set()

    def cut(self, one: InstitutionId, other: InstitutionId) -> None:
        """Part two peers until `heal`; both are told that the other is down."""
        self._cut.add(frozenset((one, other)))
        for a, b in ((one, other), (other, one)):
            if a in self._networks:
                self._networks[a].end(b, ConnectionLost("cut"))

    def heal(self, one: InstitutionId, other: InstitutionId) -> None:
        """Let two peers connect again."""
        self._cut.discard(frozenset((one, other)))
        self.connect_all()

    def join(self, network: "MemoryNetwork") -> None:
        """A network begins to run."""
        assert network.me not in self._networks
        self._networks[network.me] = network
        self.connect_all()

    def leave(self, network: "MemoryNetwork") -> None:
        """A network has ended."""
        del self._networks[network.me]
        for other in self._networks.values():
            other.end(network.me, ConnectionLost("the peer has ended"))

    def connect_all(self) -> None:
        """Make every connection that may be and is not."""
        networks = [self._networks[peer] for peer in sorted(self._networks)]
        for index, one in enumerate(networks):
            for other in networks[index + 1 :]:
                if (
                    frozenset((one.me, other.me)) not in self._cut
                    and one.wants(other.me)
                    and other.wants(one.me)
                ):
                    forth = _Half(self, one, other)
                    back = _Half(self, other, one)
                    forth.other, back.other = back, forth
                    one.adopt(forth)
                    other.adopt(back)


class _Half:
    """One side of a connection, and what goes out from it."""

    def __init__(self, hub: MemoryHub, network: "MemoryNetwork", peer: "MemoryNetwork") -> None:
        self.network = network
        self.peer = peer
        self.other: _Half
        self.reason: NodedError | None = None
        self.scope = trio.CancelScope()
        self._hub = hub
        self._since_s = trio.current_time()
        self._announced = trio.Event()
        self._tether = Tether()
        sizes = (CONSENSUS_QUEUE_MESSAGES_MAX, BULK_QUEUE_MESSAGES_MAX)
        self._queues = [trio.open_memory_channel[tuple[float, bytes]](size) for size in sizes]
        self._queued_bytes = [0, 0]

    def end(self, reason: NodedError) -> None:
        """End the connection; the other side sees it lost."""
        for half, why in ((self, reason), (self.other, ConnectionLost(type(reason).__name__))):
            half.reason = half.reason or why
            half._tether.cut()
            half.scope.cancel()

    def send(self, lane: Lane, payload: bytes) -> bool:
        """Queue a message; False when the queue is full, which on the consensus lane ends the connection."""
        counters = self.network.counters(self.peer.me, lane)
        due_s = trio.current_time() + self._hub.delay_s(self.network.me, self.peer.me)
        try:
            self._queues[lane][0].send_nowait((due_s, payload))
        except trio.WouldBlock:
            counters.dropped += 1
            if lane is Lane.CONSENSUS:
                self.end(ConsensusQueueFull("too slow"))
            return False
        self._queued_bytes[lane] += len(payload)
        counters.messages_out += 1
        counters.bytes_out += len(payload)
        return True

    async def ask(self, kind: int, payload: bytes) -> bytes:
        """Put a question; see Network.request."""
        return await self._tether.hold(self._ask(kind, payload))

    async def _ask(self, kind: int, payload: bytes) -> bytes:
        await trio.sleep(self._hub.delay_s(self.network.me, self.peer.me))
        answer = await self._told(self.peer.handler.on_request(self.network.me, kind, payload))
        await trio.sleep(self._hub.delay_s(self.peer.me, self.network.me))
        return answer

    async def run(self) -> None:
        """Announce the peer, carry messages to it, and in the end announce that it is gone."""
        with self.scope:
            await self.network.handled(self.network.handler.on_peer_up(self.peer.me))
            self._announced.set()
            await self.other._announced.wait()
            async with trio.open_nursery() as nursery:
                for lane in Lane:
                    nursery.start_soon(self._carry, lane)
        assert self.reason is not None
        if self._announced.is_set():
            name = type(self.reason).__name__
            await self.network.handled(self.network.handler.on_peer_down(self.peer.me, name))
        self.network.forget(self, self.reason)
        self._hub.connect_all()

    async def _carry(self, lane: Lane) -> None:
        async for due_s, payload in self._queues[lane][1]:
            await trio.sleep_until(due_s)
            self._queued_bytes[lane] -= len(payload)
            counters = self.peer.counters(self.network.me, lane)
            counters.messages_in += 1
            counters.bytes_in += len(payload)
            with suppress(PeerUnavailable):
                await self._told(self.peer.handler.on_message(self.network.me, lane, payload))

    async def _told(self, call: Awaitable[_T]) -> _T:
        """Await a call of the other side's handler, and let what it raises befall the right one (N7)."""
        try:
            return await self.peer.handled(call)
        except RequestRefused:
            raise
        except InvalidMessage as fault:
            self.other.end(fault)
            raise PeerUnavailable("the peer took it for a fault") from fault

    def statistics(self) -> LinkStatistics:
        """For `Network.peers`."""
        consensus, bulk = (
            (queue[0].statistics().current_buffer_used, size)
            for queue, size in zip(self._queues, self._queued_bytes, strict=True)
        )
        delay_s = self._hub.delay_s
        return LinkStatistics(
            address="memory",
            dialled=self.network.me < self.peer.me,
            since_s=self._since_s,
            rtt_s=delay_s(self.network.me, self.peer.me) + delay_s(self.peer.me, self.network.me),
            queues=(consensus, bulk),
        )


class MemoryNetwork:
    """Network within one process; see interface.Network for what it promises."""

    def __init__(
        self, *, hub: MemoryHub, me: InstitutionId, handler: Handler, members: Sequence[PeerInfo] = ()
    ) -> None:
        """Prepare; nothing is connected before `run`."""
        self.me = me
        self.handler = handler
        self._hub = hub
        self._members = Members(me)
        self._members.replace(members)
        self._halves: dict[InstitutionId, _Half] = {}
        self._refusals: Counter[str] = Counter()
        self._nursery: trio.Nursery | None = None
        self._bug: Exception | None = None

    # --- interface.Network

    def send(self, peer: InstitutionId, lane: Lane, payload: bytes) -> bool:
        """See Network.send."""
        assert len(payload) <= lane.payload_bytes_max
        half = self._halves.get(peer)
        return half is not None and half.reason is None and half.send(lane, payload)

    def broadcast(self, lane: Lane, payload: bytes, peers: Iterable[InstitutionId]) -> list[InstitutionId]:
        """See Network.broadcast."""
        return [peer for peer in peers if not self.send(peer, lane, payload)]

    async def request(self, peer: InstitutionId, kind: int, payload: bytes, timeout_s: float) -> bytes:
        """See Network.request."""
        half = self._halves.get(peer)
        if half is None:
            raise PeerUnavailable(f"{peer.hex()} is not connected")
        with trio.move_on_after(timeout_s):
            return await half.ask(kind, payload)
        raise RequestTimedOut(f"{peer.hex()} did not answer in {timeout_s} s")

    def penalize(self, peer: InstitutionId, reason: str, points: float) -> None:
        """See Network.penalize."""
        member = self._members.get(peer)
        if member is None:
            return
        member.last_fault, member.last_fault_detail = reason, ""
        if member.score.add(points, trio.current_time()):
            self.end(peer, PeerBanned(reason))
            if self._nursery is not None:
                self._nursery.start_soon(self._reconnect_after, member.score.banned_s(trio.current_time()))

    def set_members(self, members: Sequence[PeerInfo]) -> None:
        """See Network.set_members."""
        _, gone = self._members.replace(members)
        for member in gone:
            self.end(member.info.peer, MemberRemoved(member.info.peer.hex()))
        if self._nursery is not None:
            self._hub.connect_all()

    def peers(self) -> list[PeerStatistics]:
        """See Network.peers."""
        now_s = trio.current_time()
        halves = [(member, self._halves.get(member.info.peer)) for member in self._members]
        return [
            member.statistics(None if half is None else half.statistics(), now_s) for member, half in halves
        ]

    def refusals(self) -> dict[str, int]:
        """See Network.refusals."""
        return dict(self._refusals)

    async def run(self, task_status: "TaskStatus[tuple[str, int]]" = trio.TASK_STATUS_IGNORED) -> None:
        """See Network.run; the address is ("memory", 0)."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                self._hub.join(self)
                task_status.started(("memory", 0))
                await trio.sleep_forever()
            finally:
                self._hub.leave(self)
                nursery.cancel_scope.cancel()
        if self._bug is not None:
            raise self._bug

    # --- for the hub and its connections

    def wants(self, peer: InstitutionId) -> bool:
        """Whether that peer is a member in good standing with whom there is no connection."""
        member = self._members.get(peer)
        return (
            member is not None and peer not in self._halves and not member.score.banned_s(trio.current_time())
        )

    def adopt(self, half: _Half) -> None:
        """Run one side of a connection."""
        assert self._nursery is not None
        self._halves[half.peer.me] = half
        self._nursery.start_soon(half.run)

    def end(self, peer: InstitutionId, reason: LinkEnded) -> None:
        """End the connection with that peer, if there is one."""
        if peer in self._halves:
            self._halves[peer].end(reason)

    def forget(self, half: _Half, reason: NodedError) -> None:
        """A connection is over."""
        del self._halves[half.peer.me]
        name = type(reason).__name__
        self._refusals[name] += 1
        if isinstance(reason, InvalidMessage):
            self.penalize(half.peer.me, name, PeerFault.points)
        member = self._members.get(half.peer.me)
        if member is not None:
            member.last_fault, member.last_fault_detail = name, str(reason)

    def counters(self, peer: InstitutionId, lane: Lane) -> LaneCounters:
        """Traffic with a peer; counted in vain when it is no member any longer."""
        member = self._members.get(peer)
        return LaneCounters() if member is None else member.counters[lane]

    async def handled(self, call: Awaitable[_T]) -> _T:
        """Await a call of this network's handler; what it may not raise ends the network (N7)."""
        try:
            return await call
        except (InvalidMessage, RequestRefused):
            raise
        except Exception as bug:
            self._bug = self._bug or bug
            assert self._nursery is not None
            self._nursery.cancel_scope.cancel()
            await trio.sleep_forever()

    async def _reconnect_after(self, pause_s: float) -> None:
        await trio.sleep(pause_s)
        self._hub.connect_all()
