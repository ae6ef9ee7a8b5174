"""
One client's connection: bytes to and from Hypercorn's HTTP/1.1 protocol, with a limit on everything.

Hypercorn's own server writes under a shield, so that a client that does not read would hold up the node's end; never
ends a request whose body nobody reads; and wakes the event loop a dozen times for an answer. Here the protocol is
Hypercorn's, and sockets, tasks and deadlines are ours. Neither HTTP/2 nor WebSocket is offered.
"""

import os
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

import h11
import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
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

EVENTS_WAITING_MAX: Final = 8
"""Parts of a body that wait for the route; each of at most READ_BYTES."""

REQUESTS_MAX: Final = 1_000_000
"""Requests on one connection; a limit only because the protocol has one."""

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
"""As ASGI has them."""

log = structlog.get_logger("noded.api")


def protocol_config() -> Config:
    """How Hypercorn's protocol works here; one for all connections."""
    config = Config()
    config.errorlog = None
    config.accesslog = None
    config.h11_max_incomplete_size = HEAD_BYTES_MAX
    config.keep_alive_max_requests = REQUESTS_MAX
    config.include_server_header = False
    config.include_date_header = False
    return config


class _Http1(H11Protocol):
    """HTTP/1.1 and nothing else."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Stay with HTTP/1.1, whatever a client would rather switch to; others end the connection."""
        if event.http_version not in (b"1.1", b"1.0"):
            raise h11.RemoteProtocolError(f"version {event.http_version!r} is not spoken here")


class _Exchange:
    """What a route receives of its request; its events wait here, a few at a time."""

    __slots__ = ("_changed", "_events", "_finished")

    def __init__(self) -> None:
        self._events: deque[Message] = deque()
        self._changed = trio.Event()
        self._finished = False

    async def put(self, event: Message) -> None:
        """Take an event; waits while the route has too many, drops it if there is no route any more."""
        while len(self._events) >= EVENTS_WAITING_MAX and not self._finished:
            await self._change()
        if not self._finished:
            self._events.append(event)
            self._notify()

    async def receive(self) -> Message:
        """The next event."""
        while not self._events:
            await self._change()
        event = self._events.popleft()
        self._notify()
        return event

    def finish(self) -> None:
        """The route has ended."""
        self._finished = True
        self._events.clear()
        self._notify()

    async def _change(self) -> None:
        await self._changed.wait()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class Connection:
    """Serves one connection until it ends."""

    def __init__(
        self,
        app: App,
        config: Config,
        stream: trio.SocketStream | trio.SSLStream,
        client: tuple[str, int] | None,
    ) -> None:
        self._app = app
        self._config = config
        self._stream = stream
        self._client = client
        self._is_tls = isinstance(stream, trio.SSLStream)
        self._descriptor = -1 if isinstance(stream, trio.SSLStream) else stream.socket.fileno()
        self._write_lock = trio.Lock()
        self._head = b""
        """Of an answer whose body follows at once."""
        self._is_held = False
        self._scope = trio.CancelScope()
        self._idle = True
        self._head_began = False
        self._nursery: trio.Nursery | None = None

    async def run(self) -> None:
        """Serve until the client leaves, is too slow, or breaks the protocol; no exception but cancellation."""
        self._scope.deadline = trio.current_time() + KEEP_ALIVE_S
        with self._scope:
            try:
                async with trio.open_nursery() as self._nursery:
                    await self._read()
                    self._nursery.cancel_scope.cancel()
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                    await trio.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        protocol = _Http1(
            self._app,  # type: ignore[arg-type]
            self._config,
            WorkerContext(None),
            self,  # type: ignore[arg-type]
            ConnectionState({}),
            self._is_tls,
            self._client,
            None,
            self._on_event,
        )
        try:
            while data := await self._receive():
                if self._idle and not self._head_began:
                    self._head_began = True
                    self._scope.deadline = trio.current_time() + HEAD_S
                await protocol.handle(RawData(data))
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            pass
        except Exception as error:
            log.info("a client broke the protocol", client=self._client, error=repr(error))

    async def _receive(self) -> bytes:
        if self._descriptor >= 0:
            try:
                return os.read(self._descriptor, READ_BYTES)
            except BlockingIOError:
                pass
        return bytes(await self._stream.receive_some(READ_BYTES))

    async def _on_event(self, event: Event) -> None:
        match event:
            case RawData(data=data):
                if self._is_held:
                    self._head += data
                elif data or self._head:
                    data, self._head = self._head + data if self._head else data, b""
                    await self._write(data)
            case Updated(idle=True):
                self._idle, self._head_began = True, False
                self._scope.deadline = trio.current_time() + KEEP_ALIVE_S
            case Updated():
                self._idle = False
                self._scope.deadline = float("inf")
            case Closed():
                assert self._nursery is not None
                self._nursery.cancel_scope.cancel()

    async def _write(self, data: bytes) -> None:
        """Send bytes, piece by piece; the client must take each in time."""
        if self._descriptor >= 0 and not self._write_lock.locked():
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:
                pass
            except OSError:
                self._scope.cancel()
                return
            if not data:
                return
        async with self._write_lock:
            try:
                for start in range(0, len(data), READ_BYTES):
                    with trio.fail_after(STALL_S):
                        await self._stream.send_all(data[start : start + READ_BYTES])
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
                self._scope.cancel()

    # What Hypercorn's protocol calls to run the app.

    async def spawn_app(
        self, app: App, config: Config, scope: MutableMapping[str, Any], send: Send
    ) -> Callable[[Message], Awaitable[None]]:
        """Run the app for one request, and return what hands it the request's events."""
        exchange = _Exchange()
        assert self._nursery is not None
        self._nursery.start_soon(self._answer, app, scope, exchange, send)
        return exchange.put

    async def _answer(
        self,
        app: App,
        scope: MutableMapping[str, Any],
        exchange: _Exchange,
        send: Callable[[Any], Awaitable[None]],
    ) -> None:
        async def send_joined(message: Message) -> None:
            """Write a head together with the body if its length is known: one write, and one wake-up of the client."""
            self._is_held = message["type"] == "http.response.start" and any(
                name == b"content-length" for name, _ in message["headers"]
            )
            await send(message)

        try:
            await app(scope, exchange.receive, send_joined)
        except Exception:
            log.exception("an answer broke off", method=scope.get("method"))
        finally:
            exchange.finish()
        await send(None)
