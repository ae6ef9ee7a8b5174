"""
One client's connection: HTTP/1.1 in and out, with a limit on everything, and an ASGI app that answers.

h11 knows the protocol; sockets, tasks and deadlines are here. One task reads, so that a client that leaves is noticed
while its answer is made; the other parses, runs the app and writes. Neither HTTP/2 nor WebSocket is offered.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import h11
import structlog
import trio

KEEP_ALIVE_S: Final = 60.0
"""A connection without a request is closed; clients of the command line and of metrics come every few seconds."""

HEAD_S: Final = 10.0
"""From the first byte of a request to the end of its head."""

HEAD_BYTES_MAX: Final = 16 * 1024
"""Of a request line and all headers; tokens have 60 bytes, cursors 200."""

STALL_S: Final = 10.0
"""A client that takes no 64 KiB in this time is cut off."""

READ_BYTES: Final = 64 * 1024
"""At once; one such piece is read ahead of what the app takes."""

VERSIONS: Final = (b"1.1", b"1.0")

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
"""As ASGI has them."""

log = structlog.get_logger("noded.api")


class Connection:
    """Serves one connection until it ends."""

    def __init__(
        self,
        app: App,
        stream: trio.SocketStream | trio.SSLStream,
        client: tuple[str, int] | None,
    ) -> None:
        self._app = app
        self._stream = stream
        self._client = client
        self._is_tls = isinstance(stream, trio.SSLStream)
        self._descriptor = -1 if isinstance(stream, trio.SSLStream) else stream.socket.fileno()
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._pieces_in, self._pieces = trio.open_memory_channel[bytes](0)
        self._scope = trio.CancelScope()
        self._has_body = True
        """Whether the answer to the present request may have one."""
        self._head = b""
        """Of an answer whose body follows at once: one write, and one wake-up of the client."""

    async def run(self) -> None:
        """Serve until the client leaves, is too slow, or breaks the protocol; no exception but cancellation."""
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read)
                    await self._serve()
                    nursery.cancel_scope.cancel()
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
                    await trio.aclose_forcefully(self._stream)

    # Reading

    async def _read(self) -> None:
        """Hand on what comes; when nothing more can, all ends that the client asked for."""
        try:
            while data := await self._receive():
                try:
                    self._pieces_in.send_nowait(data)
                except trio.WouldBlock:
                    await self._pieces_in.send(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            pass
        self._scope.cancel()

    async def _receive(self) -> bytes:
        if self._descriptor >= 0:
            try:
                return os.read(self._descriptor, READ_BYTES)
            except BlockingIOError:
                pass
        return bytes(await self._stream.receive_some(READ_BYTES))

    async def _next_event(self) -> Any:
        """The next part of what the client says; waits for it."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
            self._http.receive_data(await self._pieces.receive())
        return event

    # Serving

    async def _serve(self) -> None:
        try:
            while await self._answer(await self._next_request()):
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            log.info("a client broke the protocol", client=self._client, error=str(error))
            await self._refuse(error.error_status_hint)

    async def _next_request(self) -> h11.Request:
        self._scope.deadline = trio.current_time() + KEEP_ALIVE_S
        request = self._http.next_event()
        if request is h11.NEED_DATA:
            self._http.receive_data(await self._pieces.receive())
            request = self._http.next_event()
        if request is h11.NEED_DATA:
            self._scope.deadline = trio.current_time() + HEAD_S
            request = await self._next_event()
        self._scope.deadline = float("inf")
        assert isinstance(request, h11.Request)
        if request.http_version not in VERSIONS:
            raise h11.RemoteProtocolError(f"version {request.http_version!r} is not spoken here", 505)
        return request

    async def _answer(self, request: h11.Request) -> bool:
        """Have the app answer; returns whether another request may follow."""
        self._has_body = request.method != b"HEAD"
        try:
            await self._app(self._scope_of(request), self._receive_part, self._send)
        except h11.RemoteProtocolError:
            raise
        except Exception:
            log.exception("an answer broke off", method=request.method)
        if self._http.our_state is h11.SEND_RESPONSE:
            await self._refuse(500)
        while self._http.their_state is h11.SEND_BODY and self._http.next_event() is not h11.NEED_DATA:
            pass  # A short body that nobody wanted is here already.
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    def _scope_of(self, request: h11.Request) -> Message:
        path, _, query = request.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.1"},
            "http_version": request.http_version.decode(),
            "method": request.method.decode(),
            "scheme": "https" if self._is_tls else "http",
            "path": unquote(path.decode()),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(request.headers),
            "client": self._client,
            "server": None,
        }

    async def _receive_part(self) -> Message:
        """What ASGI calls receive; a client that leaves is not told of: the app is cancelled."""
        if self._http.their_state is not h11.SEND_BODY:
            await trio.sleep_forever()
        event = await self._next_event()
        if isinstance(event, h11.Data):
            return {"type": "http.request", "body": bytes(event.data), "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Message) -> None:
        """What ASGI calls send."""
        if message["type"] == "http.response.start":
            status, headers = message["status"], message["headers"]
            self._has_body = self._has_body and status not in (204, 304)
            self._head = self._http.send(h11.Response(status_code=status, headers=headers))
            if any(name == b"content-length" for name, _ in headers):
                return
            data, self._head = self._head, b""
        else:
            data, self._head = self._head, b""
            body = message.get("body", b"")
            if body and self._has_body:
                data += self._http.send(h11.Data(data=body))
            if not message.get("more_body", False):
                data += self._http.send(h11.EndOfMessage())
        if data:
            await self._write(data)

    async def _refuse(self, status: int) -> None:
        """Answer in the app's place, if nothing has been answered yet, and for the last time."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        data = self._http.send(h11.Response(status_code=status, headers=headers))
        await self._write(data + self._http.send(h11.EndOfMessage()))

    async def _write(self, data: bytes) -> None:
        """Send bytes, piece by piece; the client must take each in time."""
        try:
            data = data[self._write_now(data) :]
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
