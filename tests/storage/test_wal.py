"""S2 and S4: what was appended comes back, in segments and after checkpoints."""

import errno
import re
import stat
from contextlib import closing
from pathlib import Path

import pytest

from noded.storage.errors import DiskFailed, WalCorrupt, WalForeign
from noded.storage.wal import Wal
from noded.storage.wal_format import (
    HEADER_BYTES,
    UNTIL_MAX,
    WalRecord,
)
from tests.helpers.wals import CHAIN, flat, open_wal, record, replayed, segments, steps, write


class TestReplay:
    """S2: all records of one append are durable when it returns."""

    def test_a_new_log_is_empty_and_took_no_others_place(self, folder: Path) -> None:
        wal, records = open_wal(folder)
        assert (records, wal.missed_ms) == ([], None)
        wal.close()

    def test_that_a_log_was_missed_is_remembered(self, folder: Path) -> None:
        for now_ms in (5, 6, None):
            with closing(Wal(folder, CHAIN, missed_ms=now_ms)) as wal:
                list(wal.replay())
                assert wal.missed_ms == 5

    def test_a_log_that_is_there_was_not_missed(self, folder: Path) -> None:
        write(folder, steps(1))
        with closing(Wal(folder, CHAIN, missed_ms=5)) as wal:
            assert wal.missed_ms is None

    @pytest.mark.parametrize("name", ["missed", "0000000000000001 (copy).wal", "1.wal"])
    def test_what_is_none_of_its_files_is_named(self, folder: Path, name: str) -> None:
        write(folder, steps(1))
        (folder / name).write_bytes(b"x")
        with pytest.raises(WalCorrupt, match=re.escape(name)):
            Wal(folder, CHAIN)

    def test_all_records_come_back_in_order(self, folder: Path) -> None:
        write(folder, steps(10))

        assert replayed(folder) == flat(steps(10))

    def test_appending_goes_on_after_a_replay(self, folder: Path) -> None:
        write(folder, steps(3))
        write(folder, steps(5))

        assert replayed(folder) == flat(steps(3)) + flat(steps(5))

    def test_extremes_come_back(self, folder: Path) -> None:
        records = [WalRecord(0, 0, b""), WalRecord(255, UNTIL_MAX, bytes(range(256)) * 4096)]
        write(folder, [records])

        assert replayed(folder) == records

    def test_a_step_without_records_writes_nothing(self, folder: Path) -> None:
        write(folder, [[], []])

        assert segments(folder)[0].stat().st_size == HEADER_BYTES

    def test_appending_before_the_replay_is_a_bug(self, folder: Path) -> None:
        wal = Wal(folder, CHAIN)
        with pytest.raises(AssertionError):
            wal.append([record()])

    def test_files_are_for_their_owner_only(self, folder: Path) -> None:
        write(folder, steps(1))

        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(segments(folder)[0].stat().st_mode) == 0o600

    def test_a_log_of_another_chain_is_refused(self, folder: Path) -> None:
        write(folder, steps(1))

        with pytest.raises(WalForeign):
            list(Wal(folder, b"\x08" * 32).replay())


class TestSegments:
    def test_a_full_segment_is_followed_by_a_new_one(self, folder: Path) -> None:
        write(folder, steps(60), segment_bytes=500)

        assert len(segments(folder)) > 5
        assert replayed(folder) == flat(steps(60))

    def test_a_record_larger_than_a_segment_is_taken(self, folder: Path) -> None:
        large = record("x" * 5000)
        write(folder, [[large], [record("small")]], segment_bytes=500)

        assert len(segments(folder)) == 2
        assert replayed(folder) == [large, record("small")]

    def test_a_missing_segment_is_named(self, folder: Path) -> None:
        write(folder, steps(60), segment_bytes=500)
        missing = segments(folder)[2]
        missing.unlink()

        with pytest.raises(WalCorrupt, match=missing.name) as refused:
            open_wal(folder)
        assert refused.value.path == missing

    def test_a_segment_in_anothers_place_is_refused(self, folder: Path) -> None:
        write(folder, steps(60), segment_bytes=500)
        first, second = segments(folder)[:2]
        second.write_bytes(first.read_bytes())

        with pytest.raises(WalCorrupt, match="copy of another segment"):
            open_wal(folder)

    def test_what_an_interrupted_creation_left_is_removed(self, folder: Path) -> None:
        write(folder, steps(2))
        leftover = folder / "0000000000000002.wal.new"
        leftover.write_bytes(b"half a hea")

        assert replayed(folder) == flat(steps(2))
        assert not leftover.exists()


class TestCheckpoint:
    """S4: a record still needed is never removed."""

    def test_covered_segments_go_and_live_records_stay(self, folder: Path) -> None:
        wal, _ = open_wal(folder, segment_bytes=300)
        for height in range(40):
            wal.append([record(f"block {height}", until=height)])
        covered = wal.covered_bytes(20)
        before = sum(path.stat().st_size for path in segments(folder))
        wal.checkpoint(20, [record("vote", until=25)])
        after = sum(path.stat().st_size for path in segments(folder))
        wal.append([record("next", until=41)])
        wal.close()

        assert covered > 0
        assert before - covered < after < before
        records = replayed(folder)
        heights = [int(r.payload.split()[1]) for r in records if r.payload.startswith(b"block")]
        assert heights == list(range(heights[0], 40))
        assert 10 < heights[0] <= 20
        assert records[-2:] == [record("vote", until=25), record("next", until=41)]

    def test_a_record_still_needed_keeps_its_segment_and_all_after_it(self, folder: Path) -> None:
        wal, _ = open_wal(folder, segment_bytes=300)
        wal.append([record("needed", until=1000)])
        for height in range(40):
            wal.append([record(f"block {height}", until=height)])

        assert wal.covered_bytes(100) == 0
        wal.checkpoint(100, [record("live")])
        wal.close()
        assert len(replayed(folder)) == 41

    def test_covered_means_below_the_floor(self, folder: Path) -> None:
        wal, _ = open_wal(folder)
        wal.append([record("block", until=5)])

        assert wal.covered_bytes(5) == 0
        assert wal.covered_bytes(6) > 0
        wal.close()

    def test_all_covered_leaves_only_the_live_records(self, folder: Path) -> None:
        wal, _ = open_wal(folder)
        wal.append([record("block", until=5)])
        wal.checkpoint(6, [record("vote", until=7)])
        wal.close()

        assert len(segments(folder)) == 1
        assert replayed(folder) == [record("vote", until=7)]

    def test_nothing_live_leaves_an_empty_log(self, folder: Path) -> None:
        wal, _ = open_wal(folder)
        wal.append([record("block", until=5)])
        wal.checkpoint(6, [])
        wal.append([record("next")])
        wal.close()

        assert replayed(folder) == [record("next")]

    def test_tags_are_known_again_after_a_restart(self, folder: Path) -> None:
        write(folder, [[record(f"block {height}", until=height)] for height in range(40)], segment_bytes=300)
        wal, _ = open_wal(folder, segment_bytes=300)

        assert 0 < wal.covered_bytes(20) < wal.covered_bytes(40)
        wal.checkpoint(40, [])
        wal.close()
        assert replayed(folder) == []

    def test_a_crash_before_the_removal_leaves_records_twice(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wal, _ = open_wal(folder)
        wal.append([record("block", until=5), record("vote", until=5)])

        def refuse(path: Path, missing_ok: bool = False) -> None:
            if path.suffix == ".wal":
                raise OSError(errno.EIO, "I/O error")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", refuse)
            with pytest.raises(DiskFailed):
                wal.checkpoint(6, [record("vote", until=5)])
        wal.close()

        assert replayed(folder) == [record("block", until=5), *[record("vote", until=5)] * 2]
