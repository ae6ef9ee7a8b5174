"""R7, R11, R20: certificates for those who do not have them, answers to those who lag or ask."""

from typing import Any

import pytest

from noded.consensus.effects import Effect
from noded.consensus.inputs import PeerDown, PeerUp, TimerKind
from noded.types.genesis import Routing
from noded.types.ids import BlockHash, Epoch, View
from noded.types.messages import (
    BlockFound,
    Certificates,
    GetBlock,
    GetCertificates,
    Proposal,
    Votes,
)
from noded.types.vote import VoteKind
from tests.helpers.consensus_bench import Bench, F, N, X, sent, timers, votes_sent
from tests.helpers.consensus_values import equal_set, make_params, make_vote, validator_id


class TestRelay:
    """R7: who made a certificate tells everybody only if no proposal did after the relay delay."""

    def bench(self, me: int) -> Bench:
        return Bench(me, n=7, params=make_params(routing=Routing.LINEAR, delta_ms=100))

    def notarize(self, bench: Bench) -> list[Effect]:
        self.first = bench.propose(1, bench.genesis)
        voters = [voter for voter in range(7) if voter != bench.core._state.index][:5]
        return bench.vote(voters, N, block=self.first.block)

    @pytest.mark.parametrize(("me", "after_ms"), [(1, 30), (2, 60), (3, 90), (5, 120)])
    def test_the_first_collector_waits_least(self, me: int, after_ms: int) -> None:
        effects = self.notarize(self.bench(me))

        relays = timers(effects, TimerKind.RELAY)
        assert [timer.after_ms for timer in relays if timer.timer.token == N] == [after_ms]

    def test_it_is_told_if_nobody_proposes(self) -> None:
        bench = self.bench(1)
        self.notarize(bench)

        effects = bench.fire(TimerKind.RELAY, view=1, token=N)

        (send,) = sent(effects, Certificates)
        assert len(send.peers) == 6
        assert isinstance(send.message, Certificates)
        assert [(each.kind, each.view) for each in send.message.certificates] == [(N, 1)]

    def test_not_if_the_next_proposal_came(self) -> None:
        bench = self.bench(1)
        self.notarize(bench)
        bench.hear(1, self.first)
        bench.hear(2, bench.propose(2, self.first.block))

        assert bench.fire(TimerKind.RELAY, view=1, token=N) == []

    def test_not_if_another_collector_told_everybody(self) -> None:
        bench = self.bench(1)
        self.notarize(bench)
        certificate = bench.certificate(N, view=1, block=self.first.block)
        bench.hear(2, Certificates(certificates=(certificate,)))

        assert bench.fire(TimerKind.RELAY, view=1, token=N) == []

    def test_a_finalization_that_no_proposal_carries_is_told_too(self) -> None:
        bench = self.bench(1)
        first = bench.propose(1, bench.genesis)
        bench.hear(2, BlockFound(block=first.block))
        effects = bench.vote([0, 2, 3, 4, 5], F, block=first.block)
        assert len(timers(effects, TimerKind.RELAY)) == 1

        assert len(sent(bench.fire(TimerKind.RELAY, view=1, token=F), Certificates)) == 1

    def test_under_all_nobody_needs_it(self) -> None:
        bench = Bench()

        assert timers(bench.vote([1, 2, 3], X), TimerKind.RELAY) == []


class TestLaggards:
    """R20: who is in an old view is told what ended it, not more often than every Δ/2."""

    def bench(self) -> Bench:
        bench = Bench(params=make_params(delta_ms=100))
        bench.vote([1, 2, 3], X, view=1)
        bench.vote([1, 2, 3], X, view=2)
        return bench

    def test_an_old_x_is_answered_with_the_best_certificates(self) -> None:
        bench = self.bench()

        (send,) = sent(bench.vote([3], X, view=1), Certificates)

        assert send.peers == (validator_id(3),)
        assert isinstance(send.message, Certificates)
        assert [each.view for each in send.message.certificates] == [2]

    def test_not_again_at_once(self) -> None:
        bench = self.bench()
        bench.vote([3], X, view=1)
        bench.now_ms += 49
        assert sent(bench.vote([3], X, view=1), Certificates) == []

        bench.now_ms += 1
        assert len(sent(bench.vote([3], X, view=1), Certificates)) == 1

    def test_an_n_that_is_a_little_late_is_not(self) -> None:
        bench = self.bench()

        vote = make_vote(3, N, view=1, block=BlockHash(bytes(32)))

        assert sent(bench.hear(3, Votes(votes=(vote,), certificates=())), Certificates) == []

    def test_an_n_far_behind_is(self) -> None:
        bench = self.bench()
        bench.vote([1, 2, 3], X, view=3)

        vote = make_vote(3, N, view=1, block=BlockHash(bytes(32)))

        assert len(sent(bench.hear(3, Votes(votes=(vote,), certificates=())), Certificates)) == 1


class TestPeerUp:
    """R20: a peer that comes up gets one's latest votes, proposal and best certificates."""

    def test_with_nothing_to_say_nothing_is_said(self) -> None:
        assert Bench().feed(PeerUp(validator_id(1))) == []

    def test_votes_and_certificates(self) -> None:
        bench = Bench()
        bench.vote([1, 2, 3], X, view=1)
        bench.fire(TimerKind.VIEW)

        effects = bench.feed(PeerUp(validator_id(3)))

        assert votes_sent(effects) == [(X, 2)]
        (send,) = sent(effects, Votes)
        assert send.peers == (validator_id(3),)
        assert isinstance(send.message, Votes)
        assert [(each.kind, each.view) for each in send.message.certificates] == [(X, 1)]

    def test_the_own_proposal(self) -> None:
        bench = Bench(1)

        effects = bench.feed(PeerUp(validator_id(3)))

        assert [send.message for send in sent(effects, Proposal)] == [
            send.message for send in sent(bench.started, Proposal)
        ]

    def test_strangers_get_nothing(self) -> None:
        assert Bench(1).feed(PeerUp(validator_id(9)), PeerDown(validator_id(9))) == []


class TestAnswers:
    """R11: pages of certificates, and blocks."""

    def ask(self, bench: Bench, kind: VoteKind, first: int, last: int) -> list[tuple[VoteKind, int]]:
        message = GetCertificates(kind=kind, epoch=Epoch(1), first=View(first), last=View(last))
        effects = bench.hear(2, message)
        return [
            (certificate.kind, certificate.view)
            for send in sent(effects, Certificates)
            if isinstance(send.message, Certificates)
            for certificate in send.message.certificates
        ]

    def bench(self, views: int, **options: Any) -> Bench:
        bench = Bench(**options)
        for view in range(1, views + 1):
            bench.hear(1, Certificates(certificates=(bench.certificate(X, view=view),)))
        return bench

    def test_the_views_asked_for_the_latest_first(self) -> None:
        assert self.ask(self.bench(9), X, 3, 5) == [(X, 5), (X, 4), (X, 3)]

    def test_a_page_at_most(self) -> None:
        assert len(self.ask(self.bench(100), X, 1, 2**60)) == 64

    def test_and_not_more_than_fits_a_frame(self) -> None:
        validators = equal_set(400)
        bench = self.bench(20, validators=validators)

        assert len(self.ask(bench, X, 1, 20)) == 256 * 1024 // (66 * validators.quorum)

    def test_the_other_kind_where_the_view_has_no_such(self) -> None:
        bench = self.bench(1)
        second = bench.propose(2, bench.genesis, nullified=[1])
        bench.vote([1, 2, 3], N, view=2, block=second.block)

        assert self.ask(bench, X, 1, 2) == [(N, 2), (X, 1)]
        assert self.ask(bench, N, 1, 2) == [(N, 2), (X, 1)]

    def test_a_finalization_for_what_is_below_it(self) -> None:
        bench = Bench()
        first = bench.propose(1, bench.genesis)
        bench.hear(1, first)
        bench.vote([1, 2, 3], F, block=first.block)

        assert self.ask(bench, F, 1, 1) == [(F, 1)]
        assert self.ask(bench, X, 1, 1) == [(F, 1)]

    @pytest.mark.parametrize(("first", "last"), [(50, 60), (9, 3), (0, 0)])
    def test_nothing_where_there_is_nothing(self, first: int, last: int) -> None:
        assert self.ask(self.bench(9), X, first, last) == []

    def test_a_known_block_is_sent(self) -> None:
        bench = Bench()
        first = bench.propose(1, bench.genesis)
        bench.hear(1, first)

        effects = bench.hear(3, GetBlock(hash=first.block.hash), GetBlock(hash=BlockHash(bytes(32))))

        assert [send.message for send in sent(effects, BlockFound)] == [BlockFound(block=first.block)]
