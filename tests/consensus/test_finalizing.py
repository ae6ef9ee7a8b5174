"""R6, R16: finality, and how an epoch ends."""

from typing import Any

from noded.consensus.effects import Commit, SafetyBroken, SyncNeeded
from noded.consensus.finalizing import FORGET_VIEWS
from noded.consensus.inputs import TimerKind
from noded.consensus.tree import LATE_VIEWS
from noded.types.block import Block, BlockKind
from noded.types.messages import BlockFound, Certificates, GetBlock, Proposal
from noded.types.records import BlockRecord, CertificateRecord, EpochRecord
from tests.helpers.consensus_bench import Bench, F, N, X, committed, records_of, sent, votes_persisted
from tests.helpers.consensus_values import make_params, make_set, validator_id


def chain_of(bench: Bench, length: int) -> list[Proposal]:
    """Proposals of views 1 … length, each on top of the other."""
    proposals: list[Proposal] = []
    parent = bench.genesis
    for view in range(1, length + 1):
        proposals.append(bench.propose(view, parent))
        parent = proposals[-1].block
    return proposals


class TestFinality:
    """R6: a finalization makes a block and its ancestors final, once."""

    def test_a_quorum_of_f_finalizes_once(self) -> None:
        bench = Bench()
        (first,) = chain_of(bench, 1)
        bench.hear(1, first)

        assert committed(bench.vote([1], F, block=first.block)) == []
        assert committed(bench.vote([2], F, block=first.block)) == []
        assert committed(bench.vote([3], F, block=first.block)) == [first.block]
        assert bench.core.height == 1

    def test_ancestors_become_final_with_it_in_order(self) -> None:
        bench = Bench()
        proposals = chain_of(bench, 3)
        for proposal in proposals:
            bench.hear(proposal.block.header.view % 4, proposal)

        certificate = bench.certificate(F, view=3, block=proposals[2].block)
        effects = bench.hear(1, Certificates(certificates=(certificate,)))

        assert committed(effects) == [proposal.block for proposal in proposals]
        commits = [effect for effect in effects if isinstance(effect, Commit)]
        assert [commit.finalization for commit in commits] == [certificate]

    def test_blocks_and_certificate_are_durable_first(self) -> None:
        bench = Bench(checks_payload=False)
        (first,) = chain_of(bench, 1)
        bench.hear(1, first)

        effects = bench.vote([1, 2, 3], F, block=first.block)

        assert [type(record) for record in records_of(effects)] == [BlockRecord, CertificateRecord]
        commit = next(effect for effect in effects if isinstance(effect, Commit))
        assert effects.index(commit) == 2

    def test_a_missing_block_is_fetched_from_the_voters(self) -> None:
        bench = Bench(3)
        (first,) = chain_of(bench, 1)
        certificate = bench.certificate(F, view=1, block=first.block)

        effects = bench.hear(1, Certificates(certificates=(certificate,)))

        wanted = sent(effects, GetBlock)
        assert [send.message for send in wanted] == [GetBlock(hash=first.block.hash)]
        assert all(peer in (validator_id(0), validator_id(1), validator_id(2)) for peer in wanted[0].peers)
        assert committed(bench.hear(1, BlockFound(block=first.block))) == [first.block]

    def test_missing_ancestors_are_fetched_one_after_the_other(self) -> None:
        bench = Bench(3)
        first, second = chain_of(bench, 2)
        certificate = bench.certificate(F, view=2, block=second.block)
        bench.hear(1, Certificates(certificates=(certificate,)))

        effects = bench.hear(1, BlockFound(block=second.block))

        assert [send.message for send in sent(effects, GetBlock)] == [GetBlock(hash=first.block.hash)]
        assert committed(bench.hear(1, BlockFound(block=first.block))) == [first.block, second.block]

    def test_far_behind_block_sync_is_asked_for(self) -> None:
        bench = Bench(3)
        proposals = chain_of(bench, 12)
        last = proposals[-1].block
        bench.hear(1, Certificates(certificates=(bench.certificate(F, view=12, block=last),)))

        effects = bench.hear(1, BlockFound(block=last))

        assert SyncNeeded(validator_id(1), bench.core.epoch) in effects

    def test_what_lies_below_is_forgotten(self) -> None:
        bench = Bench(9)
        for proposal in chain_of(bench, 40):
            view = proposal.block.header.view
            bench.hear(view % 4, proposal)
            bench.vote([1, 2, 3], F, view=view, block=proposal.block)

        state = bench.core._state
        assert bench.core.height == 40
        assert len(state.tree.entries) <= LATE_VIEWS + FORGET_VIEWS + 1
        assert len(state.certificates.notarized) <= FORGET_VIEWS + 1
        assert len(state.offers) <= FORGET_VIEWS
        assert len(state.votes) <= LATE_VIEWS + FORGET_VIEWS + 1

    def test_two_finalizations_that_exclude_each_other_raise_the_alarm(self) -> None:
        bench = Bench()
        (first,) = chain_of(bench, 1)
        bench.hear(1, first)
        bench.vote([1, 2, 3], F, block=first.block)
        rival = bench.propose(2, bench.genesis, nullified=[1])
        bench.hear(2, rival)

        certificate = bench.certificate(F, view=2, block=rival.block)
        effects = bench.hear(1, Certificates(certificates=(certificate,)))

        assert SafetyBroken(first.block.hash, certificate) in effects
        assert not bench.core.is_voter
        assert committed(effects) == []


class TestEpochEnd:
    """R16: after the terminal block is final nothing is signed in the epoch; the next one begins in view 1."""

    def bench(self, **options: Any) -> Bench:
        return Bench(params=make_params(epoch_length=1), **options)

    def terminal(self, bench: Bench) -> Proposal:
        return bench.propose(
            1,
            bench.genesis,
            kind=BlockKind.TERMINAL,
            next_epoch_root=make_set(bench.validators.powers, epoch=2).root,
        )

    def seal(self, bench: Bench, terminal: Block) -> Proposal:
        return bench.propose(2, terminal, kind=BlockKind.SEAL, height=terminal.header.height)

    def test_the_next_epoch_is_entered(self) -> None:
        bench = self.bench()
        terminal = self.terminal(bench)
        bench.hear(1, terminal)

        effects = bench.vote([1, 2, 3], F, block=terminal.block)

        assert (bench.core.epoch, bench.core.view) == (2, 1)
        entries = [record.entry for record in records_of(effects) if isinstance(record, EpochRecord)]
        assert [entry.terminal for entry in entries] == [terminal.block.header]
        assert bench.core.height == 1

    def test_a_seal_finalizes_it_too_and_is_no_part_of_the_chain(self) -> None:
        bench = self.bench()
        terminal = self.terminal(bench)
        bench.hear(1, terminal)
        seal = self.seal(bench, terminal.block)
        bench.hear(2, seal)

        effects = bench.vote([1, 2, 3], F, view=2, block=seal.block)

        assert committed(effects) == [terminal.block]
        commit = next(effect for effect in effects if isinstance(effect, Commit))
        assert commit.seals == (seal.block.header,)
        assert bench.core.epoch == 2

    def test_nothing_is_signed_between(self) -> None:
        bench = self.bench(enters=False)
        terminal = self.terminal(bench)
        bench.hear(1, terminal)
        bench.vote([1, 2, 3], N, block=terminal.block)
        bench.vote([1, 2, 3], F, block=terminal.block)

        effects = bench.hear(2, self.seal(bench, terminal.block)) + bench.fire(TimerKind.VIEW)

        assert bench.core.epoch == 1
        assert votes_persisted(effects) == []

    def test_the_block_after_a_terminal_one_must_be_a_seal(self) -> None:
        bench = self.bench()
        terminal = self.terminal(bench)
        bench.hear(1, terminal)

        effects = bench.hear(2, bench.propose(2, terminal.block))

        assert [vote.kind for vote in votes_persisted(effects)] == [F, X]
        assert N not in [vote.kind for vote in votes_persisted(effects)]
