import pytest

from noded.codec.errors import Malformed
from noded.codec.schema import decode_value, encode_value, pack, unpack
from noded.crypto.sparse_merkle import BUCKET_BYTES_MAX, LEVELS_MAX
from noded.crypto.state_proof import BESIDE_BYTES, Leaves, NodesBeside
from noded.types.proofs import STATE_PROOF_BYTES_MAX, StateProof

LARGEST_STATE_PROOF = StateProof(
    beside=NodesBeside(bytes(LEVELS_MAX * BESIDE_BYTES)), leaves=Leaves(bytes(BUCKET_BYTES_MAX))
)


def test_the_largest_proof_just_fits() -> None:
    assert len(encode_value(LARGEST_STATE_PROOF)) == STATE_PROOF_BYTES_MAX


def test_proofs_travel() -> None:
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
