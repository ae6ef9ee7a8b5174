"""H3: the root depends on the keys and values held, not on how they came to be."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noded.crypto.hashing import ZERO_HASH, tagged_hash
from noded.crypto.sparse_merkle import (
    BUCKETS,
    CHANGES_FEW,
    TreeDelta,
    UpperTree,
    bucket_of,
    bucket_root,
    group_of,
    leaf_in,
    leaf_of,
    pack_leaves,
    path_of,
    root_of,
    unpack_leaves,
    updated,
    with_leaf,
    with_leaves,
)
from tests.helpers.state_tree import bucket_leaves, close_paths, naive_bucket, naive_root, roots_of

states = st.dictionaries(st.binary(min_size=1, max_size=3), st.binary(max_size=3), max_size=12)


class TestLeaves:
    def test_a_leaf_is_a_path_and_the_hash_of_a_value(self) -> None:
        path = tagged_hash("noded/state-path/1", b"key")

        assert path_of(b"key") == path
        assert leaf_of(b"value") == tagged_hash("noded/state-value/1", b"value")
        assert bucket_of(path) == int.from_bytes(path[:2])


class TestBucketRoot:
    def test_nothing_is_zero(self) -> None:
        assert bucket_root(b"") == ZERO_HASH

    @pytest.mark.parametrize("count", [1, 2, 64])
    def test_few_leaves_are_hashed_in_one_piece(self, count: int) -> None:
        packed = pack_leaves((bytes(31) + bytes((number,)), b"l" * 32) for number in range(count))

        assert bucket_root(packed) == tagged_hash("noded/state-bucket/1", packed)

    def test_many_leaves_are_parted_by_their_next_digit(self) -> None:
        leaves = [(bytes(2) + bytes((number << 4,)) + bytes(29), b"l" * 32) for number in range(16)]
        leaves += [(bytes(2) + b"\xf1" + bytes((number,)) + bytes(28), b"m" * 32) for number in range(49)]
        children = [pack_leaves([leaf]) for leaf in leaves[:15]] + [pack_leaves(leaves[15:])]

        assert bucket_root(pack_leaves(leaves)) == tagged_hash(
            "noded/state-fan/1", b"".join(tagged_hash("noded/state-bucket/1", child) for child in children)
        )

    @given(close_paths())
    def test_any_leaves_as_by_definition(self, paths: list[bytes]) -> None:
        leaves = [(path, tagged_hash("leaf", path)) for path in paths]

        assert bucket_root(pack_leaves(leaves)) == naive_bucket(leaves, 4)

    @given(close_paths(), st.data())
    def test_side_by_side_as_by_definition(self, paths: list[bytes], data: st.DataObject) -> None:
        """However a bucket came to hold its leaves, they lie in order, and its root is theirs."""
        leaves: dict[bytes, bytes] = {}
        packed = b""
        rng = random.Random(data.draw(st.integers(0, 1 << 32)))
        for path in rng.sample(2 * paths, 2 * len(paths)):
            leaf = rng.choice([None, rng.randbytes(32), rng.randbytes(32)])
            packed = with_leaf(packed, path, leaf)
            leaves.pop(path, None)
            if leaf is not None:
                leaves[path] = leaf

        ordered = sorted(leaves.items())
        assert unpack_leaves(packed) == ordered
        assert all(leaf_in(packed, path) == leaves.get(path) for path in paths)
        assert bucket_root(packed) == naive_bucket(ordered, 4)

    @given(close_paths(), st.integers(0, 1 << 32))
    def test_several_changes_are_as_one_by_one(self, paths: list[bytes], seed: int) -> None:
        rng = random.Random(seed)
        held = rng.sample(paths, rng.randint(0, len(paths)))
        packed = pack_leaves((path, rng.randbytes(32)) for path in sorted(held))
        for count in (CHANGES_FEW, len(paths)):
            chosen = rng.sample(paths, min(count, len(paths)))
            changes = [(path, rng.choice([None, rng.randbytes(32)])) for path in chosen]
            expected = packed
            for path, leaf in changes:
                expected = with_leaf(expected, path, leaf)

            assert with_leaves(packed, changes) == expected


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
    return {n: bucket_root(new.get(n, b"")) for n in numbers if old.get(n) != new.get(n)}
