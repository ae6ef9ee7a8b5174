"""
A node's HTTP API for commands: one call after another, over the socket in its home or over TCP.

What is loaded decides how long a command takes: one that asks for the status has 0.2 s in all.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode, urlsplit

from noded.client.answers import (
    ANSWER_BYTES_MAX,
    AT_LEAST_HEADER,
    NodeUnreachable,
    Posted,
    Refused,
    decode_posted,
    encode_posted,
    refusal,
)
from noded.client.sockets import SOCKET_NAME, short_path
from noded.client.wire import AnswerReader, NotHttp, request_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from noded.types.ids import TransactionHash  # What it needs to be checked costs 60 ms to load.

TIMEOUT_S: Final = 30.0
"""For an answer, besides what the node is asked to wait."""

SILENCE_S: Final = 60.0
"""Of a stream of events: a node shows every 15 s that it is there."""

LINE_BYTES_MAX: Final = 16 * 1024 * 1024
"""One line of an event stream; a block's events are the longest."""

READ_BYTES: Final = 256 * 1024

JSON: Final = "application/json"
CBOR: Final = "application/cbor"


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a stream."""

    id: str
    """What a later call resumes after: a height."""
    name: str
    data: Any


class NodeClient:
    """Talks to one node; a context manager, used by one thread at a time."""

    def __init__(
        self,
        connect: "Callable[[], socket.socket]",
        name: str,
        *,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Use `in_home` or `at`."""
        self._connect = connect
        self._name = name
        self._timeout_s = timeout_s
        self._headers = dict(headers or {})
        self._socket: socket.socket | None = None
        self.at_least: int | None = None
        """The height at or after which all answers are to hold; None for the node's own."""

    @classmethod
    def in_home(cls, home: Path, *, timeout_s: float = TIMEOUT_S, at_least: int | None = None) -> Self:
        """The node that runs in a home on this machine."""
        path = home / SOCKET_NAME
        made = cls(lambda: _connect_unix(path), str(path), timeout_s=timeout_s)
        made.at_least = at_least
        return made

    @classmethod
    def at(
        cls,
        url: str,
        *,
        token: str | None = None,
        certificate: Path | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Self:
        """
        The node at an address.

        Args:
            url: ``https://host:port`` or ``http://host:port``.
            token: From the node's operator.
            certificate: In PEM, trusted besides the system's; for certificates of one's own.
            timeout_s: For an answer, besides what the node is asked to wait.

        Raises:
            NodeUnreachable: The URL is none.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise NodeUnreachable(f"{url} is no URL of a node: {error}") from error
        if parts.scheme not in ("http", "https") or host is None or port is None:
            raise NodeUnreachable(f"{url} is no URL of a node; expected https://host:port")

        def connect() -> socket.socket:
            plain = socket.create_connection((host, port), timeout_s)
            return _secure(plain, host, certificate) if parts.scheme == "https" else plain

        headers = {"authorization": f"Bearer {token}"} if token else {}
        return cls(connect, url, timeout_s=timeout_s, headers=headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def get(self, path: str, /, **query: Any) -> Any:
        """
        The JSON at a path.

        Raises:
            NodeUnreachable: No node answers.
            Refused: The node says no.
        """
        return json.loads(self.get_bytes(path, **query))

    def get_bytes(self, path: str, /, **query: Any) -> bytes:
        """The bytes at a path; errors as `get`."""
        return self._ask("GET", _with_query(path, query))

    def post(self, path: str, document: Any = None, /, *, patience_s: float = 0, **query: Any) -> Any:
        """
        Send JSON, and return the JSON of the answer, None for an empty one; errors as `get`.

        `patience_s` is how long the node itself may have to wait for others.
        """
        body = None if document is None else json.dumps(document).encode()
        answer = self._ask("POST", _with_query(path, query), body, JSON, patience_s=patience_s)
        return json.loads(answer) if answer else None

    def post_bytes(self, path: str, body: bytes, content_type: str = CBOR, /, **query: Any) -> bytes:
        """Send bytes, and return those of the answer; errors as `get`."""
        return self._ask("POST", _with_query(path, query), body, content_type)

    def delete(self, path: str) -> None:
        """Remove what is at a path; errors as `get`."""
        self._ask("DELETE", path)

    def pages(self, path: str, /, **query: Any) -> Iterator[dict[str, Any]]:
        """All items of a list, page by page; errors as `get`."""
        after = ""
        while True:
            page = self.get(path, after=after, **query)
            yield from page["items"]
            after = page["next"]
            if not after:
                return

    def post_transactions(self, transactions: Sequence[bytes], *, wait_s: float = 0) -> list[Posted]:
        """
        Hand in encoded transactions, and wait up to a time until they are final.

        Raises:
            NodeUnreachable: No node answers.
            Refused: The node does not take the call; of single transactions the answer says so.
        """
        query = {"wait": f"{wait_s:g}"} if wait_s else {}
        answer = self._ask(
            "POST", _with_query("/v1/txs", query), encode_posted(transactions), CBOR, patience_s=wait_s
        )
        return decode_posted(answer)

    def wait_transaction(self, name: "TransactionHash", wait_s: float) -> Any:
        """What became of a transaction, as JSON; None if it is not final in time."""
        try:
            answer = self._ask(
                "GET", _with_query(f"/v1/txs/{name.hex()}", {"wait": f"{wait_s:g}"}), patience_s=wait_s
            )
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return json.loads(answer)

    def events(self, *, after: str | None = None, **query: Any) -> Iterator[StreamEvent]:
        """
        Follow the ledger's events for as long as the caller takes them.

        Args:
            after: Resume after this event's id; None for events from now on.
            query: Which events; see the API.

        Raises:
            NodeUnreachable: No node answers, or it went away.
            Refused: The node says no.
        """
        headers = {"accept": "text/event-stream"}
        if after is not None:
            headers["last-event-id"] = after
        with self._answer("GET", _with_query("/v1/events", query), None, headers) as parts:
            assert self._socket is not None
            self._socket.settimeout(SILENCE_S)
            yield from _events(parts)

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = JSON,
        *,
        patience_s: float = 0,
    ) -> bytes:
        headers = {} if body is None else {"content-type": content_type}
        with self._answer(method, path, body, headers, patience_s=patience_s) as parts:
            return b"".join(parts)

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        patience_s: float = 0,
    ) -> Iterator[Iterator[bytes]]:
        """The parts of an answer's body; the connection is kept for the next call if it was read to its end."""
        reader = AnswerReader()
        try:
            headers = {**self._headers, **headers}
            if self.at_least is not None:
                headers[AT_LEAST_HEADER] = str(self.at_least)
            data = self._begin(request_bytes(method, path, headers, body), patience_s)
            first = reader.feed(data)
            while reader.status is None:
                first = reader.feed(self._receive())
            parts = self._parts(reader, first)
            if reader.status >= 400:
                raise refusal(reader.status, b"".join(parts))
            yield parts
        except (OSError, NotHttp) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NodeUnreachable(f"no node answers at {self._name}: {reason}") from error
        finally:
            if not reader.is_complete or reader.is_last:
                self._close()

    def _begin(self, request: bytes, patience_s: float) -> bytes:
        """Send a request and return the first bytes of its answer."""
        if self._socket is not None and not _is_alive(self._socket):
            self._close()
        if self._socket is None:
            self._socket = self._connect()
        self._socket.settimeout(self._timeout_s + patience_s)
        self._socket.sendall(request)
        return self._receive()

    def _receive(self) -> bytes:
        assert self._socket is not None
        return self._socket.recv(READ_BYTES)

    def _parts(self, reader: AnswerReader, first: bytes) -> Iterator[bytes]:
        size = len(first)
        yield first
        while not reader.is_complete:
            part = reader.feed(self._receive())
            size += len(part)
            if size > ANSWER_BYTES_MAX and "content-length" in reader.headers:
                raise Refused(status=200, reason="AnswerTooLarge", detail=f"over {ANSWER_BYTES_MAX} bytes")
            yield part

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _is_alive(kept: socket.socket) -> bool:
    """Whether a connection that was kept is still one: the node closes those that nobody uses for a minute."""
    kept.settimeout(0)
    try:
        kept.recv(1)
    except BlockingIOError:
        return True
    except OSError as error:
        return (
            type(error).__name__ == "SSLWantReadError"
        )  # As above, under TLS; whose module takes 20 ms to load.
    return False


def _connect_unix(path: Path) -> socket.socket:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.connect(short_path(path, folder))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        made.close()
        way_out = f"`noded start --home {path.parent}` starts it"
        raise NodeUnreachable(f"no node answers at {path}: {error.strerror}; {way_out}") from error
    except OSError:
        made.close()
        raise
    finally:
        os.close(folder)
    return made


def _secure(plain: socket.socket, host: str, certificate: Path | None) -> socket.socket:
    import ssl  # Takes 20 ms, which calls over the node's own socket need not wait for.

    context = ssl.create_default_context()
    if certificate is not None:
        context.load_verify_locations(certificate)
    return context.wrap_socket(plain, server_hostname=host)


def _with_query(path: str, query: Mapping[str, Any]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def _events(parts: Iterator[bytes]) -> Iterator[StreamEvent]:
    """The events of a stream (WHATWG HTML §9.2), as far as our node writes them."""
    id, name, data = "", "message", ""
    for line in _lines(parts):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield StreamEvent(id, name, json.loads(data))
            name, data = "message", ""
        elif field == "id":
            id = value
        elif field == "event":
            name = value
        elif field == "data":
            data += value
    raise ConnectionResetError("the stream ended")


def _lines(parts: Iterator[bytes]) -> Iterator[str]:
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > LINE_BYTES_MAX:
            raise NotHttp("a line of the stream does not end")
        for line in lines:
            yield line.decode("utf-8", "replace").removesuffix("\r")
