"""Stories of several steps, with whole lists of effects; and what holds for any input."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noded.consensus.effects import (
    BuildPayload,
    CertificateCheck,
    CheckPayload,
    Commit,
    Effect,
    Persist,
    Send,
    StartTimer,
    Verify,
)
from noded.consensus.inputs import (
    EpochReady,
    Input,
    MessageReceived,
    PayloadBuilt,
    PayloadChecked,
    PeerDown,
    PeerUp,
    Timer,
    TimerFired,
    TimerKind,
    Verified,
    WorkChanged,
)
from noded.types.block import Block, BlockKind
from noded.types.checks import SignatureCheck
from noded.types.evidence import proposal_signing_bytes
from noded.types.genesis import Routing
from noded.types.ids import Epoch, Height, PeerId, TimestampMs, View
from noded.types.messages import Certificates, ConsensusMessage, Proposal, Votes
from noded.types.records import BlockRecord, CertificateRecord, ProposalRecord, VoteRecord
from noded.types.vote import Vote
from tests.helpers.byzantine.garbage import Garbage
from tests.helpers.consensus_bench import Bench, F, N, X
from tests.helpers.consensus_net import Net
from tests.helpers.consensus_values import (
    CHAIN_ID,
    START_MS,
    make_certificate,
    make_params,
    make_vote,
    public_key_of,
    validator_id,
)

OTHERS = tuple(PeerId(validator_id(other)) for other in (1, 2, 3))


def timer(kind: TimerKind, view: int, token: int = 0) -> Timer:
    return Timer(kind, Epoch(1), View(view), token)


def votes(*items: Vote, certificates: tuple[Any, ...] = ()) -> Votes:
    return Votes(votes=items, certificates=certificates)


def proposal_check(proposal: Proposal) -> SignatureCheck:
    header = proposal.block.header
    message = proposal_signing_bytes(CHAIN_ID, header.epoch, header.view, proposal.block.hash)
    return SignatureCheck(public_key_of(header.proposer), message, proposal.signature)


def play(bench: Bench, story: list[tuple[str, Input, list[Effect]]]) -> None:
    """Each step's effects must be exactly those."""
    for description, event, expected in story:
        effects = bench.core.step(event, TimestampMs(bench.now_ms))
        assert effects == expected, description
        bench.core.check()


class TestScripts:
    """Input by input, effect by effect."""

    def test_a_follower_s_good_case(self) -> None:
        bench = Bench()
        first = bench.propose(1, bench.genesis)
        notarization = make_certificate(bench.validators, N, view=1, block=first.block, voters=(0, 1, 2))
        own_n, own_f = (make_vote(0, kind, block=first.block) for kind in (N, F))
        finalization = make_certificate(bench.validators, F, view=1, block=first.block, voters=(0, 1, 2))
        checked = CertificateCheck(CHAIN_ID, notarization, bench.validators, known=1)

        play(
            bench,
            [
                (
                    "a proposal comes: its signature is judged",
                    MessageReceived(validator_id(1), first),
                    [Verify(2, (proposal_check(first),))],
                ),
                (
                    "it is good: the node judges what the block carries",
                    Verified(2, (True,)),
                    [CheckPayload(first.block, (), (validator_id(1), *OTHERS))],
                ),
                (
                    "that is good too: N",
                    PayloadChecked(first.block.hash, None),
                    [
                        Persist(BlockRecord(block=first.block)),
                        Persist(VoteRecord(vote=own_n)),
                        Send(OTHERS, votes(own_n)),
                    ],
                ),
                (
                    "one vote is no quorum",
                    MessageReceived(validator_id(1), votes(make_vote(1, N, block=first.block))),
                    [],
                ),
                (
                    "two are, with the own one",
                    MessageReceived(validator_id(2), votes(make_vote(2, N, block=first.block))),
                    [Verify(4, (checked,))],
                ),
                (
                    "they are good: the view is over; F",
                    Verified(4, (True,)),
                    [
                        Persist(CertificateRecord(certificate=notarization)),
                        StartTimer(timer(TimerKind.VIEW, 2, 2), 200),
                        Persist(VoteRecord(vote=own_f)),
                        Send(OTHERS, votes(own_f)),
                        StartTimer(timer(TimerKind.RETRY, 0, 1), 200),
                    ],
                ),
                (
                    "the timer of the view that is over does nothing",
                    TimerFired(timer(TimerKind.VIEW, 1, 1)),
                    [],
                ),
                (
                    "one F is no quorum",
                    MessageReceived(validator_id(1), votes(make_vote(1, F, block=first.block))),
                    [],
                ),
                (
                    "two are, with the own one",
                    MessageReceived(validator_id(2), votes(make_vote(2, F, block=first.block))),
                    [Verify(6, (CertificateCheck(CHAIN_ID, finalization, bench.validators, known=1),))],
                ),
                (
                    "they are good: the block is final",
                    Verified(6, (True,)),
                    [
                        Persist(CertificateRecord(certificate=finalization)),
                        Commit((first.block,), (), finalization),
                    ],
                ),
            ],
        )

    def test_a_view_is_given_up(self) -> None:
        bench = Bench(params=make_params(delta_ms=100))
        own = make_vote(0, X)
        nullification = make_certificate(bench.validators, X, view=1, voters=(0, 1, 2))
        check = CertificateCheck(CHAIN_ID, nullification, bench.validators, known=1)

        play(
            bench,
            [
                (
                    "T is over: X, durable before it is sent, to be sent again after T/2",
                    TimerFired(timer(TimerKind.VIEW, 1, 1)),
                    [
                        Persist(VoteRecord(vote=own)),
                        Send(OTHERS, votes(own)),
                        StartTimer(timer(TimerKind.RETRY, 1, 1), 150),
                    ],
                ),
                (
                    "again",
                    TimerFired(timer(TimerKind.RETRY, 1, 1)),
                    [
                        Send(OTHERS, votes(own)),
                        StartTimer(timer(TimerKind.RETRY, 1, 2), 150),
                    ],
                ),
                ("another gives up", MessageReceived(validator_id(1), votes(make_vote(1, X))), []),
                (
                    "and another: a quorum",
                    MessageReceived(validator_id(2), votes(make_vote(2, X))),
                    [Verify(2, (check,))],
                ),
                (
                    "the view is over, and the next one may last longer",
                    Verified(2, (True,)),
                    [
                        Persist(CertificateRecord(certificate=nullification)),
                        StartTimer(timer(TimerKind.VIEW, 2, 2), 300),
                    ],
                ),
                ("no need to ask again", TimerFired(timer(TimerKind.RETRY, 1, 2)), []),
            ],
        )

    def test_a_proposer_under_linear(self) -> None:
        bench = Bench(
            1,
            n=7,
            builds=False,
            checks_payload=False,
            params=make_params(routing=Routing.LINEAR),
        )
        everybody = tuple(PeerId(validator_id(other)) for other in (0, 2, 3, 4, 5, 6))
        wanted = BuildPayload(Epoch(1), View(1), bench.genesis.hash, Height(1), BlockKind.NORMAL, ())
        assert [effect for effect in bench.started if isinstance(effect, BuildPayload)] == [wanted]

        built: PayloadBuilt = bench.built(wanted)
        effects = bench.core.step(built, TimestampMs(bench.now_ms))

        record = effects[0]
        assert isinstance(record, Persist)
        assert isinstance(record.record, ProposalRecord)
        proposal = record.record.proposal
        assert effects[1:] == [
            Send(everybody, proposal),
            CheckPayload(
                proposal.block,
                (),
                (validator_id(1), *[validator_id(other) for other in (2, 3, 4, 5, 6, 0)]),
            ),
        ]
        own = make_vote(1, N, block=proposal.block)
        play(
            bench,
            [
                (
                    "the own vote goes to the other collector; the block is durable with the proposal",
                    PayloadChecked(proposal.block.hash, None),
                    [
                        Persist(VoteRecord(vote=own)),
                        Send((validator_id(2),), votes(own)),
                    ],
                ),
            ],
        )


def test_the_start_takes_no_input() -> None:
    bench = Bench()

    assert bench.started == [StartTimer(timer(TimerKind.VIEW, 1, 1), 200)]


class TestAnyInput:
    """Nothing that a peer sends makes the core raise; what is wrong becomes a PenalizePeer."""

    @pytest.mark.parametrize("seed", range(12))
    def test_garbage(self, seed: int) -> None:
        net = Net(4, seed=seed, params=make_params(epoch_length=5))
        net.start()
        net.run(400)
        garbage = Garbage()
        for _ in range(150):
            sender, receiver = net.random.sample(net.hosts, 2)
            message = garbage._garbage(net, sender)
            assert isinstance(message, ConsensusMessage)
            net.feed(receiver, MessageReceived(sender.name, message))
            net.run(3)

        assert not net.violations
        for host in net.hosts:
            host.core.check()

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_any_order_of_inputs(self, data: st.DataObject) -> None:
        bench = Bench(data.draw(st.sampled_from([0, 1, 9])), params=make_params(silent_views=1))
        blocks: list[Block] = [bench.genesis]
        events: list[Input] = [PeerUp(validator_id(2)), PeerDown(validator_id(3)), WorkChanged(True)]
        for view in range(1, 4):
            proposal = bench.propose(view, blocks[-1])
            blocks.append(proposal.block)
            events.append(MessageReceived(validator_id(view % 4), proposal))
            events += [TimerFired(timer(kind, view, token)) for kind in TimerKind for token in (0, 1, 2)]
            events.append(PayloadChecked(proposal.block.hash, data.draw(st.sampled_from([None, "bad"]))))
            for kind in (N, X, F):
                block = None if kind is X else proposal.block
                certificate = make_certificate(bench.validators, kind, view=view, block=block)
                events.append(MessageReceived(validator_id(3), Certificates(certificates=(certificate,))))
                events += [
                    MessageReceived(
                        validator_id(voter), votes(make_vote(voter, kind, view=view, block=block))
                    )
                    for voter in (1, 2, 3)
                ]
        chosen = data.draw(st.lists(st.sampled_from(events), max_size=60))

        signed: dict[tuple[int, int], Vote] = {}
        for event in chosen:
            for effect in bench.feed(event):
                if isinstance(effect, Persist) and isinstance(effect.record, VoteRecord):
                    vote = effect.record.vote
                    assert (vote.kind, vote.view) not in signed
                    signed[vote.kind, vote.view] = vote
        assert not any((X, view) in signed and (F, view) in signed for view in range(1, 9))


def test_late_and_unknown_answers_are_ignored() -> None:
    bench = Bench()

    assert bench.feed(Verified(2 * 77, (True,))) == []
    assert bench.feed(PayloadChecked(bench.genesis.hash, None)) == []
    assert bench.feed(TimerFired(Timer(TimerKind.VIEW, Epoch(7), View(1), 1))) == []
    assert bench.feed(TimerFired(timer(TimerKind.SYNC, 1))) == []


def test_an_epoch_that_was_not_asked_for_is_a_bug() -> None:
    bench = Bench()

    with pytest.raises(AssertionError):
        bench.core.step(EpochReady(bench.validators, bench.genesis, bench.params), START_MS)


def test_status() -> None:
    """What an operator is shown."""
    bench = Bench()
    bench.vote([1, 3], X)

    core = bench.core
    assert (core.epoch, core.view, core.stall, core.height) == (1, 1, 0, 0)
    assert core.final_hash == bench.genesis.hash
    assert core.missing() == [validator_id(0), validator_id(2)]
    assert core.certificates_count == 0
    assert core.is_voter
    bench.hear(1, Certificates(certificates=(bench.certificate(X, view=3),)))
    assert core.certificates_count == 1
