"""
One client's connection: Hypercorn's HTTP/1.1 on a socket, with a limit on everything.

Hypercorn's own loop around it writes under a shield, however long a client takes; leaves an app running whose client
has left, and a request whose body nobody reads; and switches to HTTP/2. So reading, writing and deadlines are here.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from math import inf
from typing import Any, Final, TypeAlias

import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Response
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

KEEP_ALIVE_S: Final = 60.0
"""A connection without a request is closed; clients of the command line and of metrics come every few seconds."""

HEAD_S: Final = 10.0
"""From the first byte of a request to the end of its head."""

HEAD_BYTES_MAX: Final = 16 * 1024
"""Of a request line and all headers; tokens have 60 bytes, cursors 200."""

STALL_S: Final = 10.0
"""A client that takes no 64 KiB in this time is cut off."""

READ_BYTES: Final = 64 * 1024
"""At once."""

PARTS_WAITING_MAX: Final = 2
"""Parts of a body that wait for the app, each of READ_BYTES at most: a short body and its end."""

VERSIONS: Final = (b"1.1", b"1.0")

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
"""As ASGI has them."""

log = structlog.get_logger("noded.api")


class _Config(Config):
    accesslog = None
    errorlog = None
    include_date_header = False
    include_server_header = False
    h11_max_incomplete_size = HEAD_BYTES_MAX
    keep_alive_max_requests = 1 << 62


CONFIG: Final = _Config()
"""How Hypercorn's protocol works here."""


class _Http1(H11Protocol):
    """HTTP/1.1 and nothing else."""

    is_held = False
    """Whether what it sends now is a head whose body follows at once: one write, and one wake-up of the client."""

    async def stream_send(self, event: StreamEvent) -> None:
        """Send a part of an answer."""
        self.is_held = type(event) is Response and any(name == b"content-length" for name, _ in event.headers)
        await super().stream_send(event)

    async def _check_protocol(self, event: Any) -> None:
        """Stay with HTTP/1.1, whatever a client would rather switch to."""
        if event.http_version not in VERSIONS:
            await self._send_error_response(505)
            await self.send(Closed())


class Connection:
    """Serves one connection until it ends."""

    def __init__(
        self,
        app: App,
        stream: trio.SocketStream | trio.SSLStream,
        client: tuple[str, int] | None,
    ) -> None:
        self._stream = stream
        self._descriptor = -1 if isinstance(stream, trio.SSLStream) else stream.socket.fileno()
        self._write_lock = trio.Lock()
        self._head = b""
        """Held back for its body."""
        self._scope = trio.CancelScope()
        self._is_idle = True
        self._requests_in, self._requests = trio.open_memory_channel[Callable[[], Awaitable[None]]](1)
        self._http = _Http1(
            app,  # type: ignore[arg-type]
            CONFIG,
            WorkerContext(None),
            self,  # type: ignore[arg-type]
            ConnectionState({}),
            self._descriptor < 0,
            client,
            None,
            self._on_event,
        )

    async def run(self) -> None:
        """Serve until the client leaves, is too slow, or breaks the protocol; no exception but cancellation."""
        self._scope.deadline = trio.current_time() + KEEP_ALIVE_S
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read)
                    async for answer in self._requests:
                        await answer()
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                    await trio.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        """Hand on what comes; when nothing more can, all ends that the client asked for."""
        head_began = False
        try:
            while data := await self._stream.receive_some(READ_BYTES):
                await self._http.handle(RawData(bytes(data)))
                if self._is_idle and not head_began:
                    self._scope.deadline = trio.current_time() + HEAD_S
                head_began = self._is_idle
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except Exception:
            log.exception("a connection broke off")
        self._scope.cancel()

    async def _on_event(self, event: Event) -> None:
        """What Hypercorn's protocol has for the client, or says of the connection."""
        if type(event) is RawData:
            self._head += event.data
            if self._head and not self._http.is_held:
                data, self._head = self._head, b""
                await self._write(data)
        elif type(event) is Updated:
            self._is_idle = event.idle
            self._scope.deadline = trio.current_time() + KEEP_ALIVE_S if event.idle else inf
        else:
            self._scope.cancel()

    async def spawn_app(
        self, app: App, config: Config, scope: Message, send: Callable[[Message | None], Awaitable[None]]
    ) -> Callable[[Message], Awaitable[None]]:
        """Have a request answered (Hypercorn's protocol asks for it); returns what takes the parts of its body."""
        parts_in, parts = trio.open_memory_channel[Message](PARTS_WAITING_MAX)

        async def take(part: Message) -> None:
            if part["type"] == "http.disconnect":
                return  # It is answered, or will be cancelled.
            try:
                try:
                    parts_in.send_nowait(part)
                except trio.WouldBlock:
                    await parts_in.send(part)
            except trio.BrokenResourceError:
                pass  # It is answered without the rest of its body.

        async def answer() -> None:
            try:
                await app(scope, parts.receive, send)
            except Exception:
                log.exception("an answer broke off", method=scope.get("method"))
            parts.close()
            await send(None)

        self._requests_in.send_nowait(answer)
        return take

    async def _write(self, data: bytes) -> None:
        """Send bytes, piece by piece; the client must take each in time."""
        try:
            if not self._write_lock.locked():
                data = data[self._write_now(data) :]
                if not data:
                    return
            async with self._write_lock:
                for start in range(0, len(data), READ_BYTES):
                    with trio.fail_after(STALL_S):
                        await self._stream.send_all(data[start : start + READ_BYTES])
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, OSError):
            self._scope.cancel()
            await trio.lowlevel.checkpoint()

    def _write_now(self, data: bytes) -> int:
        """Send what the kernel takes at once; returns how much that is."""
        try:
            return os.write(self._descriptor, data) if self._descriptor >= 0 else 0
        except BlockingIOError:
            return 0
