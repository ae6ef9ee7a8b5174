"""What is checked of a transaction before its operations: L1–L4, and the signatures that need no state."""

from dataclasses import replace
from typing import Annotated, NamedTuple

from noded.codec.schema import Limit
from noded.ledger.context import BlockContext, Context
from noded.ledger.errors import (
    OutsideWindow,
    SenderInactive,
    SequenceTooOld,
    SequenceUsed,
    UnknownSender,
    UnknownVersion,
    WrongChain,
)
from noded.ledger.keys import get_key
from noded.ledger.members import MemberStatus, get_member
from noded.ledger.state import Overlay
from noded.types.batch import SealedBatch
from noded.types.checks import SignatureCheck
from noded.types.frozen import frozen
from noded.types.ids import InstitutionId, PublicKey
from noded.types.roles import KeyKind
from noded.types.transaction import (
    TRANSACTION_SIGNING_DOMAIN,
    TRANSACTION_VERSION,
    SignedTransaction,
    decode_transaction,
)

SEQUENCE_WINDOW = 1024
"""Sequences below the highest used that may still be used: many gateways may send for one key at once."""

_WINDOW_MASK = (1 << SEQUENCE_WINDOW) - 1


class OpenBatch(NamedTuple):
    """A batch's transactions, decoded."""

    transactions: tuple[SignedTransaction, ...]
    operations: int
    """In all transactions together."""


@frozen(kw_only=True)
class Sequences:
    """Which sequences a key has used."""

    highest: int
    used: Annotated[bytes, Limit(SEQUENCE_WINDOW // 8, SEQUENCE_WINDOW // 8)]
    """Big-endian: bit i says whether `highest - i` was used."""


def stateless_checks(encoding: bytes) -> tuple[SignedTransaction, tuple[SignatureCheck, ...]]:
    """
    Read a transaction, and say which signatures make it valid whatever the state is.

    Raises:
        Malformed: The bytes are no transaction.
    """
    signed = decode_transaction(encoding)
    return signed, tuple(signature_checks(signed))


def signature_checks(signed: SignedTransaction) -> list[SignatureCheck]:
    """Which signatures make a transaction valid whatever the state is; each with a copy of what it signs."""
    transaction = signed.transaction
    message = TRANSACTION_SIGNING_DOMAIN + _body_bytes(signed.encoding, len(transaction.cosignatures))
    checks = [SignatureCheck(transaction.body.sender, message, transaction.signature)]
    checks += [SignatureCheck(each.signer, message, each.signature) for each in transaction.cosignatures]
    return checks


def open_batch(batch: SealedBatch) -> OpenBatch:
    """
    Read a batch's transactions; it is valid if all their signatures are.

    Raises:
        Malformed: One of them is no transaction, so the batch is invalid.
    """
    return opened(tuple([decode_transaction(encoding) for encoding in batch.read().transactions]))


def opened(transactions: tuple[SignedTransaction, ...]) -> OpenBatch:
    """The same where its transactions are at hand."""
    return OpenBatch(transactions, sum([len(signed.transaction.body.operations) for signed in transactions]))


def _body_bytes(encoding: bytes, cosignatures: int) -> bytes:
    """The body's part of a transaction's one encoding, which costs less than encoding the body again."""
    array, signature, cosignature = 1, 2 + 64, 1 + (2 + 32) + (2 + 64)
    return encoding[array : len(encoding) - 1 - cosignatures * cosignature - signature]


def sequences_key(key: PublicKey) -> bytes:
    """Where a key's used sequences are kept."""
    return b"seq/" + key


def admit(state: Overlay, signed: SignedTransaction, block: BlockContext) -> Context:
    """
    Check a transaction against L1–L4 and use up its sequence.

    Raises:
        InvalidTransaction: One of the errors named by L1–L4.
    """
    transaction = signed.transaction
    body = transaction.body
    if body.version != TRANSACTION_VERSION:
        raise UnknownVersion(version=body.version)
    if body.chain_id != block.chain_id:
        raise WrongChain("the transaction names another chain")
    if not block.height <= body.valid_until <= block.height + block.params.valid_until_max:
        raise OutsideWindow(valid_until=body.valid_until, height=block.height)
    sender = body.sender
    entry = get_key(state, sender)
    if entry is None:
        raise UnknownSender(sender=sender)
    if entry.until is not None:
        raise SenderInactive(sender=sender)
    if entry.kind is KeyKind.INSTITUTION:
        member = get_member(state, InstitutionId(entry.owner))
        if member is None or member.status is not MemberStatus.MEMBER:
            raise SenderInactive(sender=sender)
    key = sequences_key(sender)
    state.write(key, use_sequence(state.read(key, Sequences), sender, body.sequence))
    return Context(
        block=block,
        signer=sender,
        key=entry,
        cosigners=tuple([each.signer for each in transaction.cosignatures]),
        transaction=signed.hash,
    )


def use_sequence(sequences: Sequences | None, sender: PublicKey, sequence: int) -> Sequences:
    """
    The sequences used once this one is, too (L4).

    Raises:
        SequenceUsed: It was used before.
        SequenceTooOld: It lies so far below the highest that nobody knows whether it was.
    """
    if sequences is None:
        return Sequences(highest=sequence, used=(1).to_bytes(SEQUENCE_WINDOW // 8))
    used = int.from_bytes(sequences.used)
    behind = sequences.highest - sequence
    if behind < 0:
        used = (used << min(-behind, SEQUENCE_WINDOW) | 1) & _WINDOW_MASK
        return Sequences(highest=sequence, used=used.to_bytes(SEQUENCE_WINDOW // 8))
    if behind >= SEQUENCE_WINDOW:
        raise SequenceTooOld(sender=sender, sequence=sequence, lowest=sequences.highest - SEQUENCE_WINDOW + 1)
    if used >> behind & 1:
        raise SequenceUsed(sender=sender, sequence=sequence)
    return replace(sequences, used=(used | 1 << behind).to_bytes(SEQUENCE_WINDOW // 8))


def next_sequence(sequences: Sequences | None) -> int:
    """A sequence that its key may use next."""
    return 0 if sequences is None else sequences.highest + 1
