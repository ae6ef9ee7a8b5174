"""Forgetting old blocks while the node runs, where its settings say how many to keep (O6)."""

import time
from contextlib import closing
from typing import Final

import structlog
import trio

from noded.ops.pruning import prune_floor
from noded.storage.sqlite import SqliteStore
from noded.storage.store import Reader

PRUNED_AT_ONCE: Final = 32
"""Blocks forgotten in one transaction; the writer of new ones waits meanwhile, some 5 ms where blocks are small."""

PAGES_AT_ONCE: Final = 2_000
"""Pages given back to the file system at once: 8 MB, some 30 ms of the writer."""

REST_PART: Final = 4
"""Of five parts of the time four are left to the writer while there is something to forget."""

LOOK_S: Final = 5.0
"""Between two looks for something to forget."""

log = structlog.get_logger("noded.pruning")


class Pruner:
    """Keeps a store at the newest blocks; the setting may change while it runs."""

    def __init__(self, store: SqliteStore, keep: int) -> None:
        self.keep = keep
        """Newest blocks to keep whole; 0 for all."""
        self._store = store

    async def run(self) -> None:
        """
        Prune until cancelled.

        Raises:
            StorageError: The disk failed; the node must stop.
        """
        with closing(await trio.to_thread.run_sync(self._store.reader)) as reader:
            count = 0
            while True:
                began_s = time.monotonic()
                pruned = await trio.to_thread.run_sync(self._step, reader)
                count += pruned or 0
                if pruned is not None:
                    await trio.sleep(REST_PART * (time.monotonic() - began_s))
                    continue
                if count:
                    log.info("forgot old blocks", count=count, keep=self.keep)
                    count = 0
                await trio.sleep(LOOK_S)

    def _step(self, reader: Reader) -> int | None:
        """Forget some blocks, or give back some space; None if there was nothing to do."""
        if not self.keep:
            return None
        with reader.snapshot():
            floor = prune_floor(reader, self.keep).height
        pruned = self._store.prune_blocks(floor, PRUNED_AT_ONCE)
        if pruned:
            return pruned
        return 0 if self._store.reclaim_some(PAGES_AT_ONCE) else None
