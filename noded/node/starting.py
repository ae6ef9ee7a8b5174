"""Putting a node together, new or after a restart."""

from collections import deque
from collections.abc import Iterable, Sequence

from noded.blocksync import BlockSync
from noded.consensus.core import ConsensusCore
from noded.consensus.inputs import ChainAdvanced, Input
from noded.ledger.ledger import Ledger
from noded.mempool.pool import BatchPool
from noded.node.batches import BatchDesk
from noded.node.chain import Chain
from noded.node.committing import CommitDesk
from noded.node.effects import Effect
from noded.node.evidence import EvidenceDesk
from noded.node.following import SyncDesk
from noded.node.node import Node
from noded.node.outbox import Outbox
from noded.node.parameters import consensus_params, payload_limits
from noded.node.payload import PayloadRules
from noded.node.proposals import ProposalDesk
from noded.node.settings import Signer
from noded.node.voting_right import VotingRight
from noded.types.batch import decode_batch
from noded.types.block import Block, FinalityProof
from noded.types.frozen import frozen
from noded.types.ids import BatchHash, InstitutionId, TimestampMs
from noded.types.records import BatchRecord, Record


@frozen(kw_only=True)
class Durable:
    """What a node finds on its disk; of a new one, the genesis block and nothing else."""

    tip: Block
    """The last block in the store."""
    proof: FinalityProof | None
    """Of the tip; None for the chain's genesis block."""
    epoch_genesis: Block
    """The terminal block on which the tip's epoch began, or the tip itself if it is terminal."""
    recent_batches: Sequence[tuple[BatchHash, TimestampMs]] = ()
    """Named by recent blocks: as far back as a batch may be old."""
    records: Sequence[Record] = ()
    """Of the log, oldest first; none of batches that blocks named too long ago to be among the recent."""
    epoch_blocks: Sequence[Block] = ()
    """Of the tip's epoch, all up to the tip; none where some are not at hand."""
    is_log_lost: bool = False
    """Whether this key may have voted with a log that is gone (R21)."""


def start_node(
    *,
    me: InstitutionId,
    signer: Signer,
    ledger: Ledger,
    durable: Durable,
    now_ms: TimestampMs,
) -> tuple[Node, list[Effect]]:
    """
    Make a node that goes on where its disk says it was.

    Args:
        me: This node's institution.
        signer: Its consensus key; it remembers already what the log says it signed.
        ledger: Stands on the state of the tip.
        durable: What the disk says.
        now_ms: The driver's clock.

    Returns:
        The node and the first effects to perform.
    """
    tip = durable.tip
    validators = ledger.validators_after(tip.hash)
    parameters = ledger.parameters_after(tip.hash)
    outbox = Outbox()
    pool = BatchPool(expiry_ms=parameters.batch_expiry_ms, author_bytes_max=parameters.author_bytes_max)
    batches = BatchDesk(
        me=me,
        chain_id=ledger.chain_id,
        signer=signer,
        pool=pool,
        open_batch=ledger.open_batch,
        outbox=outbox,
    )
    core = ConsensusCore(
        chain_id=ledger.chain_id,
        me=me,
        signer=signer,
        params=consensus_params(parameters),
        validators=validators,
        genesis_block=durable.epoch_genesis,
        is_log_lost=durable.is_log_lost,
        is_waiting=True,
    )
    chain = Chain(ledger, pool, tip)
    evidence = EvidenceDesk(ledger.chain_id, outbox)
    told: deque[Input] = deque()
    proposals = ProposalDesk(
        me=me,
        core=core,
        ledger=ledger,
        chain=chain,
        batches=batches,
        rules=PayloadRules(payload_limits(parameters), pool, batches.exchange),
        evidence=evidence,
        outbox=outbox,
        told=told,
        validators=validators,
    )
    sync = SyncDesk(me=me, core=core, chain=chain, sync=BlockSync(ledger.chain_id), outbox=outbox)
    right = VotingRight(me=me, core=core, proposals=proposals, sync=sync, outbox=outbox, told=told)
    commits = CommitDesk(
        me=me,
        ledger=ledger,
        chain=chain,
        batches=batches,
        proposals=proposals,
        evidence=evidence,
        sync=sync,
        right=right,
        outbox=outbox,
        told=told,
        validators=validators,
    )
    node = Node(
        me=me,
        core=core,
        ledger=ledger,
        chain=chain,
        batches=batches,
        proposals=proposals,
        evidence=evidence,
        sync=sync,
        commits=commits,
        right=right,
        outbox=outbox,
        told=told,
    )
    pool.restore_ordered(durable.recent_batches)
    _restore_batches(batches, durable.records)
    doubt = ledger.why_doubted(tip.header, durable.epoch_blocks)
    effects = node.restore(durable.records, _known_tip(durable), now_ms)
    if doubt is not None:
        node.distrust(doubt)
    return node, effects + node.start(now_ms)


def _known_tip(durable: Durable) -> ChainAdvanced | None:
    if durable.proof is None:
        return None
    return ChainAdvanced(durable.tip, durable.proof.tail, durable.proof.finalization)


def _restore_batches(batches: BatchDesk, records: Iterable[Record]) -> None:
    for record in records:
        if isinstance(record, BatchRecord):
            sealed = decode_batch(record.encoding)
            if not batches.pool.is_ordered(sealed.hash):
                batches.restore(sealed)
