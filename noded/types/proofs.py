"""Proofs as they travel: the limits of those that `noded.crypto` makes and judges."""

from noded.codec.schema import Limit, restrict
from noded.crypto.hashing import HASH_BYTES
from noded.crypto.merkle import LIST_PATH_MAX, ListPath, ListProof, ProofHash
from noded.crypto.sparse_merkle import LOWER_LEVELS_MAX
from noded.crypto.state_proof import UPPER_PATH_BYTES, LowerPath, Neighbour, StateProof, UpperPath

__all__ = ["LIST_PROOF_BYTES_MAX", "STATE_PROOF_BYTES_MAX", "ListProof", "Neighbour", "StateProof"]

restrict(ProofHash, Limit(HASH_BYTES, HASH_BYTES))
restrict(ListPath, Limit(0, LIST_PATH_MAX))
restrict(LowerPath, Limit(0, LOWER_LEVELS_MAX))
restrict(UpperPath, Limit(UPPER_PATH_BYTES, UPPER_PATH_BYTES))

LIST_PROOF_BYTES_MAX = 1 + 9 + 9 + 2 + LIST_PATH_MAX * (2 + HASH_BYTES)
"""Encoding of a ListProof: head, two integers, and the path; about 1.1 KB."""

STATE_PROOF_BYTES_MAX = (
    1 + 3 + UPPER_PATH_BYTES + 2 + LOWER_LEVELS_MAX * (2 + HASH_BYTES) + 1 + 2 * (2 + HASH_BYTES)
)
"""Encoding of a StateProof whose path is as long as paths can be; about 10 KB, of which hashes of honest keys fill 2.5."""
