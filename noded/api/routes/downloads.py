"""Bytes on their way to a client, a piece at a time."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from noded.api.byte_ranges import requested_range
from noded.api.connection import Receive, Send

SEGMENTS_AT_ONCE: Final = 8
"""Half a mebibyte in memory for each download, however slowly its client reads."""

Read = Callable[[int, int], Awaitable[bytes]]
"""Gives the bytes from one position to before another."""


class Download(Response):
    """Bytes, or the range of them that a client asks for."""

    def __init__(
        self, request: Request, read: Read, size: int, *, segment_bytes: int, headers: dict[str, str]
    ) -> None:
        """
        Give what is asked for of `size` bytes, which are read by segments.

        Raises:
            InvalidRequest, RangeBeyondEnd: The range is none, or not within them.
        """
        wanted = requested_range(request, size)
        self._read = read
        self._start, self._end = (0, size) if wanted is None else wanted
        self._piece_bytes = SEGMENTS_AT_ONCE * segment_bytes
        headers = {**headers, "accept-ranges": "bytes", "content-length": str(self._end - self._start)}
        if wanted is not None:
            headers["content-range"] = f"bytes {self._start}-{self._end - 1}/{size}"
        super().__init__(
            status_code=200 if wanted is None else 206,
            media_type="application/octet-stream",
            headers=headers,
        )

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Send them; damage in the first piece is told, and damage found later ends the connection."""
        at, end = self._start, self._end
        part = await self._piece(at)
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        while at + len(part) < end:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            at += len(part)
            part = await self._piece(at)
        await send({"type": "http.response.body", "body": part})

    async def check(self) -> None:
        """Read what comes behind the first piece, so that damage there is told as well; raises what reading raises."""
        at = self._start + self._piece_bytes
        while at < self._end:
            at += len(await self._piece(at))

    async def _piece(self, at: int) -> bytes:
        return await self._read(at, min(at + self._piece_bytes, self._end))
