"""The API of a test's backend, served on real sockets, and calls to it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from noded.api.backend import Backend
from noded.api.serving import Api
from noded.api.settings import ApiSettings
from noded.api.tokens import Scope
from noded.client.sockets import SOCKET_NAME, short_path
from noded.client.wire import AnswerReader, request_bytes

TCP = ("127.0.0.1", 0)
"""A port that the system chooses."""

NOW_MS = 1_700_000_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """An answer of the API."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The name of the error that the problem details tell."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.json["status"] == self.status
        return str(self.json["type"]).removeprefix("urn:noded:problem:")


@dataclass(slots=True)
class ServedApi:
    """A running API, and a clock that the test moves."""

    api: Api
    home: Path
    addresses: list[str]
    clock: list[int] = field(default_factory=lambda: [NOW_MS])

    async def connect(self, address: str = "unix") -> trio.SocketStream:
        """A connection to the node's own socket, or to ``http``."""
        if address == "unix":
            folder = trio.Path(self.home)
            made = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
            await made.connect(short_path(Path(folder) / SOCKET_NAME, 0))
            return trio.SocketStream(made)
        url = next(each for each in self.addresses if each.startswith(address))
        host, _, port = url.partition("://")[2].rpartition(":")
        return await trio.open_tcp_stream(host, int(port))

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        over: str = "unix",
    ) -> Told:
        """One request on a connection of its own."""
        async with await self.connect(over) as stream:
            with suppress(trio.BrokenResourceError):  # It may answer and close before it has read all.
                await stream.send_all(request_bytes(method, target, headers or {}, body))
            return await read_answer(stream)

    async def exchange(self, request: bytes) -> bytes:
        """All that comes on a connection of its own after some bytes, until the node closes it."""
        async with await self.connect() as stream:
            await stream.send_all(request)
            return b"".join([part async for part in stream])

    async def get(self, target: str, **more: Any) -> Told:
        return await self.ask("GET", target, **more)

    async def post(self, target: str, body: bytes = b"", kind: str = "application/json", **more: Any) -> Told:
        return await self.ask("POST", target, body, headers={"content-type": kind}, **more)

    def token(self, *scopes: Scope, valid_ms: int = 1000) -> dict[str, str]:
        """The header of a client with these scopes."""
        _, text = self.api.tokens.create("test", scopes, valid_ms=valid_ms)
        return {"authorization": f"Bearer {text}"}


async def read_answer(stream: trio.abc.ReceiveStream) -> Told:
    """An answer, whole."""
    reader = AnswerReader()
    parts = []
    while not reader.is_complete:
        parts.append(reader.feed(await stream.receive_some(65536)))
    assert reader.status is not None
    return Told(reader.status, reader.headers, b"".join(parts))


@asynccontextmanager
async def serve(backend: Backend, home: Path, **changes: Any) -> AsyncIterator[ServedApi]:
    """Serve the API from a home; over TCP only where `changes` say so (`listen=TCP`)."""
    values: dict[str, Any] = {
        "home": home,
        "listen": None,
        "metrics_listen": None,
        "tls_certificate": None,
        "tls_key": None,
        "connections_max": 256,
        "connections_per_client_max": 256,
        "requests_per_s": 100_000,
        "requests_burst": 100_000,
    }
    clock = [NOW_MS]
    api = Api(backend, ApiSettings(**{**values, **changes}), clock_ms=lambda: clock[0])
    async with trio.open_nursery() as nursery:
        addresses = await nursery.start(api.run)
        yield ServedApi(api, home, addresses, clock)
        nursery.cancel_scope.cancel()
