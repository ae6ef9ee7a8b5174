"""R11: missing blocks and certificates are asked for until they come."""

import pytest

from noded.consensus.effects import Effect, SyncNeeded
from noded.consensus.inputs import MessageReceived, TimerKind
from noded.consensus.repair import ASKED_MAX, ATTEMPTS_MAX, WANTS_MAX, Repair
from noded.types.ids import BlockHash
from noded.types.messages import BlockFound, Certificates, GetBlock, GetCertificates
from noded.types.vote import VoteKind
from tests.helpers.consensus_bench import Bench, F, N, X, penalties, sent, timers, votes_sent
from tests.helpers.consensus_values import make_params, validator_id


class TestBlocks:
    def missing(self) -> tuple[Bench, list[Effect]]:
        bench = Bench(6, n=7, params=make_params(delta_ms=100))
        self.first = bench.propose(1, bench.genesis)
        certificate = bench.certificate(N, view=1, block=self.first.block)
        return bench, bench.hear(3, Certificates(certificates=(certificate,)))

    def test_the_proposer_and_a_voter_are_asked_first(self) -> None:
        _, effects = self.missing()

        (send,) = sent(effects, GetBlock)
        assert send.peers[0] == validator_id(1)
        assert len(send.peers) == 2
        assert [timer.after_ms for timer in timers(effects, TimerKind.FETCH)] == [100]

    def test_others_are_asked_when_it_does_not_come(self) -> None:
        bench, effects = self.missing()
        asked = [*sent(effects, GetBlock)[0].peers]

        for _ in range(2):
            asked += sent(bench.fire(TimerKind.FETCH, view=0), GetBlock)[0].peers

        assert len(dict.fromkeys(asked)) == 5  # All voters but the node itself were asked.

    def test_not_twice_for_the_same(self) -> None:
        bench, _ = self.missing()
        second = bench.propose(2, self.first.block)

        effects = bench.hear(2, second)

        assert sent(effects, GetBlock) == []

    def test_nothing_more_once_it_came(self) -> None:
        bench, _ = self.missing()

        effects = bench.hear(4, BlockFound(block=self.first.block))

        assert (F, 1) in votes_sent(effects)
        assert bench.fire(TimerKind.FETCH, view=0) == []

    def test_a_second_answer_is_no_offence(self) -> None:
        bench, _ = self.missing()
        bench.hear(4, BlockFound(block=self.first.block))

        assert bench.hear(5, BlockFound(block=self.first.block)) == []

    def test_an_unasked_block_is(self) -> None:
        bench, _ = self.missing()
        other = bench.propose(1, bench.genesis, payload=(bytes(32),))

        effects = bench.hear(4, BlockFound(block=other.block))

        assert penalties(effects) == [(validator_id(4), "BlockNotAsked")]

    def test_a_block_with_another_body_is_too(self) -> None:
        bench, _ = self.missing()
        other = bench.propose(1, bench.genesis, payload=(bytes(32),)).block
        mixed = type(other)(header=self.first.block.header, body=other.body)

        effects = bench.hear(4, BlockFound(block=mixed))

        assert penalties(effects) == [(validator_id(4), "BlockNotAsked")]
        assert votes_sent(bench.hear(5, BlockFound(block=self.first.block))) != []

    def test_after_some_attempts_block_sync_is_asked_for(self) -> None:
        bench, _ = self.missing()

        effects = []
        for _ in range(ATTEMPTS_MAX):
            effects += bench.fire(TimerKind.FETCH, view=0)

        assert any(isinstance(effect, SyncNeeded) for effect in effects)

    def test_the_list_is_bounded(self) -> None:
        repair = Repair()
        for number in range(2 * ASKED_MAX):
            repair.want(BlockHash(number.to_bytes(32, "big")), ())

        assert len(repair.asked) == ASKED_MAX
        assert WANTS_MAX < ASKED_MAX


class TestCertificatePages:
    """Validator 1 is to propose view 201 and knows of nothing but the last nullification."""

    def bench(self) -> Bench:
        return Bench(1, params=make_params(delta_ms=100))

    def ask(self, effects: list[Effect]) -> list[tuple[int, int]]:
        return [
            (send.message.first, send.message.last)
            for send in sent(effects, GetCertificates)
            if isinstance(send.message, GetCertificates)
        ]

    def test_from_the_top_down(self) -> None:
        bench = self.bench()

        effects = bench.hear(0, Certificates(certificates=(bench.certificate(X, view=200),)))

        assert self.ask(effects) == [(136, 199)]

    def test_one_page_after_the_other_until_there_is_something_to_build_on(self) -> None:
        bench = self.bench()
        effects = bench.hear(0, Certificates(certificates=(bench.certificate(X, view=200),)))
        pages = []
        while wanted := self.ask(effects):
            pages.append(wanted[0])
            first, last = wanted[0]
            page = tuple(bench.certificate(X, view=view) for view in range(first, last + 1))
            effects = bench.hear(2, Certificates(certificates=page))

        assert pages == [(136, 199), (72, 135), (8, 71), (1, 7)]
        assert votes_sent(effects) == [(N, 201)]

    def test_not_further_than_the_highest_notarized_view(self) -> None:
        bench = self.bench()
        parent = bench.propose(150, bench.genesis, nullified=[149])
        bench.hear(0, Certificates(certificates=(bench.certificate(X, view=200),)))
        page = [bench.certificate(X, view=view) for view in range(151, 200)]
        page.append(bench.certificate(N, view=150, block=parent.block))

        effects = bench.hear(2, Certificates(certificates=tuple(page)))

        assert self.ask(effects) == []
        assert [send.message for send in sent(effects, GetBlock)] == [GetBlock(hash=parent.block.hash)]

    def test_another_peer_is_asked_when_no_answer_comes(self) -> None:
        bench = self.bench()
        effects = bench.hear(0, Certificates(certificates=(bench.certificate(X, view=200),)))
        first = sent(effects, GetCertificates)[0].peers

        again = sent(bench.fire(TimerKind.FETCH, view=0), GetCertificates)

        assert again[0].peers != first
        assert again[0].message == sent(effects, GetCertificates)[0].message

    def test_another_peer_is_asked_when_the_answer_says_nothing_new(self) -> None:
        """R11: who answers with what is known would be asked for ever, and nobody else."""
        bench = self.bench()
        known = Certificates(certificates=(bench.certificate(X, view=200),))
        first = sent(bench.hear(0, known), GetCertificates)[0].peers

        for _ in range(3):
            assert sent(bench.feed(MessageReceived(first[0], known)), GetCertificates) == []

        assert sent(bench.fire(TimerKind.FETCH, view=0), GetCertificates)[0].peers != first


@pytest.mark.parametrize("kind", [N, F])
def test_a_voter_does_not_ask_itself(kind: VoteKind) -> None:
    bench = Bench(0)
    first = bench.propose(1, bench.genesis)

    effects = bench.hear(1, Certificates(certificates=(bench.certificate(kind, view=1, block=first.block),)))

    assert all(validator_id(0) not in send.peers for send in sent(effects, GetBlock))
    assert sent(effects, GetBlock)
