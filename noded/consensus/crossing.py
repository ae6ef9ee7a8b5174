"""R16, R20: between epochs — proofs for those who are behind, and messages kept from those who are ahead."""

from functools import partial

from noded.consensus.certificates import is_well_formed
from noded.consensus.counting import certificate_check, take_certificate
from noded.consensus.effects import SyncNeeded
from noded.consensus.errors import BadCertificate, BadEpochEntry
from noded.consensus.finalizing import advance, end_epoch
from noded.consensus.inputs import ChainAdvanced
from noded.consensus.state import EpochState
from noded.types.block import Block, BlockHeader, BlockKind, header_hash
from noded.types.ids import BlockHash, Epoch, PeerId, View
from noded.types.messages import (
    Certificates,
    ConsensusMessage,
    EpochEntry,
    EvidenceFound,
    GetCertificates,
    Proposal,
    ProposalSeen,
    Votes,
)
from noded.types.records import BlockRecord, EpochRecord
from noded.types.validator_set import table_root
from noded.types.vote import Certificate, VoteKind


def epoch_of(message: ConsensusMessage) -> Epoch | None:
    """The epoch that a message is about; None if it is of use in any."""
    if type(message) is Votes:
        if message.votes:
            return message.votes[0].epoch
        return message.certificates[0].epoch if message.certificates else None
    if type(message) is Proposal:
        return message.block.header.epoch
    if type(message) is Certificates:
        return message.certificates[0].epoch
    if type(message) is GetCertificates or type(message) is ProposalSeen:
        return message.epoch
    if type(message) is EpochEntry:
        return message.terminal.epoch
    if type(message) is EvidenceFound:
        return message.evidence.epoch
    return None


def on_later_epoch(state: EpochState, peer: PeerId, epoch: Epoch) -> None:
    """A peer is in a later epoch: ask it for the proof, or for the blocks if it is far ahead; not too often."""
    told_ms = state.informed_ms.get(peer)
    if told_ms is not None and state.now_ms - told_ms < max(1, state.params.delta_ms):
        return
    state.informed_ms[peer] = state.now_ms
    if epoch > state.epoch + 1:
        state.out.append(SyncNeeded(peer, epoch))
    elif not state.is_ended:
        first = View(state.final_view + 1)
        state.send(
            (peer,),
            GetCertificates(kind=VoteKind.FINALIZE, epoch=state.epoch, first=first, last=first),
        )


def on_epoch_entry(state: EpochState, peer: PeerId, entry: EpochEntry) -> None:
    """
    Take the proof that this epoch is over; the blocks up to its end may still have to be fetched.

    Raises:
        BadEpochEntry, BadCertificate: It proves nothing.
    """
    terminal, finalization = entry.terminal, entry.finalization
    if state.is_ended or terminal.epoch != state.epoch:
        return
    if terminal.kind is not BlockKind.TERMINAL or terminal.next_epoch_root != table_root(entry.table):
        raise BadEpochEntry("no terminal block of that table")
    if _end_of(terminal, entry.seals) != (finalization.block_hash, finalization.view):
        raise BadEpochEntry("the headers do not lead to the finalization")
    if finalization.kind is not VoteKind.FINALIZE or not is_well_formed(finalization, state.validators):
        raise BadCertificate("no finalization by this epoch's table")
    if not state.checks.may_ask(peer):
        return
    state.checks.ask(
        (certificate_check(state, finalization),), partial(_on_entry_checked, state, peer, entry), peer
    )


def _end_of(terminal: BlockHeader, seals: tuple[BlockHeader, ...]) -> tuple[BlockHash, View] | None:
    """Hash and view of the last header of the chain; None if they make none."""
    last, view = header_hash(terminal), terminal.view
    for seal in seals:
        if seal.parent_hash != last or seal.parent_view != view or seal.kind is not BlockKind.SEAL:
            return None
        last, view = header_hash(seal), seal.view
    return last, view


def _on_entry_checked(state: EpochState, peer: PeerId, entry: EpochEntry, results: tuple[bool, ...]) -> None:
    if not results[0]:
        state.penalize(peer, BadCertificate)
        return
    take_certificate(state, entry.finalization)
    if not state.is_ended and entry.terminal.height > state.tree.final.height:
        state.ending = entry
        state.is_dirty = True


def note_entry(
    state: EpochState, terminal: Block, seals: tuple[BlockHeader, ...], finalization: Certificate
) -> None:
    """R15, R20: keep the proof that the epoch before is over, for oneself and for peers who are still in it."""
    if state.entry is None:
        state.entry = EpochEntry(
            terminal=terminal.header, seals=seals, finalization=finalization, table=state.validators.table
        )
        state.persist(BlockRecord(block=terminal))
        state.persist(EpochRecord(entry=state.entry))


def on_chain_advanced(state: EpochState, event: ChainAdvanced) -> None:
    """Block sync, or the store at start, is at this block: go on from there (R16 at the epoch's end)."""
    block = event.block
    if block.hash == state.facts.genesis_hash:
        note_entry(state, block, event.tail, event.finalization)
        return
    if block.header.epoch != state.epoch or block.header.height <= state.tree.final.height or state.is_ended:
        return
    state.certificates.add(event.finalization)
    entry = state.tree.reset(block)
    advance(state, entry)
    state.is_dirty = True
    if block.header.kind is BlockKind.TERMINAL:
        end_epoch(state, block, event.tail, event.finalization)
