"""Keys that sign transactions, and the transactions that they sign."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from noded.crypto.signing import public_key_of, secret_of, sign
from noded.types.checks import SignatureCheck
from noded.types.ids import ChainId, Height, PublicKey, Signature
from noded.types.operations import Operation
from noded.types.transaction import (
    TRANSACTION_VERSION,
    Cosignature,
    SignedTransaction,
    TransactionBody,
    make_transaction,
    transaction_signing_bytes,
)

VALID_HEIGHTS = 50_000
"""How many heights ahead a transaction's end lies; more than a run has."""


@dataclass(slots=True)
class Account:
    """A key and how often it has signed."""

    secret: bytes
    public_key: PublicKey
    sequence: int = 0


def make_account(seed: bytes) -> Account:
    """The account of a key that has signed nothing yet."""
    return Account(secret_of(seed), PublicKey(public_key_of(seed)))


class Notary:
    """
    Makes signed transactions for the accounts of a run.

    Args:
        chain_id: Inside every transaction.
        seeds: Of the institutions' account keys, by node.
        signed: Told of each signature that is made.
    """

    def __init__(
        self, chain_id: ChainId, seeds: Sequence[bytes], signed: Callable[[SignatureCheck], None]
    ) -> None:
        self._chain_id = chain_id
        self._seeds = seeds
        self._signed = signed
        self._accounts: dict[int, Account] = {}

    def account(self, node: int) -> Account:
        """The one account of a node's institution, whoever acts for it."""
        known = self._accounts.get(node)
        if known is None:
            known = self._accounts[node] = make_account(self._seeds[node])
        return known

    def make(
        self, sender: Account, height: Height, operation: Operation, cosigners: Sequence[Account] = ()
    ) -> SignedTransaction:
        """The sender's next transaction, which may be executed from this height on."""
        sender.sequence += 1
        body = TransactionBody(
            version=TRANSACTION_VERSION,
            chain_id=self._chain_id,
            sender=sender.public_key,
            sequence=sender.sequence,
            valid_until=Height(height + VALID_HEIGHTS),
            operations=(operation,),
        )
        message = transaction_signing_bytes(body)
        cosignatures = tuple(
            Cosignature(signer=each.public_key, signature=self._sign(each, message)) for each in cosigners
        )
        return make_transaction(body, self._sign(sender, message), cosignatures)

    def _sign(self, account: Account, message: bytes) -> Signature:
        signature = Signature(sign(account.secret, message))
        self._signed(SignatureCheck(account.public_key, message, signature))
        return signature
