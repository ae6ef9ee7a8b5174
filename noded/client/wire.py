"""
HTTP/1.1 as far as it takes to talk to a node: requests to bytes, bytes to answers; no I/O.

The standard library's client takes a third of the time that a command has, before it has done anything.
"""

from collections.abc import Mapping
from typing import Final

from noded.errors import NodedError

HEAD_BYTES_MAX: Final = 64 * 1024
"""Of a status line and all headers."""

LINE_BYTES_MAX: Final = 64
"""Of the length of a chunk."""


class NotHttp(NodedError):
    """What answers is no node."""


def request_bytes(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """A request, whole."""
    lines = [f"{method} {target} HTTP/1.1", "host: node"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"content-length: {len(body)}")
    elif method != "GET":
        lines.append("content-length: 0")
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    return head if body is None else head + body


class AnswerReader:
    """One answer, from the bytes of its connection as they come."""

    def __init__(self) -> None:
        self.status: int | None = None
        """None until the head is here."""
        self.headers: dict[str, str] = {}
        self.is_complete = False
        """Whether nothing of this answer is to come."""
        self.is_last = False
        """Whether the connection ends with this answer."""
        self._buffer = b""
        self._left: int | None = None
        """Bytes of the body, or of the chunk, still to come; None where only the end of the connection tells."""
        self._is_chunked = False

    def feed(self, data: bytes) -> bytes:
        """
        Take bytes from the connection, b"" at its end; returns those of the body among them.

        Raises:
            NotHttp: They are no answer, or the connection ended within one.
        """
        if not data:
            return self._end()
        self._buffer += data
        if self.status is None and not self._read_head():
            return b""
        return self._read_chunks() if self._is_chunked else self._read_body()

    def _end(self) -> bytes:
        if self.status is None or self._left is not None or self._is_chunked:
            raise NotHttp("the connection ended before the answer did")
        self.is_complete = self.is_last = True
        return b""

    def _read_head(self) -> bool:
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            if len(self._buffer) > HEAD_BYTES_MAX:
                raise NotHttp("the answer's head does not end")
            return False
        first, *lines = head.decode("latin-1").split("\r\n")
        version, _, status = first.partition(" ")
        if not version.startswith("HTTP/1.") or not status[:3].isdecimal():
            raise NotHttp(f"{first[:80]!r} is no answer over HTTP")
        self._buffer = rest
        if status.startswith("1"):
            return self._read_head()
        for line in lines:
            name, _, value = line.partition(":")
            self.headers[name.strip().lower()] = value.strip()
        self.status = int(status[:3])
        self.is_last = self.headers.get("connection", "").lower() == "close"
        length = self.headers.get("content-length")
        if self.status in (204, 304):
            self._left = 0
        elif self.headers.get("transfer-encoding", "").lower() == "chunked":
            self._is_chunked, self._left = True, 0
        elif length is not None:
            if not length.isdecimal():
                raise NotHttp(f"{length[:80]!r} is no length")
            self._left = int(length)
        return True

    def _read_body(self) -> bytes:
        part, self._buffer = self._buffer[: self._left], b""
        if self._left is not None:
            self._left -= len(part)
            self.is_complete = self._left == 0
        return part

    def _read_chunks(self) -> bytes:
        parts = []
        while self._buffer and not self.is_complete:
            if not self._left:
                if not self._read_chunk_head():
                    break
                continue
            part, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
            self._left -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _read_chunk_head(self) -> bool:
        """The length of the next chunk, with the end of the line of the chunk before it."""
        line, end, rest = self._buffer.removeprefix(b"\r\n").partition(b"\r\n")
        if not end:
            if len(line) > LINE_BYTES_MAX:
                raise NotHttp("a chunk's length does not end")
            return False
        try:
            self._left = int(line.partition(b";")[0], 16)
        except ValueError:
            raise NotHttp(f"{line[:80]!r} is no length of a chunk") from None
        if self._left == 0:
            if not rest.startswith(b"\r\n"):
                self._left = 0
                return False
            self.is_complete = True
        self._buffer = rest
        return True
