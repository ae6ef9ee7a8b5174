"""Building and signing transactions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from noded.crypto.signing import secret_of, sign
from noded.types.ids import ChainId, Height, PublicKey, Signature
from noded.types.operations import OPERATIONS, Operation
from noded.types.transaction import (
    COSIGNERS_MAX,
    OPERATIONS_MAX,
    TRANSACTION_VERSION,
    Cosignature,
    SignedTransaction,
    TransactionBody,
    make_transaction,
    transaction_signing_bytes,
)

CHUNK_BYTES_MAX = 200 * 1024
"""Encodings of operations in one transaction: leaves the other 56 KiB of it to signatures and whatever comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair:
    """An Ed25519 key that signs transactions."""

    public: PublicKey
    secret: bytes = field(repr=False)
    """64 bytes, as `signing.secret_of` makes them."""

    def sign(self, body: TransactionBody) -> Signature:
        """This key's signature over a transaction's body."""
        return Signature(sign(self.secret, transaction_signing_bytes(body)))


def key_pair(seed: bytes) -> KeyPair:
    """The key pair of a seed of 32 random bytes."""
    secret = secret_of(seed)
    return KeyPair(public=PublicKey(secret[32:]), secret=secret)


class TransactionBuilder:
    """Signs one sender's transactions."""

    def __init__(
        self,
        *,
        chain_id: ChainId,
        key: KeyPair,
        next_sequence: Callable[[], int],
        valid_until: Callable[[], Height],
    ) -> None:
        """
        Build for a sender.

        Args:
            chain_id: The chain that the transactions are for.
            key: The sender's.
            next_sequence: Gives a sequence that the key never used (L4).
            valid_until: Gives the last height at which a transaction built now may be executed.
        """
        self._chain_id = chain_id
        self._key = key
        self._next_sequence = next_sequence
        self._valid_until = valid_until

    def build(self, *operations: Operation, cosigners: Sequence[KeyPair] = ()) -> SignedTransaction:
        """A transaction signed by the sender, and by whoever else must agree and has their key here."""
        body = self.body(*operations)
        cosignatures = [Cosignature(signer=key.public, signature=key.sign(body)) for key in cosigners]
        return self.finish(body, cosignatures)

    def body(self, *operations: Operation) -> TransactionBody:
        """What all signers sign; for cosigners whose keys are elsewhere."""
        assert 0 < len(operations) <= OPERATIONS_MAX, "see chunks"
        return TransactionBody(
            version=TRANSACTION_VERSION,
            chain_id=self._chain_id,
            sender=self._key.public,
            sequence=self._next_sequence(),
            valid_until=self._valid_until(),
            operations=operations,
        )

    def finish(self, body: TransactionBody, cosignatures: Sequence[Cosignature]) -> SignedTransaction:
        """The transaction, once all cosigners have signed its body."""
        assert body.sender == self._key.public
        assert len(cosignatures) <= COSIGNERS_MAX
        return make_transaction(body, self._key.sign(body), tuple(cosignatures))


def chunks(operations: Iterable[Operation]) -> Iterator[tuple[Operation, ...]]:
    """Operations in portions that each fit one transaction, in order."""
    chunk: list[Operation] = []
    size = 0
    for op in operations:
        op_bytes = len(OPERATIONS.encode(op))
        if chunk and (len(chunk) == OPERATIONS_MAX or size + op_bytes > CHUNK_BYTES_MAX):
            yield tuple(chunk)
            chunk, size = [], 0
        chunk.append(op)
        size += op_bytes
    if chunk:
        yield tuple(chunk)
