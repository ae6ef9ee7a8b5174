"""R1, R3, R15: whatever a crash interrupts, nothing conflicting is ever signed, and the node goes on."""

from typing import ClassVar, Literal

import pytest

from noded.consensus import restoring
from noded.consensus.effects import CheckPayload, Commit, Effect, Persist, Send
from noded.consensus.inputs import TimerKind
from noded.consensus.restoring import epoch_of_record
from noded.consensus.signer import Silence
from noded.types.block import BlockKind
from noded.types.genesis import Routing
from noded.types.ids import BlockHash, Epoch, Signature, ValidatorId, View
from noded.types.messages import Certificates, Message, Proposal, Votes
from noded.types.records import (
    BatchRecord,
    BlockRecord,
    CertificateRecord,
    EpochRecord,
    ProposalRecord,
    Record,
    VoteRecord,
)
from noded.types.vote import Vote, VoteKind
from tests.helpers.byzantine.equivocator import Equivocator
from tests.helpers.consensus_bench import (
    Bench,
    F,
    N,
    X,
    committed,
    records_of,
    sent,
    votes_persisted,
    votes_sent,
)
from tests.helpers.consensus_net import Host, Net
from tests.helpers.consensus_values import START_MS, TestSigner, make_params, make_set


class Witness(TestSigner):
    """Refuses nothing, but fails the test if anything is asked for that conflicts with what left a node before."""

    released: ClassVar[dict[tuple[bytes, int, int, object], bytes | None]] = {}
    """What left a node: only this can ever be held against it."""

    def sign_vote(
        self,
        kind: VoteKind,
        epoch: Epoch,
        view: View,
        block_hash: BlockHash | None,
        signing_bytes: bytes,
    ) -> Signature:
        key = (self._me, epoch, view, kind)
        sent_before = self.released.get(key, block_hash)
        assert sent_before == block_hash, f"two {kind.name} in view {view}"
        rival = {X: F, F: X}.get(kind)
        assert rival is None or (self._me, epoch, view, rival) not in self.released
        if kind is N:
            assert (self._me, epoch, view, X) not in self.released
        return super().sign_vote(kind, epoch, view, block_hash, signing_bytes)


class Watched(Net):
    """Notes every vote and proposal that leaves a host."""

    def send(self, host: Host, peers: tuple[ValidatorId, ...], message: Message) -> None:
        released = Witness.released
        if not host.is_correct:
            pass
        elif isinstance(message, Votes):
            for vote in message.votes:
                key = (vote.voter, vote.epoch, vote.view, vote.kind)
                known = released.setdefault(key, vote.block_hash)
                if known != vote.block_hash:
                    self.violations.append(f"{vote.kind.name} of view {vote.view} sent twice")
                self._expect_logged(host, vote)
        elif isinstance(message, Proposal):
            header = message.block.header
            proposed = (header.proposer, header.epoch, header.view, "proposal")
            if released.setdefault(proposed, message.block.hash) != message.block.hash:
                self.violations.append(f"two proposals of view {header.view}")
            if ProposalRecord(proposal=message) not in host.log[-400:]:
                self.violations.append("a proposal left before it was durable")
        super().send(host, peers, message)

    def _expect_logged(self, host: Host, vote: Vote) -> None:
        if VoteRecord(vote=vote) not in host.log:
            self.violations.append(f"{vote.kind.name} of view {vote.view} left before it was durable")
        if vote.kind is F and not any(
            isinstance(record, CertificateRecord)
            and (record.certificate.kind, record.certificate.view, record.certificate.epoch)
            == (N, vote.view, vote.epoch)
            for record in host.log
        ):
            self.violations.append("F left before its notarization was durable")
        if vote.kind is not X and not any(
            (isinstance(record, BlockRecord) and record.block.hash == vote.block_hash)
            or (isinstance(record, ProposalRecord) and record.proposal.block.hash == vote.block_hash)
            for record in host.log
        ):
            self.violations.append("a vote left before its block was durable")


Trouble = Literal["none", "late", "equivocator"]
"""What else goes wrong: messages later than timeouts allow for, so that views end in X; two blocks in a view."""


def run_with_crash(after_effects: int, routing: Routing, trouble: Trouble) -> tuple[Watched, Host]:
    """Let one of four hosts crash once it has performed so many effects."""
    Witness.released = {}
    number = after_effects % 4
    net = Watched(
        4,
        seed=after_effects,
        params=make_params(routing=routing, delta_ms=60, epoch_length=4),
        delay_ms=(10, 160) if trouble == "late" else (10, 40),
        signer=Witness,
    )
    host = net.hosts[number]
    if trouble == "equivocator":
        net.misbehave((number + 1) % 4, Equivocator())
    host.effects_left = after_effects
    net.start()
    net.run_until(lambda: not host.is_up, limit_ms=2_000)
    net.run(100)
    return net, host


def grows(net: Net) -> bool:
    before = max(host.height for host in net.hosts)
    return net.run_until(lambda: net.min_height() > before + 3, limit_ms=8_000)


@pytest.mark.parametrize(
    ("trouble", "step"),
    [
        ("none", 1),
        ("late", 5),
        ("equivocator", 5),
        pytest.param("late", 1, marks=pytest.mark.slow),
        pytest.param("equivocator", 1, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("routing", [Routing.ALL, Routing.LINEAR])
@pytest.mark.parametrize("first", range(0, 120, 20))
def test_a_crash_after_any_effect_is_survived(
    first: int, routing: Routing, trouble: Trouble, step: int
) -> None:
    """R15: crash after every single effect of some views, in which epochs end."""
    for after_effects in range(first, first + 20, step):
        net, host = run_with_crash(after_effects, routing, trouble)
        assert not host.is_up
        net.restart(host)

        assert grows(net)
        net.check()


@pytest.mark.parametrize("routing", [Routing.ALL, Routing.LINEAR])
def test_a_core_that_forgot_its_votes_would_be_caught(
    routing: Routing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alarm of the test above rings: votes left out of what is restored get contradicted."""
    monkeypatch.setattr(restoring, "_load_vote", lambda state, record: None)

    def contradicts_itself(after_effects: int) -> bool:
        net, host = run_with_crash(after_effects, routing, "late")
        try:
            net.restart(host)
            net.run(2_000)
        except AssertionError as error:
            return "in view" in str(error) or "released" in str(error)
        return bool(net.violations)

    assert any(map(contradicts_itself, range(120)))


def test_a_message_before_its_record_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarm of the test above rings: effects out of order."""
    perform = Net.perform
    monkeypatch.setattr(Net, "perform", lambda self, host, effects: perform(self, host, effects[::-1]))

    net, _ = run_with_crash(60, Routing.ALL, "none")

    assert "left before it was durable" in " ".join(net.violations)


@pytest.mark.parametrize("seed", range(6))
def test_all_crash_at_once_again_and_again(seed: int) -> None:
    """R15: what all have persisted together is enough to go on."""
    Witness.released = {}
    net = Watched(
        4, seed=seed, params=make_params(delta_ms=60, epoch_length=6), delay_ms=(10, 40), signer=Witness
    )
    net.start()
    for _ in range(6):
        net.run(net.random.randrange(50, 400))
        for host in net.hosts:
            net.crash(host)
        for host in net.hosts:
            net.restart(host)

    assert grows(net)
    net.check()


@pytest.mark.parametrize("seed", range(4))
def test_a_rewritten_log_is_as_good(seed: int) -> None:
    """R15: `live_records` may take the log's place."""
    Witness.released = {}
    net = Watched(
        4, seed=seed, params=make_params(delta_ms=60, epoch_length=9), delay_ms=(10, 40), signer=Witness
    )
    net.start()
    for _ in range(8):
        net.run(net.random.randrange(100, 500))
        host = net.random.choice(net.hosts)
        size = len(host.log)
        host.log = host.core.live_records()
        assert len(host.log) < max(size, 200)
        net.crash(host)
        net.run(50)
        net.restart(host)

    assert grows(net)
    net.check()


class TestRestored:
    """R15: a restarted core stands where its log left it."""

    def log_of(self, *effects: list[Effect]) -> list[Record]:
        return [record for some in effects for record in records_of(some)]

    def test_a_vote_is_not_cast_again(self) -> None:
        before = Bench()
        proposal = before.propose(1, before.genesis)
        log = self.log_of(before.hear(1, proposal))

        after = Bench(records=log)
        effects = after.hear(1, proposal)

        assert votes_persisted(effects) == []
        assert votes_sent(after.started) == [(N, 1)]

    def test_no_n_after_an_x_before_the_crash(self) -> None:
        before = Bench()
        log = self.log_of(before.fire(TimerKind.VIEW))

        after = Bench(records=log)

        assert votes_sent(after.started) == [(X, 1)]
        assert votes_persisted(after.hear(1, after.propose(1, after.genesis))) == []

    def test_no_f_after_an_x_before_the_crash(self) -> None:
        before = Bench()
        log = self.log_of(before.fire(TimerKind.VIEW))
        after = Bench(records=log)
        proposal = after.propose(1, after.genesis)
        after.hear(1, proposal)

        effects = after.vote([1, 2, 3], N, block=proposal.block)

        assert F not in [vote.kind for vote in votes_persisted(effects)]

    def test_the_same_proposal_is_sent_again(self) -> None:
        before = Bench(1, payload=(b"\1" * 32,))
        log = self.log_of(before.started)

        after = Bench(1, records=log, payload=(b"\2" * 32,))

        first, again = sent(before.started, Proposal), sent(after.started, Proposal)
        assert [send.message for send in again] == [send.message for send in first]
        assert [record for record in records_of(after.started) if isinstance(record, ProposalRecord)] == []

    def test_the_view_is_the_one_after_the_highest_certificate(self) -> None:
        before = Bench()
        log = self.log_of(before.hear(1, Certificates(certificates=(before.certificate(X, view=41),))))

        assert Bench(records=log).core.view == 42

    def test_what_is_final_is_committed_again_and_the_rest_checked_again(self) -> None:
        before = Bench()
        first = before.propose(1, before.genesis)
        log = self.log_of(before.hear(1, first))
        log += self.log_of(before.vote([1, 2], F, block=first.block))
        log += self.log_of(before.vote([1, 2], N, block=first.block))
        second = before.propose(2, first.block)
        log += self.log_of(before.hear(2, second), before.vote([1, 2, 3], N, view=2, block=second.block))

        after = Bench(records=log)

        assert committed(after.restored) == [first.block]
        assert not any(isinstance(effect, Persist | Send) for effect in after.restored)
        checked = [effect.block for effect in after.asked if isinstance(effect, CheckPayload)]
        assert checked == [second.block]
        assert after.core.height == 1

    def test_pending_f_votes_are_sent_again(self) -> None:
        before = Bench()
        first = before.propose(1, before.genesis)
        log = self.log_of(before.hear(1, first), before.vote([1, 2], N, block=first.block))

        assert (F, 1) in votes_sent(Bench(records=log).started)

    def test_the_epoch_is_entered_again(self) -> None:
        net = Net(4, params=make_params(epoch_length=4), delay_ms=(10, 40))
        net.start()
        net.run_until(lambda: net.hosts[0].core.epoch == 3, limit_ms=5_000)
        host = net.hosts[0]
        net.crash(host)
        host.chain = {}

        net.restart(host)
        net.run(0)

        assert host.core.epoch == 3
        assert sorted(host.chain) == list(range(1, 9))

    def test_commits_precede_the_start(self) -> None:
        bench = Bench()
        first = bench.propose(1, bench.genesis)
        log = self.log_of(bench.hear(1, first), bench.vote([1, 2, 3], F, block=first.block))

        assert [type(effect) for effect in Bench(records=log).restored] == [Commit]


def test_records_of_batches_belong_to_no_epoch() -> None:
    assert epoch_of_record(BatchRecord(encoding=b"\0")) is None


class TestLostLog:
    """R21: with a lost log, no votes before an epoch that began after the start."""

    def test_no_vote_in_the_epoch_of_the_start(self) -> None:
        bench = Bench(is_log_lost=True)

        assert votes_persisted(bench.hear(1, bench.propose(1, bench.genesis))) == []
        assert votes_persisted(bench.fire(TimerKind.VIEW)) == []
        assert bench.core.silence is Silence.LOG_LOST

    @pytest.mark.parametrize(("made_after_ms", "votes"), [(1500, False), (1501, True)])
    def test_votes_in_an_epoch_whose_genesis_block_is_later(self, made_after_ms: int, votes: bool) -> None:
        bench = Bench(is_log_lost=True, params=make_params(epoch_length=1, drift_ms=500))
        terminal = bench.propose(
            1,
            bench.genesis,
            kind=BlockKind.TERMINAL,
            next_epoch_root=make_set(bench.validators.powers, epoch=2).root,
            time_ms=START_MS + made_after_ms,
        )
        bench.hear(1, terminal)
        effects = bench.vote([1, 2, 3], F, block=terminal.block)

        assert bench.core.epoch == 2
        assert any(isinstance(record, EpochRecord) for record in records_of(effects))
        assert bench.core.is_voter == votes
        assert bench.core.silence is (None if votes else Silence.LOG_LOST)
