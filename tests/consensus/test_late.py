"""R17: late votes get their credit, end to end."""

from noded.consensus.effects import Effect
from noded.consensus.inputs import ChainAdvanced, PayloadChecked
from noded.consensus.late import choose_credits
from noded.types.block import CREDITS_MAX, Block, justify_leaf
from noded.types.genesis import Routing
from noded.types.ids import View
from noded.types.messages import BlockFound, GetBlock, Proposal, Votes
from noded.types.vote import VoteKind
from tests.helpers.consensus_bench import Bench, F, N, penalties, sent, votes_sent
from tests.helpers.consensus_net import Net
from tests.helpers.consensus_values import bad_signature, equal_set, make_params, make_vote, validator_id


def proposal_in(effects: list[Effect]) -> Proposal:
    (send,) = sent(effects, Proposal)
    assert isinstance(send.message, Proposal)
    return send.message


class TestProposer:
    """A proposer credits verified votes that no certificate and no block counted."""

    def bench(self) -> tuple[Bench, Block, Block]:
        """Validator 3 is about to propose view 3; validators 0 and 1 and itself are in the certificate of view 1."""
        bench = Bench(3)
        first = bench.propose(1, bench.genesis)
        bench.hear(1, first)
        second = bench.propose(2, first.block)
        bench.hear(2, second)
        return bench, first.block, second.block

    def test_a_late_vote_is_credited(self) -> None:
        bench, first, second = self.bench()
        assert bench.certificate(N, view=1, block=first).bitmap == b"\x07"

        effects = bench.vote([0, 1], N, view=2, block=second)

        proposal = proposal_in(effects)
        # View 1's certificate is by 0, 1 and 2: validator 3's own vote came too late for it.
        credits = [(credit.view, credit.voter, credit.kind) for credit in proposal.block.body.credits]
        assert credits == [(1, validator_id(3), N)]

    def test_a_finalize_vote_counts_where_there_is_no_other(self) -> None:
        validators = equal_set(5)
        bench = Bench(3, validators=validators)
        first = bench.propose(1, bench.genesis)
        second = bench.propose(2, first.block)
        bench.hear(1, first)
        bench.hear(2, second)
        bench.vote([4], F, view=1, block=first.block)

        proposal = proposal_in(bench.vote([0, 1, 2], N, view=2, block=second.block))

        credits = [(credit.view, credit.voter, credit.kind) for credit in proposal.block.body.credits]
        assert (1, validator_id(4), F) in credits

    def test_a_vote_with_a_bad_signature_is_not(self) -> None:
        bench = Bench(3, n=5)
        first = bench.propose(1, bench.genesis)
        second = bench.propose(2, first.block)
        bench.hear(1, first)
        bench.hear(2, second)
        lie = make_vote(4, N, view=1, block=first.block, signature=bad_signature())
        bench.hear(4, Votes(votes=(lie,), certificates=()))

        effects = bench.vote([0, 1, 2], N, view=2, block=second.block)

        assert penalties(effects) == [(validator_id(4), "BadSignature")]
        proposal = proposal_in(effects)
        assert proposal.block.body.credits == ()

    def test_no_more_than_fit(self) -> None:
        n = 200
        bench = Bench(3, n=n)
        first = bench.propose(1, bench.genesis)
        second = bench.propose(2, first.block)
        bench.hear(1, first)
        bench.hear(2, second)
        state = bench.core._state
        tally = state.view_votes(View(1)).tally(N, View(1), first.block.hash)
        for voter in range(n):
            if voter not in tally.votes:
                tally.add(voter, make_vote(voter, N, view=1, block=first.block), 1)
            tally.verified |= 1 << voter
            state.votes[View(1)].first[N][voter] = tally.votes[voter]
        entry = state.tree.get(second.block.hash)
        assert entry is not None
        certificate = bench.certificate(N, view=2, block=second.block)

        assert len(choose_credits(state, entry, justify_leaf(certificate))) == CREDITS_MAX


class TestHistory:
    """R17, R20: what credits need is fetched where block sync skipped it; to wait for younger ones may be for ever."""

    def test_skipped_ancestors_are_fetched(self) -> None:
        proposer = Bench(4, n=5)
        blocks: list[Block] = [proposer.genesis]
        effects: list[Effect] = []
        for view in (1, 2, 3):
            proposal = proposer.propose(view, blocks[-1])
            blocks.append(proposal.block)
            proposer.hear(view, proposal)
            effects = proposer.vote([0, 1, 2, 3], N, view=view, block=proposal.block)
        proposal = proposal_in(effects)
        assert [credit.view for credit in proposal.block.body.credits] == [1, 2]
        bench = Bench(0, n=5)
        bench.feed(ChainAdvanced(blocks[3], (), bench.certificate(F, view=3, block=blocks[3])))

        asked = []
        effects = bench.hear(4, proposal)
        while requests := sent(effects, GetBlock):
            (request,) = requests
            assert isinstance(request.message, GetBlock)
            assert validator_id(4) in request.peers
            asked.append(request.message.hash)
            found = next(block for block in blocks if block.hash == request.message.hash)
            effects = bench.hear(4, BlockFound(block=found))

        assert asked == [blocks[2].hash, blocks[1].hash]
        assert votes_sent(effects) == [(N, 4)]


class TestVoter:
    """Whoever a certificate lacks attaches its vote to the next ones until it is credited."""

    def test_attached_for_sixteen_views(self) -> None:
        bench = Bench(39, n=40)  # Certificates are by the first 27.
        parent = bench.genesis
        rode = []
        for view in range(1, 20):
            proposal = bench.propose(view, parent)
            effects = bench.hear(view, proposal)
            rode.append((N, 1) in votes_sent(effects))
            parent = proposal.block

        # With the vote of view 1 itself, then up to that of view 16: a block of view 17 may still credit it.
        assert rode == [True] * 16 + [False] * 3

    def test_not_once_it_was_credited(self) -> None:
        net = Net(4, delay_ms=(20, 20))
        net.start()
        net.run(2_000)

        credited = [
            (credit.view, credit.voter) for block in net.committed.values() for credit in block.body.credits
        ]
        assert len(credited) == len(dict.fromkeys(credited))
        for host in net.hosts:
            assert len(host.core._state.ballots.credited_later) <= 4

    def test_with_a_slow_node_all_its_votes_are_counted(self) -> None:
        net = Net(4, params=make_params(routing=Routing.ALL, delta_ms=200), delay_ms=(20, 22))
        slow = net.hosts[0]
        fast = net.link
        net.link = lambda sender, receiver, message: (
            60 if slow in (sender, receiver) else fast(sender, receiver, message)
        )
        net.start()
        net.run(3_000)

        counted = {}
        for block in net.committed.values():
            leaf = block.body.parent
            if leaf is not None and leaf.bitmap[0] & 1:
                counted[leaf.view] = 1
            for credit in block.body.credits:
                if credit.voter == slow.name:
                    counted[credit.view] = 1
        assert len(counted) >= net.min_height() - 6


def test_votes_for_a_block_are_checked_before_its_child_is_valid() -> None:
    """A late N is cast when the block turns out valid after its view."""
    bench = Bench(checks_payload=False)
    first = bench.propose(1, bench.genesis)
    bench.hear(1, first)
    bench.vote([1, 2, 3], N, block=first.block)

    bench.feed(PayloadChecked(first.block.hash, None))

    later = bench.core._state.ballots.credited_later
    assert [(vote.kind, vote.view) for vote in later.values()] == [(VoteKind.NOTARIZE, 1)]
