"""Scalars: identifiers, hashes, heights, powers; each with its size or unit."""

from typing import NewType, TypeAlias

from noded.codec.schema import Limit, restrict

InstitutionId = NewType("InstitutionId", bytes)
"""A member of the consortium; 16 random bytes, given at admission and never used again."""

ValidatorId: TypeAlias = InstitutionId
"""The institution in its capacity as a voter."""

PeerId: TypeAlias = InstitutionId
"""The institution in its capacity as a neighbour on the network."""

PublicKey = NewType("PublicKey", bytes)
"""Ed25519 verification key; 32 bytes. A key is its own identifier."""

Signature = NewType("Signature", bytes)
"""Ed25519 signature; 64 bytes."""

ChainId = NewType("ChainId", bytes)
"""Hash of the genesis document; 32 bytes, inside everything that is signed."""

BlockHash = NewType("BlockHash", bytes)
"""SHA-256 of the canonical CBOR of a block header; 32 bytes."""

BatchHash = NewType("BatchHash", bytes)
"""SHA-256 of a batch's encoding; 32 bytes."""

TransactionHash = NewType("TransactionHash", bytes)
"""SHA-256 of a transaction's encoding, signatures included; 32 bytes."""

StateRoot = NewType("StateRoot", bytes)
"""Root of the sparse Merkle tree over the ledger's state; 32 bytes."""

Root = NewType("Root", bytes)
"""Root of a Merkle tree over a list; 32 bytes."""

Height = NewType("Height", int)
"""A block's number; genesis is 0."""

View = NewType("View", int)
"""An attempt to notarize a block; from 1 in each epoch, 0 stands for the epoch's genesis block."""

Epoch = NewType("Epoch", int)
"""A span of heights with one validator set; from 1."""

VotingPower = NewType("VotingPower", int)
"""A validator's weight in quorums; 1000 is the floor of a member in good standing."""

TimestampMs = NewType("TimestampMs", int)
"""Milliseconds since 1970-01-01T00:00:00Z."""

Bitmap = NewType("Bitmap", bytes)
"""One bit for each validator of an epoch, in order of id; bit i is `bytes[i // 8] >> (i % 8) & 1`."""

VALIDATORS_MAX = 4096
"""Validators of an epoch: a bitmap stays under 512 bytes; ten times the largest network we simulate."""

HASH_BYTES = 32
ZERO_HASH = bytes(HASH_BYTES)
"""Stands for "no block" in signing bytes."""

restrict(InstitutionId, Limit(16, 16))
restrict(PublicKey, Limit(32, 32))
restrict(Signature, Limit(64, 64))
for _hash in (ChainId, BlockHash, BatchHash, TransactionHash, StateRoot, Root):
    restrict(_hash, Limit(HASH_BYTES, HASH_BYTES))
restrict(Bitmap, Limit(0, VALIDATORS_MAX // 8))
restrict(VotingPower, Limit(1, 1_000_000))


def make_bitmap(indices: list[int], size: int) -> Bitmap:
    """The bitmap of `size` bits in which exactly `indices` are set."""
    bits = bytearray((size + 7) // 8)
    for index in indices:
        assert 0 <= index < size
        bits[index >> 3] |= 1 << (index & 7)
    return Bitmap(bytes(bits))


def bitmap_indices(bitmap: Bitmap) -> list[int]:
    """The set bits of a bitmap, ascending."""
    return [
        (position << 3) + bit
        for position, byte in enumerate(bitmap)
        if byte
        for bit in range(8)
        if byte >> bit & 1
    ]
