"""
R2 as far as bytes decide it: is this block what its place in the epoch demands?

Everything here is a function of values: a block, its ancestors, the epoch's table. Verdicts are kept by block hash,
which commits to all of these, so hundreds of simulated nodes judge a block once.
"""

from dataclasses import dataclass

from noded.consensus.tree import LATE_VIEWS, Entry
from noded.types.block import (
    BLOCK_VERSION,
    Block,
    BlockHeader,
    BlockKind,
    JustifyLeaf,
    justify_leaf,
)
from noded.types.ids import Bitmap, BlockHash, ChainId, Height, View
from noded.types.messages import GAP_CERTIFICATES_MAX, Proposal
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate, VoteKind

VERDICTS_MAX = 4096
"""Verdicts kept; blocks are judged within seconds of each other."""


GAP_BYTES_MAX = 256 * 1024
"""Nullifications enclosed in one proposal; with its other two certificates it fits a bulk frame at any n."""

SIGNATURE_BYTES = 66
"""An encoded signature."""


@dataclass(frozen=True, slots=True, eq=False)
class EpochFacts:
    """What never changes within an epoch."""

    chain_id: ChainId
    validators: ValidatorSet
    genesis: BlockHeader
    """Of G_e, the terminal block of the epoch before."""
    genesis_hash: BlockHash
    epoch_length: int

    @property
    def terminal_height(self) -> Height:
        """Where the epoch ends at the latest."""
        return Height(self.genesis.height + self.epoch_length)

    def are_those_of(self, other: "EpochFacts") -> bool:
        """Whether both are of one epoch of one chain; the genesis block's hash commits to the chain's id."""
        return (
            self.validators is other.validators
            and self.genesis_hash == other.genesis_hash
            and self.epoch_length == other.epoch_length
        )

    def may_follow(self, parent: BlockKind, height: Height, kind: BlockKind) -> bool:
        """Whether a block of this kind at this height may stand on a parent of that kind (R16)."""
        if parent is not BlockKind.NORMAL:
            return kind is BlockKind.SEAL
        if height == self.terminal_height:
            return kind is BlockKind.TERMINAL
        return kind is not BlockKind.SEAL


_verdicts: dict[tuple[object, ...], str | None] = {}


def block_fault(block: Block, facts: EpochFacts, parent: BlockHeader | None) -> str | None:
    """
    Why a block is invalid whatever the state is; None if it is not (R2, R19).

    Decided by the block's bytes, the table, and the header that it names as its parent if that is at hand; so
    anybody can decide it again from evidence. The body must be the one that the header commits to: the proposer
    signed the header only, so another body says nothing about it, and the verdict is kept by the header's hash.
    """
    assert block.is_consistent()
    key = ("block", block.hash, facts.validators.root, facts.genesis_hash, facts.epoch_length, parent is None)
    try:
        return _verdicts[key]
    except KeyError:
        if len(_verdicts) >= VERDICTS_MAX:
            _verdicts.clear()
        verdict = _verdicts[key] = _block_fault(block, facts, parent)
        return verdict


def _block_fault(block: Block, facts: EpochFacts, parent: BlockHeader | None) -> str | None:
    header, body, validators = block.header, block.body, facts.validators
    if header.version != BLOCK_VERSION or header.chain_id != facts.chain_id:
        return "of another protocol"
    if header.epoch != validators.epoch or header.epoch_root != validators.root:
        return "of another table"
    if not 0 <= header.parent_view < header.view or validators.proposer(header.view) != header.proposer:
        return "not its proposer's view"
    if (header.next_epoch_root is not None) != (header.kind is BlockKind.TERMINAL):
        return "next epoch's table at the wrong place"
    if header.kind is BlockKind.SEAL and (body.payload or body.credits or body.evidence):
        return "a SEAL carries something"
    is_first = header.parent_view == 0
    if is_first != (header.parent_hash == facts.genesis_hash) or is_first != (body.parent is None):
        return "not where the epoch begins"
    return (
        _place_fault(header, facts, parent)
        or _leaves_fault(block, facts)
        or _credits_fault(block, validators)
    )


def _place_fault(header: BlockHeader, facts: EpochFacts, parent: BlockHeader | None) -> str | None:
    if header.parent_view == 0:
        parent, kind_below = facts.genesis, BlockKind.NORMAL  # The fence is passed: a new epoch begins.
    elif parent is None:
        return None
    else:
        kind_below = parent.kind
        if not is_parent_bound(header, parent):
            return "its parent is of another view"
    rise = 0 if header.kind is BlockKind.SEAL else 1
    if header.height != parent.height + rise:
        return "not its parent's height and one"
    if not facts.may_follow(kind_below, header.height, header.kind):
        return "not the kind that the epoch demands"
    return None


def is_parent_bound(header: BlockHeader, parent: BlockHeader) -> bool:
    """
    Whether a block states the view of its parent as the parent's own header does (R2).

    Without it, naming an old final parent with the view before one's own makes the check for gaps vacuous.
    """
    return header.parent_view == parent.view and header.epoch == parent.epoch


def _leaves_fault(block: Block, facts: EpochFacts) -> str | None:
    header, body, validators = block.header, block.body, facts.validators
    leaf = body.parent
    if leaf is not None and not (
        leaf.kind is not VoteKind.NULLIFY
        and is_leaf_of_parent(header, leaf)
        and _states_quorum(leaf.bitmap, validators)
    ):
        return "a parent without its certificate"
    first = header.view - len(body.skipped)
    if first <= header.parent_view or (not body.skipped and first != header.parent_view + 1):
        return "not the views before its own"
    if first != header.parent_view + 1 and not _is_full(body.skipped, validators):
        return "without a skipped view for which there was room"
    for view, skipped in enumerate(body.skipped, first):
        if not (
            skipped.kind is VoteKind.NULLIFY
            and skipped.view == view
            and skipped.block_hash is None
            and _states_quorum(skipped.bitmap, validators)
        ):
            return "a skipped view without its certificate"
    return None


def _is_full(skipped: tuple[JustifyLeaf, ...], validators: ValidatorSet) -> bool:
    """Whether a proposal with these skipped views may lack room for another: a proposer does not choose whom it charges."""
    signatures = sum(int.from_bytes(leaf.bitmap).bit_count() for leaf in skipped) + len(validators)
    return len(skipped) >= GAP_CERTIFICATES_MAX or SIGNATURE_BYTES * signatures > GAP_BYTES_MAX


def is_leaf_of_parent(header: BlockHeader, leaf: JustifyLeaf) -> bool:
    """Whether a certificate is of the parent in the view that the block states for it (R2)."""
    return leaf.view == header.parent_view and leaf.block_hash == header.parent_hash


def _states_quorum(bitmap: Bitmap, validators: ValidatorSet) -> bool:
    return validators.is_bitmap_valid(bitmap) and validators.is_quorum(validators.bitmap_power(bitmap))


def _credits_fault(block: Block, validators: ValidatorSet) -> str | None:
    view = block.header.view
    last: tuple[View, bytes] | None = None
    for credit in block.body.credits:
        place = (credit.view, credit.voter)
        if last is not None and place <= last:
            return "credits out of order"
        last = place
        if credit.voter not in validators or credit.kind is VoteKind.NULLIFY:
            return "a credit for no vote"
        if not max(1, view - LATE_VIEWS) <= credit.view < view:
            return "a credit for too old a view"
    return None


def history_fault(entry: Entry, validators: ValidatorSet) -> str | None:
    """
    Why a block does not fit its ancestors; None if it does (R2, R13, R17). They are known as far as it needs.

    Not evidence: it takes more than the parent's header to tell.
    """
    key = ("history", entry.hash, validators.root)
    try:
        return _verdicts[key]
    except KeyError:
        if len(_verdicts) >= VERDICTS_MAX:
            _verdicts.clear()
        verdict = _verdicts[key] = _history_fault(entry, validators)
        return verdict


def _history_fault(entry: Entry, validators: ValidatorSet) -> str | None:
    assert entry.parent is not None
    if entry.block.header.time_ms <= entry.parent.block.header.time_ms:
        return "not after its parent"
    credits = entry.block.body.credits
    if not credits:
        return None
    voted, credited = late_votes_known(entry.parent, entry.block.body.parent, credits[0].view)
    for credit in credits:
        ancestor = voted.get(credit.view)
        if ancestor is None or ancestor[0] != credit.block_hash:
            return "a credit for no ancestor"
        index = validators.index_by_id[credit.voter]
        if ancestor[1][index >> 3] >> (index & 7) & 1 or (credit.view, credit.voter) in credited:
            return "a credit given before"
    return None


def late_votes_known(
    parent: Entry, leaf: JustifyLeaf | None, oldest: View
) -> tuple[dict[View, tuple[BlockHash, Bitmap]], dict[tuple[View, bytes], None]]:
    """
    What a child of `parent` with that leaf must know to credit late votes.

    Returns:
        By view, from `oldest` on, the ancestors' hashes and who is in their certificates; and the credits given.
    """
    voted: dict[View, tuple[BlockHash, Bitmap]] = {}
    credited: dict[tuple[View, bytes], None] = {}
    ancestor: Entry | None = parent
    while leaf is not None and ancestor is not None and ancestor.view >= oldest:
        voted[ancestor.view] = (ancestor.hash, leaf.bitmap)
        for credit in ancestor.block.body.credits:
            credited[credit.view, credit.voter] = None
        leaf = ancestor.block.body.parent
        ancestor = ancestor.parent
    return voted, credited


def enclosure_fault(proposal: Proposal) -> str | None:
    """Why a proposal does not carry the certificates that its block names; None if it does (R2)."""
    header, body = proposal.block.header, proposal.block.body
    parent = proposal.parent
    if (parent is None) != (body.parent is None):
        return "without its parent's certificate"
    if parent is not None and (
        parent.epoch != header.epoch or body.parent is None or not _is_leaf_of(body.parent, parent)
    ):
        return "with another certificate of its parent"
    if len(proposal.nullifications) != len(body.skipped):
        return "without the skipped views' certificates"
    for leaf, certificate in zip(body.skipped, proposal.nullifications, strict=True):
        if certificate.epoch != header.epoch or not _is_leaf_of(leaf, certificate):
            return "with other certificates of skipped views"
    finalization = proposal.finalization
    if finalization is not None and not (
        finalization.kind is VoteKind.FINALIZE and finalization.epoch == header.epoch
    ):
        return "with no finalization as its finalization"
    return None


def _is_leaf_of(leaf: JustifyLeaf, certificate: Certificate) -> bool:
    return (
        leaf.kind is certificate.kind
        and leaf.view == certificate.view
        and leaf.block_hash == certificate.block_hash
        and leaf.bitmap == certificate.bitmap
        and leaf.signatures_hash == certificate.signatures_hash
    )


__all__ = [
    "EpochFacts",
    "block_fault",
    "enclosure_fault",
    "history_fault",
    "is_parent_bound",
    "justify_leaf",
    "late_votes_known",
]
