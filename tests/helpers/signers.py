"""A signer, and what it is asked to sign."""

from noded.crypto.signing import verify
from noded.keys.signer import START, Watermark, WatermarkSigner
from noded.types.evidence import proposal_signing_bytes
from noded.types.ids import BlockHash, ChainId, Epoch, Signature, ValidatorId, View
from noded.types.vote import Vote, VoteKind, vote_signing_bytes

SEED = bytes(range(32))
CHAIN = ChainId(b"\x07" * 32)
VOTER = ValidatorId(b"\x01" * 16)
BLOCK_1 = BlockHash(b"\x01" * 32)
BLOCK_2 = BlockHash(b"\x02" * 32)
N, X, F = VoteKind.NOTARIZE, VoteKind.NULLIFY, VoteKind.FINALIZE


def make_signer(watermark: Watermark = START) -> WatermarkSigner:
    return WatermarkSigner(SEED, CHAIN, watermark=watermark)


def at(epoch: int, view: int) -> Watermark:
    return Watermark(Epoch(epoch), View(view))


def choice(kind: VoteKind, block: BlockHash) -> BlockHash | None:
    return None if kind is X else block


def vote(
    signer: WatermarkSigner, kind: VoteKind, block: BlockHash = BLOCK_1, *, epoch: int = 1, view: int = 1
) -> Vote:
    block_hash = choice(kind, block)
    message = vote_signing_bytes(CHAIN, kind, Epoch(epoch), View(view), block_hash)
    signature = signer.sign_vote(kind, Epoch(epoch), View(view), block_hash, message)
    assert verify(signer.public_key, message, signature)
    return Vote(
        kind=kind,
        epoch=Epoch(epoch),
        view=View(view),
        block_hash=block_hash,
        voter=VOTER,
        signature=signature,
    )


def propose(
    signer: WatermarkSigner, block: BlockHash = BLOCK_1, *, epoch: int = 1, view: int = 1
) -> Signature:
    message = proposal_signing_bytes(CHAIN, Epoch(epoch), View(view), block)
    signature = signer.sign_proposal(Epoch(epoch), View(view), block, message)
    assert verify(signer.public_key, message, signature)
    return signature
