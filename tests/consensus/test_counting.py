"""R5, R14: votes and certificates are counted lazily, and fake ones cost their senders."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noded.consensus.effects import CertificateCheck, Check, Effect, Verify, signatures_of
from noded.consensus.inputs import MessageReceived, Verified
from noded.types.checks import SignatureCheck
from noded.types.ids import Bitmap, BlockHash, TimestampMs
from noded.types.messages import Certificates, ConsensusMessage, Votes
from noded.types.vote import Vote, VoteKind
from tests.helpers.consensus_bench import Bench, F, N, X, committed, penalties
from tests.helpers.consensus_values import (
    START_MS,
    bad_signature,
    make_certificate,
    make_set,
    make_vote,
    validator_id,
)


def hear_raw(bench: Bench, sender: int, *votes: Vote) -> list[Effect]:
    """Receive votes without answering what they lead to."""
    event = MessageReceived(validator_id(sender), Votes(votes=votes, certificates=()))
    return bench.core.step(event, TimestampMs(bench.now_ms))


def checks_of(effects: list[Effect]) -> list[Check]:
    return [check for effect in effects if isinstance(effect, Verify) for check in effect.checks]


def verified(bench: Bench, effects: list[Effect], *results: bool) -> list[Effect]:
    tokens = [effect.token for effect in effects if isinstance(effect, Verify)]
    assert len(tokens) == 1
    return bench.core.step(Verified(tokens[0], results), TimestampMs(bench.now_ms))


class TestLazyVerification:
    """R14: signatures are judged when claimed power is a quorum, and none of them twice."""

    def test_below_a_quorum_nothing_is_judged(self) -> None:
        bench = Bench()

        assert checks_of(hear_raw(bench, 1, make_vote(1, X))) == []
        assert checks_of(hear_raw(bench, 2, make_vote(2, X))) == []

    def test_the_quorum_s_votes_are_judged_at_once(self) -> None:
        bench = Bench()
        for voter in (1, 2):
            hear_raw(bench, voter, make_vote(voter, X))

        effects = hear_raw(bench, 3, make_vote(3, X))

        checks = checks_of(effects)
        assert [type(check) for check in checks] == [CertificateCheck]
        assert len(signatures_of(checks[0])) == 3
        verified(bench, effects, True)
        assert bench.core.view == 2

    def test_one_s_own_vote_is_not_judged(self) -> None:
        bench = Bench()
        proposal = bench.propose(1, bench.genesis)
        bench.hear(1, proposal)
        hear_raw(bench, 2, make_vote(2, N, block=proposal.block))

        checks = checks_of(hear_raw(bench, 3, make_vote(3, N, block=proposal.block)))

        assert [len(signatures_of(check)) for check in checks] == [2]

    def test_verified_votes_are_not_judged_again_within_a_certificate(self) -> None:
        bench = Bench(n=7)
        effects: list[Effect] = []
        for voter in (1, 2, 3, 4, 5):
            vote = make_vote(voter, X, view=2, signature=bad_signature() if voter == 5 else None)
            effects = hear_raw(bench, voter, vote)
        effects = verified(bench, effects, False)  # The certificate was bad …
        effects = verified(bench, effects, True, True, True, True, False)  # … for one of its votes.
        certificate = make_certificate(bench.validators, X, view=2, voters=(1, 2, 3, 4, 6))

        message = MessageReceived(validator_id(6), Certificates(certificates=(certificate,)))
        checks = checks_of(bench.core.step(message, TimestampMs(START_MS)))

        assert [len(signatures_of(check)) for check in checks] == [1]

    def test_a_repeated_vote_is_ignored(self) -> None:
        bench = Bench()
        for _ in range(3):
            for voter in (1, 2):
                assert hear_raw(bench, voter, make_vote(voter, X)) == []


class TestFakeVotes:
    """R14: who lies is singled out, and judged before it counts from then on."""

    def test_the_liar_is_singled_out_and_the_others_count(self) -> None:
        bench = Bench(n=7)
        effects = []
        for voter in (1, 2, 3, 4):
            effects += bench.vote([voter], X)
        lie = make_vote(5, X, signature=bad_signature())
        effects += bench.hear(5, Votes(votes=(lie,), certificates=()))

        assert penalties(effects) == [(validator_id(5), "BadSignature")]
        assert bench.core.view == 1
        bench.vote([6], X)
        assert bench.core.view == 2

    def test_the_liar_s_next_vote_is_judged_before_it_counts(self) -> None:
        bench = Bench()
        lie = make_vote(3, X, signature=bad_signature())
        bench.vote([1, 2], X)
        bench.hear(3, Votes(votes=(lie,), certificates=()))

        effects = hear_raw(bench, 3, make_vote(3, X))

        assert [type(check) for check in checks_of(effects)] == [SignatureCheck]
        assert bench.core.view == 1
        verified(bench, effects, True)
        assert bench.core.view == 2

    def test_a_suspect_s_bad_vote_is_penalised_again(self) -> None:
        bench = Bench()
        lie = make_vote(3, X, signature=bad_signature())
        bench.vote([1, 2], X)
        bench.hear(3, Votes(votes=(lie,), certificates=()))

        effects = bench.hear(3, Votes(votes=(lie,), certificates=()))

        assert penalties(effects) == [(validator_id(3), "BadSignature")]

    def test_a_vote_counts_only_from_its_voter(self) -> None:
        bench = Bench()

        effects = bench.hear(2, Votes(votes=(make_vote(1, X),), certificates=()))

        assert penalties(effects) == [(validator_id(2), "NotTheSigner")]

    def test_a_stranger_has_no_vote(self) -> None:
        bench = Bench()

        effects = bench.hear(9, Votes(votes=(make_vote(9, X),), certificates=()))

        assert penalties(effects) == [(validator_id(9), "NotAValidator")]

    @pytest.mark.parametrize(
        "vote",
        [
            make_vote(1, N, block=None),
            make_vote(1, F, block=None),
            make_vote(1, X, block=BlockHash(make_vote(1).signature[:32])),
            make_vote(1, X, view=0),
        ],
    )
    def test_a_vote_that_makes_no_sense_is_penalised(self, vote: Vote) -> None:
        bench = Bench()

        effects = bench.hear(1, Votes(votes=(vote,), certificates=()))

        assert penalties(effects) == [(validator_id(1), "MalformedVote")]

    def test_votes_of_two_epochs_in_one_message_are_penalised(self) -> None:
        bench = Bench()
        votes = (make_vote(1, X), make_vote(1, X, view=2, epoch=2))

        effects = bench.hear(1, Votes(votes=votes, certificates=()))

        assert penalties(effects) == [(validator_id(1), "MalformedVote")]

    @pytest.mark.parametrize(("view", "is_kept"), [(64, True), (65, True), (66, False), (2**63, False)])
    def test_votes_far_ahead_are_not_kept(self, view: int, is_kept: bool) -> None:
        bench = Bench()

        bench.vote([1], X, view=view)

        assert (view in bench.core._state.votes) == is_kept


class TestCertificates:
    """R5, R14: a certificate moves the node, however far ahead; a bad one ends the acquaintance."""

    @pytest.mark.parametrize("view", [1, 2, 1000])
    def test_any_certificate_moves_to_the_next_view(self, view: int) -> None:
        bench = Bench()

        bench.hear(1, Certificates(certificates=(bench.certificate(X, view=view),)))

        assert bench.core.view == view + 1

    def test_views_only_grow(self) -> None:
        bench = Bench()
        bench.hear(1, Certificates(certificates=(bench.certificate(X, view=7),)))

        bench.hear(1, Certificates(certificates=(bench.certificate(X, view=3),)))

        assert bench.core.view == 8

    def test_power_is_judged_before_signatures(self) -> None:
        bench = Bench()
        weak = make_certificate(bench.validators, X, view=1, voters=(1, 2))
        event = MessageReceived(validator_id(1), Certificates(certificates=(weak,)))

        effects = bench.core.step(event, TimestampMs(START_MS))

        assert penalties(effects) == [(validator_id(1), "BadCertificate")]
        assert checks_of(effects) == []

    def test_a_bad_signature_spoils_it(self) -> None:
        bench = Bench()
        forged = make_certificate(bench.validators, X, view=1, forged=(2,))

        effects = bench.hear(1, Certificates(certificates=(forged,)))

        assert penalties(effects) == [(validator_id(1), "BadCertificate")]
        assert bench.core.view == 1

    @pytest.mark.parametrize("bitmap", [b"", b"\x07\x00", b"\x17", b"\x06"])
    def test_a_bitmap_of_another_table_spoils_it(self, bitmap: bytes) -> None:
        bench = Bench()
        good = bench.certificate(X, view=1)
        bad = type(good)(
            kind=X,
            epoch=good.epoch,
            view=good.view,
            block_hash=None,
            bitmap=Bitmap(bitmap),
            signatures=good.signatures,
        )

        effects = bench.hear(1, Certificates(certificates=(bad,)))

        assert penalties(effects) == [(validator_id(1), "BadCertificate")]

    def test_weights_count_not_heads(self) -> None:
        bench = Bench(validators=make_set((5, 1, 1, 1)))
        three = make_certificate(bench.validators, X, view=1, voters=(1, 2, 3))
        heavy = make_certificate(bench.validators, X, view=1, voters=(0, 1))

        assert penalties(bench.hear(1, Certificates(certificates=(three,)))) != []
        assert penalties(bench.hear(1, Certificates(certificates=(heavy,)))) == []
        assert bench.core.view == 2

    def test_one_of_a_kind_and_view_is_judged_at_a_time(self) -> None:
        bench = Bench()
        message = Certificates(certificates=(bench.certificate(X, view=1),))

        first = bench.core.step(MessageReceived(validator_id(1), message), TimestampMs(START_MS))
        second = bench.core.step(MessageReceived(validator_id(2), message), TimestampMs(START_MS))

        assert len(checks_of(first)) == 1
        assert checks_of(second) == []


@settings(max_examples=60, deadline=None)
@given(
    st.permutations([(voter, kind, which) for voter in (1, 2, 3) for kind in (N, X, F) for which in (0, 1)])
)
def test_no_order_of_votes_finalizes_two_rivals(order: list[tuple[int, VoteKind, int]]) -> None:
    """R6: whoever signs what, in whatever order: here all others sign everything."""
    bench = Bench()
    rivals = [bench.propose(1, bench.genesis), bench.propose(1, bench.genesis, payload=(b"\1" * 32,))]
    effects = bench.hear(1, rivals[0])
    for voter, kind, which in order:
        effects += bench.vote([voter], kind, view=1, block=None if kind is X else rivals[which].block)

    assert len({block.hash for block in committed(effects) if block.header.height == 1}) <= 1


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_order_of_a_view_s_messages_ends_alike(data: st.DataObject) -> None:
    """A view's proposal and votes lead to the same final block in whatever order they come."""
    bench = Bench()
    proposal = bench.propose(1, bench.genesis)
    later = bench.propose(2, proposal.block)
    parts: list[tuple[int, ConsensusMessage]] = [(1, proposal), (2, later)]
    for voter in (1, 2, 3):
        for view, block in ((1, proposal.block), (2, later.block)):
            for kind in (N, F):
                vote = make_vote(voter, kind, view=view, block=block)
                parts.append((voter, Votes(votes=(vote,), certificates=())))

    for sender, message in data.draw(st.permutations(parts)):
        bench.hear(sender, message)

    assert bench.core.final_hash == later.block.hash
    assert bench.core.view == 3
