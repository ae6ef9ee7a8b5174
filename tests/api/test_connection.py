"""Hostile and clumsy clients: refused, cut off, and nothing of them left behind."""

import json
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from noded.api import bodies, connection
from noded.api.connection import HEAD_BYTES_MAX, Connection, Receive, Send
from noded.api.serving import Door
from tests.helpers.api import TCP, read_answer, serve
from tests.helpers.backend import TestBackend


async def echo(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    size = 0
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    text = str(size).encode()
    headers = [(b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def ignore_body(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answers at once, whatever is still to come."""
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def flood(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    """Answers without end."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})


async def fail(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
    raise RuntimeError("a bug")


async def connected(app: Any, nursery: trio.Nursery) -> tuple[trio.SocketStream, trio.Event]:
    """A client's end of a served connection, and an event for when the server's end is over."""
    over = trio.Event()
    ours, theirs = trio.socket.socketpair()

    async def run() -> None:
        await Connection(app, trio.SocketStream(theirs), ("127.0.0.1", 1)).run()
        over.set()

    nursery.start_soon(run)
    return trio.SocketStream(ours), over


class TestRequests:
    async def test_several_follow_on_one_connection(self) -> None:
        async with trio.open_nursery() as nursery:
            client, over = await connected(echo, nursery)
            for size in (0, 5, 100_000):
                await client.send_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size)
                await client.send_all(bytes(size))
                assert (await read_answer(client)).body == str(size).encode()
            await client.aclose()
            await over.wait()

    async def test_chunks_are_put_together(self) -> None:
        async with trio.open_nursery() as nursery:
            client, _ = await connected(echo, nursery)
            await client.send_all(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in range(3):
                await client.send_all(b"4\r\nabcd\r\n")
            await client.send_all(b"0\r\n\r\n")

            assert (await read_answer(client)).body == b"12"
            await client.aclose()

    async def test_requests_sent_ahead_are_answered_in_order(self) -> None:
        async with trio.open_nursery() as nursery:
            client, _ = await connected(echo, nursery)
            await client.send_all(
                b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\na"
                b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nbc"
            )
            received = b""
            while data := await client.receive_some(1000):
                received += data

            assert received.count(b"HTTP/1.1 200") == 2
            assert received.endswith(b"2")

    async def test_others_come_between_requests_sent_ahead(self) -> None:
        turns = 0
        seen: list[int] = []

        async def note(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            seen.append(turns)
            await ignore_body(scope, receive, send)

        async with trio.open_nursery() as nursery:
            client, over = await connected(note, nursery)
            await client.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n" * 20)
            await client.send_eof()
            while not over.is_set():
                await trio.lowlevel.checkpoint()
                turns += 1

        assert len(seen) == 20
        assert len(set(seen)) >= 10

    async def test_an_answer_to_head_has_no_body(self) -> None:
        async with trio.open_nursery() as nursery:
            client, _ = await connected(echo, nursery)
            await client.send_all(b"HEAD / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            received = b""
            while data := await client.receive_some(1000):
                received += data

        head, _, body = received.partition(b"\r\n\r\n")
        assert b"content-length: 1" in head.lower()
        assert body == b""

    async def test_who_waits_for_leave_to_send_a_body_gets_it(self) -> None:
        async with trio.open_nursery() as nursery:
            client, _ = await connected(echo, nursery)
            await client.send_all(
                b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"
            )
            with trio.fail_after(30):
                assert (await client.receive_some(1000)).startswith(b"HTTP/1.1 100 ")
            await client.send_all(b"ab")

            assert (await read_answer(client)).body == b"2"
            await client.aclose()

    async def test_a_short_body_that_the_route_ignores_ends_nothing(self) -> None:
        async with trio.open_nursery() as nursery:
            client, _ = await connected(ignore_body, nursery)
            for _ in range(2):
                await client.send_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc")
                assert (await read_answer(client)).status == 413
            await client.aclose()

    async def test_an_older_client_is_answered_and_left(self) -> None:
        async with trio.open_nursery() as nursery:
            client, over = await connected(echo, nursery)
            await client.send_all(b"GET / HTTP/1.0\r\n\r\n")
            received = b""
            while data := await client.receive_some(1000):
                received += data
            await over.wait()

        assert received.startswith(b"HTTP/1.1 200")
        assert received.endswith(b"0")

    async def test_an_answer_is_one_write(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each costs a call of the kernel and wakes the client."""
        written: list[bytes] = []
        write = os.write

        def note(descriptor: int, data: bytes) -> int:
            written.append(bytes(data))
            return write(descriptor, data)

        monkeypatch.setattr(os, "write", note)
        async with trio.open_nursery() as nursery:
            client, _ = await connected(echo, nursery)
            for content in (b"abc", b""):
                await client.send_all(
                    b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (len(content), content)
                )
                assert (await read_answer(client)).body == b"%d" % len(content)
            await client.aclose()

        heads = [data for data in written if data.startswith(b"HTTP/1.1 200")]
        assert [data[-5:] for data in heads] == [b"\r\n\r\n3", b"\r\n\r\n0"]

    async def test_a_stream_tells_its_head_before_its_first_part(self) -> None:
        async def wait(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            client, _ = await connected(wait, nursery)
            await client.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            with trio.fail_after(30):
                assert (await client.receive_some(1000)).startswith(b"HTTP/1.1 200")
            nursery.cancel_scope.cancel()

    async def test_a_bug_in_a_route_ends_that_request_only(self) -> None:
        async with trio.open_nursery() as nursery:
            client, over = await connected(fail, nursery)
            await client.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")

            assert (await read_answer(client)).status == 500
            await client.aclose()
            await over.wait()


class TestHostileClients:
    @pytest.mark.parametrize(
        "sent",
        [
            b"\x00" * 1000,
            b"GET / HTTP/1.1\r\n\r\n",  # Without a host.
            b"GET / HTTP/9.9\r\nhost: x\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS to a plain port.
            b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
            b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
            b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"b" * 2 * HEAD_BYTES_MAX,
            b"GET /" + b"a" * 2 * HEAD_BYTES_MAX,
            b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * HEAD_BYTES_MAX,
        ],
    )
    async def test_what_is_no_request_ends_the_connection(self, sent: bytes) -> None:
        async with trio.open_nursery() as nursery:
            client, over = await connected(echo, nursery)
            try:
                await client.send_all(sent)
                answer = b""
                while data := await client.receive_some(1000):
                    answer += data
            except trio.BrokenResourceError:
                answer = b""
            await over.wait()

            assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))

    @pytest.mark.parametrize(
        ("sent", "status", "why"),
        [
            (b"GET / HTTP/1.1\r\n\r\n", 400, "Missing mandatory Host: header"),
            (b"GET / HTTP/1.2\r\nhost: x\r\n\r\n", 505, "HTTP/1.1 and HTTP/1.0 are spoken here"),
            (b"HEAD / HTTP/1.2\r\nhost: x\r\n\r\n", 505, ""),
            (b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400, "bad Content-Length"),
            (b"GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n", 501, "Transfer-Encoding"),
        ],
    )
    async def test_what_is_no_request_is_told_why(
        self, sent: bytes, status: int, why: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """W4, and nothing of it is an error of the node's."""
        async with trio.open_nursery() as nursery:
            client, over = await connected(echo, nursery)
            await client.send_all(sent)
            head, _, body = b"".join([part async for part in client]).partition(b"\r\n\r\n")
            await over.wait()

        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"application/problem+json" in head
        assert why in (json.loads(body)["detail"] if body else "")
        assert "Traceback" not in "".join(capsys.readouterr())

    @pytest.mark.parametrize("upgrade", ["h2c", "websocket"])
    async def test_nobody_switches_to_another_protocol(self, upgrade: str, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path) as served, await served.connect() as stream:
            await stream.send_all(
                b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: "
                + upgrade.encode()
                + b"\r\nhttp2-settings: AAMAAABkAAQAAP__\r\nsec-websocket-version: 13\r\n"
                b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            answer = await stream.receive_some(1000)
            alive = await served.get("/livez")

        assert answer.startswith(b"HTTP/1.1 200 ")
        assert alive.status == 200

    async def test_a_body_that_nobody_reads_holds_nothing_up(self) -> None:
        """The route answered; whatever more comes is not kept, and the connection ends."""
        async with trio.open_nursery() as nursery:
            client, over = await connected(ignore_body, nursery)
            await client.send_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n")
            with pytest.raises(trio.BrokenResourceError):
                await client.send_all(bytes(100_000_000))
            await over.wait()

    @pytest.mark.parametrize(
        "head",
        [
            b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            b"GET / HTTP/1.0\r\n\r\n",
        ],
    )
    async def test_a_client_that_leaves_takes_its_request_along(
        self, monkeypatch: pytest.MonkeyPatch, head: bytes
    ) -> None:
        monkeypatch.setattr(connection, "LOOK_S", 0.05)
        cancelled = trio.Event()

        async def wait(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            try:
                await trio.sleep_forever()
            finally:
                cancelled.set()

        async with trio.open_nursery() as nursery:
            client, over = await connected(wait, nursery)
            await client.send_all(head)
            await trio.testing.wait_all_tasks_blocked(0.05)
            await client.aclose()
            await over.wait()

        assert cancelled.is_set()

    async def test_who_does_not_read_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "STALL_S", 0.1)
        async with trio.open_nursery() as nursery:
            client, over = await connected(flood, nursery)
            await client.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await over.wait()

    async def test_who_sends_nothing_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "KEEP_ALIVE_S", 0.1)
        async with trio.open_nursery() as nursery:
            client, over = await connected(echo, nursery)
            await over.wait()

            assert await client.receive_some(1) == b""

    async def test_who_sends_a_head_drop_by_drop_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "HEAD_S", 0.2)
        async with trio.open_nursery() as nursery:
            client, over = await connected(echo, nursery)
            with pytest.raises(trio.BrokenResourceError):  # noqa: PT012
                for byte in b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000:
                    await client.send_all(bytes((byte,)))
                    await trio.sleep(0.01)
            await over.wait()

    async def test_who_sends_a_body_drop_by_drop_is_told_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bodies, "PATIENCE_S", 0.1)
        async with serve(TestBackend(), tmp_path) as served, await served.connect() as stream:
            await stream.send_all(
                b"POST /v1/txs HTTP/1.1\r\nhost: x\r\ncontent-type: application/cbor\r\ncontent-length: 9\r\n\r\n\x81"
            )
            answer = await read_answer(stream)

        assert (answer.status, answer.reason) == (408, "BodyTooSlow")

    async def test_chunks_without_end_are_not_all_read(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path) as served, await served.connect() as stream:
            await stream.send_all(
                b"POST /v1/txs HTTP/1.1\r\nhost: x\r\ncontent-type: application/cbor\r\n"
                b"transfer-encoding: chunked\r\n\r\n"
            )
            answer = b""

            async def receive() -> None:
                nonlocal answer
                answer = await stream.receive_some(1000)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                try:
                    for _ in range(1000):
                        await stream.send_all(b"10000\r\n" + bytes(65536) + b"\r\n")
                except trio.BrokenResourceError:
                    pass
                else:
                    raise AssertionError("all 64 MiB were taken")

        assert answer.startswith(b"HTTP/1.1 413 ")


class TestDoor:
    def test_clients_have_a_share_and_all_a_limit(self) -> None:
        door = Door(all_max=3, client_max=2)

        assert [door.enter(client) for client in "aaabc"] == [True, True, False, True, False]
        door.leave("a")
        assert door.enter("c")
        assert not door.enter("a")

    async def test_connections_beyond_it_are_closed_unheard(self, tmp_path: Path) -> None:
        async with serve(TestBackend(), tmp_path, listen=TCP, connections_per_client_max=2) as served:
            first, second = await served.connect("http"), await served.connect("http")
            await trio.testing.wait_all_tasks_blocked(0.05)
            third = await served.connect("http")
            with pytest.raises((trio.BrokenResourceError, StopAsyncIteration, AssertionError)):
                assert await third.receive_some(1) != b""
            await first.aclose()
            await trio.testing.wait_all_tasks_blocked(0.05)

            assert (await served.get("/livez", over="http")).status == 200
            await second.aclose()


async def test_nothing_is_left_of_many_clients(tmp_path: Path) -> None:
    """Tasks of connections end with them, whatever the clients did."""
    async with serve(TestBackend(), tmp_path, listen=TCP) as served:
        await served.get("/livez", over="http")
        await trio.testing.wait_all_tasks_blocked(0.05)
        before = trio.lowlevel.current_statistics().tasks_living
        for sent in (
            b"",
            b"GET",
            b"\x00" * 100,
            b"POST /v1/txs HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n",
        ):
            for _ in range(10):
                stream = await served.connect("http")
                if sent:
                    await stream.send_all(sent)
                await trio.aclose_forcefully(stream)
        while trio.lowlevel.current_statistics().tasks_living > before:
            await trio.sleep(0.01)
