"""The state root of a store, computed from nothing but the values in it; on several cores where that pays."""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from noded.crypto.sparse_merkle import BUCKETS, UpperTree
from noded.errors import StorageError
from noded.storage.errors import file_failure
from noded.storage.inspect import CheckedBuckets, check_buckets, check_rows
from noded.storage.sqlite_reader import SqliteReader
from noded.types.ids import StateRoot

PARALLEL_BYTES_MIN: Final = 64 * 1024 * 1024
"""A store worth further processes: 200,000 rows take a second and a half, starting a process half a second."""

PROCESSES_MAX: Final = 8
"""More would wait for the disk."""

SPANS_PER_PROCESS: Final = 4
"""Parts of the work, so that a process that is slowed down does not hold up the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """What the values of a state amount to."""

    rows: int
    root: StateRoot
    findings: tuple[str, ...]
    """Rows and roots kept in the store that contradict the values."""


def recompute(store: Path) -> Recomputed:
    """
    Compute the state root of a store that nobody writes to from its values; 3.5 s for a million on two cores.

    Raises:
        StorageError: It cannot be read.
    """
    processes = _worthwhile(store)
    if processes == 1:
        return _sum([check_buckets(store, 0, BUCKETS)])
    count = processes * SPANS_PER_PROCESS
    bounds = [BUCKETS * number // count for number in range(count + 1)]
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        computed = list(pool.map(_compute, [store] * count, bounds[:-1], bounds[1:]))
    return _sum(
        [
            check_buckets(store, *bounds[number : number + 2]) if part is None else part
            for number, part in enumerate(computed)
        ]
    )


def recompute_at(reader: SqliteReader) -> Recomputed:
    """The same at the height that a reader's snapshot sees, while a node goes on with the store."""
    return _sum([check_rows(reader, 0, BUCKETS)])


def _compute(store: Path, first: int, end: int) -> CheckedBuckets | None:
    """In another process; None if it failed, since an error that names its file cannot be sent to this one."""
    try:
        return check_buckets(store, first, end)
    except StorageError:
        return None


def _worthwhile(store: Path) -> int:
    """How many processes."""
    try:
        size = store.stat().st_size
    except OSError as error:
        raise file_failure(store, error) from error
    return 1 if size < PARALLEL_BYTES_MIN else min(PROCESSES_MAX, len(os.sched_getaffinity(0)))


def _sum(parts: list[CheckedBuckets]) -> Recomputed:
    return Recomputed(
        rows=sum(part.rows for part in parts),
        root=StateRoot(UpperTree.from_bucket_roots(b"".join(part.roots for part in parts)).root),
        findings=tuple(finding for part in parts for finding in part.findings),
    )
