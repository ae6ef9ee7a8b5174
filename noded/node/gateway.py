"""Transactions of this node's own clients: admitted, verified once, packed into batches."""

from noded.errors import InvalidMessage, InvalidTransaction
from noded.ledger.admission import stateless_checks
from noded.ledger.errors import WrongChain
from noded.mempool.builder import BATCH_FILL_BYTES, HEAD_BYTES, BatchBuilder
from noded.mempool.errors import AlreadyKnown, BadSignature, PoolFull, TransactionTooLarge
from noded.node.effects import Submission
from noded.types.checks import SignatureCheck
from noded.types.frozen import frozen
from noded.types.ids import ChainId, TransactionHash
from noded.types.transaction import SignedTransaction

_NO_HASH = TransactionHash(bytes(32))


@frozen()
class Admission:
    """Transactions of one call, on their way through verification."""

    candidates: tuple[SignedTransaction | None, ...]
    """In order of the call; None where refused already."""
    refusals: tuple[Submission | None, ...]
    checks: tuple[SignatureCheck, ...]
    """All signatures of the candidates, in order."""


def refusal(transaction: TransactionHash, error: Exception) -> Submission:
    """The answer to a transaction that is not taken."""
    return Submission(hash=transaction, refused=type(error).__name__, detail=str(error))


class Gateway:
    """What this node's clients hand in, up to the open batch."""

    def __init__(self, chain_id: ChainId) -> None:
        self._chain_id = chain_id
        self.builder = BatchBuilder()
        self._waiting_bytes = 0

    @property
    def size_bytes(self) -> int:
        """Bytes admitted and not yet in a sealed batch."""
        return self._waiting_bytes + self.builder.size_bytes

    def admit(self, encodings: tuple[bytes, ...], room_bytes: int) -> Admission:
        """Judge what can be judged without state: encoding, chain, size, repetition, room (M6)."""
        candidates: list[SignedTransaction | None] = []
        refusals: list[Submission | None] = []
        checks: list[SignatureCheck] = []
        for encoding in encodings:
            try:
                signed, needed = self._judge(encoding, room_bytes - self.size_bytes)
            except (InvalidTransaction, InvalidMessage) as error:
                candidates.append(None)
                refusals.append(refusal(_NO_HASH, error))
                continue
            if self.builder.is_recent(signed.hash):
                candidates.append(None)
                refusals.append(refusal(signed.hash, AlreadyKnown(f"{signed.hash.hex()} is on its way")))
                continue
            self.builder.remember(signed.hash)
            self._waiting_bytes += len(encoding)
            candidates.append(signed)
            refusals.append(None)
            checks += needed
        return Admission(tuple(candidates), tuple(refusals), tuple(checks))

    def verified(
        self, admission: Admission, results: tuple[bool, ...]
    ) -> tuple[list[SignedTransaction], tuple[Submission, ...]]:
        """The transactions whose signatures all verify, and the answers to the call."""
        accepted: list[SignedTransaction] = []
        answers: list[Submission] = []
        at = 0
        for candidate, refused in zip(admission.candidates, admission.refusals, strict=True):
            if candidate is None:
                assert refused is not None
                answers.append(refused)
                continue
            count = 1 + len(candidate.transaction.cosignatures)
            verdict = results[at : at + count]
            at += count
            self._waiting_bytes -= len(candidate.encoding)
            if all(verdict):
                accepted.append(candidate)
                answers.append(Submission(hash=candidate.hash, refused=None, detail=""))
            else:
                self.builder.forget(candidate.hash)
                answers.append(refusal(candidate.hash, BadSignature("a signature does not verify")))
        return accepted, tuple(answers)

    def _judge(
        self, encoding: bytes, room_bytes: int
    ) -> tuple[SignedTransaction, tuple[SignatureCheck, ...]]:
        if len(encoding) + HEAD_BYTES > BATCH_FILL_BYTES:
            raise TransactionTooLarge(f"{len(encoding)} bytes, {BATCH_FILL_BYTES} fit a batch")
        if len(encoding) > room_bytes:
            raise PoolFull(unordered_bytes=self.size_bytes)
        signed, checks = stateless_checks(encoding)
        if signed.transaction.body.chain_id != self._chain_id:
            raise WrongChain("the transaction names another chain")
        return signed, checks
