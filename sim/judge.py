"""
Verdicts on signatures: each is computed once for all nodes, while the CPU model charges every node.

A signature made by the simulation's own signers is known to be good. `Judge(memo=False)` verifies everything for
real, every time; both give the same verdicts, so the same run.
"""

from collections.abc import Callable
from dataclasses import replace

from noded.consensus.effects import CertificateCheck, Check, CreditsCheck, signatures_of
from noded.crypto.signing import secret_of, sign, verify
from noded.types.checks import SignatureCheck
from noded.types.ids import BlockHash, Epoch, PublicKey, Root, Signature, View
from noded.types.vote import VoteKind

VERDICTS_MAX = 200_000
"""Single signatures remembered twice over, at about 300 bytes each: 120 MB."""

WHOLES_MAX = 2_048
"""Certificates, blocks and batches remembered, which are alive anyway while they matter."""


class Judge:
    """Judges the signatures of all nodes of a run."""

    def __init__(self, *, memo: bool = True) -> None:
        self._memo = memo
        self._verdicts: dict[SignatureCheck, bool] = {}
        self._older: dict[SignatureCheck, bool] = {}
        self._wholes: dict[int, tuple[object, Root, bool]] = {}
        """By identity of the object, which is kept alive; with the root of the table that judged it."""
        self._lists: dict[int, tuple[tuple[Check, ...], tuple[bool, ...]]] = {}
        """By identity of several signatures' checks: those of a batch, which all its receivers share."""

    def signed(self, check: SignatureCheck) -> None:
        """A signer of this run made this signature."""
        if self._memo:
            self._remember(check, verdict=True)

    def judge_all(self, checks: tuple[Check, ...]) -> tuple[int, tuple[bool, ...]]:
        """How many signatures these checks cover, and whether those of each are good."""
        known = self._lists.get(id(checks))
        if known is not None:
            return len(checks), known[1]
        count = 0
        single = True
        for check in checks:
            if type(check) is SignatureCheck:
                count += 1
            else:
                single = False
                count += self.count(check)
        verdicts = tuple([self.judge(check) for check in checks])
        if self._memo and single and count > 1:
            if len(self._lists) >= WHOLES_MAX:
                del self._lists[next(iter(self._lists))]
            self._lists[id(checks)] = checks, verdicts
        return count, verdicts

    def count(self, check: Check) -> int:
        """How many signatures a check covers: what a node pays for it."""
        match check:
            case CertificateCheck():
                return (int.from_bytes(check.certificate.bitmap, "little") & ~check.known).bit_count()
            case CreditsCheck():
                return len(check.block.body.credits)
            case _:
                return 1

    def judge(self, check: Check) -> bool:
        """Whether all signatures of a check are good."""
        if isinstance(check, SignatureCheck):
            return self._judge_one(check)
        if not self._memo:
            return all(verify(*each) for each in signatures_of(check))
        if isinstance(check, CertificateCheck):
            whole = replace(check, known=0) if check.known else check
            return self._judge_whole(check.certificate, whole) or self._judge_each(check)
        return self._judge_whole(check.block, check)

    def _judge_whole(self, subject: object, check: CertificateCheck | CreditsCheck) -> bool:
        root = check.validators.root
        known = self._wholes.get(id(subject))
        if known is not None and known[1] == root:
            return known[2]
        verdict = self._judge_each(check)
        if len(self._wholes) >= WHOLES_MAX:
            del self._wholes[next(iter(self._wholes))]
        self._wholes[id(subject)] = subject, root, verdict
        return verdict

    def _judge_each(self, check: Check) -> bool:
        return all(self._judge_one(each) for each in signatures_of(check))

    def _judge_one(self, check: SignatureCheck) -> bool:
        if not self._memo:
            return verify(*check)
        verdict = self._verdicts.get(check)
        if verdict is None:
            verdict = self._older.get(check)
            if verdict is None:
                verdict = verify(*check)
            self._remember(check, verdict=verdict)
        return verdict

    def _remember(self, check: SignatureCheck, *, verdict: bool) -> None:
        self._verdicts[check] = verdict
        if len(self._verdicts) >= VERDICTS_MAX:
            self._older, self._verdicts = self._verdicts, {}


class SimSigner:
    """A consensus key without a watermark: that nothing conflicts is what the simulation is to find out."""

    def __init__(self, seed: bytes, judge: Judge, meter: Callable[[], None]) -> None:
        """Sign with the key of this seed; `meter` is called for each signature made."""
        self._secret = secret_of(seed)
        self.public_key = PublicKey(self._secret[32:])
        self._judge = judge
        self._meter = meter

    def switch_to(self, key: PublicKey) -> bool:
        """Sign with this key from now on; it has one only."""
        return key == self.public_key

    def sign_vote(
        self, kind: VoteKind, epoch: Epoch, view: View, block_hash: BlockHash | None, message: bytes
    ) -> Signature:
        """Sign a vote."""
        return self.sign(message)

    def sign_proposal(self, epoch: Epoch, view: View, block_hash: BlockHash, message: bytes) -> Signature:
        """Sign a proposal."""
        return self.sign(message)

    def sign_batch(self, message: bytes) -> Signature:
        """Sign a batch."""
        return self.sign(message)

    def sign(self, message: bytes) -> Signature:
        """Sign anything."""
        self._meter()
        signature = Signature(sign(self._secret, message))
        self._judge.signed(SignatureCheck(self.public_key, message, signature))
        return signature
