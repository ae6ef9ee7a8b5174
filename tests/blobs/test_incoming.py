"""B5: only checked segments are written, and fetching goes on where it ended."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noded.blobs.errors import BlobForged, NoSpaceForBlob
from noded.blobs.incoming import IncomingBlob, discard_incoming
from noded.blobs.manifest import Manifest, hash_segment, manifest_bytes
from noded.blobs.store import BlobStore
from noded.crypto.segments import SEALED_SEGMENT_BYTES
from noded.types.medical import CiphertextHash
from tests.helpers.blobs import cut, flip, make_bytes, make_store

DATA = make_bytes(3 * SEALED_SEGMENT_BYTES + 5)
PARTS = cut(DATA)
MANIFEST = Manifest(size=len(DATA), hashes=b"".join(map(hash_segment, PARTS)))


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return make_store(tmp_path)


def begin(store: BlobStore, *parts: bytes) -> IncomingBlob:
    incoming = IncomingBlob(store, MANIFEST.name)
    incoming.begin(MANIFEST)
    for part in parts:
        incoming.append(part)
    return incoming


def path_of(store: BlobStore) -> Path:
    return store.folder / "incoming" / MANIFEST.name.hex()


class TestAppend:
    @pytest.mark.parametrize("pieces", [PARTS, [DATA], [PARTS[0], DATA[SEALED_SEGMENT_BYTES:]]])
    def test_whole_segments_make_the_blob(self, store: BlobStore, pieces: list[bytes]) -> None:
        incoming = begin(store, *pieces)

        assert incoming.is_complete
        incoming.finish()

        assert store.read(MANIFEST.name, 0, 4) == DATA
        assert not path_of(store).exists()

    def test_a_forged_segment_is_named_and_not_written(self, store: BlobStore) -> None:
        incoming = begin(store, PARTS[0])

        with pytest.raises(BlobForged) as caught:
            incoming.append(PARTS[1] + PARTS[1])
        assert (caught.value.ciphertext, caught.value.segment) == (MANIFEST.name, 2)
        assert incoming.segments == 2
        incoming.close()
        assert path_of(store).stat().st_size == manifest_bytes(len(DATA)) + 2 * SEALED_SEGMENT_BYTES

    @pytest.mark.parametrize(
        "data", [b"", PARTS[1], PARTS[0][:-1], PARTS[0] + b"x", b"x" * SEALED_SEGMENT_BYTES]
    )
    def test_what_is_not_the_next_segment_is_refused(self, store: BlobStore, data: bytes) -> None:
        incoming = begin(store)

        with pytest.raises(BlobForged):
            incoming.append(data)
        incoming.close()
        assert path_of(store).stat().st_size in (
            manifest_bytes(len(DATA)),
            manifest_bytes(len(DATA)) + SEALED_SEGMENT_BYTES,
        )

    def test_more_than_the_blob_is_refused(self, store: BlobStore) -> None:
        incoming = begin(store, DATA)

        with pytest.raises(BlobForged):
            incoming.append(PARTS[3])


class TestBegin:
    def test_another_blobs_manifest_is_forged(self, store: BlobStore) -> None:
        incoming = IncomingBlob(store, CiphertextHash(bytes(32)))

        with pytest.raises(BlobForged) as caught:
            incoming.begin(MANIFEST)
        assert caught.value.segment is None

    def test_announcing_more_than_the_disk_has_is_refused_before_anything_is_written(
        self, tmp_path: Path
    ) -> None:
        store = make_store(tmp_path, reserve_bytes=1 << 62)
        incoming = IncomingBlob(store, MANIFEST.name)

        with pytest.raises(NoSpaceForBlob):
            incoming.begin(MANIFEST)
        incoming.close()
        assert path_of(store).stat().st_size == 0

    def test_a_full_disk_is_told_once(self, store: BlobStore) -> None:
        """What was not written is not tried again when the file is closed, which would hide why it was not."""
        incoming = IncomingBlob(store, MANIFEST.name)
        incoming.close()
        incoming._file = open("/dev/full", "r+b")  # noqa: SIM115  # `close` closes it

        with pytest.raises(NoSpaceForBlob):
            incoming.begin(MANIFEST)
        incoming.close()


class TestGoingOn:
    @pytest.mark.parametrize("count", range(5))
    def test_after_each_segment(self, store: BlobStore, count: int) -> None:
        begin(store, *PARTS[:count]).close()

        incoming = IncomingBlob(store, MANIFEST.name)

        assert (incoming.manifest, incoming.segments, incoming.is_complete) == (MANIFEST, count, count == 4)
        for part in PARTS[count:]:
            incoming.append(part)
        incoming.finish()
        assert store.read(MANIFEST.name, 0, 4) == DATA

    def test_without_a_manifest_it_begins_again(self, store: BlobStore) -> None:
        IncomingBlob(store, MANIFEST.name).close()

        assert IncomingBlob(store, MANIFEST.name).manifest is None

    @settings(max_examples=30, deadline=None)
    @given(st.data())
    def test_any_damage_costs_at_most_what_is_behind_it(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        """Cut off anywhere and with any byte flipped, what is kept is a checked beginning."""
        store = make_store(tmp_path_factory.mktemp("store"))
        begin(store, *PARTS[:3]).close()
        path = path_of(store)
        size = data.draw(st.integers(0, path.stat().st_size))
        os.truncate(path, size)
        flipped = data.draw(st.none() | st.integers(0, size - 1)) if size else None
        if flipped is not None:
            flip(path, flipped)
        good = size if flipped is None else flipped

        incoming = IncomingBlob(store, MANIFEST.name)

        head = manifest_bytes(len(DATA))
        assert (incoming.manifest is not None) == (good >= head)
        assert incoming.segments == max(0, (good - head) // SEALED_SEGMENT_BYTES)
        if incoming.manifest is None:
            incoming.begin(MANIFEST)
        for part in PARTS[incoming.segments :]:
            incoming.append(part)
        incoming.finish()
        store.verify(MANIFEST.name)

    def test_what_nobody_goes_on_with_is_discarded_by_age(self, store: BlobStore) -> None:
        begin(store, PARTS[0]).close()
        os.utime(path_of(store), (1000, 1000))

        assert discard_incoming(store, older_than_s=1000) == 0
        assert discard_incoming(store, older_than_s=1001) == 1
        assert not path_of(store).exists()

    def test_one_that_comes_whole_meanwhile_is_none_to_be_discarded(self, store: BlobStore) -> None:
        """Its file was listed and has moved; a link that leads nowhere stands for it."""
        path_of(store).symlink_to("nowhere")

        assert discard_incoming(store, older_than_s=1001) == 0
