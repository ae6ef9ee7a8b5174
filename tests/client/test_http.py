"""Both clients against a served API: what they hand over is what the routes mean."""

import socket
from collections.abc import AsyncIterator, Callable
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from noded.api.tokens import Scope
from noded.client import http
from noded.client.answers import NodeUnreachable, Refused
from noded.client.async_http import AsyncNodeClient
from noded.client.http import NodeClient
from noded.client.sockets import SOCKET_NAME
from noded.types.ids import TransactionHash
from noded.types.medical import CiphertextHash, RecordId, RequestId, Version
from tests.api.test_serving import write_certificate
from tests.api.test_transactions import anchor
from tests.helpers.api import TCP, ServedApi, serve
from tests.helpers.backend import TestBackend
from tests.helpers.medical import PATIENT
from tests.helpers.story import tell_story

T = TypeVar("T")


@pytest.fixture
def backend() -> TestBackend:
    return tell_story()


@pytest.fixture
async def served(backend: TestBackend, tmp_path: Path) -> AsyncIterator[ServedApi]:
    async with serve(backend, tmp_path) as served:
        yield served


async def call(home: Path, use: Callable[[NodeClient], T]) -> T:
    """Use a client of the node in a home, in a thread as commands do."""

    def run() -> T:
        with NodeClient.in_home(home) as client:
            return use(client)

    return await trio.to_thread.run_sync(run)


class TestNodeClient:
    async def test_values_come_as_json(self, served: ServedApi) -> None:
        status = await call(served.home, lambda client: client.get("/v1/status"))

        assert status["status"]["height"] == 4

    async def test_one_connection_serves_many_calls(self, served: ServedApi) -> None:
        def use(client: NodeClient) -> tuple[int, int]:
            for _ in range(5):
                client.get("/v1/status")
            first = client._socket
            with pytest.raises(Refused):
                client.get("/v1/records/0")
            client.get("/v1/status")
            assert first is not None
            return first.fileno(), client._socket.fileno() if client._socket else -1

        first, last = await call(served.home, use)

        assert first == last

    async def test_a_connection_that_the_node_closed_is_made_again(
        self, served: ServedApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("noded.api.connection.KEEP_ALIVE_S", 0.05)

        def use(client: NodeClient) -> bool:
            client.get("/v1/status")
            first = client._socket
            trio.from_thread.run(trio.sleep, 0.5)
            client.get("/v1/status")
            return client._socket is not first

        assert await call(served.home, use)

    async def test_lists_are_followed_to_their_end(self, served: ServedApi) -> None:
        path = f"/v1/patients/{PATIENT.id.hex()}/access"
        items = await call(served.home, lambda client: list(client.pages(path, limit=1)))

        assert len(items) == 2

    async def test_a_refusal_has_its_reason(self, served: ServedApi) -> None:
        with pytest.raises(Refused, match="NoSuchThing: there is no record") as caught:
            await call(served.home, lambda client: client.get(f"/v1/records/{'0' * 32}"))

        assert (caught.value.status, caught.value.reason) == (404, "NoSuchThing")

    async def test_transactions_are_posted_and_waited_for(
        self, served: ServedApi, backend: TestBackend
    ) -> None:
        backend.commits_at_once = True
        good, bad = anchor(backend), b"nonsense"
        sender = backend.genesis.institutions[0].account_key
        good = backend.chain.transaction(*good.transaction.body.operations, sender=sender)

        posted = await call(
            served.home, lambda client: client.post_transactions([good.encoding, bad], wait_s=10)
        )

        assert posted[0].hash == good.hash
        assert posted[0].is_applied
        assert posted[0].height == 5
        assert (posted[1].refused, posted[1].is_applied) == ("Malformed", False)

    async def test_one_that_never_comes_is_none(self, served: ServedApi) -> None:
        name = TransactionHash(bytes(32))

        assert await call(served.home, lambda client: client.wait_transaction(name, 0.05)) is None

    async def test_events_come_one_by_one(self, served: ServedApi) -> None:
        events = await call(
            served.home, lambda client: list(islice(client.events(after="1", name="access."), 2))
        )

        assert [(event.id, event.name, event.data["height"]) for event in events] == [
            ("3", "block", 3),
            ("4", "block", 4),
        ]

    async def test_tokens_are_managed(self, served: ServedApi) -> None:
        def use(client: NodeClient) -> list[object]:
            made = client.post("/v1/admin/tokens", {"name": "x", "scopes": ["read"], "valid_s": 5})
            client.delete(f"/v1/admin/tokens/{made['view']['id']}")
            return list(client.get("/v1/admin/tokens"))

        assert await call(served.home, use) == []


async def test_a_node_may_take_longer_where_it_waits_for_others(tmp_path: Path) -> None:
    class Fetching(TestBackend):
        async def fetch(self, request: RequestId, record: RecordId, version: Version) -> CiphertextHash:
            await trio.sleep(1)
            return CiphertextHash(bytes(32))

    async with serve(Fetching(), tmp_path) as served:
        path = f"/v1/reads/{'0' * 32}/fetch/{'0' * 32}/1"

        def fetch(patience_s: float) -> object:
            with NodeClient.in_home(served.home, timeout_s=0.2) as client:
                return client.post(path, patience_s=patience_s)

        with pytest.raises(NodeUnreachable):
            await trio.to_thread.run_sync(fetch, 0)
        assert await trio.to_thread.run_sync(fetch, 20) == {"ciphertext": "00" * 32}


class TestNobodyThere:
    async def test_a_home_without_a_node(self, tmp_path: Path) -> None:
        with pytest.raises(NodeUnreachable, match=SOCKET_NAME):
            await call(tmp_path, lambda client: client.get("/v1/status"))

    async def test_a_node_that_went_away(self, tmp_path: Path) -> None:
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(tmp_path / SOCKET_NAME))
        stale.close()
        with pytest.raises(NodeUnreachable, match="Connection refused"):
            await call(tmp_path, lambda client: client.get("/v1/status"))

    async def test_something_that_is_no_node(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(tmp_path / SOCKET_NAME))
            other.listen()

            def greet() -> None:
                client, _ = other.accept()
                client.sendall(b"220 mail ready\r\n\r\n")
                client.close()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, greet)
                with pytest.raises(NodeUnreachable):
                    await call(tmp_path, lambda client: client.get("/v1/status"))

    async def test_a_stream_that_falls_silent_for_good(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The node's machine is gone, and nothing closes the connection."""
        monkeypatch.setattr(http, "SILENCE_S", 0.1)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(tmp_path / SOCKET_NAME))
            other.listen()
            clients = []

            def begin() -> None:
                clients.append(other.accept()[0])
                clients[0].sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")

            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, begin)
                with trio.fail_after(20), pytest.raises(NodeUnreachable, match="timed out"):
                    await call(tmp_path, lambda client: list(client.events()))
            clients[0].close()

    @pytest.mark.parametrize(
        "url",
        [
            "localhost:1",
            "ftp://localhost:1",
            "https://",
            "http://localhost",
            "http://localhost:x",
            "http://localhost:99999",
            "http://[::1",
        ],
    )
    def test_what_is_no_address(self, url: str) -> None:
        with pytest.raises(NodeUnreachable, match="is no URL of a node"):
            NodeClient.at(url)


async def test_over_tls_with_a_token(tmp_path: Path) -> None:
    pem, secret = write_certificate(tmp_path)
    async with serve(TestBackend(), tmp_path, listen=TCP, tls_certificate=pem, tls_key=secret) as served:
        url = next(each for each in served.addresses if each.startswith("https")).replace(
            "127.0.0.1", "localhost"
        )
        token = served.token(Scope.READ)["authorization"].removeprefix("Bearer ")

        def run(certificate: Path | None) -> object:
            with NodeClient.at(url, token=token, certificate=certificate) as client:
                client.get("/v1/status")
                first = client._socket
                name = client.get("/v1/status")["chain_name"]
                assert client._socket is first
                return name

        assert await trio.to_thread.run_sync(run, pem) == "test"
        with pytest.raises(NodeUnreachable, match="certificate"):
            await trio.to_thread.run_sync(run, None)


class TestAsyncNodeClient:
    async def test_many_calls_run_at_once(self, served: ServedApi, backend: TestBackend) -> None:
        sender = backend.genesis.institutions[0].account_key
        transactions = [
            backend.chain.transaction(*anchor(backend, number).transaction.body.operations, sender=sender)
            for number in (1, 2, 3)
        ]
        heights: list[int | None] = []
        async with AsyncNodeClient(served.home) as client:

            async def post(index: int) -> None:
                (posted,) = await client.post_transactions([transactions[index].encoding], wait_s=60)
                heights.append(posted.height)

            async with trio.open_nursery() as nursery:
                for index in range(3):
                    nursery.start_soon(post, index)
                while len(backend.pending) < 3:
                    await trio.sleep(0.01)
                backend.commit()
            kept = len(client._idle)
            assert (await client.get("/v1/status"))["status"]["height"] == 5

        assert heights == [5, 5, 5]
        assert kept == 3

    async def test_refusals_and_absence_are_told_as_by_the_other(
        self, served: ServedApi, tmp_path: Path
    ) -> None:
        async with AsyncNodeClient(served.home) as client:
            with pytest.raises(Refused, match="NoSuchThing"):
                await client.get(f"/v1/records/{'0' * 32}")
        missing = tmp_path / "missing"
        missing.mkdir()
        async with AsyncNodeClient(missing) as client:
            with pytest.raises(NodeUnreachable):
                await client.get("/v1/status")

    async def test_idle_connections_that_ended_are_replaced(
        self, served: ServedApi, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("noded.api.connection.KEEP_ALIVE_S", 0.05)
        async with AsyncNodeClient(served.home) as client:
            await client.get("/v1/status")
            await trio.sleep(0.3)

            assert (await client.get("/v1/status"))["status"]["height"] == 4

    async def test_a_stream_gives_its_lines(self, served: ServedApi) -> None:
        async with AsyncNodeClient(served.home) as client:
            lines = []
            async for line in client.lines("/v1/events?start=4", {}):
                lines.append(line)
                if line.startswith(b"data:"):
                    break

        assert b"id: 4" in lines
