"""Bounded queues of frames to send (N5)."""

from collections import deque
from collections.abc import Iterator

import trio

from noded.network.limits import COALESCE_BYTES


class SendQueue:
    """Frames for one lane of one peer, in order; one task takes, any may put."""

    __slots__ = ("_bytes_max", "_filled", "_frames", "_messages_max", "_room", "bytes")

    def __init__(self, *, messages_max: int, bytes_max: int) -> None:
        self._messages_max = messages_max
        self._bytes_max = bytes_max
        self._frames: deque[bytes] = deque()
        self._filled: trio.Event | None = None
        self._room: trio.Event | None = None
        self.bytes = 0
        """Bytes queued."""

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._frames)

    def put(self, frame: bytes) -> bool:
        """Append a frame without waiting; False and nothing changed if it does not fit."""
        if len(self._frames) >= self._messages_max or self.bytes + len(frame) > self._bytes_max:
            return False
        self._frames.append(frame)
        self.bytes += len(frame)
        if self._filled is not None:
            self._filled.set()
            self._filled = None
        return True

    async def put_when_room(self, frame: bytes) -> None:
        """Append a frame as soon as it fits; order among waiters is not kept."""
        while not self.put(frame):
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()

    async def take(self) -> bytes:
        """
        Wait for a frame, then take it with all that follow up to COALESCE_BYTES.

        Cancelling while it waits loses nothing.
        """
        while not self._frames:
            self._filled = trio.Event()
            await self._filled.wait()
        taken = [self._frames.popleft()]
        size = len(taken[0])
        while self._frames and size + len(self._frames[0]) <= COALESCE_BYTES:
            size += len(self._frames[0])
            taken.append(self._frames.popleft())
        self.bytes -= size
        if self._room is not None:
            self._room.set()
            self._room = None
        return taken[0] if len(taken) == 1 else b"".join(taken)
