from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.crypto.hashing import tagged_hash
from noded.crypto.merkle import ListPath, ListProof, ProofHash, merkle_root, prove_leaf, verify_leaf

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


@given(lists, st.data())
def test_every_leaf_has_a_proof(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = prove_leaf(leaves, index)

    assert verify_leaf(merkle_root(leaves), leaves[index], proof)
    assert len(proof.path) <= 6


@given(lists, st.data())
def test_no_other_claim_verifies(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    root, proof = merkle_root(leaves), prove_leaf(leaves, index)
    other = data.draw(st.integers(0, 64).filter(lambda n: n != index))
    count = data.draw(st.integers(0, 64).filter(lambda n: n != len(leaves)))

    assert not verify_leaf(root, leaves[index] + b"!", proof)
    is_twin = leaves[other : other + 1] == [leaves[index]]  # Then it may be true there, too.
    assert is_twin or not verify_leaf(root, leaves[index], replace(proof, index=other))
    assert not verify_leaf(root, leaves[index], replace(proof, count=count))
    assert not verify_leaf(
        root, leaves[index], replace(proof, path=ListPath((*proof.path, ProofHash(bytes(32)))))
    )
    for at in range(len(proof.path)):
        for changed in (ProofHash(bytes(32)), ProofHash(b""), ProofHash(proof.path[at] + b"!")):
            path = ListPath((*proof.path[:at], changed, *proof.path[at + 1 :]))
            assert not verify_leaf(root, leaves[index], replace(proof, path=path))
        assert not verify_leaf(root, leaves[index], replace(proof, path=ListPath(proof.path[:at])))


@given(lists, lists)
def test_other_lists_have_another_root(first: list[bytes], second: list[bytes]) -> None:
    assert (merkle_root(first) == merkle_root(second)) == (first == second)


def test_a_node_is_no_leaf() -> None:
    """The classic second preimage: two leaves' node offered as one leaf."""
    left, right = (tagged_hash("noded/merkle-leaf/1", leaf) for leaf in (b"a", b"b"))

    assert merkle_root([left + right]) != merkle_root([b"a", b"b"])


def test_nothing_is_in_an_empty_list() -> None:
    proof = ListProof(index=0, count=0, path=ListPath(()))

    assert not verify_leaf(merkle_root([]), b"", proof)


@pytest.mark.parametrize(("index", "count"), [(-1, 1), (0, 1 << 33), (1 << 70, 1 << 71)])
def test_absurd_positions(index: int, count: int) -> None:
    assert not verify_leaf(merkle_root([b"a"]), b"a", ListProof(index=index, count=count, path=ListPath(())))
