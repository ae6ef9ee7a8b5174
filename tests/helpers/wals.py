"""Logs of steps, written and read back."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

from noded.errors import StorageError
from noded.storage.wal import Wal
from noded.storage.wal_format import (
    WalRecord,
)

CHAIN = b"\x07" * 32


def record(text: str = "payload", *, kind: int = 1, until: int = 0) -> WalRecord:
    return WalRecord(kind, until, text.encode())


def steps(count: int) -> list[list[WalRecord]]:
    """What some steps append: one to three records each."""
    return [
        [record(f"step {i} record {j}" + "x" * 5 * i, kind=j) for j in range(1 + i % 3)] for i in range(count)
    ]


def flat(appended: Sequence[Sequence[WalRecord]]) -> list[WalRecord]:
    return [one for step in appended for one in step]


def open_wal(folder: Path, *, segment_bytes: int = 1 << 20, seed: int = 0) -> tuple[Wal, list[WalRecord]]:
    wal = Wal(folder, CHAIN, segment_bytes=segment_bytes, random_bytes=Random(seed).randbytes)
    try:
        return wal, list(wal.replay())
    except StorageError:
        wal.close()
        raise


def replayed(folder: Path) -> list[WalRecord]:
    wal, records = open_wal(folder)
    wal.close()
    return records


def write(folder: Path, appended: Sequence[Sequence[WalRecord]], *, segment_bytes: int = 1 << 20) -> None:
    wal, _ = open_wal(folder, segment_bytes=segment_bytes)
    for step in appended:
        wal.append(step)
    wal.close()


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.wal"))
