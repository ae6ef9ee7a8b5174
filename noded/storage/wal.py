"""
The write-ahead log: what must be durable before a byte that depends on it leaves the node.

`append` makes all records of one step durable with one fsync. After a crash `replay` gives back every record whose
`append` returned, and of the step that was interrupted all records or none. Damage to what was durable is an error.
The log is a folder of segments; `checkpoint` removes the oldest ones once nothing in them is needed.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

from noded.errors import StorageError
from noded.storage.errors import WalCorrupt, WalFailed, WalForeign
from noded.storage.files import os_errors, sync_folder, write_private
from noded.storage.wal_format import (
    HEADER_BYTES,
    KEY_BYTES,
    BadHeader,
    FrameCodec,
    SegmentHeader,
    WalRecord,
    decode_header,
)

SEGMENT_BYTES: Final = 16 * 1024 * 1024
"""A segment that has grown to this is closed: some 16 s of 1,500 transactions a second."""

FOLDER_MODE: Final = 0o700

_SUFFIX: Final = ".wal"
_NAME: Final = re.compile(r"[0-9a-f]{16}")

_MISSED_NAME: Final = "missed"
"""The file that says since when a log before this one is gone: milliseconds, in decimal digits."""

_DIGITS_MAX: Final = 20


@dataclass(slots=True)
class _Segment:
    path: Path
    sequence: int
    bytes: int = 0
    until: int = -1
    """The highest `until` in it; -1 when it has no records."""


class Wal:
    """
    One process's log of one chain. Replay it whole, then append.

    Any StorageError from a write means: nothing of it counts, and nothing more is accepted until the log is opened
    again.
    """

    def __init__(
        self,
        folder: Path,
        chain_id: bytes,
        *,
        missed_ms: int | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """
        Open the log in this folder; make an empty one if there is none.

        Args:
            folder: Of the log.
            chain_id: Of the chain that it is of.
            missed_ms: The time, where there must have been a log before: noted in the one that is made in its place.
            segment_bytes: After which a segment is closed.
            random_bytes: Where keys of segments come from.

        Raises:
            WalCorrupt: A segment is missing.
            StorageError: The folder cannot be used.
        """
        self.folder = folder
        self.cut_bytes = 0
        """Bytes of an interrupted write that `replay` removed."""
        self._chain_id = chain_id
        self._segment_bytes = segment_bytes
        self._random_bytes = random_bytes
        self._descriptor = -1
        self._replayed = False
        self._failed = False
        with os_errors(folder):
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            self._segments = self._find_segments()
            if not self._segments:
                if missed_ms is not None:
                    write_private(
                        folder / _MISSED_NAME, b"%d\n" % missed_ms
                    )  # First: a log makes the loss unseen.
                self._segments = [self._create_segment(1)]
                sync_folder(folder.parent)
            self.missed_ms = self._read_missed()
            """When this log took the place of one that was gone, with the memory of what was signed; None if it did not."""

    def replay(self) -> Iterator[WalRecord]:
        """
        All records, oldest first; to be read to the end before the first append.

        A checkpoint that was interrupted leaves records in two places, so each may come twice.

        Raises:
            WalCorrupt: What was durable once is damaged.
            WalForeign: The log belongs to another chain.
        """
        assert not self._replayed
        for segment in self._segments:
            with os_errors(segment.path):
                data = segment.path.read_bytes()
            yield from self._read(segment, data)
        self._open_last()
        self._replayed = True

    def append(self, records: Sequence[WalRecord]) -> None:
        """Make the records durable: all of them once this returns, all or none after a crash before (S2)."""
        assert self._replayed
        if self._failed:
            raise WalFailed(self.folder)
        if not records:
            return
        if self._segments[-1].bytes >= self._segment_bytes:
            self._rotate()
        segment = self._segments[-1]
        frame = self._codec.encode(segment.bytes, records)
        try:
            with self._failing(segment.path):
                _write_all(self._descriptor, frame)
                os.fsync(self._descriptor)
        except StorageError:
            self._take_back(segment)
            raise
        segment.bytes += len(frame)
        segment.until = max(segment.until, *(record.until for record in records))

    @property
    def size_bytes(self) -> int:
        """Bytes of all segments."""
        return sum(segment.bytes for segment in self._segments)

    def covered_bytes(self, floor: int) -> int:
        """What `checkpoint(floor, …)` would free."""
        return sum(segment.bytes for segment in self._covered(floor))

    def checkpoint(self, floor: int, live: Sequence[WalRecord]) -> None:
        """
        Remove the oldest segments, as far as every record in them has `until` below `floor`.

        `live` are the records that are needed all the same (votes above the last final view): they are made durable
        in a new segment first (S4).
        """
        assert self._replayed
        if self._failed:
            raise WalFailed(self.folder)
        covered = self._covered(floor)
        if not covered:
            return
        self._rotate()
        self.append(live)
        with self._failing(self.folder):
            for segment in covered:  # Oldest first: a crash between two leaves no gap.
                segment.path.unlink()
                self._segments.remove(segment)
            sync_folder(self.folder)

    def close(self) -> None:
        """Release the file; everything appended is durable already."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _covered(self, floor: int) -> list[_Segment]:
        covered: list[_Segment] = []
        for segment in self._segments:
            if segment.until >= floor or segment.bytes <= HEADER_BYTES:
                break
            covered.append(segment)
        return covered

    def _find_segments(self) -> list[_Segment]:
        """The segments by their names, oldest first; what an interrupted creation left is removed."""
        segments: list[_Segment] = []
        for path in sorted(self.folder.iterdir()):
            if path.suffix == ".new":
                path.unlink()
            elif path.suffix == _SUFFIX:
                if _NAME.fullmatch(path.stem) is None:
                    raise WalCorrupt(path, 0, "no segment is called so")
                segments.append(_Segment(path, int(path.stem, 16)))
        for before, after in pairwise(segments):
            if after.sequence != before.sequence + 1:
                missing = self._path(before.sequence + 1)
                raise WalCorrupt(missing, 0, "this segment is missing")
        return segments

    def _read_missed(self) -> int | None:
        path = self.folder / _MISSED_NAME
        if not path.exists():
            return None
        text = path.read_bytes().strip()
        if not text.isdigit() or len(text) > _DIGITS_MAX:
            raise WalCorrupt(path, 0, "it is no time")
        return int(text)

    def _path(self, sequence: int) -> Path:
        return self.folder / f"{sequence:016x}{_SUFFIX}"

    def _create_segment(self, sequence: int) -> _Segment:
        header = SegmentHeader(sequence, self._random_bytes(KEY_BYTES), self._chain_id)
        segment = _Segment(self._path(sequence), sequence, bytes=HEADER_BYTES)
        write_private(segment.path, header.encode())
        self._codec = FrameCodec(header.key)
        return segment

    def _read(self, segment: _Segment, data: bytes) -> Iterator[WalRecord]:
        try:
            header = decode_header(data)
        except BadHeader as error:
            raise WalCorrupt(segment.path, 0, str(error)) from error
        if header.sequence != segment.sequence:
            raise WalCorrupt(segment.path, 0, "it is a copy of another segment")
        if header.chain_id != self._chain_id:
            raise WalForeign(segment.path)
        self._codec = codec = FrameCodec(header.key)
        offset = HEADER_BYTES
        while offset < len(data):
            end = codec.frame_end(data, offset)
            if end is None:
                self._cut(segment, codec, data, offset)
                break
            for record in codec.records(data, offset, end):
                segment.until = max(segment.until, record.until)
                yield record
            offset = end
        segment.bytes = offset

    def _cut(self, segment: _Segment, codec: FrameCodec, data: bytes, offset: int) -> None:
        """Remove an interrupted write at the very end of the log; refuse any other damage (S3)."""
        if segment is not self._segments[-1]:
            raise WalCorrupt(segment.path, offset, "later segments are there")
        if codec.is_followed(data, offset):
            raise WalCorrupt(segment.path, offset, "later entries are intact")
        if not codec.is_unfinished(data, offset):
            raise WalCorrupt(segment.path, offset, "its last entry is complete, but wrong")
        with os_errors(segment.path), segment.path.open("r+b") as file:
            file.truncate(offset)
            os.fsync(file.fileno())
        self.cut_bytes = len(data) - offset

    def _open_last(self) -> None:
        segment = self._segments[-1]
        with os_errors(segment.path):
            self._descriptor = os.open(segment.path, os.O_WRONLY | os.O_APPEND)

    def _rotate(self) -> None:
        sequence = self._segments[-1].sequence + 1
        with self._failing(self._path(sequence)):
            segment = self._create_segment(sequence)
        self.close()
        self._segments.append(segment)
        self._open_last()

    @contextmanager
    def _failing(self, path: Path) -> Iterator[None]:
        """A write; once one has failed the log accepts no more."""
        try:
            with os_errors(path):
                yield
        except BaseException:
            self._failed = True
            raise

    def _take_back(self, segment: _Segment) -> None:
        """Remove what a failed append left, if the disk lets us; else `replay` judges it."""
        try:
            os.ftruncate(self._descriptor, segment.bytes)
            os.fsync(self._descriptor)
        except OSError:
            return


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
