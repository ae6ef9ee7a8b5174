"""H4: a segment is bound to record, version, place and being the last."""

from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st

from noded.crypto.errors import Undecryptable
from noded.crypto.segments import (
    SEALED_SEGMENT_BYTES,
    SEGMENT_BYTES,
    Cipher,
    Segments,
    count_segments,
    sealed_bytes,
)
from tests.helpers.shared_data import wycheproof

SEGMENTS = Segments(key=bytes(range(32)), record=b"r" * 16, version=7)

sizes = st.one_of(
    st.integers(0, 100),
    st.builds(
        lambda whole, more: max(0, whole * SEGMENT_BYTES + more), st.integers(1, 3), st.integers(-2, 2)
    ),
)


def opened(segments: Segments, sealed: list[bytes]) -> bytes:
    return b"".join(segments.open(at, part, is_last=at == len(sealed) - 1) for at, part in enumerate(sealed))


@given(sizes, st.integers(1, 2 * SEGMENT_BYTES), st.sampled_from(Cipher))
def test_open_undoes_seal_in_whatever_pieces(size: int, piece: int, cipher: Cipher) -> None:
    segments = replace(SEGMENTS, cipher=cipher)
    content = (bytes(range(251)) * (size // 251 + 1))[:size]
    step = max(piece, size // 50 + 1)
    sealed = list(segments.seal(content[at : at + step] for at in range(0, size, step)))

    assert opened(segments, sealed) == content
    assert sealed == list(segments.seal([content]))
    assert len(sealed) == count_segments(size)
    assert sum(map(len, sealed)) == sealed_bytes(size)
    assert all(len(part) == SEALED_SEGMENT_BYTES for part in sealed[:-1])


def test_empty_content_is_one_segment() -> None:
    sealed = list(SEGMENTS.seal([]))

    assert [len(part) for part in sealed] == [16]
    assert SEGMENTS.open(0, sealed[0], is_last=True) == b""


@pytest.mark.parametrize("cipher", Cipher)
class TestRefused:
    def sealed(self, cipher: Cipher) -> tuple[Segments, list[bytes]]:
        segments = replace(SEGMENTS, cipher=cipher)
        return segments, list(segments.seal([b"a" * SEGMENT_BYTES, b"b" * SEGMENT_BYTES, b"c"]))

    def test_a_segment_in_another_place(self, cipher: Cipher) -> None:
        segments, sealed = self.sealed(cipher)

        for place in (1, 2, 256, 1 << 40):
            with pytest.raises(Undecryptable, match=f"segment {place}"):
                segments.open(place, sealed[0], is_last=False)

    def test_a_content_cut_off(self, cipher: Cipher) -> None:
        segments, sealed = self.sealed(cipher)

        with pytest.raises(Undecryptable):
            segments.open(1, sealed[1], is_last=True)

    def test_a_content_made_longer(self, cipher: Cipher) -> None:
        segments, sealed = self.sealed(cipher)

        with pytest.raises(Undecryptable):
            segments.open(2, sealed[2], is_last=False)

    def test_another_record_version_key_or_cipher(self, cipher: Cipher) -> None:
        segments, sealed = self.sealed(cipher)
        others = [
            replace(segments, record=b"s" * 16),
            replace(segments, record=b"r" * 15),
            replace(segments, version=8),
            replace(segments, key=bytes(32)),
            replace(segments, cipher=next(other for other in Cipher if other is not cipher)),
        ]

        for other in others:
            with pytest.raises(Undecryptable):
                other.open(0, sealed[0], is_last=False)

    def test_changed_bytes(self, cipher: Cipher) -> None:
        segments, sealed = self.sealed(cipher)

        for bad in (b"", sealed[2][:-1], sealed[2] + b"\0", bytes((sealed[2][0] ^ 1,)) + sealed[2][1:]):
            with pytest.raises(Undecryptable):
                segments.open(2, bad, is_last=True)


def test_one_segment_is_read_without_the_others() -> None:
    sealed = list(SEGMENTS.seal([b"a" * SEGMENT_BYTES + b"b" * SEGMENT_BYTES + b"c"]))

    assert SEGMENTS.open(1, sealed[1], is_last=False) == b"b" * SEGMENT_BYTES


def test_no_nonce_is_used_twice_under_a_key() -> None:
    """Equal segments encrypt to unlike bytes; with equal nonces their XOR would be that of the contents."""
    sealed = list(SEGMENTS.seal([bytes(3 * SEGMENT_BYTES)]))

    assert len({part[:32] for part in sealed}) == 3


def test_the_key_is_not_shown() -> None:
    assert SEGMENTS.key.hex() not in repr(SEGMENTS)
    assert repr(SEGMENTS.key) not in repr(SEGMENTS)


@pytest.mark.parametrize(("name", "aead"), [("aes_gcm", AESGCM), ("chacha20_poly1305", ChaCha20Poly1305)])
def test_wycheproof(name: str, aead: type[AESGCM] | type[ChaCha20Poly1305]) -> None:
    """The ciphers below are what they are called, with the nonces, keys and tags in use here."""
    seen = 0
    for group, test in wycheproof(name):
        if (group["ivSize"], group["keySize"], group["tagSize"]) != (96, 256, 128):
            continue
        key, nonce, context, content, sealed, tag = (
            bytes.fromhex(test[part]) for part in ("key", "iv", "aad", "msg", "ct", "tag")
        )
        seen += 1
        if test["result"] == "valid":
            assert aead(key).decrypt(nonce, sealed + tag, context) == content, test["tcId"]
            assert aead(key).encrypt(nonce, content, context) == sealed + tag, test["tcId"]
        else:
            with pytest.raises(InvalidTag):
                aead(key).decrypt(nonce, sealed + tag, context)
    assert seen > 50
