"""H3: a proof shows a key's value, or its absence; no proof of both exists."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from noded.crypto import state_proof
from noded.crypto.hashing import ZERO_HASH, tagged_hash
from noded.crypto.sparse_merkle import (
    LEVELS_MAX,
    UPPER_LEVELS,
    UpperTree,
    bucket_of,
    bucket_root,
    leaf_of,
    node_of,
    pack_leaves,
    path_of,
    updated,
)
from noded.crypto.state_proof import (
    BESIDE_BYTES,
    Leaves,
    NodesBeside,
    StateProof,
    prove,
    verify_absence,
    verify_inclusion,
)
from tests.helpers.state_tree import bucket_leaves, close_paths, roots_of

states = st.dictionaries(st.binary(min_size=1, max_size=2), st.binary(max_size=3), min_size=1, max_size=12)


def tree_and_proof(state: dict[bytes, bytes], key: bytes) -> tuple[bytes, StateProof]:
    """The root of a state, and its proof about a key; half the state is folded, half a delta."""
    base = UpperTree()
    first = dict(list(state.items())[::2])
    base.fold(updated(base, [], roots_of(first)))
    delta = updated(base, [], roots_of(state))
    return delta.root, prove(base, [delta], bucket_leaves(state).get(bucket_of(path_of(key)), b""), key)


def forgeries(proof: StateProof) -> list[StateProof]:
    """Proofs that differ from one in one place."""
    beside, leaves = proof.beside, proof.leaves
    flipped = [
        beside[:at] + bytes((beside[at] ^ 1,)) + beside[at + 1 :] for at in (0, 959, 1919, len(beside) - 1)
    ]
    cut = [b"", beside[:-1], beside + b"\0", beside[BESIDE_BYTES:], bytes(BESIDE_BYTES) + beside]
    cut.append(beside + bytes((LEVELS_MAX - UPPER_LEVELS + 1) * BESIDE_BYTES))
    made = [replace(proof, beside=NodesBeside(each)) for each in flipped + cut]
    parts = [leaves[at : at + 64] for at in range(0, len(leaves), 64)]
    for at, part in enumerate(parts):
        rest = parts[:at], parts[at + 1 :]
        for others in (
            [],
            [part, part],
            [part[:-1] + bytes((part[-1] ^ 1,))],
            [bytes((part[0] ^ 1,)) + part[1:]],
        ):
            made.append(replace(proof, leaves=Leaves(b"".join(rest[0] + others + rest[1]))))
    if len(parts) > 1:
        made.append(replace(proof, leaves=Leaves(b"".join(reversed(parts)))))
    made += [
        replace(proof, leaves=Leaves(each))
        for each in (leaves + b"\0", leaves + bytes(64), leaves + b"f" * 64)
    ]
    made.append(replace(proof, leaves=Leaves(leaves + b"f" * 64 * 64)))
    return made


class TestInclusion:
    @given(states, st.data())
    def test_every_key_is_proven_with_its_value_only(
        self, state: dict[bytes, bytes], data: st.DataObject
    ) -> None:
        key = data.draw(st.sampled_from(sorted(state)))
        root, proof = tree_and_proof(state, key)

        assert verify_inclusion(root, key, state[key], proof)
        assert not verify_inclusion(root, key, state[key] + b"!", proof)
        assert not verify_inclusion(root, key + b"!", state[key], proof)
        assert not verify_inclusion(tagged_hash("other", root), key, state[key], proof)
        assert not verify_absence(root, key, proof)

    @given(states, st.data())
    def test_forged_proofs_are_refused(self, state: dict[bytes, bytes], data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(state)))
        root, proof = tree_and_proof(state, key)

        assert not any(verify_inclusion(root, key, state[key], forged) for forged in forgeries(proof))


class TestAbsence:
    @given(states, st.binary(min_size=1, max_size=3))
    def test_every_other_key_is_proven_absent(self, state: dict[bytes, bytes], key: bytes) -> None:
        assume(key not in state)
        root, proof = tree_and_proof(state, key)

        assert verify_absence(root, key, proof)
        assert not verify_inclusion(root, key, b"", proof)

    @given(states, st.data())
    def test_a_present_key_is_never_proven_absent(
        self, state: dict[bytes, bytes], data: st.DataObject
    ) -> None:
        """Neither with its own proof nor with any other one about the same tree."""
        key = data.draw(st.sampled_from(sorted(state)))
        other = data.draw(st.binary(min_size=1, max_size=3))
        root, own = tree_and_proof(state, key)
        _, proof = tree_and_proof(state, other)

        assert not verify_absence(root, key, own)
        assert not verify_absence(root, key, proof)
        assert not any(verify_absence(root, key, forged) for forged in forgeries(own))

    def test_in_an_empty_state(self) -> None:
        proof = prove(UpperTree(), [], b"", b"key")

        assert verify_absence(ZERO_HASH, b"key", proof)
        assert proof == StateProof(beside=NodesBeside(bytes(UPPER_LEVELS * BESIDE_BYTES)), leaves=Leaves(b""))


class TestWithinABucket:
    """Paths that share many bits never come from hashes, so here keys are their own paths."""

    @pytest.fixture(autouse=True)
    def _keys_are_paths(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(state_proof, "path_of", bytes)

    @given(close_paths(), st.data())
    def test_deep_trees(self, paths: list[bytes], data: st.DataObject) -> None:
        absent = data.draw(st.sampled_from(paths).map(lambda path: path[:-1] + bytes((path[-1] ^ 0x55,))))
        assume(absent not in paths)
        present = data.draw(st.sampled_from(paths))
        packed = pack_leaves((path, leaf_of(path)) for path in paths)
        delta = updated(UpperTree(), [], {0: bucket_root(packed)})

        def proof(key: bytes) -> StateProof:
            return prove(UpperTree(), [delta], packed, key)

        assert verify_inclusion(delta.root, present, present, proof(present))
        assert verify_absence(delta.root, absent, proof(absent))
        assert not verify_absence(delta.root, present, proof(absent))
        assert not any(
            verify_inclusion(delta.root, present, present, forged) for forged in forgeries(proof(present))
        )

    @pytest.mark.parametrize("misplaced", [b"\x80" + bytes(31), b"\0\1" + bytes(30)])
    def test_a_leaf_in_a_place_not_its_own_proves_nothing(self, misplaced: bytes) -> None:
        """Even a quorum's root does not make a bucket say something about paths that are not its own."""
        absent = bytes(32)
        packed = pack_leaves([(misplaced, leaf_of(b"v"))])
        delta = updated(UpperTree(), [], {0: bucket_root(packed)})
        proof = prove(UpperTree(), [delta], packed, absent)

        assert not verify_absence(delta.root, absent, proof)

    def test_leaves_out_of_order_prove_nothing(self) -> None:
        """Even a quorum's root does not give a key two values."""
        key = bytes(32)
        packed = pack_leaves([(key, leaf_of(b"v")), (key, leaf_of(b"w"))])
        delta = updated(UpperTree(), [], {0: bucket_root(packed)})

        assert not verify_inclusion(delta.root, key, b"v", prove(UpperTree(), [delta], packed, key))

    def test_the_bucket_must_stand_in_the_very_place(self) -> None:
        """A bucket from another branch, honestly proven there, says nothing about this one."""
        crowd = [bytes(2) + bytes((number,)) + bytes(29) for number in range(100)]
        packed = pack_leaves((path, leaf_of(b"v")) for path in crowd)
        delta = updated(UpperTree(), [], {0: bucket_root(packed)})
        absent = bytes(2) + b"\xc0" + bytes(29)
        right, at_near = (prove(UpperTree(), [delta], packed, key) for key in (absent, crowd[0]))

        assert verify_absence(delta.root, absent, right)
        assert (len(right.leaves), len(at_near.leaves)) == (0, 16 * 64)
        assert not verify_absence(delta.root, absent, at_near)
        assert not verify_absence(delta.root, crowd[0], right)

    def test_a_bucket_that_is_parted_is_not_shown_whole(self) -> None:
        crowd = [bytes(2) + bytes((number,)) + bytes(29) for number in range(65)]
        packed = pack_leaves((path, leaf_of(b"v")) for path in crowd)
        delta = updated(UpperTree(), [], {0: bucket_root(packed)})
        whole = StateProof(
            beside=prove(UpperTree(), [delta], b"", crowd[0]).beside,
            leaves=Leaves(packed),
        )

        assert verify_inclusion(delta.root, crowd[0], b"v", prove(UpperTree(), [delta], packed, crowd[0]))
        assert not verify_inclusion(delta.root, crowd[0], b"v", whole)

    @pytest.mark.parametrize(("levels", "holds"), [(LEVELS_MAX, True), (LEVELS_MAX + 1, False)])
    def test_no_path_needs_more_levels(self, levels: int, holds: bool) -> None:
        key = bytes(32)
        packed = pack_leaves([(key, leaf_of(b"v"))])
        root = bucket_root(packed)
        for _ in range(levels):
            root = node_of(root + bytes(BESIDE_BYTES))
        proof = StateProof(beside=NodesBeside(bytes(levels * BESIDE_BYTES)), leaves=Leaves(packed))

        assert verify_inclusion(root, key, b"v", proof) is holds
