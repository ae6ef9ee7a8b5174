"""From a socket to an authenticated, multiplexed connection with a member: Noise, allow-list, Yamux (N1)."""

import struct
from collections.abc import Callable
from typing import Any

import trio

from noded.network.faults import ConnectionLost
from noded.network.interface import InstitutionId
from noded.network.libp2p import (
    NOISE_PROTOCOL,
    YAMUX_PROTOCOL,
    ConnectionClosedError,
    Multiselect,
    MultiselectClient,
    MultiselectCommunicator,
    NoiseTransport,
    X25519PrivateKey,
    Yamux,
    create_new_key_pair,
)
from noded.network.limits import (
    COALESCE_BYTES,
    NEGOTIATION_READ_BYTES_MAX,
    READ_BYTES,
    WINDOW_BYTES,
    WINDOW_POLL_S,
    Rates,
)
from noded.network.members import peer_id_of
from noded.network.wire import SecuredWire, Wire

_YAMUX_INITIAL_WINDOW_BYTES = 256 * 1024
"""By Yamux's specification."""

_YAMUX_HEAD = struct.Struct("!BBHII")
"""Version 0, type (0 is data), flags, stream, length."""


class _Lines:
    """Lets multistream-select read no more at a time than a line of it may have."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.write = inner.write

    async def read(self, n: int) -> bytes:
        if n > NEGOTIATION_READ_BYTES_MAX:
            raise ConnectionClosedError(f"a line of {n} bytes")
        data: bytes = await self._inner.read(n)
        return data


async def _offer(connection: Any, protocol: str) -> None:
    """Negotiate as the side that opened; raises unless the other side takes `protocol`."""
    await MultiselectClient().select_one_of([protocol], MultiselectCommunicator(_Lines(connection)))


async def _choose(connection: Any, protocols: tuple[str, ...]) -> str:
    """Negotiate as the side that was called; returns which of `protocols` the other side wants."""
    multiselect = Multiselect(dict.fromkeys(protocols))
    chosen, _ = await multiselect.negotiate(MultiselectCommunicator(_Lines(connection)))
    assert isinstance(chosen, str)
    return chosen


class OutStream:
    """
    A stream this node opened, written by one task only.

    The library's own `write` takes five locks, and resets a stream whose reader pauses for 5 s.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.stalled_since_s: float | None = None
        """Since when the peer has not taken what is to be written; None while it takes it."""

    async def write(self, data: bytes) -> None:
        """
        Send all of `data`, in pieces of COALESCE_BYTES so that other streams get their turn.

        Raises:
            ConnectionLost: The stream ended.
        """
        stream = self._stream
        for start in range(0, len(data), COALESCE_BYTES):
            piece = data[start : start + COALESCE_BYTES]
            while stream.send_window < len(piece) and not stream.closed:
                if self.stalled_since_s is None:
                    self.stalled_since_s = trio.current_time()
                await trio.sleep(WINDOW_POLL_S)
            if stream.closed:
                raise ConnectionLost("the stream is closed")
            self.stalled_since_s = None
            stream.send_window -= len(piece)
            await stream.conn._write_frame(_YAMUX_HEAD.pack(0, 0, 0, stream.stream_id, len(piece)) + piece)


class InStream:
    """
    A stream the peer opened, read by one task only.

    The library's own `read` sends a window update each time, and lets windows grow to 16 MiB.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._pending_bytes = WINDOW_BYTES - _YAMUX_INITIAL_WINDOW_BYTES
        stream._auto_tune_and_send_window_update = self._grant

    @property
    def unread_bytes(self) -> int:
        """Bytes that have come and that `read` has not returned."""
        return len(self._stream.conn.stream_buffers.get(self._stream.stream_id, b""))

    async def _grant(self, *, bytes_read: int = 0) -> None:
        """Open the window again when a quarter of it has been read."""
        self._pending_bytes += bytes_read
        if self._pending_bytes >= WINDOW_BYTES // 4:
            granted, self._pending_bytes = self._pending_bytes, 0
            self._stream.recv_window += granted
            await self._stream.send_window_update(granted)

    async def read(self) -> bytes:
        """
        Between 1 and READ_BYTES bytes.

        Raises:
            ConnectionLost: The stream ended.
        """
        stream, buffers = self._stream, self._stream.conn.stream_buffers
        while True:
            buffer = buffers.get(stream.stream_id)
            if buffer:
                data = bytes(memoryview(buffer)[:READ_BYTES])
                del buffer[:READ_BYTES]
                await self._grant(bytes_read=len(data))
                return data
            if buffer is None or stream.closed or stream.recv_closed:
                raise ConnectionLost("the stream is closed")
            arrived = stream.conn.stream_events[stream.stream_id] = trio.Event()
            await arrived.wait()


class Muxer(Yamux):  # type: ignore[misc]  # libp2p is untyped
    """Yamux over a SecuredWire."""

    def __init__(self, wire: SecuredWire, proved: bytes) -> None:
        """`proved` is the libp2p peer id of the other side."""
        super().__init__(wire, proved, is_initiator=wire.is_initiator)
        wire.unread_bytes = self.unread_bytes
        self.proved = proved
        self.secured = wire

    def unread_bytes(self) -> int:
        """Bytes that have come and that no reader has taken."""
        return sum(len(buffer) for buffer in self.stream_buffers.values())

    async def _measure_rtt_loop(self) -> None:
        """
        Send no pings.

        Answering one from the task that reads can block both sides' reading for good when both send much;
        heartbeats measure the same (N6).
        """

    async def _write_frame(self, data: bytes) -> None:
        async with self._write_lock:
            await self.secured.write(data)

    async def open_lane(self, protocol: str) -> OutStream:
        """Open a stream and agree with the peer on what it is for."""
        stream = await self.open_stream()
        await _offer(stream, protocol)
        return OutStream(stream)

    async def agree(self, stream: Any, protocols: tuple[str, ...]) -> tuple[str, InStream]:
        """Let the peer say which of `protocols` a stream of its is for."""
        inbound = InStream(stream)
        return await _choose(stream, protocols), inbound


class Upgrader:
    """Proves this node's identity, and checks others'."""

    def __init__(self, seed: bytes, rates: Rates) -> None:
        """`seed` is the private Ed25519 network key; 32 bytes."""
        key_pair = create_new_key_pair(seed)
        self.network_key: bytes = key_pair.public_key.to_bytes()
        self._noise = NoiseTransport(key_pair, X25519PrivateKey.new())
        self._rates = rates

    async def inbound(self, wire: Wire, admit: Callable[[bytes], InstitutionId]) -> Muxer:
        """
        Secure a connection that came in.

        Args:
            wire: The connection.
            admit: Given the peer id that was proved, raises unless it is a member's (N1).
        """
        await _choose(wire, (NOISE_PROTOCOL,))
        session = await self._noise.secure_inbound(wire)
        proved = session.get_remote_peer().to_bytes()
        admit(proved)
        wire.trust()
        secured = SecuredWire(session, is_initiator=False, rates=self._rates)
        await _choose(secured, (YAMUX_PROTOCOL,))
        return Muxer(secured, proved)

    async def outbound(self, wire: Wire, network_key: bytes) -> Muxer:
        """Secure a connection that this node dialled; fails unless the other side proves `network_key`."""
        expected = peer_id_of(network_key)
        await _offer(wire, NOISE_PROTOCOL)
        session = await self._noise.secure_outbound(wire, expected)
        wire.trust()
        secured = SecuredWire(session, is_initiator=True, rates=self._rates)
        await _offer(secured, YAMUX_PROTOCOL)
        return Muxer(secured, expected)
