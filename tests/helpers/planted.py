"""
Bugs of consensus that are planted to see that they are found.

Each breaks one rule, everywhere alike, and does nothing else: in a run in which nothing goes wrong none of them shows.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from noded.blocksync import BlockSync
from noded.consensus import acting, crossing, hearing, offering, rules, voting
from noded.consensus.ballots import Ballots
from noded.consensus.counting import certificate_check
from noded.consensus.finalizing import finalize
from noded.consensus.state import EpochState
from noded.consensus.tree import Status
from noded.types.block import BlockHeader, BlockKind, JustifyLeaf, header_hash
from noded.types.checks import SignatureCheck
from noded.types.ids import BlockHash, PeerId
from noded.types.messages import BlockRange, EpochEntry, Proposal
from noded.types.validator_set import ValidatorSet, table_root
from noded.types.vote import Certificate, VoteKind

Plant = Callable[[pytest.MonkeyPatch], None]


def half_quorum(patch: pytest.MonkeyPatch) -> None:
    """Half of the power is a quorum."""
    original = ValidatorSet.__post_init__

    def with_half(self: ValidatorSet) -> None:
        original(self)
        object.__setattr__(self, "quorum", self.total // 2 + self.total % 2)

    patch.setattr(ValidatorSet, "__post_init__", with_half)


def finalize_after_nullify(patch: pytest.MonkeyPatch) -> None:
    """R3 is not heeded: F after X."""
    patch.setattr(Ballots, "may_finalize", lambda self, view: view not in self.finalized)


def nullification_not_required(patch: pytest.MonkeyPatch) -> None:
    """R2 is not heeded: views between a block and its parent need not be nullified."""
    patch.setattr(voting, "is_gap_nullified", lambda state, entry: True)
    patch.setattr(rules, "_is_full", lambda skipped, validators: True)


def two_notarize_votes(patch: pytest.MonkeyPatch) -> None:
    """R1 is not heeded: N for every proposal of a view."""
    patch.setattr(Ballots, "may_notarize", lambda self, view: view not in self.nullified)

    def take_the_last(state: EpochState, peer: PeerId, first: Proposal, second: Proposal) -> None:
        del state.offers[second.block.header.view]
        offering.on_proposal(state, peer, second)

    patch.setattr(offering, "on_rival_proposal", take_the_last)


def unbound_parent_view(patch: pytest.MonkeyPatch) -> None:
    """R2 is not heeded: the stated parent view need not be that of the parent's own header."""
    patch.setattr(rules, "is_parent_bound", lambda header, parent: True)

    def names_parent(header: BlockHeader, leaf: JustifyLeaf) -> bool:
        return leaf.block_hash == header.parent_hash

    patch.setattr(rules, "is_leaf_of_parent", names_parent)


def switch_on_notarized(patch: pytest.MonkeyPatch) -> None:
    """R16 is not heeded: a notarization of the terminal block ends the epoch, wherever a finalization should."""
    patch.setattr(acting, "finalize", _finalize_notarized_end)
    patch.setattr(hearing, "on_epoch_entry", _take_notarized_end)
    original = BlockSync._finalization_checks

    def take_either(
        self: BlockSync, message: BlockRange, proof: Certificate, last: BlockHash, validators: ValidatorSet
    ) -> tuple[SignatureCheck, ...]:
        if proof.kind is not VoteKind.NOTARIZE or message.blocks[-1].block.hash != last:
            return original(self, message, proof, last, validators)
        checks = original(self, message, replace(proof, kind=VoteKind.FINALIZE), last, validators)
        signed = proof.signing_bytes(self._chain_id)
        return tuple(check._replace(message=signed) for check in checks)

    patch.setattr(BlockSync, "_finalization_checks", take_either)


def _finalize_notarized_end(state: EpochState) -> None:
    finalize(state)
    ending = _notarized_end(state)
    if ending is not None and not state.is_ended:
        best, state.certificates.finalized = state.certificates.finalized, ending
        finalize(state)
        state.certificates.finalized = best


def _notarized_end(state: EpochState) -> Certificate | None:
    if state.ending is not None:
        return state.ending.finalization
    for certificate in state.certificates.notarized.values():
        assert certificate.block_hash is not None
        entry = state.tree.get(certificate.block_hash)
        if (
            entry is not None
            and entry.block.header.kind is BlockKind.TERMINAL
            and entry.status is Status.VALID
        ):
            return certificate
    return None


def _take_notarized_end(state: EpochState, peer: PeerId, entry: EpochEntry) -> None:
    terminal, proof = entry.terminal, entry.finalization
    if proof.kind is not VoteKind.NOTARIZE:
        crossing.on_epoch_entry(state, peer, entry)
    elif not state.is_ended and terminal.epoch == state.epoch:
        assert (terminal.next_epoch_root, header_hash(terminal)) == (
            table_root(entry.table),
            proof.block_hash,
        )
        check = certificate_check(state, proof)
        state.checks.ask((check,), partial(crossing._on_entry_checked, state, peer, entry), peer)


PLANTS: dict[str, Plant] = {
    "half quorum": half_quorum,
    "finalize after nullify": finalize_after_nullify,
    "nullification not required": nullification_not_required,
    "two N votes": two_notarize_votes,
    "unbound parent view": unbound_parent_view,
    "switch on a notarized terminal block": switch_on_notarized,
}


def plant(name: str, patch: pytest.MonkeyPatch) -> None:
    """Plant a bug; verdicts on blocks that were given without it are forgotten."""
    patch.setattr(rules, "_verdicts", {})
    PLANTS[name](patch)
