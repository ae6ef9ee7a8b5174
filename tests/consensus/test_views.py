"""R5, R8-R10, R12: how long a view lasts, and what is said when it is given up."""

import pytest

from noded.consensus.inputs import TimerKind, WorkChanged
from noded.types.genesis import Routing
from noded.types.ids import BlockHash
from noded.types.messages import Certificates, Votes
from noded.types.records import CertificateRecord, VoteRecord
from noded.types.vote import VoteKind
from tests.helpers.consensus_bench import (
    Bench,
    F,
    N,
    X,
    records_of,
    sent,
    timers,
    votes_persisted,
    votes_sent,
)
from tests.helpers.consensus_values import make_params, make_vote, validator_id


class TestTimeout:
    """R8: after T in a view, X; T grows with each, up to a cap, and is T0 again after a finalization."""

    def test_the_timer_of_a_view_is_t0(self) -> None:
        bench = Bench(params=make_params(delta_ms=100, block_interval_ms=50))

        assert [timer.after_ms for timer in timers(bench.started, TimerKind.VIEW)] == [250]

    def test_the_vote_is_durable_before_it_is_sent(self) -> None:
        bench = Bench()

        effects = bench.fire(TimerKind.VIEW)

        assert [type(record) for record in records_of(effects)] == [VoteRecord]
        assert effects.index(sent(effects, Votes)[0]) == 1
        assert votes_sent(effects) == [(X, 1)]

    def test_t_grows_by_half_and_is_capped(self) -> None:
        bench = Bench(params=make_params(view_timeout_ms=1000))
        after = []
        for view in range(1, 10):
            bench.fire(TimerKind.VIEW)
            effects = bench.vote([1, 2, 3], X, view=view)
            after += [timer.after_ms for timer in timers(effects, TimerKind.VIEW)]

        assert after == [1500, 2250, 3375, 5062, 7593, 10_000, 10_000, 10_000, 10_000]

    def test_a_finalization_resets_it(self) -> None:
        bench = Bench(params=make_params(view_timeout_ms=1000))
        bench.fire(TimerKind.VIEW)
        bench.vote([1, 2], X)
        assert bench.core.stall == 1
        second = bench.propose(2, bench.genesis, nullified=[1])
        bench.hear(2, second)
        bench.vote([1, 2, 3], N, view=2, block=second.block)

        bench.vote([1, 2, 3], F, view=2, block=second.block)

        assert bench.core.stall == 0

    @pytest.mark.parametrize(("view", "token"), [(2, None), (1, 99)])
    def test_a_stale_timer_is_ignored(self, view: int, token: int | None) -> None:
        bench = Bench()

        assert bench.fire(TimerKind.VIEW, view=view, token=token) == []

    def test_one_vote_is_enough(self) -> None:
        bench = Bench()
        bench.fire(TimerKind.VIEW)

        assert bench.fire(TimerKind.VIEW) == []


class TestEntering:
    """R5, R15: the certificate by which a view is entered is durable before anything is said in it."""

    @pytest.mark.parametrize("kind", [N, X])
    def test_it_is_persisted(self, kind: VoteKind) -> None:
        bench = Bench()
        block = bench.propose(1, bench.genesis).block

        effects = bench.vote([1, 2, 3], kind, block=None if kind is X else block)

        assert [type(record) for record in records_of(effects)] == [CertificateRecord]
        assert [timer.timer.view for timer in timers(effects, TimerKind.VIEW)] == [2]


class TestNullifyMessage:
    """R10: X with all that may help, to the next three proposers; again, and in the next lost view, to twice as many."""

    def bench(self) -> Bench:
        return Bench(0, n=13, params=make_params(routing=Routing.LINEAR))

    def test_it_goes_to_the_next_three_proposers(self) -> None:
        bench = self.bench()

        effects = bench.fire(TimerKind.VIEW)

        assert [send.peers for send in sent(effects, Votes)] == [
            tuple(validator_id(other) for other in (2, 3, 4))
        ]
        assert [timer.after_ms for timer in timers(effects, TimerKind.RETRY)] == [150]

    def test_it_carries_n_pending_f_and_the_best_certificates(self) -> None:
        bench = self.bench()
        first = bench.propose(1, bench.genesis)
        bench.hear(1, first)
        second = bench.propose(2, first.block)
        bench.hear(2, second)

        message = sent(bench.fire(TimerKind.VIEW), Votes)[0].message

        assert isinstance(message, Votes)
        assert [(vote.kind, vote.view) for vote in message.votes] == [(F, 1), (N, 2), (X, 2)]
        assert [(certificate.kind, certificate.view) for certificate in message.certificates] == [(N, 1)]

    def test_it_is_sent_again_to_twice_as_many_up_to_all(self) -> None:
        bench = self.bench()
        bench.fire(TimerKind.VIEW)

        counts = [
            len(sent(bench.fire(TimerKind.RETRY, token=attempt), Votes)[0].peers) for attempt in (1, 2, 3)
        ]

        assert counts == [6, 12, 12]

    def test_each_view_lost_in_a_row_begins_with_twice_as_many(self) -> None:
        bench = self.bench()
        counts = []
        for view in (1, 2, 3, 4):
            counts.append(len(sent(bench.fire(TimerKind.VIEW), Votes)[0].peers))
            bench.hear(1, Certificates(certificates=(bench.certificate(X, view=view),)))

        assert counts == [3, 6, 12, 12]

    def test_not_once_the_view_is_over(self) -> None:
        bench = self.bench()
        bench.fire(TimerKind.VIEW)
        bench.hear(1, Certificates(certificates=(bench.certificate(X, view=1),)))

        assert bench.fire(TimerKind.RETRY, view=1, token=1) == []

    def test_under_all_it_goes_to_everybody(self) -> None:
        bench = Bench()

        assert len(sent(bench.fire(TimerKind.VIEW), Votes)[0].peers) == 3


class TestSilentProposer:
    """R9: whose last k views brought nothing, and who was not heard of since, is not waited for."""

    def nullify(self, bench: Bench, views: range, voters: tuple[int, ...] = (0, 2, 3)) -> None:
        for view in views:
            if view not in bench.core._state.ballots.nullified:
                bench.fire(TimerKind.VIEW)
            bench.vote([voter for voter in voters if voter], X, view=view)

    def silent_after(self, bench: Bench) -> None:
        """Views 1 and 5 of proposer 1 pass; in between the others' are nullified too, but they are heard."""
        self.nullify(bench, range(1, 9))

    def test_the_view_is_nullified_at_once(self) -> None:
        bench = Bench(params=make_params(silent_views=2))

        self.silent_after(bench)

        assert bench.core.view == 9  # Proposer 1 again.
        assert 9 in bench.core._state.ballots.nullified

    def test_not_with_the_path_switched_off(self) -> None:
        bench = Bench(params=make_params(silent_views=0))

        self.silent_after(bench)

        assert 9 not in bench.core._state.ballots.nullified

    def test_others_are_waited_for(self) -> None:
        bench = Bench(params=make_params(silent_views=2))

        self.nullify(bench, range(1, 10))

        assert bench.core.view == 10
        assert 10 not in bench.core._state.ballots.nullified

    @pytest.mark.parametrize("kind", [N, X])
    def test_any_vote_clears_it(self, kind: VoteKind) -> None:
        bench = Bench(params=make_params(silent_views=2))
        self.nullify(bench, range(1, 8))

        block = None if kind is X else BlockHash(bytes(32))
        vote = make_vote(1, kind, view=7, block=block)
        bench.hear(1, Votes(votes=(vote,), certificates=()))
        self.nullify(bench, range(8, 9))

        assert bench.core.view == 9
        assert 9 not in bench.core._state.ballots.nullified

    def test_its_bit_in_a_certificate_clears_it(self) -> None:
        bench = Bench(params=make_params(silent_views=2))
        self.nullify(bench, range(1, 8))

        bench.hear(2, Certificates(certificates=(bench.certificate(X, view=8),)))  # By 0, 1 and 2.

        assert bench.core.view == 9
        assert 9 not in bench.core._state.ballots.nullified


class TestIdle:
    """R12: with nothing to order, views last the idle interval longer."""

    def bench(self) -> Bench:
        return Bench(params=make_params(idle_interval_ms=5000, delta_ms=100))

    def first_block(self, bench: Bench, payload: tuple[bytes, ...]) -> None:
        """The chain's first block, to get past its genesis block, which is a terminal one."""
        proposal = bench.propose(1, bench.genesis, payload=payload)
        bench.hear(1, proposal)
        self.effects = bench.vote([1, 2, 3], N, block=proposal.block)

    def test_the_epoch_s_first_block_is_owed(self) -> None:
        assert [timer.after_ms for timer in timers(self.bench().started, TimerKind.VIEW)] == [200]

    def test_after_an_empty_block_nothing_is_owed(self) -> None:
        bench = self.bench()
        self.first_block(bench, ())

        assert [timer.after_ms for timer in timers(self.effects, TimerKind.VIEW)] == [5200]

    def test_after_a_block_with_payload_one_is_owed(self) -> None:
        bench = self.bench()
        self.first_block(bench, (bytes(32),))

        assert [timer.after_ms for timer in timers(self.effects, TimerKind.VIEW)] == [200]

    def test_work_that_arrives_restarts_the_timer(self) -> None:
        bench = self.bench()
        self.first_block(bench, ())

        effects = bench.feed(WorkChanged(True))

        assert [timer.after_ms for timer in timers(effects, TimerKind.VIEW)] == [200]
        token = timers(self.effects, TimerKind.VIEW)[0].timer.token
        assert votes_persisted(bench.fire(TimerKind.VIEW, token=token)) == []
        assert [vote.kind for vote in votes_persisted(bench.fire(TimerKind.VIEW))] == [X]

    def test_more_work_does_not_restart_it_again(self) -> None:
        bench = self.bench()
        self.first_block(bench, ())
        bench.feed(WorkChanged(True))

        assert timers(bench.feed(WorkChanged(True)), TimerKind.VIEW) == []
