"""R16, R20: between epochs."""

from dataclasses import replace
from typing import Any

import pytest

from noded.consensus.core import ConsensusCore
from noded.consensus.effects import Effect, SyncNeeded
from noded.consensus.inputs import ChainAdvanced, MessageReceived, VotingBegins, VotingStopped
from noded.consensus.signer import Silence
from noded.consensus.state import NextEpochBuffer
from noded.types.block import Block, BlockKind
from noded.types.genesis import Routing
from noded.types.ids import VALIDATORS_MAX, BlockHash, Epoch, InstitutionId, PeerId, View
from noded.types.messages import (
    BlockFound,
    Certificates,
    EpochEntry,
    GetBlock,
    GetCertificates,
    Proposal,
    Votes,
)
from noded.types.records import BlockRecord, EpochRecord
from tests.helpers.consensus_bench import (
    Bench,
    F,
    N,
    X,
    committed,
    penalties,
    records_of,
    sent,
    votes_persisted,
    votes_sent,
)
from tests.helpers.consensus_values import (
    CHAIN_ID,
    START_MS,
    TestSigner,
    make_block,
    make_certificate,
    make_params,
    make_proposal,
    make_set,
    make_vote,
    validator_id,
)

SECOND_SET = make_set((1,) * 4, epoch=2)


def bench_at(epoch_length: int = 1, me: int = 0) -> Bench:
    return Bench(me, params=make_params(epoch_length=epoch_length, delta_ms=100))


def terminal_of(bench: Bench) -> Proposal:
    return bench.propose(1, bench.genesis, kind=BlockKind.TERMINAL, next_epoch_root=SECOND_SET.root)


def entry_of(bench: Bench, terminal: Block, *, seals: tuple[Block, ...] = ()) -> EpochEntry:
    last = (terminal, *seals)[-1]
    return EpochEntry(
        terminal=terminal.header,
        seals=tuple(seal.header for seal in seals),
        finalization=bench.certificate(F, view=last.header.view, block=last),
        table=SECOND_SET.table,
    )


def in_second_epoch(me: int = 0) -> tuple[Bench, Block]:
    bench = bench_at(me=me)
    terminal = terminal_of(bench)
    bench.hear(1, terminal)
    bench.vote([1, 2, 3], F, block=terminal.block)
    assert bench.core.epoch == 2
    return bench, terminal.block


class TestCrashAtTheFence:
    """R15, R20: the store has the terminal block, and the crash came before the log said that the epoch is over."""

    def restarted(self, *, is_told: bool) -> tuple[ConsensusCore, list[Effect]]:
        before, terminal = in_second_epoch()
        core = ConsensusCore(
            chain_id=CHAIN_ID,
            me=before.me,
            signer=TestSigner(before.me),
            params=before.params,
            validators=SECOND_SET,
            genesis_block=terminal,
        )
        effects = core.start(START_MS)
        if is_told:
            finalization = before.certificate(F, view=1, block=terminal)
            effects += core.step(ChainAdvanced(terminal, (), finalization), START_MS)
        return core, effects

    def ask(self, core: ConsensusCore) -> list[Effect]:
        question = GetCertificates(kind=F, epoch=Epoch(1), first=View(1), last=View(1))
        return core.step(MessageReceived(validator_id(2), question), START_MS)

    def test_what_the_store_proves_is_logged_and_told(self) -> None:
        core, effects = self.restarted(is_told=True)
        kinds = [type(record) for record in records_of(effects)]
        assert kinds.index(BlockRecord) < kinds.index(EpochRecord)

        (answer,) = sent(self.ask(core), EpochEntry)

        assert answer.peers == (validator_id(2),)
        assert isinstance(answer.message, EpochEntry)
        assert answer.message.table == SECOND_SET.table

    def test_it_is_logged_once(self) -> None:
        core, effects = self.restarted(is_told=True)
        advanced = next(record for record in records_of(effects) if isinstance(record, EpochRecord)).entry

        again = core.step(
            ChainAdvanced(core._state.tree.final.block, advanced.seals, advanced.finalization), START_MS
        )

        assert records_of(again) == []

    def test_without_it_nobody_could_be_told(self) -> None:
        core, _ = self.restarted(is_told=False)

        assert sent(self.ask(core), EpochEntry) == []


class TestEpochEntry:
    """R16: the proof of an epoch's end."""

    def test_it_brings_a_peer_on(self) -> None:
        bench = bench_at()
        terminal = terminal_of(bench)
        bench.hear(1, terminal)

        effects = bench.hear(3, entry_of(bench, terminal.block))

        assert committed(effects) == [terminal.block]
        assert bench.core.epoch == 2
        kinds = [type(record) for record in records_of(effects)]
        assert kinds.index(BlockRecord) < kinds.index(EpochRecord)

    def test_seals_need_not_be_known(self) -> None:
        bench = bench_at()
        terminal = terminal_of(bench)
        bench.hear(1, terminal)
        seal = bench.propose(2, terminal.block, kind=BlockKind.SEAL, height=1).block

        effects = bench.hear(3, entry_of(bench, terminal.block, seals=(seal,)))

        assert committed(effects) == [terminal.block]
        assert bench.core.epoch == 2

    def test_the_terminal_block_is_fetched_if_it_is_missing(self) -> None:
        bench = bench_at()
        terminal = terminal_of(bench).block

        effects = bench.hear(3, entry_of(bench, terminal))
        assert [send.message for send in sent(effects, GetBlock)] == [GetBlock(hash=terminal.hash)]
        bench.hear(2, BlockFound(block=terminal))

        assert bench.core.epoch == 2

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"table": make_set((2,) * 4, epoch=2).table}, "BadEpochEntry"),
            ({"terminal": "genesis"}, None),
            ({"terminal": "normal"}, "BadEpochEntry"),
            ({"seals": "unrelated"}, "BadEpochEntry"),
            ({"finalization": "weak"}, "BadCertificate"),
            ({"finalization": "forged"}, "BadCertificate"),
            ({"finalization": "notarization"}, "BadCertificate"),
        ],
    )
    def test_what_proves_nothing_is_refused(self, change: dict[str, Any], reason: str | None) -> None:
        bench = bench_at()
        terminal = terminal_of(bench).block
        normal = bench.propose(1, bench.genesis).block
        values: dict[str, Any] = {
            "genesis": bench.genesis.header,
            "normal": normal.header,
            "unrelated": (normal.header,),
            "weak": make_certificate(bench.validators, F, view=1, block=terminal, voters=(0, 1)),
            "forged": make_certificate(bench.validators, F, view=1, block=terminal, forged=(0,)),
            "notarization": bench.certificate(N, view=1, block=terminal),
        }
        changed = {name: values[value] if isinstance(value, str) else value for name, value in change.items()}
        entry = replace(entry_of(bench, terminal), **changed)

        effects = bench.hear(3, entry)

        assert [why for _, why in penalties(effects)] == ([] if reason is None else [reason])
        assert bench.core.epoch == 1

    def test_messages_of_the_last_epoch_are_answered_with_it(self) -> None:
        """R20: not more often than every Δ/2."""
        bench, terminal = in_second_epoch()
        bench.now_ms += 1_000
        vote = Votes(votes=(make_vote(3, X, view=2),), certificates=())

        (send,) = sent(bench.hear(3, vote), EpochEntry)

        assert send.peers == (validator_id(3),)
        assert isinstance(send.message, EpochEntry)
        assert send.message.terminal == terminal.header
        assert bench.hear(3, vote) == []
        fresh = bench_at()
        fresh.hear(1, make_proposal(terminal))
        fresh.hear(0, send.message)
        assert fresh.core.epoch == 2

    def test_blocks_at_the_end_of_the_last_epoch_can_be_had(self) -> None:
        bench, terminal = in_second_epoch()

        effects = bench.hear(3, GetBlock(hash=terminal.hash))

        assert [send.message for send in sent(effects, BlockFound)] == [BlockFound(block=terminal)]


class TestNextEpoch:
    """R20: what comes early is kept; who is ahead is asked for the proof."""

    def early(self, bench: Bench, terminal: Block) -> Proposal:
        block = make_block(
            SECOND_SET,
            view=1,
            parent=terminal,
            kind=BlockKind.TERMINAL,
            next_epoch_root=make_set((1,) * 4, epoch=3).root,
        )
        return make_proposal(block)

    def test_an_early_proposal_gets_its_vote_after_entry(self) -> None:
        bench = bench_at()
        terminal = terminal_of(bench)
        bench.hear(1, terminal)

        effects = bench.hear(1, self.early(bench, terminal.block))
        assert votes_persisted(effects) == []
        effects = bench.vote([1, 2, 3], F, block=terminal.block)

        assert (N, 1) in votes_sent(effects)
        assert [vote.epoch for vote in votes_persisted(effects) if vote.kind is N] == [2]

    def test_the_sender_is_asked_for_the_proof_now_and_then(self) -> None:
        bench = bench_at()
        early = MessageReceived(validator_id(1), self.early(bench, terminal_of(bench).block))

        first = sent(bench.feed(early), GetCertificates)
        second = sent(bench.feed(early), GetCertificates)
        bench.now_ms += 100
        third = sent(bench.feed(early), GetCertificates)

        assert (len(first), len(second), len(third)) == (1, 0, 1)
        asked = first[0].message
        assert isinstance(asked, GetCertificates)
        assert (asked.kind, asked.epoch) == (F, 1)

    def test_further_ahead_block_sync_is_asked_for(self) -> None:
        bench = bench_at()
        vote = make_vote(1, X, epoch=9)

        effects = bench.hear(1, Votes(votes=(vote,), certificates=()))

        assert effects == [SyncNeeded(validator_id(1), Epoch(9))]

    def test_of_each_peer_the_last_of_each_type_is_kept(self) -> None:
        buffer = NextEpochBuffer()
        for view in (1, 2, 3):
            vote = make_vote(1, X, view=view, epoch=2)
            buffer.keep(validator_id(1), Votes(votes=(vote,), certificates=()))

        kept = buffer.take()

        assert [message.votes[0].view for _, message in kept if isinstance(message, Votes)] == [3]
        assert buffer.take() == []

    def test_it_is_bounded_and_picky(self) -> None:
        buffer = NextEpochBuffer()
        message = Votes(votes=(make_vote(1, X, epoch=2),), certificates=())
        for number in range(3 * VALIDATORS_MAX + 10):
            buffer.keep(PeerId(InstitutionId(number.to_bytes(16, "big"))), message)
        buffer.keep(validator_id(1), GetBlock(hash=BlockHash(bytes(32))))

        assert len(buffer.take()) == 3 * VALIDATORS_MAX

    def test_a_bad_message_that_was_kept_is_penalised_on_entry(self) -> None:
        bench = bench_at()
        terminal = terminal_of(bench)
        bench.hear(1, terminal)
        stolen = Votes(votes=(make_vote(2, X, epoch=2),), certificates=())
        bench.hear(3, stolen)

        effects = bench.vote([1, 2, 3], F, block=terminal.block)

        assert penalties(effects) == [(validator_id(3), "NotTheSigner")]


class TestFence:
    """R16: votes of an epoch that is over do nothing."""

    def test_they_are_dropped(self) -> None:
        bench, _ = in_second_epoch()
        bench.now_ms += 1_000

        bench.vote([1, 2], X)
        effects = bench.hear(3, Votes(votes=(make_vote(3, X, epoch=1),), certificates=()))

        assert votes_persisted(effects) == []
        assert bench.core.view == 1

    def test_a_certificate_of_another_epoch_in_a_message_is_an_offence(self) -> None:
        bench, _ = in_second_epoch()
        mixed = (
            make_certificate(SECOND_SET, X, view=1),
            make_certificate(bench.validators, X, view=2),
        )

        assert penalties(bench.hear(3, Certificates(certificates=mixed))) == [
            (validator_id(3), "MalformedVote")
        ]

    def test_a_maker_of_the_finalization_tells_everybody_under_linear(self) -> None:
        """Else only the collectors would know that the epoch is over."""
        bench = Bench(1, params=make_params(epoch_length=1, routing=Routing.LINEAR))
        (proposal,) = sent(bench.started, Proposal)
        assert isinstance(proposal.message, Proposal)

        effects = bench.vote([0, 2, 3], F, block=proposal.message.block)

        assert [len(send.peers) for send in sent(effects, Certificates)] == [3]
        assert bench.core.epoch == 2


class TestBlockSync:
    """R16: block sync brings a node on, within an epoch and to its end."""

    def test_within_the_epoch(self) -> None:
        bench = bench_at(epoch_length=100)
        first = bench.propose(1, bench.genesis).block
        second = bench.propose(2, first).block
        third = bench.propose(3, second).block
        certificate = bench.certificate(F, view=3, block=third)

        effects = bench.feed(ChainAdvanced(second, (third.header,), certificate))

        assert bench.core.height == 2
        assert bench.core.view == 4
        assert [send.message for send in sent(effects, GetBlock)] == [GetBlock(hash=third.hash)]
        assert committed(bench.hear(1, BlockFound(block=third))) == [third]

    def test_what_is_known_already_changes_nothing(self) -> None:
        bench = bench_at(epoch_length=100)
        first = bench.propose(1, bench.genesis)
        bench.hear(1, first)
        bench.vote([1, 2, 3], F, block=first.block)

        certificate = bench.certificate(F, view=1, block=first.block)
        assert bench.feed(ChainAdvanced(first.block, (), certificate)) == []

    def test_to_its_end(self) -> None:
        bench = bench_at()
        terminal = terminal_of(bench).block
        certificate = bench.certificate(F, view=1, block=terminal)

        effects = bench.feed(ChainAdvanced(terminal, (), certificate))

        assert bench.core.epoch == 2
        assert [
            record.entry.terminal for record in records_of(effects) if isinstance(record, EpochRecord)
        ] == [terminal.header]
        assert View(bench.core.view) == 1


def test_voting_stops_for_good() -> None:
    """R21: a node whose state is not what a quorum finalised signs nothing more, in no epoch."""
    bench = bench_at()
    terminal = terminal_of(bench)
    bench.feed(VotingStopped())

    effects = bench.hear(1, terminal) + bench.vote([1, 2, 3], F, block=terminal.block)

    assert bench.core.epoch == 2
    assert votes_persisted(effects) == []
    assert not bench.core.is_voter
    assert bench.core.silence is Silence.STOPPED


def test_nothing_is_signed_before_voting_begins() -> None:
    """A4: a node that does not know yet how far the chain is follows, and takes part once it does."""
    bench = Bench(is_waiting=True)
    before = bench.hear(1, bench.propose(1, bench.genesis))

    assert votes_persisted([*bench.started, *before]) == []
    assert not bench.core.is_voter
    assert bench.core.is_entitled
    assert bench.core.silence is Silence.WAITING

    assert [vote.kind for vote in votes_persisted(bench.feed(VotingBegins()))] == [N]


def test_voting_that_was_stopped_does_not_begin() -> None:
    """A3: what was found out while this node looked around stands."""
    bench = Bench(is_waiting=True)
    bench.feed(VotingStopped())
    bench.feed(VotingBegins())

    assert not bench.core.is_voter
    assert not bench.core.is_entitled
    assert bench.core.silence is Silence.STOPPED
