import pytest

from noded.codec.errors import Malformed
from noded.codec.schema import decode_value, encode_value, pack, unpack
from noded.crypto.merkle import LIST_PATH_MAX, ListPath, ProofHash, prove_leaf
from noded.crypto.sparse_merkle import BUCKET_BYTES_MAX, LEVELS_MAX
from noded.crypto.state_proof import BESIDE_BYTES, Leaves, NodesBeside
from noded.types.proofs import LIST_PROOF_BYTES_MAX, STATE_PROOF_BYTES_MAX, ListProof, StateProof

LARGEST_LIST_PROOF = ListProof(
    index=(1 << 63) - 1, count=(1 << 63) - 1, path=ListPath((ProofHash(bytes(32)),) * LIST_PATH_MAX)
)
LARGEST_STATE_PROOF = StateProof(
    beside=NodesBeside(bytes(LEVELS_MAX * BESIDE_BYTES)), leaves=Leaves(bytes(BUCKET_BYTES_MAX))
)


def test_the_largest_proofs_just_fit() -> None:
    assert len(encode_value(LARGEST_LIST_PROOF)) == LIST_PROOF_BYTES_MAX
    assert len(encode_value(LARGEST_STATE_PROOF)) == STATE_PROOF_BYTES_MAX


def test_proofs_travel() -> None:
    proof = prove_leaf([b"a", b"b", b"c"], 1)

    for value in (proof, LARGEST_LIST_PROOF):
        assert decode_value(ListProof, encode_value(value), max_bytes=LIST_PROOF_BYTES_MAX) == value
    assert (
        decode_value(StateProof, encode_value(LARGEST_STATE_PROOF), max_bytes=STATE_PROOF_BYTES_MAX)
        == LARGEST_STATE_PROOF
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (0, bytes(4 * BESIDE_BYTES - 1)),
        (0, bytes(LEVELS_MAX * BESIDE_BYTES + 1)),
        (1, bytes(BUCKET_BYTES_MAX + 1)),
        (1, [bytes(32)]),
    ],
)
def test_odd_proofs_are_refused(field: int, value: object) -> None:
    plain = pack(LARGEST_STATE_PROOF)
    plain[field] = value

    with pytest.raises(Malformed):
        unpack(StateProof, plain)
