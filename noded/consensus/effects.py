"""What the consensus core wants done, in order."""

from typing import TypeAlias

from noded.consensus.inputs import Timer
from noded.types.block import Block, BlockHeader, BlockKind
from noded.types.checks import SignatureCheck
from noded.types.evidence import Evidence
from noded.types.frozen import frozen
from noded.types.ids import (
    BlockHash,
    ChainId,
    Epoch,
    Height,
    PeerId,
    View,
    bitmap_indices,
)
from noded.types.messages import Message
from noded.types.records import Record
from noded.types.validator_set import ValidatorSet
from noded.types.vote import Certificate, vote_signing_bytes


@frozen()
class Persist:
    """Make the record durable before performing any Send of this step; one fsync covers them all."""

    record: Record


@frozen()
class Send:
    """Send to these peers, never to oneself."""

    peers: tuple[PeerId, ...]
    message: Message


@frozen()
class StartTimer:
    """Feed TimerFired(timer) back after `after_ms`."""

    timer: Timer
    after_ms: int


@frozen()
class CertificateCheck:
    """
    All signatures of a certificate but those that were verified one by one; good iff all are.

    Its bits are known to name validators, one for each signature.
    """

    chain_id: ChainId
    certificate: Certificate
    validators: ValidatorSet
    known: int = 0
    """Bit i: the signature of validator i was verified."""


@frozen()
class CreditsCheck:
    """The signatures of a block's late votes; good iff all are. All voters are known to be validators."""

    chain_id: ChainId
    block: Block
    validators: ValidatorSet


Check: TypeAlias = SignatureCheck | CertificateCheck | CreditsCheck


@frozen()
class Verify:
    """
    Judge the checks and feed Verified(token, results) back, one verdict for each check.

    Tokens of the consensus core are even. `signatures_of` gives the signatures that a check covers; two checks
    of one object are equal work, to be remembered by whoever judges for many nodes.
    """

    token: int
    checks: tuple[Check, ...]


@frozen()
class BuildPayload:
    """
    Choose a payload on top of this parent and feed PayloadBuilt back; the parent is valid or final.

    At the epoch's last height `kind` is TERMINAL. At another height it is NORMAL, and the answer makes the
    block TERMINAL by stating a next epoch root, where the ledger's state demands it (`close_epoch`).
    """

    epoch: Epoch
    view: View
    parent: BlockHash
    height: Height
    kind: BlockKind
    ancestors: tuple[Block, ...]
    """Unfinalised ancestors, parent first, whose batches must not be named again."""


@frozen()
class CheckPayload:
    """
    Fetch and judge payload, parent state root, evidence and tables; feed PayloadChecked back.

    Also whether a kind other than the height alone demands is what the ledger's state demands (`close_epoch`).
    This node's own blocks are asked for too, so that their execution is at hand for their children.
    """

    block: Block
    ancestors: tuple[Block, ...]
    """Unfinalised ancestors, parent first; all are valid."""
    hints: tuple[PeerId, ...]
    """Who should hold the block and its batches, best first."""


@frozen()
class Commit:
    """
    These blocks are final, in order of height; the certificate finalizes the last or a SEAL above it.

    After a restart, blocks that are stored already may come again. Some may not have been asked about with
    CheckPayload: a certificate can come before the block.
    """

    blocks: tuple[Block, ...]
    seals: tuple[BlockHeader, ...]
    """Headers of the SEAL blocks from above the last block to the one that the certificate names."""
    finalization: Certificate


@frozen()
class EnterEpoch:
    """The terminal block is final: feed EpochReady with the next epoch's validators once it is committed."""

    epoch: Epoch
    """The one to enter."""
    terminal: Block
    seals: tuple[BlockHeader, ...]
    finalization: Certificate


@frozen()
class Report:
    """A fault was proven; to be kept for a block's body. The core tells the others by itself."""

    evidence: Evidence


@frozen()
class PenalizePeer:
    """A peer broke the protocol; the reason is the name of an `InvalidMessage`."""

    peer: PeerId
    reason: str


@frozen()
class SyncNeeded:
    """A certificate shows that blocks are final which this node lacks and cannot fetch one by one."""

    peer: PeerId
    epoch: Epoch


@frozen()
class SafetyBroken:
    """Two finalizations exclude each other: more than a third is faulty. The core votes no more; alarm."""

    committed: BlockHash
    """Final here."""
    finalization: Certificate
    """Of a block that does not descend from it."""


Effect: TypeAlias = (
    Persist
    | Send
    | StartTimer
    | Verify
    | BuildPayload
    | CheckPayload
    | Commit
    | EnterEpoch
    | Report
    | PenalizePeer
    | SyncNeeded
    | SafetyBroken
)


def signatures_of(check: Check) -> list[SignatureCheck]:
    """The single signatures that a check covers, in order."""
    if isinstance(check, SignatureCheck):
        return [check]
    rows = check.validators.table.validators
    if isinstance(check, CertificateCheck):
        certificate = check.certificate
        message = certificate.signing_bytes(check.chain_id)
        return [
            SignatureCheck(rows[index].public_key, message, signature)
            for index, signature in zip(
                bitmap_indices(certificate.bitmap), certificate.signatures, strict=True
            )
            if not check.known >> index & 1
        ]
    epoch = check.block.header.epoch
    return [
        SignatureCheck(
            check.validators.public_key(credit.voter),
            vote_signing_bytes(check.chain_id, credit.kind, epoch, credit.view, credit.block_hash),
            credit.signature,
        )
        for credit in check.block.body.credits
    ]
