"""R1, R2, R9, R12, R13, R16: this node's own proposals. Validator 1 proposes view 1 among four that take turns."""

from typing import Any

import pytest

from noded.consensus.effects import BuildPayload, Effect, Persist, Send
from noded.consensus.errors import BadProposal
from noded.consensus.inputs import PayloadBuilt, TimerKind, WorkChanged
from noded.consensus.proposing import GIVE_UP
from noded.types.block import BlockKind
from noded.types.genesis import Routing
from noded.types.ids import BatchHash, Root
from noded.types.messages import Certificates, GetCertificates, Proposal
from noded.types.records import ProposalRecord
from tests.helpers.consensus_bench import (
    Bench,
    F,
    N,
    X,
    messages,
    penalties,
    sent,
    timers,
    votes_persisted,
    votes_sent,
)
from tests.helpers.consensus_values import START_MS, make_params, make_set


def proposals(effects: list[Effect]) -> list[Proposal]:
    return [send.message for send in sent(effects, Proposal) if isinstance(send.message, Proposal)]


def builds(effects: list[Effect]) -> list[BuildPayload]:
    return [effect for effect in effects if isinstance(effect, BuildPayload)]


class TestGoodCase:
    """R2: on entering its view, the proposer builds on the highest notarized view."""

    def test_the_first_block_stands_on_the_genesis_block(self) -> None:
        bench = Bench(1, payload=(b"\1" * 32,))

        (proposal,) = proposals(bench.started)

        header = proposal.block.header
        assert (header.view, header.height, header.parent_view) == (1, 1, 0)
        assert header.parent_hash == bench.genesis.hash
        assert header.time_ms == START_MS
        assert proposal.block.body.payload == (BatchHash(b"\1" * 32),)
        assert proposal.block.body.parent is None

    def test_it_is_durable_before_it_is_sent_to_all(self) -> None:
        bench = Bench(1)

        kinds = [
            type(effect.record) if isinstance(effect, Persist) else type(effect.message)
            for effect in bench.started
            if isinstance(effect, Persist | Send)
        ]
        assert kinds[:2] == [ProposalRecord, Proposal]
        assert len(sent(bench.started, Proposal)[0].peers) == 3

    def test_its_own_vote_follows(self) -> None:
        assert votes_sent(Bench(1).started) == [(N, 1)]

    def test_others_accept_it(self) -> None:
        (proposal,) = proposals(Bench(1).started)

        assert votes_sent(Bench(0).hear(1, proposal)) == [(N, 1)]

    def test_the_parent_s_certificate_and_the_best_finalization_are_enclosed(self) -> None:
        bench = Bench(3)
        first = bench.propose(1, bench.genesis)
        second = bench.propose(2, first.block)
        bench.hear(1, first)
        bench.hear(2, second)
        bench.vote([0, 1], F, view=1, block=first.block)

        (proposal,) = proposals(bench.vote([0, 1, 2], N, view=2, block=second.block))

        assert proposal.parent is not None
        assert (proposal.parent.kind, proposal.parent.view) == (N, 2)
        assert proposal.finalization is not None
        assert proposal.finalization.view == 1
        assert proposal.block.header.parent_hash == second.block.hash

    def test_skipped_views_are_enclosed_and_in_the_body(self) -> None:
        bench = Bench(3)
        bench.vote([0, 1, 2], X, view=1)

        (proposal,) = proposals(bench.vote([0, 1, 2], X, view=2))

        assert [certificate.view for certificate in proposal.nullifications] == [1, 2]
        assert [leaf.view for leaf in proposal.block.body.skipped] == [1, 2]
        assert votes_sent(Bench(0).hear(3, proposal)) == [(N, 3)]

    def test_not_in_the_views_of_others(self) -> None:
        assert proposals(Bench(0).started) == []

    def test_not_twice(self) -> None:
        bench = Bench(1)

        assert proposals(bench.feed(WorkChanged(True))) == []

    def test_a_payload_of_an_old_view_is_ignored(self) -> None:
        bench = Bench(1, builds=False)
        (wanted,) = builds(bench.started)
        bench.vote([0, 2, 3], X)

        assert bench.feed(bench.built(wanted)) == []

    def test_an_unasked_payload_is_ignored(self) -> None:
        bench = Bench(0)
        wanted = builds(Bench(1, builds=False).started)[0]

        assert bench.feed(bench.built(wanted)) == []


class TestChoosingTheParent:
    """R2: the highest notarized view such that all above are nullified."""

    def test_a_notarized_and_nullified_view_is_built_on(self) -> None:
        bench = Bench(3)
        first = bench.propose(1, bench.genesis)
        bench.hear(1, first)
        bench.vote([0, 1, 2], N, view=1, block=first.block)
        bench.vote([0, 1, 2], X, view=1)

        (proposal,) = proposals(bench.vote([0, 1, 2], X, view=2))

        assert proposal.block.header.parent_hash == first.block.hash

    def test_one_whose_block_is_missing_is_passed_over_where_it_is_nullified(self) -> None:
        bench = Bench(3)
        unseen = bench.propose(1, bench.genesis)
        bench.vote([0, 1, 2], N, view=1, block=unseen.block)
        bench.vote([0, 1, 2], X, view=1)

        (proposal,) = proposals(bench.vote([0, 1, 2], X, view=2))

        assert proposal.block.header.parent_hash == bench.genesis.hash
        assert [leaf.view for leaf in proposal.block.body.skipped] == [1, 2]

    def test_what_is_unknown_is_asked_for(self) -> None:
        bench = Bench(3)

        effects = bench.hear(0, Certificates(certificates=(bench.certificate(X, view=6),)))

        (asked,) = messages(effects, GetCertificates)
        assert (asked.first, asked.last) == (1, 5)

    def test_without_anything_to_build_on_the_view_is_given_up_after_delta(self) -> None:
        """R9: a proposer that cannot propose nullifies its own view."""
        bench = Bench(2, params=make_params(delta_ms=100))
        unseen = bench.propose(1, bench.genesis)
        effects = bench.vote([0, 1, 3], N, view=1, block=unseen.block)
        assert [timer.after_ms for timer in timers(effects, TimerKind.PROPOSE)] == [100]

        effects = bench.fire(TimerKind.PROPOSE, token=GIVE_UP, after_ms=100)

        assert votes_sent(effects) == [(X, 2)]

    def test_not_if_it_came_in_time(self) -> None:
        bench = Bench(2)
        unseen = bench.propose(1, bench.genesis)
        bench.vote([0, 1, 3], N, view=1, block=unseen.block)
        assert len(proposals(bench.hear(1, unseen))) == 1

        assert votes_persisted(bench.fire(TimerKind.PROPOSE, token=GIVE_UP)) == []


class TestTiming:
    """R12, R13: the block interval, and the idle interval with nothing to order."""

    def second_view(self, *, payload: tuple[bytes, ...], **params: Any) -> tuple[Bench, list[Effect]]:
        bench = Bench(2, params=make_params(**params))
        first = bench.propose(1, bench.genesis, payload=payload, time_ms=START_MS)
        bench.hear(1, first)
        return bench, bench.vote([0, 1], N, view=1, block=first.block)

    def test_the_interval_since_the_parent_is_kept(self) -> None:
        bench, effects = self.second_view(payload=(bytes(32),), block_interval_ms=70)
        assert proposals(effects) == []
        assert [timer.after_ms for timer in timers(effects, TimerKind.PROPOSE)] == [70]

        (proposal,) = proposals(bench.fire(TimerKind.PROPOSE, after_ms=70))

        assert proposal.block.header.time_ms == START_MS + 70

    def test_with_nothing_to_order_the_idle_interval_is_waited(self) -> None:
        bench, effects = self.second_view(payload=(), idle_interval_ms=5000)
        assert [timer.after_ms for timer in timers(effects, TimerKind.PROPOSE)] == [5000]

        assert proposals(bench.fire(TimerKind.PROPOSE, after_ms=4000)) == []
        assert len(proposals(bench.fire(TimerKind.PROPOSE, after_ms=1000))) == 1

    def test_work_ends_the_waiting(self) -> None:
        bench, _ = self.second_view(payload=(), idle_interval_ms=5000)

        assert len(proposals(bench.feed(WorkChanged(True)))) == 1

    def test_a_block_that_changed_state_is_followed_at_once(self) -> None:
        _, effects = self.second_view(payload=(bytes(32),), idle_interval_ms=5000)

        assert len(proposals(effects)) == 1

    def test_time_goes_on_even_if_the_clock_does_not(self) -> None:
        bench = Bench(2, params=make_params(drift_ms=10_000))
        first = bench.propose(1, bench.genesis, time_ms=START_MS + 500)
        bench.hear(1, first)

        (proposal,) = proposals(bench.vote([0, 3], N, view=1, block=first.block))

        assert proposal.block.header.time_ms == START_MS + 501


class TestEpochsEnd:
    """R16: TERMINAL at the epoch's last height or where the ledger closes it; SEAL above."""

    def test_the_last_height_is_terminal(self) -> None:
        bench = Bench(1, params=make_params(epoch_length=1))

        (proposal,) = proposals(bench.started)

        header = proposal.block.header
        assert header.kind is BlockKind.TERMINAL
        assert header.next_epoch_root == make_set(bench.validators.powers, epoch=2).root

    def test_the_ledger_may_close_the_epoch_earlier(self) -> None:
        bench = Bench(1, builds=False)
        (wanted,) = builds(bench.started)
        assert wanted.kind is BlockKind.NORMAL
        built = bench.built(wanted)

        effects = bench.feed(
            PayloadBuilt(
                built.epoch, built.view, built.parent, (), built.parent_state_root, (), Root(bytes(32))
            )
        )

        assert [proposal.block.header.kind for proposal in proposals(effects)] == [BlockKind.TERMINAL]

    def test_a_seal_stands_on_it(self) -> None:
        bench = Bench(2, params=make_params(epoch_length=1), payload=())
        terminal = bench.propose(
            1,
            bench.genesis,
            kind=BlockKind.TERMINAL,
            next_epoch_root=make_set(bench.validators.powers, epoch=2).root,
        )
        bench.hear(1, terminal)

        (proposal,) = proposals(bench.vote([0, 1, 3], N, block=terminal.block))

        header = proposal.block.header
        assert (header.kind, header.height) == (BlockKind.SEAL, terminal.block.header.height)


@pytest.mark.parametrize("gap", [64, 200])
def test_a_long_gap_is_enclosed_as_far_as_it_fits(gap: int) -> None:
    """R11: voters fetch the rest."""
    bench = Bench(1, n=4, params=make_params(routing=Routing.ALL))
    view = 4 * (gap // 4) + 1
    for skipped in range(1, view - 1):
        bench.hear(2, Certificates(certificates=(bench.certificate(X, view=skipped),)))

    (proposal,) = proposals(bench.hear(2, Certificates(certificates=(bench.certificate(X, view=view - 1),))))

    assert [certificate.view for certificate in proposal.nullifications] == list(range(view - 64, view))
    voter = Bench(0)
    effects = voter.hear(1, proposal)
    while wanted := sent(effects, GetCertificates):
        assert votes_persisted(effects) == []
        message = wanted[0].message
        assert isinstance(message, GetCertificates)
        page = tuple(voter.certificate(X, view=skipped) for skipped in range(message.first, message.last + 1))
        effects = voter.hear(1, Certificates(certificates=page))
    assert votes_sent(effects) == [(N, view)]


def test_a_proposal_without_its_gap_is_refused() -> None:
    """R2: what the body names must be enclosed."""
    bench = Bench(3)
    bench.vote([0, 1, 2], X, view=1)
    (proposal,) = proposals(bench.vote([0, 1, 2], X, view=2))
    stripped = Proposal(
        block=proposal.block,
        signature=proposal.signature,
        parent=None,
        nullifications=proposal.nullifications[:1],
        finalization=None,
    )

    effects = Bench(0).hear(3, stripped)

    assert [reason for _, reason in penalties(effects)] == [BadProposal.__name__]
