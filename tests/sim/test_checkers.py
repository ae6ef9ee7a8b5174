"""Every checker is shown to fail on a planted fault, and to keep quiet without one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from noded.ledger.commit import CommittedBlock, TransactionEntry
from noded.node.effects import Answer, Submission
from noded.types.ids import BlockHash, StateRoot, TransactionHash, View
from noded.types.messages import Certificates as CertificatesMessage
from noded.types.messages import Proposal, Votes
from noded.types.vote import Certificate, Vote, VoteKind
from sim.checkers import CHECKERS
from sim.run import Options, Run, simulate
from tests.helpers.simulation import run_small, small

OTHER = BlockHash(b"\x01" * 32)


class Planted:
    """A run that has passed, whose checkers are then told of what should not be."""

    def __init__(self, **overrides: Any) -> None:
        self.run = Run(small(**overrides), Options(keep_going=True))
        self.result = self.run.go(lambda progress: None)
        assert self.result.violations == ()
        self.cluster = self.run.cluster
        self.host = self.cluster.hosts[0]
        self.observers = self.cluster.world.observers

    def failed(self) -> list[str]:
        """Names of the checkers that failed since."""
        return sorted({violation.checker for violation in self.run._violations})

    def last_block(self, host: int = 0) -> CommittedBlock:
        """The last block that a node has."""
        archive = self.cluster.hosts[host].archive
        return archive.block(archive.height)

    def send(self, message: object, host: int = 0) -> None:
        """A host sends this to node 1."""
        sender = self.cluster.hosts[host]
        parcel = self.cluster.world.parcel(host, message)  # type: ignore[arg-type]
        sender.send((self.cluster.world.names[1 if host != 1 else 2],), parcel)

    def vote(self, kind: VoteKind, view: int, block: BlockHash | None, host: int = 0) -> Vote:
        """A signed vote of a node in its present epoch."""
        node = self.cluster.hosts[host].node
        vote = Vote(
            kind=kind,
            epoch=node.core.epoch,
            view=View(view),
            block_hash=block,
            voter=node.me,
            signature=b"",  # type: ignore[arg-type]
        )
        signature = self.cluster.signer(host).sign(vote.signing_bytes(self.cluster.chain_id))
        return replace(vote, signature=signature)

    def certificate(
        self, kind: VoteKind, view: int, block: BlockHash | None, voters: tuple[int, ...]
    ) -> Certificate:
        """A certificate of these nodes' votes."""
        votes = [self.vote(kind, view, block, voter) for voter in voters]
        bits = sum(1 << voter for voter in voters)
        return Certificate(
            kind=kind,
            epoch=votes[0].epoch,
            view=View(view),
            block_hash=block,
            bitmap=bytes((bits,)),  # type: ignore[arg-type]
            signatures=tuple(vote.signature for vote in votes),
        )


def test_every_checker_says_what_it_claims() -> None:
    assert len({checker.claim for checker in CHECKERS}) == len(CHECKERS)


def test_agreement_fails_when_two_nodes_finalise_different_blocks() -> None:
    planted = Planted()
    committed = planted.last_block()
    header = replace(committed.block.header, time_ms=committed.block.header.time_ms + 1)
    rival = replace(committed, block=replace(committed.block, header=header))
    planted.observers.committed(planted.cluster.hosts[1], (rival,))

    assert "agreement" in planted.failed()


def test_agreement_fails_when_one_block_leads_to_two_states() -> None:
    planted = Planted()
    rival = replace(planted.last_block(), state_root=StateRoot(bytes(32)))
    planted.observers.committed(planted.cluster.hosts[1], (rival,))

    assert "agreement" in planted.failed()


def test_prefix_fails_when_a_block_stands_on_another() -> None:
    planted = Planted()
    committed = planted.last_block()
    header = replace(committed.block.header, parent_hash=OTHER)
    planted.observers.committed(
        planted.host, (replace(committed, block=replace(committed.block, header=header)),)
    )

    assert "prefix" in planted.failed()


def test_monotony_fails_when_a_height_comes_twice() -> None:
    planted = Planted()
    planted.observers.committed(planted.host, (planted.last_block(),))

    assert "monotony" in planted.failed()


def test_durability_fails_when_a_restart_loses_stored_blocks() -> None:
    planted = Planted()
    planted.host.archive.wipe()
    planted.host.disk.compact([])
    planted.host.crash("kept")
    planted.host.start()

    assert "durability" in planted.failed()


def test_durability_fails_when_a_stored_block_is_another_after_a_restart() -> None:
    planted = Planted()
    committed = planted.last_block()
    header = replace(committed.block.header, time_ms=committed.block.header.time_ms + 1)
    rival = replace(committed, block=replace(committed.block, header=header))
    planted.observers.stored(planted.host, rival)
    planted.host.crash("kept")
    planted.host.start()

    assert planted.failed() == ["durability"]


def test_durability_asks_nothing_of_a_disk_that_was_lost() -> None:
    planted = Planted()
    planted.host.crash("lost")
    planted.host.start()

    assert planted.failed() == []


def test_votes_fail_when_a_correct_node_sends_two_that_conflict() -> None:
    planted = Planted()
    for block in (OTHER, BlockHash(b"\x02" * 32)):
        planted.send(Votes(votes=(planted.vote(VoteKind.NOTARIZE, 9_999, block),), certificates=()))

    assert "singlevotes" in planted.failed()


def test_votes_fail_when_a_restarted_node_contradicts_its_earlier_life() -> None:
    planted = Planted()
    first, second = (
        planted.vote(VoteKind.NOTARIZE, 9_999, block) for block in (OTHER, BlockHash(b"\x02" * 32))
    )
    planted.send(Votes(votes=(first,), certificates=()))
    planted.host.crash("torn")
    planted.host.start()
    planted.send(Votes(votes=(first,), certificates=()))
    assert planted.failed() == [], "to say it again is no contradiction"
    planted.send(Votes(votes=(second,), certificates=()))

    assert "singlevotes" in planted.failed()


def test_votes_fail_when_a_correct_node_nullifies_what_it_finalised() -> None:
    planted = Planted()
    planted.send(Votes(votes=(planted.vote(VoteKind.FINALIZE, 9_999, OTHER),), certificates=()))
    planted.send(Votes(votes=(planted.vote(VoteKind.NULLIFY, 9_999, None),), certificates=()))

    assert "singlevotes" in planted.failed()


def test_votes_fail_when_a_correct_node_proposes_twice_in_a_view() -> None:
    planted = Planted()
    block = planted.last_block().block
    for time in (1, 2):
        header = replace(block.header, proposer=planted.host.name, view=View(9_999), time_ms=time)  # type: ignore[arg-type]
        planted.send(
            Proposal(
                block=replace(block, header=header),
                signature=bytes(64),  # type: ignore[arg-type]
                parent=None,
                nullifications=(),
                finalization=None,
            )
        )

    assert "singlevotes" in planted.failed()


class TestCertificates:
    def test_too_little_power_fails(self) -> None:
        planted = Planted()
        weak = planted.certificate(VoteKind.NOTARIZE, 9_999, OTHER, (0, 1))
        planted.send(CertificatesMessage(certificates=(weak,)))

        assert "certificates" in planted.failed()

    def test_a_wrong_signature_fails(self) -> None:
        planted = Planted()
        good = planted.certificate(VoteKind.NOTARIZE, 9_999, OTHER, (0, 1, 2))
        bad = replace(good, signatures=(bytes(64), *good.signatures[1:]))
        planted.send(CertificatesMessage(certificates=(bad,)))

        assert "certificates" in planted.failed()

    def test_two_notarizations_of_a_view_fail(self) -> None:
        planted = Planted()
        rivals = (
            planted.certificate(VoteKind.NOTARIZE, 9_999, OTHER, (0, 1, 2)),
            planted.certificate(VoteKind.NOTARIZE, 9_999, BlockHash(b"\x02" * 32), (1, 2, 3)),
        )
        planted.send(CertificatesMessage(certificates=rivals))

        assert "certificates" in planted.failed()

    def test_a_finalization_beside_a_nullification_fails(self) -> None:
        planted = Planted()
        rivals = (
            planted.certificate(VoteKind.FINALIZE, 9_999, OTHER, (0, 1, 2)),
            planted.certificate(VoteKind.NULLIFY, 9_999, None, (1, 2, 3)),
        )
        planted.send(CertificatesMessage(certificates=rivals))

        assert "certificates" in planted.failed()


class TestValidity:
    @staticmethod
    def run_with(
        change: Callable[[CommittedBlock], CommittedBlock], monkeypatch: pytest.MonkeyPatch
    ) -> list[str]:
        from sim.checkers.validity import Validity

        original = Validity._execute

        def execute(self: Validity, host: Any, committed: CommittedBlock) -> None:
            original(self, host, change(committed))

        monkeypatch.setattr(Validity, "_execute", execute)
        result = run_small(Options(keep_going=True))
        return sorted({violation.checker for violation in result.violations})

    def test_another_state_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def change(committed: CommittedBlock) -> CommittedBlock:
            return replace(committed, state_root=StateRoot(bytes(32)))

        assert self.run_with(change, monkeypatch) == ["validity"]

    def test_a_block_that_states_another_state_before_it_fails(self) -> None:
        planted = Planted()
        following = planted.last_block()
        ledger = next(each for each in planted.run._checkers if each.name == "validity")._ledger  # type: ignore[attr-defined]
        header = replace(
            following.block.header,
            height=ledger.final_height + 1,
            parent_hash=ledger.final_hash,
            parent_state_root=StateRoot(bytes(32)),
        )
        rival = replace(following, block=replace(following.block, header=header), batches=(), entries=())
        planted.observers.committed(planted.host, (rival,))

        details = [each.detail for each in planted.run._violations if each.checker == "validity"]
        assert any("another parent state" in detail for detail in details)

    def test_a_transaction_that_nobody_submitted_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def change(committed: CommittedBlock) -> CommittedBlock:
            stranger = TransactionEntry(TransactionHash(bytes(32)), 0, False)
            return replace(committed, entries=(*committed.entries, stranger))

        assert self.run_with(change, monkeypatch) == ["validity"]

    def test_a_transaction_that_is_applied_twice_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[TransactionEntry] = []

        def change(committed: CommittedBlock) -> CommittedBlock:
            again = tuple(seen[:1])
            seen.extend(entry for entry in committed.entries if entry.applied)
            return replace(committed, entries=(*committed.entries, *again))

        assert self.run_with(change, monkeypatch) == ["validity"]


class TestLiveness:
    def test_without_a_quorum_nothing_is_promised(self) -> None:
        silent = [{"behaviour": "silent", "nodes": [0, 1]}]
        result = run_small(
            Options(keep_going=True), byzantine=silent, time__duration="4s", check__live_views=2
        )

        assert result.blocks_per_s == 0
        assert not result.violations

    def test_a_quorum_that_finalises_nothing_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("noded.consensus.voting._finalize", lambda *args: None, raising=True)
        result = run_small(Options(keep_going=True), check__live_views=2)

        assert (result.verdict, {violation.checker for violation in result.violations}) == (
            "stalled",
            {"liveness"},
        )

    def test_a_node_that_does_not_come_along_after_healing_fails(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        crash = [{"kind": "crash", "at": "1s", "nodes": [0]}]
        monkeypatch.setattr("sim.faults.Faults._restart", lambda self, host: None)
        result = run_small(Options(keep_going=True), fault=crash, time__heal="2s")

        assert [violation.checker for violation in result.violations] == ["liveness"]
        assert result.violations[0].nodes == (0,)


def test_queues_fail_when_inputs_pile_up() -> None:
    result = run_small(Options(keep_going=True), cpu__model="costs", nodes__speed=0.01, check__queue_max=3)

    assert "queues" in {violation.checker for violation in result.violations}


def test_starvation_fails_when_an_accepted_transaction_is_never_named() -> None:
    planted = Planted(check__starved_blocks=5)
    gateway = planted.cluster.hosts[0]
    lost = Submission(hash=TransactionHash(b"\x05" * 32), refused=None, detail="")
    planted.observers.answered(gateway, Answer(10**6, (lost,)))
    later = planted.last_block()
    header = replace(later.block.header, height=later.block.header.height + 6)
    planted.observers.committed(gateway, (replace(later, block=replace(later.block, header=header)),))

    assert "starvation" in planted.failed()


class TestAccountability:
    def test_correct_nodes_that_are_convicted_fail(self) -> None:
        planted = Planted()
        planted.send(Votes(votes=(planted.vote(VoteKind.FINALIZE, 9_999, OTHER),), certificates=()))
        planted.send(Votes(votes=(planted.vote(VoteKind.NULLIFY, 9_999, None),), certificates=()))
        for checker in planted.run._checkers:
            checker.finish()

        assert "accountability" in planted.failed()

    def test_a_disagreement_without_culprits_fails(self) -> None:
        planted = Planted()
        for checker in planted.run._checkers:
            if checker.name == "accountability":
                checker.disagreement = True  # type: ignore[attr-defined]
                checker.finish()

        assert planted.failed() == ["accountability"]

    def test_garbage_convicts_nobody(self) -> None:
        planted = Planted()
        vote = planted.vote(VoteKind.FINALIZE, 9_999, OTHER, host=1)
        forged = replace(vote, kind=VoteKind.NULLIFY, block_hash=None)
        planted.cluster.hosts[1].is_correct = False
        planted.send(Votes(votes=(vote, forged), certificates=()), host=1)

        assert planted.failed() == []
        assert [
            checker.culprits() for checker in planted.run._checkers if checker.name == "accountability"
        ] == [[]]  # type: ignore[attr-defined]


def test_peace_fails_when_correct_nodes_blame_each_other() -> None:
    planted = Planted()
    planted.observers.penalized(planted.host, 1, "BadVote")

    assert planted.failed() == ["peace"]


def test_peace_excuses_what_the_network_copied() -> None:
    copies = [{"kind": "duplicate", "at": "2s", "for": "1s", "rate": 0.0, "nodes": [1]}]
    planted = Planted(fault=copies)
    planted.observers.penalized(planted.host, 1, "UnaskedRange")
    assert planted.failed() == []

    planted.observers.penalized(planted.host, 2, "UnaskedRange")

    assert planted.failed() == ["peace"]


class TestHealth:
    def test_a_node_that_raises_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def step(self: object, *args: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("noded.node.node.Node._on_acknowledged", step)
        result = run_small()

        assert result.verdict == "crashed"
        assert "ZeroDivisionError" in result.violations[0].detail

    def test_a_node_that_halts_fails(self) -> None:
        planted = Planted()
        planted.observers.halted(planted.host, "its state differs")

        assert planted.failed() == ["health"]


@pytest.mark.parametrize(
    ("routing", "seed"), [*(("all", seed) for seed in range(1, 6)), ("linear", 1), ("linear", 2)]
)
def test_more_than_a_third_byzantine_is_found_and_blamed(routing: str, seed: int) -> None:
    """The claim of accountability: at least W/3 are named, and no correct node. Four equivocators of seven fork."""
    liars = [1, 2, 3, 4]
    result = simulate(
        small(
            seed=seed,
            nodes__count=7,
            time__duration="10s",
            protocol__routing=routing,
            byzantine=[{"behaviour": "equivocate", "nodes": liars}],
        )
    )

    assert "agreement" in {violation.checker for violation in result.violations}
    assert result.verdict == "model-violated"
    assert 3 * len(result.culprits) >= 7
    assert set(result.culprits) <= set(liars)
    assert "accountability" not in {violation.checker for violation in result.violations}
