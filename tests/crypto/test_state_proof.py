"""H3: a proof shows a key's value, or its absence; no proof of both exists."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from noded.crypto import state_proof
from noded.crypto.hashing import ZERO_HASH, tagged_hash
from noded.crypto.merkle import ProofHash
from noded.crypto.sparse_merkle import UpperTree, bucket_of, bucket_root, leaf_hash, path_of, updated
from noded.crypto.state_proof import (
    UPPER_PATH_BYTES,
    LowerPath,
    Neighbour,
    StateProof,
    UpperPath,
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
    leaves = bucket_leaves(state).get(bucket_of(path_of(key)), [])
    values = {path_of(held): value for held, value in state.items()}
    return delta.root, prove(base, [delta], leaves, key, values.__getitem__)


def forgeries(proof: StateProof) -> list[StateProof]:
    """Proofs that differ from one in one place."""
    hashes = [ProofHash(ZERO_HASH), ProofHash(b"f" * 32), ProofHash(b""), ProofHash(b"f" * 33)]
    made = [
        replace(
            proof, upper=UpperPath(proof.upper[:at] + bytes((proof.upper[at] ^ 1,)) + proof.upper[at + 1 :])
        )
        for at in (0, 959, 1919)
    ]
    made += [replace(proof, upper=UpperPath(upper)) for upper in (b"", proof.upper[:-1], proof.upper + b"\0")]
    for at in range(len(proof.lower)):
        made += [
            replace(proof, lower=LowerPath((*proof.lower[:at], h, *proof.lower[at + 1 :])))
            for h in hashes
            if h != proof.lower[at]
        ]
        made.append(replace(proof, lower=LowerPath(proof.lower[:at] + proof.lower[at + 1 :])))
    made += [replace(proof, lower=LowerPath((h, *proof.lower))) for h in hashes]
    made.append(replace(proof, lower=LowerPath((ProofHash(ZERO_HASH),) * 241)))
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
        neighbour = Neighbour(path=ProofHash(path_of(key)), value_hash=ProofHash(bytes(32)))

        assert not any(verify_inclusion(root, key, state[key], forged) for forged in forgeries(proof))
        assert not verify_inclusion(root, key, state[key], replace(proof, neighbour=neighbour))


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
        itself = Neighbour(
            path=ProofHash(path_of(key)), value_hash=ProofHash(tagged_hash("noded/state-value/1", state[key]))
        )

        assert not verify_absence(root, key, own)
        assert not verify_absence(root, key, proof)
        assert not verify_absence(root, key, replace(own, neighbour=itself))
        assert not any(verify_absence(root, key, forged) for forged in forgeries(own))

    def test_in_an_empty_state(self) -> None:
        proof = prove(UpperTree(), [], [], b"key", dict[bytes, bytes]().__getitem__)

        assert verify_absence(ZERO_HASH, b"key", proof)
        assert proof == StateProof(
            upper=UpperPath(bytes(UPPER_PATH_BYTES)), lower=LowerPath(()), neighbour=None
        )


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
        leaves = [(path, leaf_hash(path, path)) for path in paths]
        delta = updated(UpperTree(), [], {0: bucket_root(leaves)})

        def proof(key: bytes) -> StateProof:
            return prove(UpperTree(), [delta], leaves, key, lambda path: path)

        assert verify_inclusion(delta.root, present, present, proof(present))
        assert verify_absence(delta.root, absent, proof(absent))
        assert not verify_absence(delta.root, present, proof(absent))
        assert not any(
            verify_inclusion(delta.root, present, present, forged) for forged in forgeries(proof(present))
        )

    def test_a_leaf_in_a_place_not_its_own_proves_nothing(self) -> None:
        """Even a quorum's root does not make a leaf say something about paths that are not its own."""
        absent, misplaced = bytes(32), b"\x80" + bytes(31)
        delta = updated(UpperTree(), [], {0: leaf_hash(misplaced, b"v")})
        there = Neighbour(
            path=ProofHash(misplaced), value_hash=ProofHash(tagged_hash("noded/state-value/1", b"v"))
        )
        proof = prove(UpperTree(), [delta], [], absent, lambda _: b"")

        assert not verify_absence(delta.root, absent, replace(proof, neighbour=there))

    def test_the_neighbour_must_stand_in_the_very_place(self) -> None:
        """A leaf from another branch, honestly proven there, says nothing about this one."""
        near, far, absent = (bytes(2) + first + bytes(29) for first in (b"\x00", b"\x80", b"\xc0"))
        leaves = [(path, leaf_hash(path, b"v")) for path in (near, far)]
        delta = updated(UpperTree(), [], {0: bucket_root(leaves)})
        right = prove(UpperTree(), [delta], leaves, absent, lambda _: b"v")
        wrong = Neighbour(
            path=ProofHash(near), value_hash=ProofHash(tagged_hash("noded/state-value/1", b"v"))
        )
        at_near = prove(UpperTree(), [delta], leaves, near, lambda _: b"v")

        assert verify_absence(delta.root, absent, right)
        assert right.neighbour is not None
        assert right.neighbour.path == far
        assert not verify_absence(delta.root, absent, replace(at_near, neighbour=wrong))
