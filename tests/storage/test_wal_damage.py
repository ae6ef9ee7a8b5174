"""S2 and S3: a log that was torn, damaged, without room, or whose process was killed."""

import errno
import os
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.storage.errors import DiskFailed, DiskFull, WalCorrupt, WalFailed
from noded.storage.wal_format import (
    FRAME_HEADER_BYTES,
    HEADER_BYTES,
    FrameCodec,
    WalRecord,
    decode_header,
)
from tests.helpers.killing import Acknowledge, kill_while
from tests.helpers.limits import file_size_limit
from tests.helpers.wals import flat, open_wal, record, replayed, segments, steps, write


class TestTornTail:
    """S3: what an interrupted append left at the very end is removed."""

    def test_every_prefix_of_the_file_gives_whole_steps(self, folder: Path) -> None:
        appended = steps(8)
        write(folder, appended)
        path = segments(folder)[0]
        data = path.read_bytes()
        ends = [HEADER_BYTES]
        codec = FrameCodec(decode_header(data).key)
        while (end := codec.frame_end(data, ends[-1])) is not None:
            ends.append(end)
        assert len(ends) == 9

        for length in range(len(data) + 1):
            path.write_bytes(data[:length])
            if length < HEADER_BYTES:
                with pytest.raises(WalCorrupt):
                    open_wal(folder)
                continue
            whole = sum(end <= length for end in ends) - 1
            wal, records = open_wal(folder)
            assert records == flat(appended[:whole])
            assert wal.cut_bytes == length - ends[whole]
            assert path.stat().st_size == ends[whole]
            wal.close()

    def test_appending_goes_on_where_the_tail_was_cut(self, folder: Path) -> None:
        write(folder, steps(3))
        path = segments(folder)[0]
        os.truncate(path, path.stat().st_size - 1)
        write(folder, [[record("after")]])

        assert replayed(folder) == [*flat(steps(2)), record("after")]

    @pytest.mark.parametrize("sector", [1, 2, 3])
    def test_sectors_never_written_are_a_torn_write(self, folder: Path, sector: int) -> None:
        write(folder, [*steps(2), [record("y" * 2000)]])
        path = segments(folder)[0]
        data = bytearray(path.read_bytes())
        data[sector * 512 : (sector + 1) * 512] = bytes(512)
        path.write_bytes(data)

        assert replayed(folder) == flat(steps(2))

    def test_a_tail_of_zeros_is_cut(self, folder: Path) -> None:
        write(folder, steps(2))
        with segments(folder)[0].open("ab") as file:
            file.write(bytes(3000))

        assert replayed(folder) == flat(steps(2))

    def test_a_closed_segment_has_no_torn_tail(self, folder: Path) -> None:
        write(folder, steps(60), segment_bytes=500)
        path = segments(folder)[1]
        os.truncate(path, path.stat().st_size - 1)

        with pytest.raises(WalCorrupt, match="later segments") as refused:
            open_wal(folder)
        assert refused.value.path == path


class TestDamage:
    """S3: any other damage stops the node with the file, the byte and the way out."""

    def test_every_flipped_bit_is_named(self, folder: Path) -> None:
        write(folder, steps(4))
        path = segments(folder)[0]
        data = path.read_bytes()

        for bit in range(len(data) * 8):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            path.write_bytes(damaged)
            with pytest.raises(WalCorrupt, match="is damaged at byte") as refused:
                open_wal(folder)
            assert refused.value.path == path
            assert refused.value.offset <= bit // 8
            assert path.read_bytes() == damaged

    @given(st.data())
    def test_no_damage_invents_or_reorders_records(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        folder = tmp_path_factory.mktemp("wal") / "wal"
        write(folder, steps(6), segment_bytes=400)
        for _ in range(data.draw(st.integers(1, 3))):
            path = data.draw(st.sampled_from(segments(folder)))
            content = bytearray(path.read_bytes())
            start = data.draw(st.integers(0, len(content)))
            stop = data.draw(st.integers(start, min(start + 700, len(content))))
            content[start:stop] = data.draw(st.one_of(st.binary(max_size=40), st.just(bytes(stop - start))))
            path.write_bytes(content)
        try:
            records = replayed(folder)
        except WalCorrupt:
            return

        assert records == flat(steps(6))[: len(records)]

    def test_a_lost_sector_before_an_intact_entry_is_no_torn_write(self, folder: Path) -> None:
        write(folder, [*steps(2), [record("y" * 2000)], [record("after")]])
        path = segments(folder)[0]
        data = bytearray(path.read_bytes())
        data[1024:1536] = bytes(512)
        path.write_bytes(data)

        with pytest.raises(WalCorrupt, match="later entries are intact"):
            open_wal(folder)
        assert path.read_bytes() == data

    def test_an_intact_entry_after_several_damaged_ones_is_seen(self, folder: Path) -> None:
        write(folder, [[record("a" * 600)], [record("b" * 600)], [record("c" * 600)]])
        path = segments(folder)[0]
        data = bytearray(path.read_bytes())
        size = (len(data) - HEADER_BYTES) // 3
        for start in (HEADER_BYTES + 50, HEADER_BYTES + size + 50):
            data[start : start + 512] = bytes(512)
        path.write_bytes(data)

        with pytest.raises(WalCorrupt, match="later entries are intact") as refused:
            open_wal(folder)
        assert refused.value.offset == HEADER_BYTES

    def test_a_frame_inside_a_payload_is_not_taken_for_one(self, folder: Path) -> None:
        write(folder, steps(1))
        forged = segments(folder)[0].read_bytes()[HEADER_BYTES:]
        wal, _ = open_wal(folder)
        wal.append([WalRecord(1, 0, b"z" * 10 + forged + b"z" * 600)])
        wal.close()
        path = segments(folder)[0]
        os.truncate(path, path.stat().st_size - 1)

        assert replayed(folder) == flat(steps(1))

    def test_a_frame_at_another_place_of_its_segment_is_not_taken(self, folder: Path) -> None:
        write(folder, [[record("a" * 40)], [record("b" * 40)]])
        path = segments(folder)[0]
        data = path.read_bytes()
        size = (len(data) - HEADER_BYTES) // 2
        path.write_bytes(data[: HEADER_BYTES + size] + data[HEADER_BYTES : HEADER_BYTES + size])

        with pytest.raises(WalCorrupt):
            open_wal(folder)

    def test_the_error_names_file_offset_and_way_out(self, folder: Path) -> None:
        write(folder, steps(3))
        path = segments(folder)[0]
        data = bytearray(path.read_bytes())
        data[HEADER_BYTES + FRAME_HEADER_BYTES] ^= 1
        path.write_bytes(data)

        with pytest.raises(WalCorrupt) as refused:
            open_wal(folder)
        assert str(path) in str(refused.value)
        assert f"byte {HEADER_BYTES}" in str(refused.value)
        assert "move the log's folder away" in str(refused.value)


class TestFullDisk:
    """S2: a failed append counts for nothing, and nothing is accepted after it."""

    def test_a_failed_append_counts_for_nothing(self, folder: Path) -> None:
        wal, _ = open_wal(folder)
        wal.append([record("before")])
        size = segments(folder)[0].stat().st_size

        with file_size_limit(size + 100), pytest.raises(DiskFull, match="free space"):
            wal.append([record("x" * 1000)])
        with pytest.raises(WalFailed):
            wal.append([record("after")])
        with pytest.raises(WalFailed):
            wal.checkpoint(1, [])
        wal.close()
        assert segments(folder)[0].stat().st_size == size
        assert replayed(folder) == [record("before")]

    def test_what_could_not_even_be_taken_back_is_cut_later(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wal, _ = open_wal(folder)
        wal.append([record("before")])
        size = segments(folder)[0].stat().st_size

        def refuse(*_: object) -> None:
            raise OSError(errno.EIO, "I/O error")

        with monkeypatch.context() as patch:
            patch.setattr(os, "ftruncate", refuse)
            with file_size_limit(size + 100), pytest.raises(DiskFull):
                wal.append([record("x" * 1000)])
        wal.close()
        assert segments(folder)[0].stat().st_size == size + 100
        assert replayed(folder) == [record("before")]

    def test_a_failed_fsync_stops_the_log(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        wal, _ = open_wal(folder)
        wal.append([record("before")])

        def refuse(_: int) -> None:
            raise OSError(errno.EIO, "I/O error")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuse)
            with pytest.raises(DiskFailed, match="I/O error"):
                wal.append([record("lost")])
        with pytest.raises(WalFailed):
            wal.append([record("after")])
        wal.close()
        assert replayed(folder) == [record("before")]

    def test_no_space_for_a_new_segment(self, folder: Path) -> None:
        wal, _ = open_wal(folder, segment_bytes=HEADER_BYTES + 1)
        wal.append([record("before")])

        with file_size_limit(10), pytest.raises(DiskFull):
            wal.append([record("after")])
        with pytest.raises(WalFailed):
            wal.append([record("after")])
        wal.close()
        assert replayed(folder) == [record("before")]


KILLS = 40


def test_a_killed_process_loses_nothing_it_acknowledged(folder: Path) -> None:
    """SIGKILL in the middle of appends, rotations and checkpoints, again and again on one log."""
    random = Random(7)
    acknowledged = 0
    for _ in range(KILLS):
        acknowledged = kill_while_appending(folder, acknowledged, after=random.randrange(1, 60))
        numbers = [int(one.payload[:8]) for one in replayed(folder)]
        distinct = sorted(dict.fromkeys(numbers))
        assert distinct == list(range(distinct[0], distinct[-1] + 1))
        assert distinct[0] <= max(acknowledged - 30, 1)
        assert acknowledged <= distinct[-1] <= acknowledged + 1
        acknowledged = distinct[-1]
    assert acknowledged > KILLS


def kill_while_appending(folder: Path, last: int, *, after: int) -> int:
    """Let a process append numbers above `last`, kill it after some are acknowledged; the last acknowledged."""

    def append(acknowledge: Acknowledge) -> None:
        wal, _ = open_wal(folder, segment_bytes=2000, seed=last)
        for number in range(last + 1, last + 1000):
            wal.append([WalRecord(1, number, b"%08d" % number + b"x" * (number % 300))])
            acknowledge(number)
            if number % 40 == 0:
                live = [WalRecord(1, number, b"%08d" % n) for n in range(number - 30, number + 1)]
                wal.checkpoint(number - 30, live)

    return kill_while(append, last, after=after)
