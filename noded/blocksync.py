"""
Catching up by ranges of finalised blocks, sans-IO.

A range is asked of one peer at a time and checked from its end: the finalization proves the last header, the hash
chain the others, the roots the bodies, the payload the batches (S1). What a quorum finalised it also verified, so
no transaction's signature is checked again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import field

from noded.codec.schema import encode_value
from noded.errors import InvalidMessage
from noded.types.batch import SealedBatch, decode_batch
from noded.types.block import Block, BlockHeader, BlockKind, header_hash
from noded.types.checks import SignatureCheck
from noded.types.frozen import frozen
from noded.types.ids import BlockHash, ChainId, Height, PeerId, TimestampMs, bitmap_indices
from noded.types.messages import (
    BLOCKS_MAX,
    BULK_MESSAGE_BYTES_MAX,
    BlockRange,
    ChainStatus,
    GetBlocks,
)
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate, VoteKind

RANGE_BYTES_MAX = BULK_MESSAGE_BYTES_MAX - 128 * 1024
"""Bodies and batches of one range, as `range_bytes` counts them; the rest of the frame is for tail and finalization."""

BEHIND_HEIGHTS = 3
"""A peer this far ahead is worth asking; closer ones are met by consensus itself."""

REQUEST_TIMEOUT_MS = 5_000
"""Until the next peer is asked; a range is a megabyte at most."""

REQUESTS_KEPT = 64
"""Requests that may still be answered, late or once more: of the last five minutes where none is answered at all."""


BLOCK_BYTES_USUAL = 2048
"""Header and body of a block without names of batches, which count with these, as long as nothing goes wrong."""


def range_bytes(block: Block, batches: Iterable[bytes]) -> int:
    """What a block with these batches takes in a range, at most: evidence alone may be 240 KB, late votes 8."""
    return sum(len(each) + 72 for each in batches) + max(BLOCK_BYTES_USUAL, len(encode_value(block)))


class BadRange(InvalidMessage):
    """A range of blocks does not prove itself (S1)."""

    def __init__(self, *, first: Height, why: str) -> None:
        super().__init__(f"blocks from {first}: {why}")
        self.first = first
        self.why = why


class UnaskedRange(InvalidMessage):
    """A range of blocks that this node did not ask this peer for."""


@frozen()
class CheckedRange:
    """A range whose hashes fit; what remains is to verify the finalization's signatures."""

    peer: PeerId
    blocks: tuple[tuple[Block, tuple[SealedBatch, ...]], ...]
    tail: tuple[BlockHeader, ...]
    finalization: Certificate
    checks: tuple[SignatureCheck, ...] = field(repr=False)


class BlockSync:
    """Knows how far the peers are, and asks one at a time for what this node lacks."""

    def __init__(self, chain_id: ChainId) -> None:
        self._chain_id = chain_id
        self._heights: dict[PeerId, Height] = {}
        self._asked: tuple[PeerId, Height] | None = None
        self._requests: dict[tuple[PeerId, Height], None] = {}
        """The last ones, oldest first: who answers late, or twice on a bad line, is not to blame."""
        self._deadline_ms = TimestampMs(0)
        self._refused: dict[PeerId, None] = {}
        """Asked only when all others were, too: silent, gone or false; whatever height they claim since."""

    @property
    def is_asking(self) -> bool:
        """Whether a request is under way."""
        return self._asked is not None

    @property
    def heights(self) -> Mapping[PeerId, Height]:
        """How far each peer says it is."""
        return self._heights

    def on_status(self, peer: PeerId, status: ChainStatus) -> None:
        """Note how far a peer says it is."""
        self._heights[peer] = status.height

    def on_peer_down(self, peer: PeerId) -> None:
        """Forget how far a peer is, and a request to it; that it did not answer is remembered when it comes back."""
        self._heights.pop(peer, None)
        if self._asked is not None and self._asked[0] == peer:
            self._refused[peer] = None
            self._asked = None

    def want(self, peer: PeerId, height: Height) -> None:
        """A peer's certificate shows that it knows finalised blocks above `height`."""
        known = self._heights.get(peer, Height(0))
        self._heights[peer] = max(known, Height(height + BEHIND_HEIGHTS))

    def next_request(self, height: Height, now_ms: TimestampMs) -> tuple[PeerId, GetBlocks] | None:
        """Whom to ask for the blocks above `height`, if anyone is far enough ahead and nobody is being asked."""
        if self._asked is not None:
            if now_ms < self._deadline_ms:
                return None
            self._refused[self._asked[0]] = None
            self._asked = None
        ahead = [peer for peer, known in self._heights.items() if known >= height + BEHIND_HEIGHTS]
        if not ahead:
            return None
        willing = [peer for peer in ahead if peer not in self._refused]
        if not willing:
            self._refused.clear()
            willing = ahead
        peer = willing[height % len(willing)]
        first = Height(height + 1)
        self._asked = (peer, first)
        self._requests.pop(self._asked, None)
        self._requests[self._asked] = None
        if len(self._requests) > REQUESTS_KEPT:
            del self._requests[next(iter(self._requests))]
        self._deadline_ms = TimestampMs(now_ms + REQUEST_TIMEOUT_MS)
        return peer, GetBlocks(first=first, last=Height(height + BLOCKS_MAX))

    def on_range(
        self, peer: PeerId, message: BlockRange, tip: BlockHeader, validators: ValidatorSet
    ) -> CheckedRange | None:
        """
        Check a range that was asked for, however late; None when the peer has nothing, or it no longer fits our tip.

        Raises:
            UnaskedRange: Nothing of the kind was asked of this peer.
            BadRange: The range does not prove itself.
        """
        asked = (peer, message.first)
        if asked not in self._requests:
            raise UnaskedRange(f"a range from {message.first} was not asked for")
        if self._asked == asked:
            self._asked = None
        if message.finalization is None or not message.blocks:
            self._heights.pop(peer, None)
            return None
        if message.first != tip.height + 1:
            return None
        try:
            return self._checked(peer, message, tip, validators)
        except InvalidMessage:
            self._refused[peer] = None
            raise

    def distrust(self, peer: PeerId) -> BadRange:
        """A peer's range had a bad signature: others are asked first from now on."""
        self._refused[peer] = None
        return BadRange(first=Height(0), why="a signature of the finalization does not verify")

    def _checked(
        self, peer: PeerId, message: BlockRange, tip: BlockHeader, validators: ValidatorSet
    ) -> CheckedRange:
        finalization = message.finalization
        assert finalization is not None
        parent = header_hash(tip)
        height = tip.height
        blocks = []
        for synced in message.blocks:
            header = synced.block.header
            height = Height(height + 1)
            if (header.parent_hash, header.height) != (parent, height):
                raise BadRange(first=message.first, why=f"block {height} does not follow its parent")
            if header.epoch != validators.epoch or header.kind is BlockKind.SEAL:
                raise BadRange(first=message.first, why=f"block {height} is not of epoch {validators.epoch}")
            if not synced.block.is_consistent():
                raise BadRange(first=message.first, why=f"block {height} has other roots than its body")
            batches = tuple(decode_batch(encoding) for encoding in synced.batches)
            if tuple(batch.hash for batch in batches) != synced.block.body.payload:
                raise BadRange(first=message.first, why=f"block {height} names other batches")
            blocks.append((synced.block, batches))
            parent = synced.block.hash
        for header in message.tail:
            if header.parent_hash != parent or header.epoch != validators.epoch:
                raise BadRange(first=message.first, why="the tail does not follow the last block")
            parent = header_hash(header)
        checks = self._finalization_checks(message, finalization, parent, validators)
        return CheckedRange(peer, tuple(blocks), message.tail, finalization, checks)

    def _finalization_checks(
        self, message: BlockRange, finalization: Certificate, last: BlockHash, validators: ValidatorSet
    ) -> tuple[SignatureCheck, ...]:
        if (finalization.kind, finalization.epoch, finalization.block_hash) != (
            VoteKind.FINALIZE,
            validators.epoch,
            last,
        ):
            raise BadRange(first=message.first, why="the finalization is of another block")
        if not validators.is_bitmap_valid(finalization.bitmap):
            raise BadRange(first=message.first, why="the finalization's bitmap is not of this epoch")
        signers = bitmap_indices(finalization.bitmap)
        if len(signers) != len(finalization.signatures):
            raise BadRange(first=message.first, why="the finalization lacks signatures")
        if not validators.is_quorum(validators.bitmap_power(finalization.bitmap)):
            raise BadRange(first=message.first, why="the finalization is no quorum")
        signed = finalization.signing_bytes(self._chain_id)
        keys = [validators.table.validators[index].public_key for index in signers]
        return tuple(map(SignatureCheck, keys, [signed] * len(keys), finalization.signatures))
