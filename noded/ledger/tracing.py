"""Where a validator's points, proposals and failures of an epoch come from: the same counting, block by block."""

from collections.abc import Iterable, Iterator

from noded.ledger.head import Head
from noded.ledger.participation import POINTS_FULL, count_block, empty_counters, read_counters
from noded.types.block import Block, BlockKind
from noded.types.frozen import frozen
from noded.types.ids import BlockHash, Epoch, Height, InstitutionId, TimestampMs, View, bitmap_indices
from noded.types.validator_set import ValidatorSet


@frozen(kw_only=True)
class LateVote:
    """A vote that a block credits after the certificate that it missed."""

    kind: str
    view: View
    """Of the block that was voted for."""
    points: int


@frozen(kw_only=True)
class Signal:
    """What one block says about one validator."""

    height: Height
    block: BlockHash
    proposed: bool
    counted: bool
    """Whether it carries its parent's certificate: an opportunity for all (L121)."""
    voted: bool
    """Whether the validator's vote is in that certificate: 2 points."""
    late: tuple[LateVote, ...]
    """Late votes credited here (L122)."""
    skipped: tuple[View, ...]
    """Views of this validator that a quorum gave up, as certificates in this block prove (L120)."""
    evidence: tuple[str, ...]
    """Kinds of evidence against the validator in this block (L124)."""


def recount(blocks: Iterable[Block], validators: ValidatorSet) -> Head | None:
    """
    The head after these blocks, counted anew: what the state must have (L144).

    Args:
        blocks: Of one epoch, all from its first on, ascending.
        validators: Of the epoch.

    Returns:
        None for no blocks. Of its heights only the last block's is meaningful.
    """
    head: Head | None = None
    for block in blocks:
        head = count_block(_empty(block, len(validators)) if head is None else head, block, validators)
    return head


def trace_conduct(
    blocks: Iterable[Block], validators: ValidatorSet, member: InstitutionId
) -> Iterator[Signal]:
    """
    What each of an epoch's blocks says about a validator, by the rules that count it (L120–L122).

    Args:
        blocks: Of the epoch, all from its first on, ascending. What its terminal block says is not counted.
        validators: Of the epoch.
        member: One of them.
    """
    index = validators.index_by_id[member]
    head: Head | None = None
    for block in blocks:
        if head is None:
            head = _empty(block, len(validators))
        if block.header.kind is BlockKind.TERMINAL:
            return
        before, head = head, count_block(head, block, validators)
        earned = read_counters(head.points)[index] - read_counters(before.points)[index]
        leaf = block.body.parent
        voted = leaf is not None and index in bitmap_indices(leaf.bitmap)
        late = _late(block, member, before, head, index)
        assert earned == POINTS_FULL * voted + sum(each.points for each in late), "counted as traced"
        yield Signal(
            height=block.header.height,
            block=block.hash,
            proposed=block.header.proposer == member,
            counted=leaf is not None,
            voted=voted,
            late=late,
            skipped=tuple(
                leaf.view for leaf in block.body.skipped if validators.proposer(leaf.view) == member
            ),
            evidence=evidence_against(block, member),
        )


def evidence_against(block: Block, member: InstitutionId) -> tuple[str, ...]:
    """The kinds of evidence that a block carries against a member."""
    return tuple(type(each).__name__ for each in block.body.evidence if each.culprit == member)


def conduct_in(head: Head) -> tuple[object, ...]:
    """What a head says of the validators' conduct."""
    return head.epoch, head.block, head.opportunities, head.points, head.proposed, head.failed, head.recent


def _late(block: Block, member: InstitutionId, before: Head, after: Head, index: int) -> tuple[LateVote, ...]:
    """The credits that earned points: the first of each view for which there were none yet."""
    had = {standing.view: standing.points[index] for standing in before.recent}
    leaf = block.body.parent
    if leaf is not None:
        had[block.header.parent_view] = POINTS_FULL * (index in bitmap_indices(leaf.bitmap))
    kinds: dict[View, str] = {}
    for credit in block.body.credits:
        if credit.voter == member:
            kinds.setdefault(credit.view, credit.kind.name)
    return tuple(
        LateVote(kind=kinds[standing.view], view=standing.view, points=standing.points[index])
        for standing in after.recent
        if standing.view in kinds and standing.points[index] > had[standing.view]
    )


def _empty(first: Block, count: int) -> Head:
    """The head before an epoch's first block."""
    header = first.header
    return Head(
        height=Height(header.height - 1),
        block=header.parent_hash,
        epoch=Epoch(header.epoch),
        time_ms=TimestampMs(header.time_ms),
        terminal=False,
        first_height=header.height,
        last_height=header.height,
        opportunities=0,
        points=empty_counters(count),
        proposed=empty_counters(count),
        failed=empty_counters(count),
        recent=(),
    )
