"""What a block's body says about the validators: votes, late votes, skipped views, evidence (L120–L122, L124)."""

from dataclasses import replace
from struct import pack, unpack

from noded.ledger.conduct import FAULTS_MAX, Conduct, conduct_key, get_conduct
from noded.ledger.context import BlockContext
from noded.ledger.events import Event
from noded.ledger.head import CREDIT_VIEWS, Head, Standing
from noded.ledger.members import get_member
from noded.ledger.state import Overlay
from noded.types.block import Block, BlockBody, BlockKind, LateCredit
from noded.types.evidence import EVIDENCE, Evidence, InvalidProposal
from noded.types.frozen import frozen
from noded.types.ids import Height, View, bitmap_indices
from noded.types.validator_set import ValidatorSet
from noded.types.vote import VoteKind

POINTS_FULL = 2
"""For a vote in the certificate, or a NOTARIZE that came within `PROMPT_VIEWS`."""

POINTS_LATE = 1

PROMPT_VIEWS = 4
"""Views within which a late NOTARIZE counts in full: the slowest correct members are rarely in a certificate."""


@frozen(kw_only=True)
class Penalised:
    """That a piece of evidence was counted, and where."""

    height: Height


def empty_counters(validators: int) -> bytes:
    """Counters of so many validators, all zero."""
    return bytes(4 * validators)


def read_counters(counters: bytes) -> list[int]:
    """The counters as numbers."""
    return list(unpack(f">{len(counters) // 4}I", counters))


def count_block(head: Head, block: Block, validators: ValidatorSet) -> Head:
    """The head after a block: whose votes stand in it, who was skipped, who proposed it (L120–L122)."""
    header = block.header
    head = replace(
        head,
        height=header.height,
        block=block.hash,
        time_ms=header.time_ms,
        terminal=header.kind is BlockKind.TERMINAL,
    )
    if header.kind is BlockKind.TERMINAL:
        return head
    points = read_counters(head.points)
    recent = _with_parent(head.recent, block, validators, points)
    recent = tuple(
        _with_credits(standing, block.body.credits, header.view, validators, points) for standing in recent
    )
    return replace(
        head,
        opportunities=head.opportunities + (block.body.parent is not None),
        points=write_counters(points),
        proposed=_bumped(head.proposed, [validators.index_by_id[header.proposer]]),
        failed=_bumped(head.failed, _skipped_proposers(block.body, validators)),
        recent=recent,
    )


def apply_evidence(state: Overlay, block: Block, context: BlockContext) -> None:
    """Charge the culprits that a block's evidence names, each culprit, epoch, view and kind once (L124, L134)."""
    for evidence in block.body.evidence:
        key = evidence_key(evidence)
        if state.has(key) or get_member(state, evidence.culprit) is None:
            continue
        state.write(key, Penalised(height=context.height))
        conduct = get_conduct(state, evidence.culprit)
        state.write(conduct_key(evidence.culprit), _charged(conduct, evidence))
        kind = type(evidence).__name__.encode()
        state.emit(Event("evidence.counted", evidence.culprit, (), kind))


def evidence_key(evidence: Evidence) -> bytes:
    """Where it is kept that evidence was counted."""
    return b"".join(
        (
            b"evi/",
            evidence.culprit,
            evidence.epoch.to_bytes(8),
            evidence.view.to_bytes(8),
            bytes((EVIDENCE.tag_of(type(evidence)),)),
        )
    )


def _charged(conduct: Conduct, evidence: Evidence) -> Conduct:
    if isinstance(evidence, InvalidProposal):
        return replace(conduct, invalid_proposals=min(conduct.invalid_proposals + 1, FAULTS_MAX))
    return replace(conduct, equivocations=min(conduct.equivocations + 1, FAULTS_MAX))


def _with_parent(
    recent: tuple[Standing, ...], block: Block, validators: ValidatorSet, points: list[int]
) -> tuple[Standing, ...]:
    """The blocks whose late votes this block may credit; the votes in its parent's certificate are counted."""
    header, leaf = block.header, block.body.parent
    oldest = header.view - CREDIT_VIEWS
    kept = [standing for standing in recent if standing.view >= oldest]
    if leaf is not None:
        given = bytearray(len(validators))
        for index in bitmap_indices(leaf.bitmap):
            given[index] = POINTS_FULL
            points[index] += POINTS_FULL
        kept.append(Standing(view=header.parent_view, block=header.parent_hash, points=bytes(given)))
    return tuple(kept[-CREDIT_VIEWS:])


def _with_credits(
    standing: Standing,
    credits: tuple[LateCredit, ...],
    view: View,
    validators: ValidatorSet,
    points: list[int],
) -> Standing:
    given = None
    for credit in credits:
        if credit.view != standing.view or credit.block_hash != standing.block:
            continue
        index = validators.index_by_id.get(credit.voter)
        if index is None or (standing.points if given is None else given)[index]:
            continue
        given = bytearray(standing.points) if given is None else given
        prompt = credit.kind is VoteKind.NOTARIZE and view - standing.view <= PROMPT_VIEWS
        given[index] = POINTS_FULL if prompt else POINTS_LATE
        points[index] += given[index]
    return standing if given is None else replace(standing, points=bytes(given))


def _skipped_proposers(body: BlockBody, validators: ValidatorSet) -> list[int]:
    return [validators.index_by_id[validators.proposer(leaf.view)] for leaf in body.skipped]


def _bumped(counters: bytes, indices: list[int]) -> bytes:
    if not indices:
        return counters
    numbers = read_counters(counters)
    for index in indices:
        numbers[index] += 1
    return write_counters(numbers)


def write_counters(numbers: list[int]) -> bytes:
    """Numbers as counters."""
    return pack(f">{len(numbers)}I", *numbers)
