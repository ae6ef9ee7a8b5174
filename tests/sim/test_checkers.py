"""Checkers of safety are shown to fail on a planted fault, and to keep quiet without one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from noded.ledger.commit import CommittedBlock, TransactionEntry
from noded.types.ids import BlockHash, Height, Signature, StateRoot, TimestampMs, TransactionHash, View
from noded.types.messages import BlockRange, Proposal, SyncedBlock, Votes
from noded.types.messages import Certificates as CertificatesMessage
from noded.types.vote import VoteKind
from sim.checkers import CHECKERS
from sim.checkers.validity import Validity
from sim.run import Options
from tests.helpers.planted_runs import OTHER, Planted
from tests.helpers.simulation import run_small


def test_every_checker_says_what_it_claims() -> None:
    assert len({checker.claim for checker in CHECKERS}) == len(CHECKERS)


def test_agreement_fails_when_two_nodes_finalise_different_blocks() -> None:
    planted = Planted()
    committed = planted.last_block()
    header = replace(committed.block.header, time_ms=TimestampMs(committed.block.header.time_ms + 1))
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
    header = replace(committed.block.header, time_ms=TimestampMs(committed.block.header.time_ms + 1))
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
        header = replace(
            block.header, proposer=planted.host.name, view=View(9_999), time_ms=TimestampMs(time)
        )
        planted.send(
            Proposal(
                block=replace(block, header=header),
                signature=Signature(bytes(64)),
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
        bad = replace(good, signatures=(Signature(bytes(64)), *good.signatures[1:]))
        planted.send(CertificatesMessage(certificates=(bad,)))

        assert "certificates" in planted.failed()

    def test_a_weak_finalization_behind_a_range_of_blocks_fails(self) -> None:
        planted = Planted()
        weak = planted.certificate(VoteKind.FINALIZE, 9_999, OTHER, (0, 1))
        block = planted.last_block().block
        synced = SyncedBlock(block=block, batches=())
        planted.send(BlockRange(first=block.header.height, blocks=(synced,), tail=(), finalization=weak))

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
        ledger = next(each for each in planted.run._checkers if isinstance(each, Validity))._ledger
        header = replace(
            following.block.header,
            height=Height(ledger.final_height + 1),
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

    def test_a_transaction_that_is_applied_twice_in_one_block_fails(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def change(committed: CommittedBlock) -> CommittedBlock:
            again = tuple(entry for entry in committed.entries if entry.applied)
            return replace(committed, entries=(*committed.entries, *again))

        assert self.run_with(change, monkeypatch) == ["validity"]
