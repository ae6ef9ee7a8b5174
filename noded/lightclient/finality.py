"""Finality of a header: a chain of headers to one that a quorum finalised (P3)."""

from noded.crypto.signing import verify_many
from noded.lightclient.errors import InvalidProof
from noded.types.block import BlockHeader, header_hash
from noded.types.ids import ChainId, bitmap_indices
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate, VoteKind


def check_finality(
    chain_id: ChainId,
    validators: ValidatorSet,
    header: BlockHeader,
    tail: tuple[BlockHeader, ...],
    finalization: Certificate,
    part: str,
) -> None:
    """
    Pass if a header and those after it are chained, and a quorum of the epoch's table finalised the last one (P3).

    Raises:
        InvalidProof: Not so; `part` is what the error says does not hold.
    """
    last = header
    for follower in tail:
        if follower.parent_hash != header_hash(last):
            raise InvalidProof(
                part=part, why=f"header {follower.height} does not follow header {last.height}"
            )
        last = follower
    if last.chain_id != chain_id or last.epoch != validators.epoch or last.epoch_root != validators.root:
        raise InvalidProof(part=part, why="the last header is of another chain or epoch")
    named = (finalization.kind, finalization.epoch, finalization.view, finalization.block_hash)
    if named != (VoteKind.FINALIZE, last.epoch, last.view, header_hash(last)):
        raise InvalidProof(part=part, why="the votes are not for the last header")
    if not validators.is_bitmap_valid(finalization.bitmap):
        raise InvalidProof(part=part, why="the votes' bitmap does not fit the table")
    signers = bitmap_indices(finalization.bitmap)
    if len(signers) != len(finalization.signatures):
        raise InvalidProof(part=part, why="there are not as many signatures as voters")
    if not validators.is_quorum(validators.bitmap_power(finalization.bitmap)):
        raise InvalidProof(part=part, why="the votes make no quorum")
    signed = finalization.signing_bytes(chain_id)
    keys = [validators.table.validators[index].public_key for index in signers]
    good = verify_many(zip(keys, [signed] * len(keys), finalization.signatures, strict=True))
    if not all(good):
        forged = validators.ids()[signers[good.index(False)]]
        raise InvalidProof(part=part, why=f"the signature of validator {forged.hex()} is not valid")
