"""Ciphertext on its way to a client, some segments at a time."""

from collections.abc import MutableMapping
from typing import Any, Final

from starlette.responses import Response

from noded.api.backend import Backend
from noded.api.connection import Receive, Send
from noded.blobs.manifest import Manifest
from noded.crypto.segments import SEALED_SEGMENT_BYTES
from noded.types.medical import CiphertextHash

SEGMENTS_AT_ONCE: Final = 8
"""Half a mebibyte in memory for each download."""


class Download(Response):
    """A range of a blob's bytes."""

    def __init__(
        self,
        backend: Backend,
        name: CiphertextHash,
        manifest: Manifest,
        start: int,
        end: int,
        status: int,
        headers: dict[str, str],
    ) -> None:
        """Bytes `start` to `end` of the blob, which is not empty between them."""
        super().__init__(
            status_code=status,
            media_type="application/octet-stream",
            headers={**headers, "content-length": str(end - start)},
        )
        self._backend = backend
        self._name = name
        self._manifest = manifest
        self._start = start
        self._end = end

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Send them, each segment checked; damage found on the way ends the connection."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        at = self._start
        while at < self._end:
            first = at // SEALED_SEGMENT_BYTES
            count = min(SEGMENTS_AT_ONCE, self._manifest.segments - first)
            data = await self._backend.segments(self._name, first, count)
            offset = first * SEALED_SEGMENT_BYTES
            part = data[at - offset : self._end - offset]
            at += len(part)
            await send({"type": "http.response.body", "body": part, "more_body": at < self._end})
