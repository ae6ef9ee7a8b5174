"""Proofs as they travel: the limits of those that `noded.crypto` makes and judges."""

from noded.codec.schema import Limit, restrict
from noded.crypto.sparse_merkle import BUCKET_BYTES_MAX, LEVELS_MAX, UPPER_LEVELS
from noded.crypto.state_proof import BESIDE_BYTES, Leaves, NodesBeside, StateProof

__all__ = ["STATE_PROOF_BYTES_MAX", "StateProof"]

restrict(NodesBeside, Limit(UPPER_LEVELS * BESIDE_BYTES, LEVELS_MAX * BESIDE_BYTES))
restrict(Leaves, Limit(0, BUCKET_BYTES_MAX))

STATE_PROOF_BYTES_MAX = 1 + 3 + LEVELS_MAX * BESIDE_BYTES + 3 + BUCKET_BYTES_MAX
"""Encoding of a StateProof whose path is as long as paths can be; about 16 KB, of which hashes of honest keys fill 3 to 6."""
