"""Blobs on disk: whole or not at all (B2), every byte checked when read (B3)."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from noded.blobs.errors import BlobCorrupt, BlobMissing, NoSpaceForBlob
from noded.blobs.manifest import manifest_bytes
from noded.blobs.store import BlobStore, SealedBlob
from noded.crypto.segments import SEALED_SEGMENT_BYTES
from noded.storage.errors import DiskFull, FileFailure
from noded.types.medical import CiphertextHash
from tests.helpers.blobs import blob_path, cut, flip, make_blob, make_bytes, make_store

SIZES = (
    1,
    16,
    SEALED_SEGMENT_BYTES - 1,
    SEALED_SEGMENT_BYTES,
    SEALED_SEGMENT_BYTES + 1,
    3 * SEALED_SEGMENT_BYTES + 5,
)
ABSENT = CiphertextHash(bytes(32))


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return make_store(tmp_path)


def put(store: BlobStore, data: bytes) -> CiphertextHash:
    return store.put_all([make_blob(data)])[0]


class TestDiscard:
    def test_old_blobs_go_and_nothing_else(self, store: BlobStore) -> None:
        old, young = put(store, b"old"), put(store, b"young")
        os.utime(blob_path(store, old), (0, 0))
        stranger = blob_path(store, old).with_name(".nfs000001")
        stranger.write_bytes(b"")
        os.utime(stranger, (0, 0))

        assert store.discard(older_than_s=1) == 1
        assert list(store.names()) == [young]
        assert stranger.exists()


def test_what_the_disk_cannot_read_is_damage_to_this_blob_alone(store: BlobStore) -> None:
    """B3: a lost sector, for which the beginning of a process's memory stands, does not stop the node."""
    blob_path(store, ABSENT).symlink_to("/proc/self/mem")

    with pytest.raises(BlobCorrupt):
        store.manifest(ABSENT)


class TestPut:
    """B2: on return blobs are whole, durable and named by what they are."""

    @pytest.mark.parametrize("size", SIZES)
    def test_gives_back_what_came(self, store: BlobStore, size: int) -> None:
        data = make_bytes(size)

        name = put(store, data)

        manifest = store.manifest(name)
        assert (manifest.name, manifest.size, manifest.segments) == (name, size, len(cut(data)))
        assert store.read(name, 0, manifest.segments) == data

    def test_several_at_once_are_named_in_order(self, store: BlobStore) -> None:
        blobs = [make_bytes(size) for size in SIZES]

        names = store.put_all([make_blob(data) for data in blobs])

        assert [store.read(name, 0, len(cut(data))) for name, data in zip(names, blobs, strict=True)] == blobs
        assert list(store.names()) == sorted(names)

    def test_the_same_bytes_are_one_blob(self, store: BlobStore) -> None:
        assert put(store, b"x") == put(store, b"x")
        assert len(list(store.names())) == 1

    def test_survives_reopening(self, store: BlobStore, tmp_path: Path) -> None:
        name = put(store, b"ciphertext")

        assert make_store(tmp_path).read(name, 0, 1) == b"ciphertext"

    def test_files_are_private(self, store: BlobStore) -> None:
        path = blob_path(store, put(store, b"x"))

        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)

    def test_a_failure_on_the_way_leaves_nothing(self, store: BlobStore) -> None:
        def failing() -> Iterator[bytes]:
            yield b"x" * SEALED_SEGMENT_BYTES
            raise RuntimeError("the sealer failed")

        with pytest.raises(RuntimeError):
            store.put_all([make_blob(b"y"), SealedBlob(size=SEALED_SEGMENT_BYTES + 1, segments=failing())])

        assert list(store.names()) == []
        assert list((store.folder / "new").iterdir()) == []

    def test_what_a_crash_left_half_written_is_removed_on_opening(
        self, store: BlobStore, tmp_path: Path
    ) -> None:
        (store.folder / "new" / "7").write_bytes(b"half")

        reopened = make_store(tmp_path)

        assert list((store.folder / "new").iterdir()) == []
        assert list(reopened.names()) == []


class TestSpace:
    def test_the_reserve_is_left_to_the_ledger(self, tmp_path: Path) -> None:
        store = make_store(tmp_path, reserve_bytes=1 << 62)

        with pytest.raises(NoSpaceForBlob) as caught:
            put(store, b"x")
        assert caught.value.reserve_bytes == 1 << 62
        assert list(store.names()) == []

    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT])
    def test_a_disk_that_fills_up_meanwhile_is_no_failed_disk(self, store: BlobStore, error: int) -> None:
        with pytest.raises(NoSpaceForBlob), store.translated(5):
            raise OSError(error, "full")

    def test_a_failing_disk_is_named(self, store: BlobStore) -> None:
        with (
            pytest.raises(FileFailure, match=r"some/file.*reading or writing failed") as caught,
            store.translated(),
        ):
            raise OSError(errno.EIO, "Input/output error", "some/file")
        assert not isinstance(caught.value, DiskFull)


class TestRead:
    """B3: a flipped byte is detected wherever it is, and named."""

    def test_any_range_of_segments(self, store: BlobStore) -> None:
        data = make_bytes(3 * SEALED_SEGMENT_BYTES + 5)
        name = put(store, data)

        for first in range(4):
            for count in range(1, 5 - first):
                assert store.read(name, first, count) == b"".join(cut(data)[first : first + count])

    def test_a_blob_that_is_not_here_is_missing(self, store: BlobStore) -> None:
        assert not store.has(ABSENT)
        with pytest.raises(BlobMissing) as caught:
            store.read(ABSENT, 0, 1)
        assert caught.value.ciphertext == ABSENT

    @pytest.mark.parametrize("segment", [0, 1, 2])
    def test_a_flipped_byte_names_its_segment(self, store: BlobStore, segment: int) -> None:
        size = 2 * SEALED_SEGMENT_BYTES + 9
        name = put(store, make_bytes(size))
        flip(blob_path(store, name), manifest_bytes(size) + segment * SEALED_SEGMENT_BYTES + 8)

        for damaged in (lambda: store.read(name, segment, 1), lambda: store.verify(name)):
            with pytest.raises(BlobCorrupt, match=f"segment {segment} is damaged") as caught:
                damaged()
            assert (caught.value.ciphertext, caught.value.segment) == (name, segment)
        for whole in {0, 1, 2} - {segment}:
            assert store.read(name, whole, 1)

    @pytest.mark.parametrize("at", [0, 7, 8, 39, 40])
    def test_a_flipped_byte_in_the_manifest_is_detected(self, store: BlobStore, at: int) -> None:
        name = put(store, make_bytes(SEALED_SEGMENT_BYTES + 1))
        flip(blob_path(store, name), at)

        with pytest.raises(BlobCorrupt) as caught:
            store.read(name, 0, 1)
        assert caught.value.segment is None

    @pytest.mark.parametrize("size", [0, 3, 8, 40, 71, 72, 80])
    def test_a_file_of_another_length_is_detected(self, store: BlobStore, size: int) -> None:
        name = put(store, make_bytes(SEALED_SEGMENT_BYTES + 1))
        path = blob_path(store, name)
        path.write_bytes(path.read_bytes()[:size])

        with pytest.raises(BlobCorrupt):
            store.manifest(name)

    def test_bytes_behind_the_end_are_detected(self, store: BlobStore) -> None:
        name = put(store, b"x")
        with blob_path(store, name).open("ab") as file:
            file.write(b"more")

        with pytest.raises(BlobCorrupt):
            store.read(name, 0, 1)

    def test_a_blob_in_another_ones_place_is_detected(self, store: BlobStore) -> None:
        one, other = store.put_all([make_blob(b"one"), make_blob(b"other")])
        blob_path(store, one).write_bytes(blob_path(store, other).read_bytes())

        with pytest.raises(BlobCorrupt):
            store.read(one, 0, 1)

    def test_a_whole_blob_is_verified(self, store: BlobStore) -> None:
        store.verify(put(store, make_bytes(2 * SEALED_SEGMENT_BYTES)))


class TestDelete:
    def test_removes_the_blob(self, store: BlobStore) -> None:
        one, other = store.put_all([make_blob(b"one"), make_blob(b"other")])

        assert store.delete(one)
        assert not store.delete(one)
        assert list(store.names()) == [other]
