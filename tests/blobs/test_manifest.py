"""B1: a blob's name commits to its size and to each of its segments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.blobs.manifest import (
    BLOB_BYTES_MAX,
    MANIFEST_BYTES_MAX,
    SEGMENTS_MAX,
    Manifest,
    count_segments,
    decode_manifest,
    hash_segment,
    manifest_bytes,
)
from noded.codec.errors import Malformed
from noded.crypto.segments import SEALED_SEGMENT_BYTES
from noded.network.interface import BULK_PAYLOAD_BYTES_MAX

SIZES = st.one_of(
    st.integers(1, 3 * SEALED_SEGMENT_BYTES),
    st.sampled_from([SEALED_SEGMENT_BYTES - 1, SEALED_SEGMENT_BYTES, SEALED_SEGMENT_BYTES + 1]),
)


def make_manifest(size: int, fill: bytes = b"h") -> Manifest:
    return Manifest(size=size, hashes=fill * 32 * count_segments(size))


@given(SIZES)
def test_encoding_and_decoding_are_inverse(size: int) -> None:
    manifest = make_manifest(size)

    assert decode_manifest(manifest.encode()) == manifest
    assert len(manifest.encode()) == manifest_bytes(size)
    assert sum(manifest.segment_bytes(segment) for segment in range(manifest.segments)) == size


@given(st.binary(max_size=200))
def test_any_bytes_are_malformed_or_the_one_encoding(data: bytes) -> None:
    try:
        manifest = decode_manifest(data)
    except Malformed:
        return
    assert manifest.encode() == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(8),
        (1).to_bytes(8),
        (1).to_bytes(8) + bytes(31),
        (1).to_bytes(8) + bytes(64),
        (BLOB_BYTES_MAX + 1).to_bytes(8) + bytes(32 * (SEGMENTS_MAX + 1)),
        b"\xff" * 40,
    ],
)
def test_what_is_no_manifest_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_manifest(data)


def test_the_largest_manifest_fits_one_answer() -> None:
    assert manifest_bytes(BLOB_BYTES_MAX) == MANIFEST_BYTES_MAX < BULK_PAYLOAD_BYTES_MAX


class TestName:
    @given(SIZES, SIZES)
    def test_differs_with_the_size(self, one: int, other: int) -> None:
        assert (make_manifest(one).name == make_manifest(other).name) == (one == other)

    @given(st.integers(0, 63), st.integers(1, 255))
    def test_differs_with_any_bit_of_any_hash(self, at: int, change: int) -> None:
        manifest = make_manifest(SEALED_SEGMENT_BYTES + 1)
        hashes = bytearray(manifest.hashes)
        hashes[at] ^= change

        assert Manifest(size=manifest.size, hashes=bytes(hashes)).name != manifest.name


class TestIsSegment:
    def test_only_the_bytes_in_their_place(self) -> None:
        parts = (b"a" * SEALED_SEGMENT_BYTES, b"b" * 10)
        manifest = Manifest(size=SEALED_SEGMENT_BYTES + 10, hashes=b"".join(map(hash_segment, parts)))

        assert manifest.is_segment(0, parts[0])
        assert manifest.is_segment(1, parts[1])
        assert not manifest.is_segment(1, parts[0])
        assert not manifest.is_segment(0, parts[1])
        assert not manifest.is_segment(1, parts[1] + b"b")
        assert not manifest.is_segment(1, b"c" * 10)
