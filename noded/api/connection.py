"""
One client's connection: Hypercorn's HTTP/1.1 on a socket, with a limit on everything.

Hypercorn's own loop around it writes under a shield, however long a client takes; leaves an app running whose client
has left, and a request whose body nobody reads; and switches to HTTP/2. So reading, writing and deadlines are here. One
task does all: it reads a request, answers it, and reads more of its body when the app asks for it.
"""

import os
import re
import sys
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from math import inf
from typing import Any, Final, TypeAlias

import h11
import structlog
import trio

from noded.api import problems
from noded.api.problems import NotHttp
from noded.loading import without

# HTTP/2, WebSocket and processes, of which there are none here: 2 MB, and a twelfth of a node's start.
_OTHER = ("h2", "h2.events", "hypercorn.protocol.h2", "hypercorn.protocol.ws_stream")
with without(*_OTHER, "logging.config", "multiprocessing.synchronize"):
    from hypercorn.config import Config
    from hypercorn.events import Closed, Event, RawData, Updated
    from hypercorn.protocol.events import Event as StreamEvent
    from hypercorn.protocol.events import Response
    from hypercorn.protocol.h11 import H11Protocol
    from hypercorn.trio.worker_context import EventWrapper, WorkerContext
    from hypercorn.typing import ConnectionState

KEEP_ALIVE_S: Final = 60.0
"""A connection without a request is closed; clients of the command line and of metrics come every few seconds."""

HEAD_S: Final = 10.0
"""From the first byte of a request to the end of its head."""

HEAD_BYTES_MAX: Final = 16 * 1024
"""Of a request line and all headers; tokens have 60 bytes, cursors 200."""

STALL_S: Final = 10.0
"""A client that takes no 64 KiB in this time is cut off."""

LOOK_S: Final = 1.0
"""Between looks whether an answer takes long, so that its client may have left."""

READ_BYTES: Final = 64 * 1024
"""At once."""

VERSIONS: Final = (b"1.1", b"1.0")

ORIGIN: Final = re.compile(rb"\Ahttps?://[^/?]*/?", re.IGNORECASE)
"""What stands before the path of a target in absolute form."""

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


class _AnswerFirst(Exception):
    """What a client sent ahead waits until its request before that is answered."""


class _Turn(EventWrapper):
    """What Hypercorn's protocol waits for before it looks at what was sent ahead."""

    async def clear(self) -> None:
        """Nothing: whoever catches `_AnswerFirst` goes on when it is time."""

    async def set(self) -> None:
        """Nothing: whoever catches `_AnswerFirst` goes on when it is time."""

    async def wait(self) -> None:
        """Raise `_AnswerFirst`."""
        raise _AnswerFirst


class _Http1(H11Protocol):
    """HTTP/1.1 and nothing else."""

    is_held = False
    """Whether what it sends now is a head whose body follows at once: one write, and one wake-up of the client."""
    is_ahead = False
    """Whether more was sent than the request to be answered."""

    @property
    def is_whole(self) -> bool:
        """Whether all of the request is there."""
        return self.connection.their_state in (h11.DONE, h11.MUST_CLOSE)

    def __init__(self, app: Any, owner: Any, is_encrypted: bool, client: tuple[str, int] | None) -> None:
        """Have requests answered, and events told, by a connection."""
        super().__init__(
            app,
            CONFIG,
            WorkerContext(None),
            owner,
            ConnectionState({}),
            is_encrypted,
            client,
            None,
            owner.on_event,
        )
        self.can_read = _Turn()

    async def take(self, data: bytes) -> None:
        """Look at what a client sent, up to the end of a request."""
        self.is_ahead = False
        if data:
            self.connection.receive_data(data)
        try:
            await self._handle_events()
        except _AnswerFirst:
            self.is_ahead = True

    async def stream_send(self, event: StreamEvent) -> None:
        """Send a part of an answer."""
        self.is_held = type(event) is Response and any(name == b"content-length" for name, _ in event.headers)
        await super().stream_send(event)

    async def _create_stream(self, request: h11.Request) -> None:
        """
        Begin an answer over HTTP, also for a client that would rather have a WebSocket.

        A target in absolute form means the path in it (RFC 9112 §3.2.2).
        """
        if request.http_version not in VERSIONS:
            await self._send_error_response(505)
            await self.send(Closed())
            return
        target = ORIGIN.sub(b"/", request.target)
        headers = [(name, value) for name, value in request.headers if name != b"upgrade"]
        if target != request.target or len(headers) != len(request.headers):
            request = h11.Request(
                method=request.method, target=target, headers=headers, http_version=request.http_version
            )
        await super()._create_stream(request)

    async def _check_protocol(self, event: Any) -> None:
        """Nothing: it stays with HTTP/1.1, whatever a client would rather switch to."""

    async def _send_error_response(self, status_code: int) -> None:
        """Tell a client that what it sends is no request, and why (W4); Hypercorn calls it where it caught why."""
        why = str(sys.exc_info()[1] or "HTTP/1.1 and HTTP/1.0 are spoken here")
        status, body, headers = problems.encode(NotHttp(status_code, why))
        headers.append((b"connection", b"close"))
        await self._send_h11_event(h11.Response(status_code=status, headers=headers))
        with suppress(h11.LocalProtocolError):  # An answer to HEAD has no body.
            await self._send_h11_event(h11.Data(data=body))
            await self._send_h11_event(h11.EndOfMessage())


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
        self._head = b""
        """Held back for its body."""
        self._scope = trio.CancelScope()
        self._answer: Callable[[], Awaitable[None]] | None = None
        """To the request that was read last, and not yet begun."""
        self._answers = 0
        """Begun."""
        self._early = b""
        """What the client sent during a long answer."""
        self._is_early: trio.Event | None = None
        """Set once it did; None if nobody looks."""
        self._http = _Http1(app, self, self._descriptor < 0, client)

    async def run(self) -> None:
        """Serve until the client leaves, is too slow, or breaks the protocol; no exception but cancellation."""
        self._scope.deadline = trio.current_time() + KEEP_ALIVE_S
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._watch)
                    await self._serve()
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                    await trio.aclose_forcefully(self._stream)

    async def _serve(self) -> None:
        is_begun = False
        try:
            while data := await self._read():
                await self._http.take(data)
                if self._answer is None and not is_begun:
                    self._scope.deadline = trio.current_time() + HEAD_S
                is_begun = self._answer is None
                while (answer := self._answer) is not None:
                    self._answers += 1
                    self._answer = None
                    await answer()
                    if self._http.is_ahead:
                        await trio.lowlevel.checkpoint()  # Others come between.
                        await self._http.take(b"")
        except Exception:
            log.exception("a connection broke off")
        self._scope.cancel()

    async def _read(self) -> bytes:
        if self._is_early is None:
            return await self._receive()
        await self._is_early.wait()
        self._is_early = None
        return self._early

    async def _receive(self) -> bytes:
        """What the client sends; nothing once it has left."""
        try:
            return bytes(await self._stream.receive_some(READ_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def _watch(self) -> None:
        """Give up an answer that takes long when the client leaves; what it sends instead is kept."""
        seen = 0
        while True:
            await trio.sleep(LOOK_S)
            if self._http.is_whole and self._answers == seen and self._is_early is None:
                self._is_early = trio.Event()
                self._early = await self._receive()
                if not self._early:
                    self._scope.cancel()
                self._is_early.set()
            seen = self._answers

    async def on_event(self, event: Event) -> None:
        """Take what Hypercorn's protocol has for the client, or says of the connection."""
        if type(event) is RawData:
            self._head += event.data
            if self._head and not self._http.is_held:
                data, self._head = self._head, b""
                await self._write(data)
        elif type(event) is Updated:
            self._scope.deadline = trio.current_time() + KEEP_ALIVE_S if event.idle else inf
        else:
            self._scope.cancel()

    async def spawn_app(
        self, app: App, config: Config, scope: Message, send: Callable[[Message | None], Awaitable[None]]
    ) -> Callable[[Message], Awaitable[None]]:
        """Have a request answered (Hypercorn's protocol asks for it); returns what takes the parts of its body."""
        parts: deque[Message] = deque()

        async def take(part: Message) -> None:
            if part["type"] == "http.request":
                parts.append(part)

        async def receive() -> Message:
            while not parts:
                if self._http.is_whole:
                    await trio.sleep_forever()  # An app that asks again waits for the client to leave.
                data = await self._receive()
                if not data:
                    self._scope.cancel()
                    await trio.sleep_forever()
                await self._http.take(data)
            return parts.popleft()

        async def answer() -> None:
            try:
                await app(scope, receive, send)
            except Exception:
                log.exception("an answer broke off", method=scope.get("method"))
            await send(None)

        self._answer = answer
        return take

    async def _write(self, data: bytes) -> None:
        """Send bytes, piece by piece; the client must take each in time."""
        try:
            for start in range(self._write_now(data), len(data), READ_BYTES):
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
