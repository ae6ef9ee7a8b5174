"""A node's HTTP API under Trio: many calls at once, each on a connection of its own that is kept for the next."""

import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlencode

import trio

from noded.client.answers import NodeUnreachable, Posted, decode_posted, encode_posted, refusal
from noded.client.sockets import SOCKET_NAME, short_path
from noded.client.wire import AnswerReader, NotHttp, request_bytes

KEPT_MAX: Final = 64
"""Idle connections kept for later calls."""

READ_BYTES: Final = 64 * 1024

CBOR: Final = "application/cbor"


class AsyncNodeClient:
    """Talks to the node in a home on this machine; used within one nursery, closed by `aclose`."""

    def __init__(self, home: Path) -> None:
        """Connect only when something is asked."""
        self._path = home / SOCKET_NAME
        self._idle: list[trio.SocketStream] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
            await trio.aclose_forcefully(self._idle.pop())

    async def get(self, path: str, /, **query: Any) -> Any:
        """
        The JSON at a path.

        Raises:
            NodeUnreachable: No node answers.
            Refused: The node says no.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        return json.loads(await self._ask("GET", target, {}, None))

    async def post_transactions(self, transactions: Sequence[bytes], *, wait_s: float = 0) -> list[Posted]:
        """Hand in encoded transactions, and wait up to a time until they are final; errors as `get`."""
        target = f"/v1/txs?wait={wait_s:g}" if wait_s else "/v1/txs"
        return decode_posted(
            await self._ask("POST", target, {"content-type": CBOR}, encode_posted(transactions))
        )

    async def lines(self, path: str, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
        """The lines of a stream of events, as they come; errors as `get`."""
        stream = await self._connect()
        try:
            reader = AnswerReader()
            await stream.send_all(request_bytes("GET", path, headers, None))
            rest = b""
            while not reader.is_complete:
                part = reader.feed(await stream.receive_some(READ_BYTES))
                if reader.status is not None and reader.status >= 400:
                    raise refusal(reader.status, part)
                *whole, rest = (rest + part).split(b"\n")
                for line in whole:
                    yield line
        except (trio.BrokenResourceError, NotHttp) as error:
            raise NodeUnreachable(f"the node at {self._path} went away: {error}") from error
        finally:
            await trio.aclose_forcefully(stream)

    async def _ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        request = request_bytes(method, target, headers, body)
        while self._idle:
            stream = self._idle.pop()
            try:
                return await self._exchange(stream, request)
            except _Gone:
                continue  # The node closed it while it was idle, and has seen nothing of the request.
        try:
            return await self._exchange(await self._connect(), request)
        except _Gone as error:
            raise NodeUnreachable(f"the node at {self._path} went away") from error

    async def _exchange(self, stream: trio.SocketStream, request: bytes) -> bytes:
        reader = AnswerReader()
        parts: list[bytes] = []
        is_kept = False
        began = False
        try:
            await stream.send_all(request)
            while not reader.is_complete:
                data = await stream.receive_some(READ_BYTES)
                if not data and not began:
                    raise _Gone
                began = True
                parts.append(reader.feed(data))
            is_kept = not reader.is_last and len(self._idle) < KEPT_MAX
        except trio.BrokenResourceError as error:
            raise (
                _Gone() if not began else NodeUnreachable(f"the node at {self._path} went away")
            ) from error
        except NotHttp as error:
            raise NodeUnreachable(f"what answers at {self._path} is no node: {error}") from error
        finally:
            if is_kept:
                self._idle.append(stream)
            else:
                await trio.aclose_forcefully(stream)
        answer = b"".join(parts)
        assert reader.status is not None
        if reader.status >= 400:
            raise refusal(reader.status, answer)
        return answer

    async def _connect(self) -> trio.SocketStream:
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        made = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
        try:
            await made.connect(short_path(self._path, folder))
        except OSError as error:
            made.close()
            raise NodeUnreachable(f"no node answers at {self._path}: {error.strerror}") from error
        finally:
            os.close(folder)
        return trio.SocketStream(made)


class _Gone(Exception):
    """The connection had ended before the request was sent."""
