"""Questions and answers multiplexed on the bulk lane, by ids that count up within a connection."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from noded.network.faults import UnexpectedFrame
from noded.network.frames import Kind, decode_answer, decode_request, encode_answer, encode_request
from noded.network.interface import BULK_PAYLOAD_BYTES_MAX, PeerUnavailable, RequestRefused
from noded.network.limits import REFUSAL_BYTES_MAX, REQUESTS_IN_MAX, REQUESTS_OUT_MAX
from noded.network.queues import SendQueue

_REQUEST_ID_END = 2**32
_T = TypeVar("_T")


class Tether:
    """Ends what waits for a connection when the connection ends."""

    def __init__(self) -> None:
        self._scopes: dict[int, trio.CancelScope] = {}
        self._next = 0
        self._cut = False

    async def hold(self, call: Awaitable[_T]) -> _T:
        """
        Await a call for as long as the connection lasts.

        Raises:
            PeerUnavailable: The connection ended first.
        """
        number, self._next = self._next, self._next + 1
        with trio.CancelScope() as scope:
            self._scopes[number] = scope
            if self._cut:
                scope.cancel()
            try:
                return await call
            finally:
                del self._scopes[number]
        raise PeerUnavailable("the connection ended before the answer")

    def cut(self) -> None:
        """The connection has ended."""
        self._cut = True
        for scope in self._scopes.values():
            scope.cancel()


class _Waiting:
    """One question under way."""

    __slots__ = ("answer", "answered", "refusal")

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.answer = b""
        self.refusal: str | None = None


class Asking:
    """The questions this node has put to one peer."""

    def __init__(self, queue: SendQueue) -> None:
        self._queue = queue
        self._places = trio.Semaphore(REQUESTS_OUT_MAX)
        self._waiting: dict[int, _Waiting] = {}
        self._next_id = 0

    async def ask(self, kind: int, payload: bytes) -> bytes:
        """
        Put a question and wait for its answer for as long as it takes.

        Raises:
            RequestRefused: The peer will not answer.
        """
        assert len(payload) <= BULK_PAYLOAD_BYTES_MAX
        async with self._places:
            request_id, self._next_id = self._next_id, self._next_id + 1
            assert request_id < _REQUEST_ID_END
            waiting = self._waiting[request_id] = _Waiting()
            try:
                await self._queue.put_when_room(encode_request(request_id, kind, payload))
                await waiting.answered.wait()
            finally:
                del self._waiting[request_id]
        if waiting.refusal is not None:
            raise RequestRefused(waiting.refusal)
        return waiting.answer

    def on_answer(self, kind: int, body: bytes) -> None:
        """
        Take a RESPONSE or REFUSAL; one to a question given up meanwhile is ignored.

        Raises:
            UnexpectedFrame: It answers what was never asked.
        """
        request_id, payload = decode_answer(body)
        if request_id >= self._next_id:
            raise UnexpectedFrame(f"an answer to request {request_id}, of {self._next_id}")
        waiting = self._waiting.get(request_id)
        if waiting is None:
            return
        if kind == Kind.REFUSAL:
            waiting.refusal = payload[:REFUSAL_BYTES_MAX].decode("utf-8", "replace")
        else:
            waiting.answer = payload
        waiting.answered.set()


class Answering:
    """The questions of one peer that this node is answering."""

    def __init__(self, queue: SendQueue, answer: Callable[[int, bytes], Awaitable[bytes]]) -> None:
        self._queue = queue
        self._answer = answer
        self._under_way = 0

    def accept(self, body: bytes) -> tuple[int, int, bytes] | None:
        """
        Take a REQUEST; None when it was refused because too many are under way.

        Raises:
            UnexpectedFrame: Its body is cut short.
        """
        request = decode_request(body)
        if self._under_way >= REQUESTS_IN_MAX:
            # An honest peer does not get here; should the queue be full too, it may wait in vain.
            self._queue.put(encode_answer(Kind.REFUSAL, request[0], b"TooManyRequests"))
            return None
        self._under_way += 1
        return request

    async def serve(self, request_id: int, kind: int, payload: bytes) -> None:
        """Have an accepted request answered."""
        try:
            try:
                answer = await self._answer(kind, payload)
            except RequestRefused as refusal:
                reason = refusal.reason.encode()[:REFUSAL_BYTES_MAX]
                await self._queue.put_when_room(encode_answer(Kind.REFUSAL, request_id, reason))
            else:
                await self._queue.put_when_room(encode_answer(Kind.RESPONSE, request_id, answer))
        finally:
            self._under_way -= 1
