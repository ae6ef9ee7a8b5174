"""What libp2p's Noise and Yamux run on: a socket and a secured connection that keep our limits (N6, N8)."""

import sys
from collections.abc import Callable
from typing import Any

import trio

from noded.network.faults import PeerFault, WindowExceeded
from noded.network.libp2p import ConnectionClosedError
from noded.network.limits import (
    HANDSHAKE_BYTES_MAX,
    READ_BYTES,
    UNREAD_BYTES_MAX,
    UNSENT_BYTES,
    WINDOW_BYTES,
    Rates,
    TokenBucket,
)

_TCP_NOTSENT_LOWAT = 25
"""Linux's number for it; the socket module has it only from Python 3.12 on."""


class Wire:
    """
    A TCP connection, as libp2p's raw connection.

    A read gives exactly as many bytes as asked for. A write that does not end well closes the socket, so that
    no half record can be followed by another.
    """

    def __init__(self, stream: trio.SocketStream, *, is_initiator: bool) -> None:
        self.is_initiator = is_initiator
        self._stream = stream
        self._buffer = bytearray()
        self._allowance: int | None = HANDSHAKE_BYTES_MAX
        self.heard_s = trio.current_time()
        """When the last bytes came."""
        self.wrote_s = self.heard_s
        """When the last write ended."""
        self.writing_since_s: float | None = None
        """Since when a write is under way; None when none is."""
        if sys.platform == "linux":
            stream.setsockopt(trio.socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, UNSENT_BYTES)

    def trust(self) -> None:
        """Lift the limit on what may be read before the peer is authenticated."""
        self._allowance = None

    async def read(self, n: int | None = None) -> bytes:
        """
        Exactly `n` bytes.

        Raises:
            ConnectionClosedError: The connection ended first, or the peer sent too much for a stranger.
        """
        assert n is not None
        if self._allowance is not None:
            self._allowance -= n
            if self._allowance < 0:
                raise ConnectionClosedError("too much before authentication")
        while len(self._buffer) < n:
            try:
                data = await self._stream.receive_some(READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise ConnectionClosedError("the connection is closed") from error
            if not data:
                raise ConnectionClosedError("the peer closed the connection")
            self.heard_s = trio.current_time()
            self._buffer += data
        taken = bytes(memoryview(self._buffer)[:n])
        del self._buffer[:n]
        return taken

    async def write(self, data: bytes) -> None:
        """
        Send all of `data`; Yamux's lock keeps writers apart.

        Raises:
            ConnectionClosedError: The connection ended first.
        """
        self.writing_since_s = trio.current_time()
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise ConnectionClosedError("the connection is closed") from error
        except BaseException:
            self.abort()
            raise
        self.writing_since_s = None
        self.wrote_s = trio.current_time()

    def abort(self) -> None:
        """Close the socket at once; every task that waits for it wakes up."""
        self._stream.socket.close()

    async def close(self) -> None:
        """Close the socket at once; asynchronous for libp2p's sake."""
        self.abort()
        await trio.lowlevel.checkpoint()

    def get_remote_address(self) -> tuple[str, int] | None:
        """Unknown to libp2p; the owner of the connection keeps it."""
        return None


class SecuredWire:
    """
    The authenticated connection under Yamux, which asks for every frame's head and body here.

    Yamux neither enforces its window nor limits frames a second; this does (N8).
    """

    def __init__(self, session: Any, *, is_initiator: bool, rates: Rates) -> None:
        self.is_initiator = is_initiator
        self._records = session.conn
        self._buffer = bytearray()
        self._bucket = TokenBucket(rate=2 * rates.frames, burst=2 * rates.frames * rates.burst_s)
        self.unread_bytes: Callable[[], int] = int
        """Set by the muxer: bytes that lie in its streams."""
        self.on_flood: Callable[[float], None] = lambda held_s: None
        """Set by the link: told each time for how long the peer is held back."""
        self.fault: PeerFault | None = None
        """Why reading ended, if by the peer's fault; Yamux does not pass exceptions on."""

    async def read(self, n: int) -> bytes:
        """
        Exactly `n` bytes of a head or a body.

        Raises:
            WindowExceeded: The peer sends what it has no window for.
            ConnectionClosedError: The connection ended first.
        """
        if n > WINDOW_BYTES or self.unread_bytes() > UNREAD_BYTES_MAX:
            self.fault = WindowExceeded(f"a frame of {n} bytes with {self.unread_bytes()} unread")
            raise self.fault
        wait_s = self._bucket.take(1, trio.current_time())
        if wait_s > 0:
            self.on_flood(wait_s)
            await trio.sleep(wait_s)
        while len(self._buffer) < n:
            self._buffer += await self._records.read_msg()
        taken = bytes(memoryview(self._buffer)[:n])
        del self._buffer[:n]
        return taken

    async def write(self, data: bytes) -> None:
        """Encrypt and send."""
        await self._records.write_msg(data)

    async def close(self) -> None:
        """Close the socket at once."""
        await self._records.close()
