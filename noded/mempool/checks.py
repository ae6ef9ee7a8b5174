"""Which signatures a transaction carries."""

from noded.consensus.effects import SignatureCheck
from noded.types.transaction import SignedTransaction, signed_bytes


def signature_checks(signed: SignedTransaction) -> list[SignatureCheck]:
    """The sender's signature, then those of the further parties."""
    transaction = signed.transaction
    message = signed_bytes(signed)
    checks = [SignatureCheck(transaction.body.sender, message, transaction.signature)]
    for cosignature in transaction.cosignatures:
        checks.append(SignatureCheck(cosignature.signer, message, cosignature.signature))
    return checks
