"""O4: a log that does not lead to its store's last block is known for one."""

from contextlib import closing
from pathlib import Path

import pytest

from noded.daemon.joining import is_joined, without_ordered
from noded.ops.rows import read_block, read_epoch_end
from noded.storage.sqlite import open_reader
from noded.types.block import Block
from noded.types.ids import Epoch
from noded.types.records import BatchRecord, BlockRecord, EpochRecord, Record
from tests.helpers.stored_chain import BLOCKS, EPOCH_LENGTH, make_store


class Log:
    """The records of a node that took part from the beginning."""

    def __init__(self, path: Path) -> None:
        self.path = path
        make_store(path, BLOCKS)
        with closing(open_reader(path)) as reader:
            blocks = [read_block(reader, height) for height in range(BLOCKS + 1)]
            self.blocks = [block for block in blocks if block is not None]
            self.entries = [read_epoch_end(reader, Epoch(number)) for number in (1, 2)]
            self.batches = {
                name: stored.data
                for block in self.blocks
                for name in block.body.payload
                if (stored := reader.batch(name)) is not None
            }

    def records(self, first: int, *, epochs: int = 2, batches: bool = True) -> list[Record]:
        """From a height on."""
        found: list[Record] = [
            EpochRecord(entry=entry) for entry in self.entries[:epochs] if entry is not None
        ]
        for block in self.blocks[first:]:
            found.append(BlockRecord(block=block))
            if batches:
                found += [BatchRecord(encoding=self.batches[name]) for name in block.body.payload]
        return found

    def tip(self, height: int) -> tuple[Block, Epoch]:
        """The last block of a store, and the epoch of its children."""
        return self.blocks[height], Epoch(height // EPOCH_LENGTH + 1)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(tmp_path_factory.mktemp("log") / "store.db")


def test_an_empty_log_leaves_nothing_open(log: Log) -> None:
    assert is_joined([], *log.tip(3))


def test_a_store_in_the_logs_own_epoch_is_joined(log: Log) -> None:
    assert is_joined(log.records(BLOCKS), *log.tip(2 * EPOCH_LENGTH))
    assert is_joined(log.records(BLOCKS), *log.tip(BLOCKS))


def test_a_store_that_lags_across_an_epochs_end_is_joined_by_the_blocks_between(log: Log) -> None:
    assert is_joined(log.records(3), *log.tip(2))
    assert is_joined(log.records(EPOCH_LENGTH), *log.tip(EPOCH_LENGTH - 1))


def test_missing_blocks_are_noticed(log: Log) -> None:
    assert not is_joined(log.records(4), *log.tip(2))


def test_missing_batches_are_noticed(log: Log) -> None:
    assert not is_joined(log.records(3, batches=False), *log.tip(2))


def test_a_log_that_was_shortened_is_noticed(log: Log) -> None:
    """Only the last epoch's proof is kept."""
    assert not is_joined(log.records(2 * EPOCH_LENGTH)[1:], *log.tip(3))


def test_batches_that_blocks_named_are_no_longer_the_logs(log: Log) -> None:
    """M3: after a restart they would wait to be named again."""
    waiting = BatchRecord(encoding=b"of no block")
    records = log.records(3)
    with closing(open_reader(log.path)) as reader:
        kept = without_ordered([*records, waiting], reader)

    named = [record for record in records if isinstance(record, BatchRecord)]
    assert named
    assert kept == [*(record for record in records if not isinstance(record, BatchRecord)), waiting]
