"""
A node's HTTP API for commands: one call after another, over the socket in its home or over TCP.

Only the standard library, and little of it: a command that asks for the status has 0.2 s in all.
"""

import http.client
import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlencode, urlsplit

from noded.client.answers import (
    ANSWER_BYTES_MAX,
    NodeUnreachable,
    Posted,
    Refused,
    decode_posted,
    encode_posted,
    refusal,
)
from noded.client.sockets import SOCKET_NAME, short_path

if TYPE_CHECKING:
    from noded.types.ids import TransactionHash  # What it needs to be checked costs 60 ms to load.

TIMEOUT_S: Final = 30.0
"""For an answer, besides what the node is asked to wait."""

LINE_BYTES_MAX: Final = 16 * 1024 * 1024
"""One line of an event stream; a block's events are the longest."""

JSON: Final = "application/json"
CBOR: Final = "application/cbor"


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of a stream."""

    id: str
    """What a later call resumes after: a height."""
    name: str
    data: Any


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("node", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self.sock.connect(short_path(self._path, folder))
        finally:
            os.close(folder)


class NodeClient:
    """Talks to one node; a context manager, used by one thread at a time."""

    def __init__(
        self, connection: http.client.HTTPConnection, name: str, headers: Mapping[str, str] = {}
    ) -> None:
        """Use `in_home` or `at`."""
        self._connection = connection
        self._name = name
        self._headers = dict(headers)

    @classmethod
    def in_home(cls, home: Path, *, timeout_s: float = TIMEOUT_S) -> Self:
        """The node that runs in a home on this machine."""
        path = home / SOCKET_NAME
        return cls(_UnixConnection(path, timeout_s), str(path))

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
            NodeUnreachable: The URL or the certificate is none.
        """
        parts = urlsplit(url)
        connection: http.client.HTTPConnection
        if parts.scheme == "https" and parts.hostname:
            try:
                context = ssl.create_default_context(cafile=None)
                if certificate is not None:
                    context.load_verify_locations(certificate)
            except (OSError, ssl.SSLError) as error:
                raise NodeUnreachable(f"{certificate}: {error}") from error
            connection = http.client.HTTPSConnection(
                parts.hostname, parts.port or 443, timeout=timeout_s, context=context
            )
        elif parts.scheme == "http" and parts.hostname:
            connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=timeout_s)
        else:
            raise NodeUnreachable(f"{url} is no URL of a node; expected https://host:port")
        return cls(connection, url, {"Authorization": f"Bearer {token}"} if token else {})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

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

    def post(self, path: str, document: Any = None, /, **query: Any) -> Any:
        """Send JSON, and return the JSON of the answer, None for an empty one; errors as `get`."""
        body = None if document is None else json.dumps(document).encode()
        answer = self._ask("POST", _with_query(path, query), body, JSON)
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
        headers = {"Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = after
        with self._answer("GET", _with_query("/v1/events", query), None, headers) as answer:
            if self._connection.sock is not None:
                self._connection.sock.settimeout(None)
            yield from _events(answer)

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = JSON,
        *,
        patience_s: float = 0,
    ) -> bytes:
        headers = {} if body is None else {"Content-Type": content_type}
        timeout = self._connection.timeout
        assert isinstance(timeout, float | int)
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout + patience_s)
        self._connection.timeout = timeout + patience_s
        try:
            with self._answer(method, path, body, headers) as answer:
                return _read_whole(answer)
        finally:
            self._connection.timeout = timeout

    @contextmanager
    def _answer(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to a request; the connection is closed if anything goes wrong with it."""
        try:
            self._connection.request(method, path, body, {**self._headers, **headers})
            answer = self._connection.getresponse()
            if answer.status >= 400:
                raise refusal(answer.status, _read_whole(answer))
            yield answer
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NodeUnreachable(f"no node answers at {self._name}: {reason}") from error


def _with_query(path: str, query: Mapping[str, Any]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given, doseq=True)}" if given else path


def _read_whole(answer: http.client.HTTPResponse) -> bytes:
    data = answer.read(ANSWER_BYTES_MAX + 1)
    if len(data) > ANSWER_BYTES_MAX:
        raise Refused(status=answer.status, reason="AnswerTooLarge", detail=f"over {ANSWER_BYTES_MAX} bytes")
    return data


def _events(answer: http.client.HTTPResponse) -> Iterator[StreamEvent]:
    """The events of a stream (WHATWG HTML §9.2), as far as our node writes them."""
    id, name, data = "", "message", ""
    while line := answer.readline(LINE_BYTES_MAX):
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        field, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if not text:
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
