import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.crypto.hashing import tagged_hash
from noded.crypto.merkle import merkle_root

lists = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""

    def top(part: list[bytes]) -> bytes:
        if len(part) == 1:
            return tagged_hash("noded/merkle-leaf/1", part[0])
        split = 1
        while split * 2 < len(part):
            split *= 2
        return tagged_hash("noded/merkle-node/1", top(part[:split]) + top(part[split:]))

    return tagged_hash("noded/merkle-root/1", len(leaves).to_bytes(8) + (top(leaves) if leaves else b""))


@pytest.mark.parametrize("count", [*range(20), 31, 32, 33, 64, 100])
def test_the_shape_is_that_of_rfc_6962(count: int) -> None:
    leaves = [bytes((n,)) for n in range(count)]

    assert merkle_root(leaves) == naive_root(leaves)


@given(lists, lists)
def test_other_lists_have_another_root(first: list[bytes], second: list[bytes]) -> None:
    assert (merkle_root(first) == merkle_root(second)) == (first == second)


def test_a_node_is_no_leaf() -> None:
    """The classic second preimage: two leaves' node offered as one leaf."""
    left, right = (tagged_hash("noded/merkle-leaf/1", leaf) for leaf in (b"a", b"b"))

    assert merkle_root([left + right]) != merkle_root([b"a", b"b"])
