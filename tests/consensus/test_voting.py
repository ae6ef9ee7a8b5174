"""R1-R4, R7, R13: this node's N and F votes."""

import pytest

from noded.consensus.ballots import Ballots
from noded.consensus.effects import Persist, Send
from noded.consensus.inputs import PayloadChecked, TimerKind
from noded.consensus.signer import Silence
from noded.errors import UnsafeToSign
from noded.types.block import Block
from noded.types.genesis import Routing
from noded.types.ids import Bitmap, BlockHash, Epoch, Signature, View
from noded.types.messages import Certificates, GetCertificates, Votes
from noded.types.records import BlockRecord, CertificateRecord, VoteRecord
from noded.types.vote import VoteKind
from tests.helpers.consensus_bench import (
    Bench,
    F,
    N,
    X,
    messages,
    penalties,
    records_of,
    sent,
    timers,
    votes_persisted,
    votes_sent,
)
from tests.helpers.consensus_values import (
    START_MS,
    TestSigner,
    make_params,
    make_proposal,
    make_vote,
    validator_id,
)


def notarized_chain(bench: Bench, length: int) -> list[Block]:
    """Views 1 … length proposed and notarized here; in the next view nothing has come yet."""
    blocks = [bench.genesis]
    for view in range(1, length + 1):
        proposal = bench.propose(view, blocks[-1])
        bench.hear(bench.proposer(view), proposal)
        blocks.append(proposal.block)
        bench.vote([2, 3], N, view=view, block=proposal.block)
    return blocks


class TestNotarizeOnce:
    """R1: at most one N a view, for the view's proposer, and none after X."""

    def test_a_valid_proposal_gets_the_vote(self) -> None:
        bench = Bench()
        proposal = bench.propose(1, bench.genesis)

        effects = bench.hear(1, proposal)

        assert votes_sent(effects) == [(N, 1)]
        assert sent(effects, Votes)[0].peers == tuple(validator_id(other) for other in (1, 2, 3))

    def test_a_second_block_of_the_view_gets_none(self) -> None:
        bench = Bench()
        bench.hear(1, bench.propose(1, bench.genesis))

        effects = bench.hear(1, bench.propose(1, bench.genesis, payload=(bytes(32),)))

        assert votes_persisted(effects) == []

    def test_the_same_proposal_again_gets_none(self) -> None:
        bench = Bench()
        proposal = bench.propose(1, bench.genesis)
        bench.hear(1, proposal)

        assert bench.hear(1, proposal) == []

    def test_none_after_one_s_own_nullification(self) -> None:
        bench = Bench()
        assert votes_sent(bench.fire(TimerKind.VIEW)) == [(X, 1)]

        assert votes_persisted(bench.hear(1, bench.propose(1, bench.genesis))) == []

    def test_nobody_but_the_proposer_gets_one(self) -> None:
        bench = Bench()
        proposal = bench.propose(1, bench.genesis)

        effects = bench.hear(2, proposal)

        assert penalties(effects) == [(validator_id(2), "NotTheProposer")]
        assert votes_persisted(effects) == []


class TestNotarizeNeeds:
    """R2: what N for a block demands."""

    def test_block_and_vote_are_durable_before_the_vote_is_sent(self) -> None:
        bench = Bench()
        proposal = bench.propose(1, bench.genesis)

        effects = bench.hear(1, proposal)

        assert [type(effect) for effect in effects] == [Persist, Persist, Send]
        assert [type(record) for record in records_of(effects)] == [BlockRecord, VoteRecord]

    def test_no_vote_before_the_payload_is_judged(self) -> None:
        bench = Bench(checks_payload=False)
        proposal = bench.propose(1, bench.genesis)
        assert votes_persisted(bench.hear(1, proposal)) == []

        effects = bench.feed(PayloadChecked(proposal.block.hash, None))

        assert votes_sent(effects) == [(N, 1)]

    def test_an_invalid_payload_is_nullified_at_once(self) -> None:
        bench = Bench()
        proposal = bench.propose(1, bench.genesis)
        bench.invalid[proposal.block.hash] = "another state"

        assert votes_sent(bench.hear(1, proposal)) == [(X, 1)]

    def test_every_view_between_must_be_nullified(self) -> None:
        bench = Bench()
        blocks = notarized_chain(bench, 1)
        proposal = bench.propose(67, blocks[1], nullified=range(3, 67))

        effects = bench.hear(bench.proposer(67), proposal)

        assert votes_persisted(effects) == [] or all(vote.kind is not N for vote in votes_persisted(effects))
        assert [(asked.first, asked.last) for asked in messages(effects, GetCertificates)] == [(2, 2)]

    def test_a_fetched_nullification_closes_the_gap(self) -> None:
        bench = Bench()
        blocks = notarized_chain(bench, 1)
        bench.hear(bench.proposer(67), bench.propose(67, blocks[1], nullified=range(3, 67)))

        effects = bench.hear(2, Certificates(certificates=(bench.certificate(X, view=2),)))

        assert (N, 67) in votes_sent(effects)

    def test_the_parent_s_view_is_that_of_its_own_header(self) -> None:
        bench = Bench()
        blocks = notarized_chain(bench, 2)
        lie = bench.propose(
            3, blocks[1], certificate=bench.certificate(N, view=1, block=blocks[1]), parent_view=2
        )

        effects = bench.hear(bench.proposer(3), lie)

        assert all(vote.kind is not N for vote in votes_persisted(effects))
        assert penalties(effects) == [(validator_id(bench.proposer(3)), "InvalidBlock")]

    def test_the_enclosed_certificate_must_be_the_one_in_the_body(self) -> None:
        bench = Bench()
        blocks = notarized_chain(bench, 1)
        proposal = bench.propose(2, blocks[1])
        other = bench.certificate(N, view=1, block=blocks[1])
        other = type(other)(
            **{name: getattr(other, name) for name in ("kind", "epoch", "view", "block_hash")},
            bitmap=Bitmap(bytes([0b1110])),
            signatures=other.signatures,
        )

        effects = bench.hear(2, make_proposal(proposal.block, parent=other))

        assert penalties(effects) == [(validator_id(2), "BadProposal")]

    def test_a_refusing_signer_is_obeyed(self) -> None:
        class Refusing(TestSigner):
            def sign_vote(
                self,
                kind: VoteKind,
                epoch: Epoch,
                view: View,
                block_hash: BlockHash | None,
                signing_bytes: bytes,
            ) -> Signature:
                raise UnsafeToSign("signed before")

        bench = Bench(signer=Refusing(validator_id(0)))

        effects = bench.hear(1, bench.propose(1, bench.genesis))

        assert records_of(effects) == []
        assert sent(effects, Votes) == []


class TestTime:
    """R13: later than the parent, and not too early."""

    def test_an_early_proposal_is_kept_until_its_time(self) -> None:
        bench = Bench(params=make_params(drift_ms=500))
        proposal = bench.propose(1, bench.genesis, time_ms=START_MS + 700)

        effects = bench.hear(1, proposal)

        assert votes_persisted(effects) == []
        assert [timer.after_ms for timer in timers(effects, TimerKind.EARLY)] == [200]
        assert votes_sent(bench.fire(TimerKind.EARLY, after_ms=200)) == [(N, 1)]

    def test_no_timer_outlasts_the_view_of_a_proposal_that_is_far_too_early(self) -> None:
        """Its proposer says when that would be: each such timer stays until then."""
        bench = Bench(params=make_params(drift_ms=500))
        proposal = bench.propose(1, bench.genesis, time_ms=START_MS + (1 << 50))
        timeout_ms = make_params().base_timeout_ms

        effects = bench.hear(1, proposal)

        assert [timer.after_ms for timer in timers(effects, TimerKind.EARLY)] == [timeout_ms]
        again = bench.fire(TimerKind.EARLY, after_ms=timeout_ms)
        assert [timer.after_ms for timer in timers(again, TimerKind.EARLY)] == [timeout_ms]

    def test_not_later_than_its_parent_is_invalid(self) -> None:
        bench = Bench()
        proposal = bench.propose(1, bench.genesis, time_ms=bench.genesis.header.time_ms)

        assert votes_sent(bench.hear(1, proposal)) == [(X, 1)]

    def test_an_early_block_may_be_finalized(self) -> None:
        bench = Bench(params=make_params(drift_ms=500))
        proposal = bench.propose(1, bench.genesis, time_ms=START_MS + 5_000)
        bench.hear(1, proposal)

        effects = bench.vote([1, 2, 3], N, view=1, block=proposal.block)

        assert (F, 1) in votes_sent(effects)


class TestFinalize:
    """R3, R4: F needs a notarization of a block that is valid here, and no X."""

    def test_a_notarization_brings_the_vote_after_its_records(self) -> None:
        bench = Bench()
        proposal = bench.propose(1, bench.genesis)
        bench.hear(1, proposal)

        effects = bench.vote([2, 3], N, view=1, block=proposal.block)

        assert votes_sent(effects) == [(F, 1)]
        assert [type(record) for record in records_of(effects)][:2] == [CertificateRecord, VoteRecord]

    def test_one_s_own_notarize_vote_is_not_needed(self) -> None:
        bench = Bench(checks_payload=False)
        proposal = bench.propose(1, bench.genesis)
        bench.hear(1, proposal)
        bench.vote([1, 2, 3], N, view=1, block=proposal.block)

        effects = bench.feed(PayloadChecked(proposal.block.hash, None))

        assert (F, 1) in votes_sent(effects)

    def test_none_after_x(self) -> None:
        bench = Bench()
        bench.fire(TimerKind.VIEW)
        proposal = bench.propose(1, bench.genesis)
        bench.hear(1, proposal)

        effects = bench.vote([1, 2, 3], N, view=1, block=proposal.block)

        assert bench.core.view == 2
        assert all(vote.kind is not F for vote in votes_persisted(effects))

    def test_no_x_after_f(self) -> None:
        ballots = Ballots()
        ballots.add(make_vote(0, F, view=1, block=BlockHash(bytes(32))))

        assert not ballots.may_nullify(View(1))
        assert ballots.may_nullify(View(2))

    def test_none_without_the_block(self) -> None:
        bench = Bench()
        unseen = bench.propose(1, bench.genesis).block

        effects = bench.vote([1, 2, 3], N, view=1, block=unseen)

        assert bench.core.view == 2
        assert votes_persisted(effects) == []


class TestLinearRouting:
    """R7: N to the collectors, F riding on the next N, or alone after the relay delay."""

    def bench(self) -> Bench:
        return Bench(3, n=7, params=make_params(routing=Routing.LINEAR))

    def test_the_vote_goes_to_two_collectors(self) -> None:
        bench = self.bench()

        effects = bench.hear(1, bench.propose(1, bench.genesis))

        assert [send.peers for send in sent(effects, Votes)] == [(validator_id(1), validator_id(2))]

    def test_f_rides_on_the_next_n(self) -> None:
        bench = self.bench()
        first = bench.propose(1, bench.genesis)
        bench.hear(1, first)

        effects = bench.hear(2, bench.propose(2, first.block))

        assert votes_sent(effects) == [(F, 1), (N, 2)]
        assert [send.peers for send in sent(effects, Votes)] == [(validator_id(2),)]

    def test_f_rides_again_until_it_is_final(self) -> None:
        bench = self.bench()
        blocks = [bench.genesis]
        for view in range(1, 4):
            proposal = bench.propose(view, blocks[-1])
            effects = bench.hear(view, proposal)
            blocks.append(proposal.block)

        assert votes_sent(effects) == [(F, 1), (F, 2), (N, 3)]

    def test_f_goes_alone_where_no_n_follows(self) -> None:
        bench = self.bench()
        first = bench.propose(1, bench.genesis)
        bench.hear(1, first)

        certificate = bench.certificate(N, view=1, block=first.block)
        effects = bench.hear(2, Certificates(certificates=(certificate,)))

        assert sent(effects, Votes) == []
        assert [timer.after_ms for timer in timers(effects, TimerKind.RELAY)] == [30]
        alone = bench.fire(TimerKind.RELAY, after_ms=30)
        assert votes_sent(alone) == [(F, 1)]
        assert [send.peers for send in sent(alone, Votes)] == [(validator_id(2),)]

    def test_f_is_not_sent_alone_once_it_rode(self) -> None:
        bench = self.bench()
        first = bench.propose(1, bench.genesis)
        bench.hear(1, first)
        bench.hear(2, bench.propose(2, first.block))

        assert bench.fire(TimerKind.RELAY) == []


class TestPendingFinalizeVotes:
    """R20: own F votes that are not final after T are sent again, to more and more."""

    def test_they_are_sent_again_to_twice_as_many(self) -> None:
        bench = Bench(3, n=13, params=make_params(routing=Routing.LINEAR))
        first = bench.propose(1, bench.genesis)
        bench.hear(1, first)
        bench.hear(2, bench.propose(2, first.block))

        once = bench.fire(TimerKind.RETRY, view=0, token=1)
        twice = bench.fire(TimerKind.RETRY, view=0, token=1)

        assert votes_sent(once) == [(F, 1)]
        assert [len(send.peers) for send in sent(once, Votes) + sent(twice, Votes)] == [2, 4]
        assert len(timers(once, TimerKind.RETRY)) == 1

    def test_final_ones_are_not(self) -> None:
        bench = Bench()
        blocks = notarized_chain(bench, 1)
        bench.vote([1, 2], F, view=1, block=blocks[1])

        assert bench.core.height == 1
        assert bench.fire(TimerKind.RETRY, view=0, token=1) == []


class TestLateVote:
    """R17: N for a view that is over shows that the voter is there; it is not sent by itself."""

    def test_it_rides_on_the_next_vote(self) -> None:
        bench = Bench(checks_payload=False)
        first = bench.propose(1, bench.genesis)
        bench.hear(1, first)
        bench.vote([1, 2, 3], N, view=1, block=first.block)

        effects = bench.feed(PayloadChecked(first.block.hash, None))

        assert [vote.kind for vote in votes_persisted(effects)] == [F, N]
        assert (N, 1) not in votes_sent(effects)
        second = bench.propose(2, first.block)
        bench.hear(2, second)
        assert (N, 1) in votes_sent(bench.feed(PayloadChecked(second.block.hash, None)))


@pytest.mark.parametrize("kind", [N, X, F])
def test_votes_of_an_observer_are_never_made(kind: VoteKind) -> None:
    """R21: who is not in the table follows without voting."""
    bench = Bench(9)
    first = bench.propose(1, bench.genesis)
    effects = bench.hear(1, first) + bench.fire(TimerKind.VIEW)
    effects += bench.vote([1, 2, 3], kind, view=1, block=None if kind is X else first.block)

    assert votes_persisted(effects) == []
    assert sent(effects, Votes) == []
    assert bench.core.view == 2
    assert bench.core.silence is Silence.NOT_IN_TABLE


def test_with_another_key_than_the_table_names_nothing_is_signed() -> None:
    """R21: a key that the table does not name proves nothing."""
    bench = Bench(0, signer=TestSigner(validator_id(3)))

    assert votes_persisted(bench.hear(1, bench.propose(1, bench.genesis))) == []
    assert bench.core.silence is Silence.NO_KEY


def test_who_votes_has_no_reason_not_to() -> None:
    """R21."""
    assert Bench().core.silence is None
