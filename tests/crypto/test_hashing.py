"""H2: no hash of one domain is a hash of another."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.crypto.hashing import commit, hasher, tagged_hash

parts_lists = st.lists(st.binary(max_size=12), max_size=4)


def test_one_part_is_hashed_after_a_block_of_its_domain() -> None:
    block = 2 * hashlib.sha256(b"noded/test/1:part").digest()

    assert tagged_hash("noded/test/1", b"abc") == hashlib.sha256(block + b"abc").digest()


def test_several_parts_are_hashed_with_their_lengths() -> None:
    block = 2 * hashlib.sha256(b"noded/test/1:parts").digest()
    framed = bytes(7) + b"\x01a" + bytes(7) + b"\x02bc"

    assert tagged_hash("noded/test/1", b"a", b"bc") == hashlib.sha256(block + framed).digest()


def test_a_hasher_is_the_tagged_hash_of_one_part() -> None:
    assert hasher("noded/test/1")(b"abc") == tagged_hash("noded/test/1", b"abc")


@given(parts_lists, parts_lists)
def test_other_parts_have_another_hash(first: list[bytes], second: list[bytes]) -> None:
    assert (tagged_hash("noded/test/1", *first) == tagged_hash("noded/test/1", *second)) == (first == second)


@given(parts_lists)
def test_other_domains_have_another_hash(parts: list[bytes]) -> None:
    assert tagged_hash("noded/test/1", *parts) != tagged_hash("noded/test/2", *parts)


def test_a_commitment_is_an_hmac() -> None:
    """RFC 4231, test case 6: a key longer than a block."""
    expected = "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"

    assert commit(b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First").hex() == expected
    assert commit(b"k" * 16, b"data") == hmac.digest(b"k" * 16, b"data", "sha256")


def test_a_guessable_salt_key_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="guessed"):
        commit(b"k" * 15, b"data")
