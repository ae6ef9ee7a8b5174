"""R15: what the log must say for this node to go on as if nothing had happened, and reading it back."""

from noded.consensus.state import EpochState
from noded.types.ids import Epoch
from noded.types.records import (
    BlockRecord,
    CertificateRecord,
    EpochRecord,
    ProposalRecord,
    Record,
    VoteRecord,
)
from noded.types.vote import VoteKind


def epoch_of_record(record: Record) -> Epoch | None:
    """The epoch that a record belongs to; None where it belongs to none."""
    if isinstance(record, VoteRecord):
        return record.vote.epoch
    if isinstance(record, ProposalRecord):
        return record.proposal.block.header.epoch
    if isinstance(record, BlockRecord):
        return record.block.header.epoch
    if isinstance(record, CertificateRecord):
        return record.certificate.epoch
    if isinstance(record, EpochRecord):
        return record.entry.table.epoch
    return None


def later_records(records: list[Record], epoch: Epoch) -> list[Record]:
    """The records of epochs after this one, in order."""
    return [record for record in records if (epoch_of_record(record) or 0) > epoch]


def load(state: EpochState, records: list[Record]) -> None:
    """Take over the records of this state's epoch as facts; all were verified before they were written."""
    for record in records:
        if epoch_of_record(record) != state.epoch:
            continue
        if isinstance(record, VoteRecord):
            _load_vote(state, record)
        elif isinstance(record, ProposalRecord):
            state.ballots.proposals[record.proposal.block.header.view] = record.proposal
            state.tree.insert(record.proposal.block).is_stored = True
        elif isinstance(record, BlockRecord):
            state.tree.insert(record.block).is_stored = True
        elif isinstance(record, CertificateRecord):
            certificate = record.certificate
            state.certificates.stored[certificate.kind, certificate.view] = None
            state.certificates.add(certificate)
        elif isinstance(record, EpochRecord):
            state.entry = record.entry
    _find_root(state)
    state.is_dirty = True


def _find_root(state: EpochState) -> None:
    """A log that was rewritten begins in the middle of the epoch: all below its oldest block is committed."""
    finalization = state.certificates.finalized
    entry = None if finalization is None else state.tree.get(finalization.block_hash)
    while entry is not None and entry.parent is not None:
        entry = entry.parent
    if entry is not None and entry.view > 0:
        state.tree.reset(entry.block)
        state.final_view = entry.view


def _load_vote(state: EpochState, record: VoteRecord) -> None:
    vote = record.vote
    assert vote.voter == state.me, "a log of another validator"
    state.ballots.add(vote)
    if vote.kind is VoteKind.FINALIZE and vote.view > state.f_cast:
        state.f_cast = vote.view


def live_records(state: EpochState) -> list[Record]:
    """
    All that a restart needs of what was persisted so far; the log may be rewritten to it.

    Only once every Commit so far is durable: blocks that are final are not repeated, but for the last ones.
    """
    records: list[Record] = []
    if state.entry is not None:
        records.append(EpochRecord(entry=state.entry))
    own = {proposal.block.hash for proposal in state.ballots.proposals.values()}
    entries = sorted(
        (entry for entry in state.tree.entries.values() if entry.is_stored and entry.hash not in own),
        key=lambda entry: entry.view,
    )
    records += [BlockRecord(block=entry.block) for entry in entries]
    records += [
        ProposalRecord(proposal=state.ballots.proposals[view]) for view in sorted(state.ballots.proposals)
    ]
    certificates = state.certificates
    stored = [
        certificate
        for store in (certificates.notarized, certificates.nullified)
        for certificate in store.values()
        if (certificate.kind, certificate.view) in certificates.stored
    ]
    if certificates.finalized is not None:
        stored.append(certificates.finalized)
    records += [CertificateRecord(certificate=certificate) for certificate in stored]
    ballots = state.ballots
    for votes in (ballots.notarized, ballots.nullified, ballots.finalized):
        records += [VoteRecord(vote=votes[view]) for view in sorted(votes)]
    return records
