"""What a block makes of the state's tree, and what the buckets that it changed had before."""

from hypothesis import given
from hypothesis import strategies as st

from noded.crypto.sparse_merkle import UpperTree, bucket_of, leaf_of, pack_leaves, path_of
from noded.ledger.execution import changes_of
from noded.ledger.state import Overlay

PATHS = {number.to_bytes(2): bytes((0, number % 3)) + path_of(number.to_bytes(2))[2:] for number in range(12)}
"""Of twelve keys in three buckets."""

kept = st.dictionaries(st.sampled_from(list(PATHS)), st.binary(min_size=1, max_size=2))
changed = st.dictionaries(st.sampled_from(list(PATHS)), st.none() | st.binary(min_size=1, max_size=2))


def buckets(values: dict[bytes, bytes]) -> dict[int, bytes]:
    """The leaves of these keys by bucket, side by side."""
    leaves = sorted((PATHS[key], leaf_of(value)) for key, value in values.items())
    return {
        bucket: pack_leaves(leaf for leaf in leaves if bucket_of(leaf[0]) == bucket) for bucket in range(3)
    }


@given(kept, changed)
def test_buckets_have_what_was_changed_and_tell_what_they_had(
    before: dict[bytes, bytes], changes: dict[bytes, bytes | None]
) -> None:
    """L12: proofs are of the state before a block, which is told from what the block replaced."""
    state = Overlay(before.get)
    for key, value in changes.items():
        state.put(key, value)
    state.keep()
    found = changes_of(state, UpperTree(), (), buckets(before).__getitem__, PATHS)

    after = buckets({key: value for key, value in (before | changes).items() if value is not None})
    touched = {bucket_of(PATHS[key]) for key in changes}
    assert found.buckets == {bucket: after[bucket] for bucket in touched}
    for bucket in range(3):
        assert found.before(bucket) == (buckets(before)[bucket] if bucket in touched else None)
