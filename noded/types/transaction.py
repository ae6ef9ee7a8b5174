"""Transactions: signed requests to change the ledger; their operations apply together or not at all."""

from dataclasses import field
from typing import Annotated

from noded.codec.schema import Limit, decode_value, encode_value
from noded.crypto.hashing import hasher
from noded.types.batch import TRANSACTION_BYTES_MAX
from noded.types.frozen import frozen
from noded.types.ids import ChainId, Height, PublicKey, Signature, TransactionHash
from noded.types.operations import OPERATIONS, Operation

TRANSACTION_VERSION = 1
TRANSACTION_SIGNING_DOMAIN = b"noded/transaction-signer/1"

_hash = hasher("noded/transaction/1")

OPERATIONS_MAX = 256
COSIGNERS_MAX = 8


@frozen(kw_only=True)
class TransactionBody:
    """What the signers sign."""

    version: Annotated[int, Limit(1, 255)]
    chain_id: ChainId
    sender: PublicKey
    sequence: int
    """Never used before by this sender, and within 1024 of the highest used (L4)."""
    valid_until: Height
    """Last height at which it may be executed."""
    operations: Annotated[tuple[Annotated[Operation, OPERATIONS], ...], Limit(1, OPERATIONS_MAX)]


@frozen(kw_only=True)
class Cosignature:
    """A further party's signature over the same body."""

    signer: PublicKey
    signature: Signature


@frozen(kw_only=True)
class Transaction:
    """A body, its sender's signature and those of further parties."""

    body: TransactionBody
    signature: Signature
    cosignatures: Annotated[tuple[Cosignature, ...], Limit(0, COSIGNERS_MAX)]


@frozen(kw_only=True)
class SignedTransaction:
    """A transaction as received: its bytes, and what they name and say."""

    transaction: Transaction
    encoding: bytes
    hash: TransactionHash = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", transaction_hash(self.encoding))


def transaction_hash(encoding: bytes) -> TransactionHash:
    """The name of the transaction that has this encoding."""
    return TransactionHash(_hash(encoding))


def transaction_signing_bytes(body: TransactionBody) -> bytes:
    """What each signer signs."""
    return TRANSACTION_SIGNING_DOMAIN + encode_value(body)


def make_transaction(
    body: TransactionBody, signature: Signature, cosignatures: tuple[Cosignature, ...] = ()
) -> SignedTransaction:
    """Encode and name a transaction."""
    transaction = Transaction(body=body, signature=signature, cosignatures=cosignatures)
    return SignedTransaction(transaction=transaction, encoding=encode_value(transaction))


def decode_transaction(encoding: bytes) -> SignedTransaction:
    """
    Read a transaction as received.

    Raises:
        Malformed: The bytes are no transaction.
    """
    transaction = decode_value(Transaction, encoding, max_bytes=TRANSACTION_BYTES_MAX)
    return SignedTransaction(transaction=transaction, encoding=encoding)
