"""
The consensus key, behind a watermark: it never contradicts what it signed before.

Its memory is rebuilt from the records of the write-ahead log: `restore_vote` and `restore_proposal` before anything
is signed. What stands at or below the watermark may be forgotten, as nothing new is signed there. A signature only
becomes known to others once its record is durable, so a crash between signing and the record is harmless.

A validator may have several keys, one after the other (K6). What was signed is remembered for all of them together: a
validator has one say in a view, whichever key says it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

from noded.crypto.signing import public_key_of, secret_of, sign
from noded.keys.errors import BelowWatermark, ConflictingProposal, ConflictingVote
from noded.types.batch import BATCH_SIGNING_DOMAIN
from noded.types.evidence import proposal_signing_bytes
from noded.types.ids import BlockHash, ChainId, Epoch, PublicKey, Signature, View
from noded.types.vote import Vote, VoteKind, vote_signing_bytes


class Watermark(NamedTuple):
    """A place in a chain's time; ordered."""

    epoch: Epoch
    view: View


START = Watermark(Epoch(0), View(0))
"""Below everything: epochs and views are counted from 1."""


_FORBIDDEN_AFTER: Final = MappingProxyType(
    {
        VoteKind.NOTARIZE: (VoteKind.NULLIFY,),
        VoteKind.NULLIFY: (VoteKind.FINALIZE,),
        VoteKind.FINALIZE: (VoteKind.NULLIFY,),
    }
)
"""Votes after which a vote of this kind is refused in the same view; NULLIFY after NOTARIZE is legal."""


@dataclass(slots=True)
class _Signed:
    """What was signed in one view."""

    votes: dict[VoteKind, tuple[BlockHash | None, Signature]] = field(default_factory=dict)
    proposal: tuple[BlockHash, Signature] | None = None


class WatermarkSigner:
    """
    Signs for one chain with one consensus key at a time, and refuses what would conflict (R1, R3).

    The same request gives the same signature again, as long as it is not forgotten.
    """

    def __init__(
        self,
        seed: bytes,
        chain_id: ChainId,
        *,
        watermark: Watermark = START,
        find_seed: Callable[[PublicKey], bytes | None] = lambda key: None,
    ) -> None:
        """
        Sign with the key of this seed; nothing new at or below `watermark`.

        Args:
            seed: Of the key to begin with.
            chain_id: Inside everything that is signed.
            watermark: Of all keys of this validator.
            find_seed: Gives the seed of another key of this validator, or None; asked when the ledger names one.
        """
        self._secret = secret_of(seed)
        self._find_seed = find_seed
        self._chain_id = chain_id
        self._watermark = watermark
        self._highest = watermark
        self._views: dict[Watermark, _Signed] = {}
        self.public_key = PublicKey(public_key_of(seed))

    @property
    def watermark(self) -> Watermark:
        """Nothing new is signed at or below it."""
        return self._watermark

    @property
    def highest(self) -> Watermark:
        """The highest place where anything was signed; the watermark for copies of its keys elsewhere."""
        return self._highest

    def switch_to(self, key: PublicKey) -> bool:
        """Sign with this key from now on (K6); False, and nothing changes, if it is not at hand."""
        if key == self.public_key:
            return True
        seed = self._find_seed(key)
        if seed is None:
            return False
        assert public_key_of(seed) == key
        self._secret = secret_of(seed)
        self.public_key = key
        return True

    def restore_vote(self, vote: Vote) -> None:
        """
        Remember a vote of this validator from the log.

        Raises:
            ConflictingVote: The log has another vote of this kind in this view: the key was misused.
        """
        place = Watermark(vote.epoch, vote.view)
        signed = self._view(place)
        chosen, _ = signed.votes.setdefault(vote.kind, (vote.block_hash, vote.signature))
        if chosen != vote.block_hash:
            raise _conflict(place, vote.kind, vote.kind)

    def restore_proposal(self, epoch: Epoch, view: View, block_hash: BlockHash, signature: Signature) -> None:
        """
        Remember a proposal of this validator from the log.

        Raises:
            ConflictingProposal: The log has another proposal in this view: the key was misused.
        """
        signed = self._view(Watermark(epoch, view))
        if signed.proposal is not None and signed.proposal[0] != block_hash:
            raise ConflictingProposal(epoch=epoch, view=view)
        signed.proposal = (block_hash, signature)

    def raise_watermark(self, watermark: Watermark) -> None:
        """Sign nothing new at or below this place, and forget what was signed there; a lower one changes nothing."""
        if watermark <= self._watermark:
            return
        self._watermark = watermark
        self._highest = max(self._highest, watermark)
        self._views = {place: signed for place, signed in self._views.items() if place > watermark}

    def sign_vote(
        self, kind: VoteKind, epoch: Epoch, view: View, block_hash: BlockHash | None, message: bytes
    ) -> Signature:
        """
        Sign a vote; `message` is its signing bytes.

        Raises:
            BelowWatermark: The view is not above the watermark, and this vote is not remembered.
            ConflictingVote: It contradicts a vote of this key.
        """
        assert message == vote_signing_bytes(self._chain_id, kind, epoch, view, block_hash)
        place = Watermark(epoch, view)
        signed = self._views.get(place, _Signed())
        if kind in signed.votes:
            chosen, signature = signed.votes[kind]
            if chosen == block_hash:
                return signature
            raise _conflict(place, kind, kind)  # K1
        for before in _FORBIDDEN_AFTER[kind]:
            if before in signed.votes:
                raise _conflict(place, kind, before)  # K2
        self._check_above_watermark(place)
        signature = Signature(sign(self._secret, message))
        self._view(place).votes[kind] = (block_hash, signature)
        return signature

    def sign_proposal(self, epoch: Epoch, view: View, block_hash: BlockHash, message: bytes) -> Signature:
        """
        Sign a proposal; `message` is its signing bytes.

        Raises:
            BelowWatermark: The view is not above the watermark, and this proposal is not remembered.
            ConflictingProposal: This key proposed another block in this view.
        """
        assert message == proposal_signing_bytes(self._chain_id, epoch, view, block_hash)
        place = Watermark(epoch, view)
        signed = self._views.get(place, _Signed())
        if signed.proposal is not None:
            chosen, signature = signed.proposal
            if chosen == block_hash:
                return signature
            raise ConflictingProposal(epoch=epoch, view=view)  # K3
        self._check_above_watermark(place)
        signature = Signature(sign(self._secret, message))
        self._view(place).proposal = (block_hash, signature)
        return signature

    def sign_batch(self, message: bytes) -> Signature:
        """Sign a batch; no two batches conflict. Bytes of any other domain are a bug of the caller."""
        assert message.startswith(BATCH_SIGNING_DOMAIN + self._chain_id)
        return Signature(sign(self._secret, message))

    def _check_above_watermark(self, place: Watermark) -> None:
        if place <= self._watermark:
            raise BelowWatermark(epoch=place.epoch, view=place.view)  # K4

    def _view(self, place: Watermark) -> _Signed:
        self._highest = max(self._highest, place)
        return self._views.setdefault(place, _Signed())


def _conflict(place: Watermark, wanted: VoteKind, signed: VoteKind) -> ConflictingVote:
    return ConflictingVote(epoch=place.epoch, view=place.view, wanted=wanted.name, signed=signed.name)
