"""Checkers of progress and blame are shown to fail on a planted fault, and to keep quiet without one."""

from dataclasses import replace

import pytest

from noded.node.effects import Answer, Submission
from noded.types.ids import BlockHash, Epoch, Height, TransactionHash
from noded.types.messages import Votes
from noded.types.vote import VoteKind
from sim.checkers.accountability import Accountability
from sim.run import Options, simulate
from tests.helpers.consensus_values import equal_set
from tests.helpers.planted_runs import OTHER, Planted
from tests.helpers.simulation import run_small, small


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
        monkeypatch.setattr("sim.faults.Faults.restart", lambda self, host: None)
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
    header = replace(later.block.header, height=Height(later.block.header.height + 6))
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
            if isinstance(checker, Accountability):
                checker.disagreement = True
                checker.finish()

        assert planted.failed() == ["accountability"]

    def test_the_powers_of_the_epoch_of_the_fork_count(self) -> None:
        """Not those of later ones, in which whoever was convicted is jailed."""
        planted = Planted()
        for host in (1, 2):
            planted.cluster.hosts[host].is_correct = False
            for block in (OTHER, BlockHash(b"\x02" * 32)):
                vote = planted.vote(VoteKind.FINALIZE, 9_999, block, host=host)
                planted.send(Votes(votes=(vote,), certificates=()), host=host)
        (checker,) = (each for each in planted.run._checkers if isinstance(each, Accountability))
        checker.context.tables.by_epoch[Epoch(50)] = equal_set(4, epoch=50)
        checker.disagreement = True
        checker.finish()

        assert checker.culprits() == [1, 2]
        assert planted.failed() == []

    def test_garbage_convicts_nobody(self) -> None:
        planted = Planted()
        vote = planted.vote(VoteKind.FINALIZE, 9_999, OTHER, host=1)
        forged = replace(vote, kind=VoteKind.NULLIFY, block_hash=None)
        planted.cluster.hosts[1].is_correct = False
        planted.send(Votes(votes=(vote, forged), certificates=()), host=1)

        assert planted.failed() == []
        assert [
            checker.culprits() for checker in planted.run._checkers if isinstance(checker, Accountability)
        ] == [[]]


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
    ("routing", "seed"), [*(("all", seed) for seed in range(1, 6)), ("linear", 2), ("linear", 6)]
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
