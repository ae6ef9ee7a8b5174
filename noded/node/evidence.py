"""Proven faults on their way into blocks, and the judgement of those that blocks carry."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from noded.consensus.evidence import evidence_checks, evidence_fault
from noded.consensus.rules import EpochFacts
from noded.ledger.ledger import Ledger
from noded.node.outbox import Outbox
from noded.node.settings import ENCLOSED_EVIDENCE_MAX, EVIDENCE_DONE_KEPT
from noded.types.checks import SignatureCheck
from noded.types.evidence import Evidence, InvalidProposal
from noded.types.ids import ChainId, Epoch, ValidatorId, View

_Key: TypeAlias = tuple[ValidatorId, Epoch, View, str]


def evidence_key(evidence: Evidence) -> _Key:
    """One penalty for each: culprit, epoch, view and kind."""
    return evidence.culprit, evidence.epoch, evidence.view, type(evidence).__name__


class EvidenceDesk:
    """Keeps evidence until a finalised block carries it."""

    def __init__(self, chain_id: ChainId, outbox: Outbox) -> None:
        self._chain_id = chain_id
        self._outbox = outbox
        self._waiting: dict[_Key, Evidence] = {}
        self._done: dict[_Key, None] = {}

    def is_pending(self) -> bool:
        """Whether a block should carry evidence."""
        return bool(self._waiting)

    def pending(self) -> tuple[Evidence, ...]:
        """What the next block should carry."""
        return tuple(self._waiting.values())[:ENCLOSED_EVIDENCE_MAX]

    def enter_epoch(self, epoch: Epoch, ledger: Ledger) -> None:
        """Drop what no block of this epoch may carry (D9): enclosed, it would make each of this node's blocks invalid."""
        self._waiting = {
            key: piece
            for key, piece in self._waiting.items()
            if ledger.validators_of(piece.epoch) is not None
            and (piece.epoch == epoch or not isinstance(piece, InvalidProposal))
        }

    def add(self, evidence: Evidence) -> None:
        """Take verified evidence; consensus reports only so much of each culprit (R18)."""
        key = evidence_key(evidence)
        if key in self._waiting or key in self._done:
            return
        self._waiting[key] = evidence

    def committed(self, evidence: tuple[Evidence, ...]) -> None:
        """A finalised block carries these."""
        for piece in evidence:
            key = evidence_key(piece)
            self._waiting.pop(key, None)
            self._done[key] = None
            if len(self._done) > EVIDENCE_DONE_KEPT:
                del self._done[next(iter(self._done))]

    def judge(
        self,
        evidence: tuple[Evidence, ...],
        ledger: Ledger,
        facts: EpochFacts,
        then: Callable[[str | None], None],
    ) -> None:
        """
        Find out whether all pieces prove what they claim; `then` is told why not, or None.

        `facts` are of the present epoch: only there is an invalid proposal judged, as that takes the epoch's start.
        """
        checks: list[SignatureCheck] = []
        for piece in evidence:
            validators = ledger.validators_of(piece.epoch)
            if validators is None:
                then(f"evidence of epoch {piece.epoch}, whose table is not kept")
                return
            if isinstance(piece, InvalidProposal) and piece.epoch != facts.validators.epoch:
                then("an invalid proposal of another epoch")
                return
            judge = facts if piece.epoch == facts.validators.epoch else replace(facts, validators=validators)
            fault = evidence_fault(piece, judge)
            if fault is not None:
                then(f"evidence {fault}")
                return
            checks += evidence_checks(piece, judge.validators, self._chain_id)
        self._outbox.verify(
            tuple(checks), lambda results: then(None if all(results) else "evidence with a bad signature")
        )
