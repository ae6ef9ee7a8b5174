"""H3: the root depends on the keys and values held, not on how they came to be."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.crypto.hashing import ZERO_HASH, tagged_hash
from noded.crypto.sparse_merkle import (
    BUCKETS,
    TreeDelta,
    UpperTree,
    bucket_of,
    bucket_root,
    group_of,
    leaf_hash,
    pack_leaves,
    packed_root,
    path_of,
    root_of,
    unpack_leaves,
    updated,
    with_leaf,
)
from tests.helpers.state_tree import bucket_leaves, close_paths, naive_root, naive_subtree, roots_of

states = st.dictionaries(st.binary(min_size=1, max_size=3), st.binary(max_size=3), max_size=12)


class TestLeaves:
    def test_hashes_of_a_leaf(self) -> None:
        path = tagged_hash("noded/state-path/1", b"key")
        value_hash = tagged_hash("noded/state-value/1", b"value")

        assert path_of(b"key") == path
        assert leaf_hash(path, b"value") == tagged_hash("noded/state-leaf/1", path + value_hash)
        assert bucket_of(path) == int.from_bytes(path[:2])


class TestBucketRoot:
    def test_nothing_is_zero(self) -> None:
        assert bucket_root([]) == ZERO_HASH

    def test_a_single_leaf_is_the_root(self) -> None:
        assert bucket_root([(bytes(32), b"l" * 32)]) == b"l" * 32

    def test_two_leaves_part_at_the_first_bit(self) -> None:
        low, high = bytes(32), b"\0\0\x80" + bytes(29)

        assert bucket_root([(low, b"a" * 32), (high, b"b" * 32)]) == tagged_hash(
            "noded/state-node/1", b"a" * 32 + b"b" * 32
        )

    def test_two_leaves_part_at_the_last_bit(self) -> None:
        first, second = bytes(32), bytes(31) + b"\x01"
        expected = tagged_hash("noded/state-node/1", b"a" * 32 + b"b" * 32)
        for _ in range(239):
            expected = tagged_hash("noded/state-node/1", expected + ZERO_HASH)

        assert bucket_root([(first, b"a" * 32), (second, b"b" * 32)]) == expected

    @given(close_paths())
    def test_any_leaves_as_by_definition(self, paths: list[bytes]) -> None:
        leaves = [(path, tagged_hash("leaf", path)) for path in paths]

        assert bucket_root(leaves) == naive_subtree(leaves, 16)

    @given(close_paths(), st.data())
    def test_side_by_side_as_by_definition(self, paths: list[bytes], data: st.DataObject) -> None:
        """However a bucket came to hold its leaves, they lie in order, and its root is theirs."""
        leaves: dict[bytes, bytes] = {}
        packed = b""
        for path in data.draw(st.permutations(2 * paths)):
            leaf = data.draw(st.none() | st.binary(min_size=32, max_size=32))
            packed = with_leaf(packed, path, leaf)
            leaves.pop(path, None)
            if leaf is not None:
                leaves[path] = leaf

            ordered = sorted(leaves.items())
            assert unpack_leaves(packed) == ordered
            assert packed_root(packed) == naive_subtree(ordered, 16)

    def test_leaves_out_of_order_are_a_bug(self) -> None:
        leaves = [(b"\0\0" + bytes((n,)) * 30, bytes((n,)) * 32) for n in (2, 1)]

        with pytest.raises(AssertionError, match="order"):
            bucket_root(leaves)
        with pytest.raises(AssertionError, match="order"):
            bucket_root([leaves[0], leaves[0]])
        with pytest.raises(AssertionError, match="order"):
            packed_root(pack_leaves(leaves))

    def test_leaves_of_two_buckets_are_a_bug(self) -> None:
        with pytest.raises(AssertionError, match="one bucket"):
            bucket_root([(bytes(32), b"a" * 32), (b"\0\1" + bytes(30), b"b" * 32)])
        with pytest.raises(AssertionError, match="one bucket"):
            packed_root(pack_leaves([(bytes(32), b"a" * 32), (b"\0\1" + bytes(30), b"b" * 32)]))


class TestUpdate:
    @given(states)
    def test_the_root_is_as_by_definition(self, state: dict[bytes, bytes]) -> None:
        assert updated(UpperTree(), [], roots_of(state)).root == naive_root(state)

    @given(st.lists(states, min_size=1, max_size=5), st.data())
    def test_any_way_to_a_state_gives_its_root(
        self, steps: list[dict[bytes, bytes]], data: st.DataObject
    ) -> None:
        """Blocks on blocks, some of them already folded: only the last state counts; what is gone leaves nothing."""
        base, deltas = UpperTree(), list[TreeDelta]()
        before: dict[bytes, bytes] = {}
        for state in steps:
            deltas.append(updated(base, deltas, changed(before, state)))
            before = state
            if data.draw(st.booleans()):
                base.fold(deltas.pop(0))

            assert root_of(base, deltas) == naive_root(state)

    def test_the_base_stays_as_it_was(self) -> None:
        base = UpperTree()
        first = updated(base, [], {5: b"a" * 32})
        base.fold(first)
        rivals = [updated(base, [], {5: b"b" * 32, 6: b"c" * 32}), updated(base, [], {5: b"d" * 32})]

        assert base.root == first.root
        assert rivals[0].root != rivals[1].root
        assert updated(base, [], {5: b"b" * 32, 6: b"c" * 32}) == rivals[0]

    def test_no_change_is_no_new_root(self) -> None:
        base = UpperTree()
        base.fold(updated(base, [], {5: b"a" * 32}))

        assert updated(base, [], {}).root == base.root
        assert updated(base, [], {5: b"a" * 32}).root == base.root

    def test_a_changed_bucket_changes_one_node_a_level(self) -> None:
        delta = updated(UpperTree(), [], {0xABCD: b"a" * 32})

        assert sorted(delta.groups) == [0, 1 + 0xA, 17 + 0xAB, 273 + 0xABC]
        assert delta.groups[273 + 0xABC][0xD * 32 :][:32] == b"a" * 32

    def test_a_delta_of_another_tree_is_a_bug(self) -> None:
        base = UpperTree()
        first, rival = updated(base, [], {1: b"a" * 32}), updated(base, [], {2: b"b" * 32})
        base.fold(first)

        with pytest.raises(AssertionError, match="another tree"):
            base.fold(rival)
        with pytest.raises(AssertionError, match="another tree"):
            updated(base, [rival], {})


class TestFromBucketRoots:
    def test_equals_the_tree_updated_one_by_one(self) -> None:
        rng = random.Random(7)
        roots = {rng.randrange(BUCKETS): rng.randbytes(32) for _ in range(300)}
        base = UpperTree()
        base.fold(updated(base, [], roots))
        loaded = UpperTree.from_bucket_roots(
            b"".join(roots.get(bucket, ZERO_HASH) for bucket in range(BUCKETS))
        )

        assert loaded.root == base.root
        assert all(loaded.group(node) == group_of(base, [], node) for node in range(4369))

    def test_of_nothing(self) -> None:
        assert UpperTree.from_bucket_roots(bytes(BUCKETS * 32)).root == ZERO_HASH


def changed(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> dict[int, bytes]:
    """The new roots of the buckets that differ."""
    old, new = bucket_leaves(before), bucket_leaves(after)
    numbers: Iterable[int] = sorted(old.keys() | new.keys())
    return {n: bucket_root(new.get(n, [])) for n in numbers if old.get(n) != new.get(n)}
