"""R16, R20: between epochs."""

from noded.consensus.effects import SyncNeeded
from noded.consensus.inputs import ChainAdvanced, MessageReceived
from noded.consensus.state import NextEpochBuffer
from noded.types.block import Block, BlockKind
from noded.types.genesis import Routing
from noded.types.ids import VALIDATORS_MAX, BlockHash, Epoch, InstitutionId, PeerId, View
from noded.types.messages import (
    BlockFound,
    Certificates,
    GetBlock,
    GetCertificates,
    Proposal,
    Votes,
)
from noded.types.records import EpochRecord
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
from tests.helpers.consensus_epochs import SECOND_SET, bench_at, in_second_epoch, terminal_of
from tests.helpers.consensus_values import (
    make_block,
    make_certificate,
    make_params,
    make_proposal,
    make_set,
    make_vote,
    validator_id,
)


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
