"""The network over libp2p: accepting, dialling, and the interface to the rest of the node."""

import random
from collections.abc import Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING

import trio

from noded.errors import ConfigError
from noded.network.addresses import format_address
from noded.network.dialling import Backoff, connect
from noded.network.door import Door
from noded.network.faults import (
    HandshakeFailed,
    HandshakeTimedOut,
    LinkEnded,
    MemberRemoved,
    MemoryPressure,
    TooManyHandshakes,
)
from noded.network.frames import CHAIN_ID_BYTES, Kind, encode_frame
from noded.network.interface import (
    NETWORK_KEY_BYTES,
    Handler,
    InstitutionId,
    Lane,
    PeerInfo,
    PeerStatistics,
    PeerUnavailable,
    RequestTimedOut,
)
from noded.network.limits import (
    DIAL_TURN_S,
    DIALS_AT_ONCE,
    HANDSHAKE_TIMEOUT_S,
    HEARTBEAT_INTERVAL_S,
    MEMORY_BYTES_MAX,
    SECOND_DIAL_DELAYS,
    SECOND_DIAL_S,
    SETTLED_S,
    STAGGER_S_PER_MEMBER,
    Rates,
)
from noded.network.link import Link, Terms
from noded.network.links import Links
from noded.network.members import Member, Members
from noded.network.upgrade import Muxer, Upgrader
from noded.network.wire import Wire

if TYPE_CHECKING:
    from trio_typing import TaskStatus


class Libp2pNetwork:
    """Network over TCP, Noise and Yamux; see interface.Network for what it promises."""

    def __init__(
        self,
        *,
        me: InstitutionId,
        seed: bytes,
        chain_id: bytes,
        listen: tuple[str, int],
        handler: Handler,
        members: Sequence[PeerInfo] = (),
        rates: Rates = Rates(),  # noqa: B008  # frozen
    ) -> None:
        """
        Prepare; nothing is opened before `run`.

        Args:
            me: This node's id.
            seed: Its private Ed25519 network key; 32 bytes.
            chain_id: 32 bytes; connections with members on another chain are refused (N2).
            listen: Host and port; port 0 picks a free one.
            handler: Called with what comes.
            members: As for `set_members`.
            rates: What is read from one peer in a second.
        """
        assert len(seed) == NETWORK_KEY_BYTES
        assert len(chain_id) == CHAIN_ID_BYTES
        self._listen = listen
        self._upgrader = Upgrader(seed, rates)
        self._members = Members(me)
        self._links = Links(self._members)
        self._terms = Terms(
            me=me,
            chain_id=chain_id,
            handler=handler,
            rates=rates,
            crash=self._crash,
            on_flood=self._links.note_flood,
        )
        self._door = Door()
        self._dials = trio.Semaphore(DIALS_AT_ONCE)
        self._nursery: trio.Nursery | None = None
        self._bug: Exception | None = None
        self.set_members(members)

    # --- interface.Network

    def send(self, peer: InstitutionId, lane: Lane, payload: bytes) -> bool:
        """See Network.send."""
        return not self.broadcast(lane, payload, (peer,))

    def broadcast(self, lane: Lane, payload: bytes, peers: Iterable[InstitutionId]) -> list[InstitutionId]:
        """See Network.broadcast."""
        assert len(payload) <= lane.payload_bytes_max
        frame = encode_frame(Kind.MESSAGE, payload)
        up = self._links.up
        return [peer for peer in peers if peer not in up or not up[peer].send(lane, frame)]

    async def request(self, peer: InstitutionId, kind: int, payload: bytes, timeout_s: float) -> bytes:
        """See Network.request."""
        link = self._links.up.get(peer)
        if link is None:
            raise PeerUnavailable(f"{peer.hex()} is not connected")
        with trio.move_on_after(timeout_s):
            return await link.ask(kind, payload)
        raise RequestTimedOut(f"{peer.hex()} did not answer in {timeout_s} s")

    def penalize(self, peer: InstitutionId, reason: str, points: float) -> None:
        """See Network.penalize."""
        self._links.penalize(peer, reason, points)

    def set_members(self, members: Sequence[PeerInfo]) -> None:
        """See Network.set_members."""
        new, gone = self._members.replace(members)
        self._door.set_members(self._members.ip_addresses())
        for member in gone:
            self._links.end(member.info.peer, MemberRemoved(member.info.peer.hex()))
        if self._nursery is not None:
            for member in new:
                self._nursery.start_soon(self._keep_dialling, member, False)

    def peers(self) -> list[PeerStatistics]:
        """See Network.peers."""
        now_s, up = trio.current_time(), self._links.up
        links = [(member, up.get(member.info.peer)) for member in self._members]
        return [
            member.statistics(None if link is None else link.statistics(), now_s) for member, link in links
        ]

    def refusals(self) -> dict[str, int]:
        """See Network.refusals."""
        return dict(self._links.refusals)

    async def run(self, task_status: "TaskStatus[tuple[str, int]]" = trio.TASK_STATUS_IGNORED) -> None:
        """
        See Network.run.

        Raises:
            ConfigError: The address to listen on cannot be had.
        """
        host, port = self._listen
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            why = error.strerror or str(error)
            raise ConfigError(
                f"cannot listen on {format_address(host, port)}: {why}; choose another in [network] listen, or stop what"
                " listens there"
            ) from error
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(trio.serve_listeners, self._accept, listeners)
            nursery.start_soon(self._beat)
            for member in self._members:
                nursery.start_soon(self._keep_dialling, member, True)
            bound = listeners[0].socket.getsockname()
            task_status.started((bound[0], bound[1]))
        if self._bug is not None:
            raise self._bug

    # --- connections

    async def _accept(self, stream: trio.SocketStream) -> None:
        try:
            host, port = stream.socket.getpeername()[:2]
        except OSError:
            return  # Gone already.
        visitor = self._door.enter(host, trio.current_time())
        if visitor is None:
            self._links.note(None, TooManyHandshakes(host))
            return
        wire = Wire(stream, is_initiator=False)
        muxer = None
        try:
            with visitor.scope:
                muxer = await self._secured(self._upgrader.inbound(wire, self._members.admit))
            if muxer is None:
                raise TooManyHandshakes(host)
            self._door.leave(visitor)
            address = format_address(host, port)
            await self._links.serve(self._make_link(wire, muxer, host, address, dialled=False))
        except LinkEnded as reason:
            self._links.note(None, reason)
        finally:
            self._door.leave(visitor)

    async def _dial(self, member: Member) -> None:
        """One attempt to reach a member, and the link that comes of it to its end."""
        assert self._nursery is not None
        is_over = trio.Event()
        await self._nursery.start(self._take_turn, is_over)
        try:
            link = await self._open(member)
            self._nursery.start_soon(self._links.serve, link)
            await link.settled.wait()
            is_over.set()
            await link.gone.wait()
        except LinkEnded as reason:
            self._links.note(member.info.peer, reason)
        finally:
            is_over.set()

    async def _take_turn(
        self, is_over: trio.Event, task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Wait for a place among those that dial, and give it back when the attempt is over, or has had its time."""
        async with self._dials:
            task_status.started()
            with trio.move_on_after(DIAL_TURN_S):
                await is_over.wait()

    async def _open(self, member: Member) -> Link:
        stream, host, address = await connect(member.info.addresses)
        wire = Wire(stream, is_initiator=True)
        try:
            muxer = await self._secured(self._upgrader.outbound(wire, member.info.network_key))
            return self._make_link(wire, muxer, host, address, dialled=True)
        except BaseException:
            wire.abort()
            raise

    async def _secured(self, handshake: Coroutine[None, None, Muxer]) -> Muxer:
        """Await a handshake; whatever goes wrong in it is the other side's doing (N7)."""
        try:
            with trio.fail_after(HANDSHAKE_TIMEOUT_S):
                return await handshake
        except LinkEnded:
            raise
        except trio.TooSlowError as error:
            raise HandshakeTimedOut(f"not secured in {HANDSHAKE_TIMEOUT_S} s") from error
        except Exception as error:
            raise HandshakeFailed(repr(error)) from error

    def _make_link(self, wire: Wire, muxer: Muxer, host: str, address: str, *, dialled: bool) -> Link:
        """A link with the member whose key was proved; raises when it has ceased to be one meanwhile."""
        peer = self._members.admit(muxer.proved)
        member = self._members.get(peer)
        assert member is not None
        if member.seen_ip != host:
            member.seen_ip = host
            self._door.set_members(self._members.ip_addresses())
        return Link(
            peer=peer,
            address=address,
            dialled=dialled,
            wire=wire,
            muxer=muxer,
            terms=self._terms,
            counters=member.counters,
        )

    async def _keep_dialling(self, member: Member, is_starting: bool) -> None:
        """Connect to a member again and again, for as long as it is one (N3, N10)."""
        peer = member.info.peer
        stagger_s = STAGGER_S_PER_MEMBER * len(self._members)
        patience_s = 0.0 if self._terms.me < peer else SECOND_DIAL_S + 4 * stagger_s
        backoff = Backoff()
        await self._pause(member, random.uniform(0, stagger_s) + (0.0 if is_starting else patience_s))
        for _ in range(SECOND_DIAL_DELAYS if patience_s and not is_starting else 0):
            if len(self._door) == 0 and self._links.opening == 0:
                break
            await self._pause(member, patience_s)
        while not member.removed:
            if (link := self._links.get(peer)) is not None:
                await link.gone.wait()
                if link.announced:
                    backoff.reset()
            elif not member.info.addresses:
                await member.poke.wait()
            elif (banned_s := member.score.banned_s(trio.current_time())) > 0:
                await self._pause(member, banned_s)
                continue
            else:
                began_s = trio.current_time()
                await self._dial(member)
                if trio.current_time() - began_s > SETTLED_S:
                    backoff.reset()
            await self._pause(member, backoff.next_s() + patience_s)

    async def _pause(self, member: Member, pause_s: float) -> None:
        """Sleep, unless the member's addresses change meanwhile."""
        with trio.move_on_after(pause_s):
            await member.poke.wait()
        if member.poke.is_set():
            member.poke = trio.Event()

    async def _beat(self) -> None:
        """Heartbeats, and the watch over memory (N6, N8)."""
        while True:
            due_s = trio.current_time() + HEARTBEAT_INTERVAL_S
            await trio.sleep_until(due_s)
            now_s = trio.current_time()
            for link in self._links.up.values():
                link.beat(now_s, judge=now_s - due_s < HEARTBEAT_INTERVAL_S)
            self._relieve_memory()

    def _relieve_memory(self) -> None:
        """End the link that holds most when all together hold too much; shared frames count once."""
        links = list(self._links.up.values())
        unread = sum(link.inbound_bytes() for link in links)
        if unread + sum(link.queued_bytes() for link in links) <= MEMORY_BYTES_MAX:
            return
        queued = {id(frame): len(frame) for link in links for frame in link.queued_frames()}
        if unread + sum(queued.values()) > MEMORY_BYTES_MAX:
            worst = max(links, key=lambda link: link.inbound_bytes() + link.queued_bytes())
            worst.end(MemoryPressure(f"{worst.inbound_bytes()} bytes unread, {worst.queued_bytes()} queued"))

    def _crash(self, bug: Exception) -> None:
        """End the network, because a handler has a bug; `run` raises it (N7)."""
        self._bug = self._bug or bug
        assert self._nursery is not None
        self._nursery.cancel_scope.cancel()
