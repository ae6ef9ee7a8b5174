"""One connection with one member, from authenticated to ended: four streams, two queues, heartbeats."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import trio

from noded.errors import InvalidMessage, NodedError
from noded.network.faults import (
    ConnectionLost,
    ConsensusQueueFull,
    HandshakeTimedOut,
    LinkEnded,
    PeerSilent,
    PeerStalled,
    UnexpectedFrame,
    UnexpectedStream,
)
from noded.network.frames import KINDS, LANE_PROTOCOLS, Hello, Kind, encode_frame
from noded.network.interface import BULK_PAYLOAD_BYTES_MAX, Handler, InstitutionId, Lane, RequestRefused
from noded.network.lanes import LaneState
from noded.network.libp2p import EXPECTED_ERRORS
from noded.network.limits import (
    BEATS_PER_PING,
    FLOOD_S_MIN,
    HEARTBEAT_INTERVAL_S,
    HELLO_COURTESY_S,
    HELLO_TIMEOUT_S,
    PING_BYTES,
    SILENCE_S_MAX,
    STALL_S_MAX,
    STREAMS_PER_CONNECTION_MAX,
    Rates,
)
from noded.network.members import LaneCounters, LinkStatistics
from noded.network.requests import Answering, Asking, Tether
from noded.network.upgrade import InStream, Muxer
from noded.network.wire import Wire

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What all links of a node have in common."""

    me: InstitutionId
    chain_id: bytes
    handler: Handler
    rates: Rates
    crash: Callable[[Exception], None]
    """Told of a bug of ours in the handler; ends the network."""
    on_flood: Callable[[InstitutionId, float], None]
    """Told for how many seconds a peer that floods was held back."""

    async def handled(self, call: Awaitable[_T]) -> _T:
        """Await a call of the handler; what it may not raise is a bug of ours, not a fault of the peer (N7)."""
        try:
            return await call
        except (InvalidMessage, RequestRefused):
            raise
        except Exception as bug:
            self.crash(bug)
            await trio.sleep_forever()


@dataclass(slots=True)
class _Pulse:
    """Heartbeats: one ping at a time, numbered by its beat."""

    beats: int = 0
    ping: int = 0
    pinged_s: float = 0.0
    rtt_s: float | None = None
    held_s: float = 0.0
    """Time for which the peer's messages were held back and that is not yet noted."""


class Link:
    """
    A connection with an authenticated member.

    No task that touches the connection is ever cancelled while the link goes on: libp2p would not survive it.
    """

    def __init__(
        self,
        *,
        peer: InstitutionId,
        address: str,
        dialled: bool,
        wire: Wire,
        muxer: Muxer,
        terms: Terms,
        counters: tuple[LaneCounters, LaneCounters],
    ) -> None:
        self.peer = peer
        self.address = address
        self.dialled = dialled
        self.since_s = trio.current_time()
        self.reason: NodedError | None = None
        """Why it has ended; None while it goes on."""
        self.announced = False
        """Whether the handler was told that the peer is up."""
        self.settled = trio.Event()
        """Set when the link is up, or has ended without."""
        self.gone = trio.Event()
        """Set by the owner when all is over, after the handler was told that the peer is down."""
        self.pulse = _Pulse()
        self._wire = wire
        self._muxer = muxer
        self.terms = terms
        self._lanes = tuple(LaneState(lane, terms.rates, counters[lane]) for lane in Lane)
        self._tether = Tether()
        self._asking = Asking(self._lanes[Lane.BULK].queue)
        self._answering = Answering(self._lanes[Lane.BULK].queue, self._on_request)
        self._up = trio.Event()
        self._ended = trio.Event()
        muxer.secured.on_flood = self._note_flood

    # --- for the owner

    def end(self, reason: NodedError) -> None:
        """End the connection at once; the first reason is the one that counts."""
        if self.reason is None:
            self.reason = reason
            self._ended.set()
            self.settled.set()

    def discard(self) -> None:
        """Close the connection of a link that is not run."""
        self._wire.abort()
        self.settled.set()
        self.gone.set()

    def send(self, lane: Lane, frame: bytes) -> bool:
        """Queue a MESSAGE frame; False if it does not fit, which ends a link on the consensus lane (N5)."""
        state = self._lanes[lane]
        if self.reason is not None:
            return False
        if state.queue.put(frame):
            state.counters.messages_out += 1
            return True
        state.counters.dropped += 1
        if lane is Lane.CONSENSUS:
            self.end(ConsensusQueueFull(f"{len(state.queue)} messages of {state.queue.bytes} bytes"))
        return False

    async def ask(self, kind: int, payload: bytes) -> bytes:
        """Put a question; see Asking.ask and Tether.hold."""
        return await self._tether.hold(self._asking.ask(kind, payload))

    def statistics(self) -> LinkStatistics:
        """For `Network.peers`."""
        consensus, bulk = ((len(state.queue), state.queue.bytes) for state in self._lanes)
        return LinkStatistics(
            address=self.address,
            dialled=self.dialled,
            since_s=self.since_s,
            rtt_s=self.pulse.rtt_s,
            queues=(consensus, bulk),
        )

    def queued_frames(self) -> Iterator[bytes]:
        """What waits to be sent; a broadcast frame is the same object in all links."""
        return chain.from_iterable(state.queue for state in self._lanes)

    def queued_bytes(self) -> int:
        """Bytes waiting to be sent."""
        return sum(state.queue.bytes for state in self._lanes)

    def inbound_bytes(self) -> int:
        """Unread and half-read bytes."""
        return self._muxer.unread_bytes() + sum(state.cutter.held_bytes for state in self._lanes)

    def beat(self, now_s: float, *, judge: bool) -> None:
        """
        Give a sign of life if need be, and end the link if the peer gives no sign of life (N6).

        Args:
            now_s: The time.
            judge: False when this node itself was busy or suspended, so that silence proves nothing.
        """
        pulse = self.pulse
        pulse.beats += 1
        sign = None
        if pulse.beats % BEATS_PER_PING == 1:
            pulse.ping, pulse.pinged_s = pulse.beats, now_s
            sign = encode_frame(Kind.PING, pulse.beats.to_bytes(PING_BYTES, "big"))
        elif now_s - self._wire.wrote_s > HEARTBEAT_INTERVAL_S / 2:
            sign = encode_frame(Kind.BEAT, b"")
        if sign is not None and not self._lanes[Lane.CONSENSUS].queue.put(sign):
            self.end(ConsensusQueueFull("no room for a heartbeat"))
        if not judge:
            return
        # A peer whose consensus lane we do not read may be unable to send a ping.
        reading = self._lanes[Lane.CONSENSUS].inbound
        if now_s - self._wire.heard_s > SILENCE_S_MAX and reading is not None and not reading.unread_bytes:
            self.end(PeerSilent(f"for {now_s - self._wire.heard_s:.1f} s"))
        stalls = [
            self._wire.writing_since_s,
            *(s.out.stalled_since_s for s in self._lanes if s.out is not None),
        ]
        limits = (STALL_S_MAX[Lane.CONSENSUS], *STALL_S_MAX)
        for since_s, limit_s in zip(stalls, limits, strict=False):
            if since_s is not None and now_s - since_s > limit_s:
                self.end(PeerStalled(f"for {now_s - since_s:.1f} s"))

    async def run(self, on_up: Callable[["Link"], Awaitable[None]]) -> None:
        """
        Work until the link ends; `reason` then says why.

        Args:
            on_up: Called when both lanes work in both directions; may raise to end the link.
        """
        async with trio.open_nursery() as nursery:
            try:
                nursery.start_soon(self._guard, self._run_muxer)
                nursery.start_soon(self._guard, self._accept_streams, nursery)
                for lane in Lane:
                    nursery.start_soon(self._guard, self._write_lane, lane)
                nursery.start_soon(self._guard, self._come_up, on_up)
                await self._ended.wait()
            finally:
                self._wire.abort()
                self._tether.cut()
                nursery.cancel_scope.cancel()

    # --- its tasks

    async def _guard(self, task: Callable[..., Awaitable[None]], *args: object) -> None:
        """Run one task of the link; whatever it raises ends this link, and nothing else (N7)."""
        try:
            await task(*args)
        except (LinkEnded, InvalidMessage) as reason:
            self.end(self._muxer.secured.fault or reason)
        except Exception as error:
            if not isinstance(error, EXPECTED_ERRORS):
                _log.warning("connection with %s ended unexpectedly", self.peer.hex(), exc_info=error)
            self.end(self._muxer.secured.fault or ConnectionLost(repr(error)))

    async def _run_muxer(self) -> None:
        await self._muxer.start()
        raise ConnectionLost("the multiplexer has ended")

    async def _come_up(self, on_up: Callable[["Link"], Awaitable[None]]) -> None:
        with trio.move_on_after(HELLO_TIMEOUT_S) as scope:
            for state in self._lanes:
                await state.said.wait()
                await state.heard.wait()
        if scope.cancelled_caught:
            raise HandshakeTimedOut("no hello on every lane")
        await on_up(self)
        self._up.set()
        self.settled.set()

    async def _accept_streams(self, nursery: trio.Nursery) -> None:
        accepted = 0
        while True:
            stream = await self._muxer.accept_stream()
            accepted += 1
            if accepted > STREAMS_PER_CONNECTION_MAX:
                raise UnexpectedStream(f"stream {accepted} of a connection")
            nursery.start_soon(self._guard, self._serve_stream, stream, nursery)

    async def _serve_stream(self, stream: Any, nursery: trio.Nursery) -> None:
        """Find out what a stream of the peer is for; one that is for nothing we know is left to its fate."""
        inbound: InStream | None = None
        with trio.move_on_after(HELLO_TIMEOUT_S):
            try:
                protocol, inbound = await self._muxer.agree(stream, LANE_PROTOCOLS)
            except Exception as error:
                _log.debug("%s opened a stream for nothing: %r", self.peer.hex(), error)
        if inbound is None:
            await stream.reset()
            return
        lane = Lane(LANE_PROTOCOLS.index(protocol))
        if self._lanes[lane].inbound is not None:
            raise UnexpectedStream(f"a second {protocol}")
        self._lanes[lane].inbound = inbound
        await self._read_lane(lane, inbound, nursery)

    async def _write_lane(self, lane: Lane) -> None:
        await self._muxer.event_started.wait()
        state = self._lanes[lane]
        out = state.out = await self._muxer.open_lane(LANE_PROTOCOLS[lane])
        hello = Hello(chain_id=self.terms.chain_id, speaker=self.terms.me, listener=self.peer)
        await out.write(hello.encode(lane))
        state.said.set()
        while True:
            data = await state.queue.take()
            await out.write(data)
            state.counters.bytes_out += len(data)

    async def _read_lane(self, lane: Lane, inbound: InStream, nursery: trio.Nursery) -> None:
        state = self._lanes[lane]
        frames: list[tuple[int, bytes]] = []
        while not frames:
            frames = state.cutter.feed(await inbound.read())
        await self._hear(lane, *frames.pop(0))
        await self._up.wait()
        while True:
            for kind, body in frames:
                if kind == Kind.MESSAGE:
                    state.counters.messages_in += 1
                    await self.terms.handled(self.terms.handler.on_message(self.peer, lane, body))
                elif kind not in KINDS[lane]:
                    raise UnexpectedFrame(f"kind {kind} on lane {lane.name}")
                elif kind == Kind.REQUEST:
                    request = self._answering.accept(body)
                    if request is not None:
                        nursery.start_soon(self._guard, self._answering.serve, *request)
                elif kind in (Kind.RESPONSE, Kind.REFUSAL):
                    self._asking.on_answer(kind, body)
                else:
                    self._on_pulse(kind, body)
            data = await inbound.read()
            frames = state.cutter.feed(data)
            state.counters.bytes_in += len(data)
            now_s = trio.current_time()
            wait_s = max(state.bytes.take(len(data), now_s), state.messages.take(len(frames), now_s))
            if wait_s > 0:
                if lane is Lane.CONSENSUS:
                    self._note_flood(wait_s)
                await trio.sleep(wait_s)

    async def _hear(self, lane: Lane, kind: int, body: bytes) -> None:
        """Check the peer's hello, but let it have ours first, so that both sides can name what is wrong (N2)."""
        with trio.move_on_after(HELLO_COURTESY_S):
            for state in self._lanes:
                await state.said.wait()
        Hello(chain_id=self.terms.chain_id, speaker=self.peer, listener=self.terms.me).check(lane, kind, body)
        self._lanes[lane].heard.set()

    def _on_pulse(self, kind: int, body: bytes) -> None:
        if len(body) != (0 if kind == Kind.BEAT else PING_BYTES):
            raise UnexpectedFrame(f"a heartbeat of {len(body)} bytes")
        if kind == Kind.PING:
            if not self._lanes[Lane.CONSENSUS].queue.put(encode_frame(Kind.PONG, body)):
                raise ConsensusQueueFull("no room for an answer to a ping")
        elif kind == Kind.PONG and int.from_bytes(body, "big") == self.pulse.ping:
            rtt_s = trio.current_time() - self.pulse.pinged_s
            self.pulse.rtt_s = rtt_s if self.pulse.rtt_s is None else 0.8 * self.pulse.rtt_s + 0.2 * rtt_s

    def _note_flood(self, held_s: float) -> None:
        self.pulse.held_s += held_s
        if self.pulse.held_s >= FLOOD_S_MIN:
            noted_s, self.pulse.held_s = self.pulse.held_s, 0.0
            self.terms.on_flood(self.peer, noted_s)

    async def _on_request(self, kind: int, payload: bytes) -> bytes:
        async def answer() -> bytes:
            answer = await self.terms.handler.on_request(self.peer, kind, payload)
            assert len(answer) <= BULK_PAYLOAD_BYTES_MAX
            return answer

        return await self.terms.handled(answer())
