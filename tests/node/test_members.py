"""L100–L135 with whole nodes: who crashes, equivocates, comes, goes or changes its key, and the chain that goes on."""

from dataclasses import replace
from typing import Any

from noded.crypto.signing import public_key_of
from noded.types.evidence import ConflictingVotes
from noded.types.genesis import DEFAULT_PARAMETERS
from noded.types.ids import Epoch, bitmap_indices
from noded.types.operations.membership import Admit, KeyUse, OrgKeyRotate, OrgRegister, Reinstate, Remove
from tests.helpers.node_net import make_institution, seed_of
from tests.helpers.voting_net import VotingNet

PARAMETERS = replace(DEFAULT_PARAMETERS, epoch_length=6, idle_interval_ms=300, delta_ms=100)
"""Epochs in which a proposal can be made and voted on before they end."""


def make_net(size: int, **changes: Any) -> VotingNet:
    net = VotingNet(size=size, parameters=replace(PARAMETERS, **changes))
    net.run(1)
    return net


def share(net: VotingNet, number: int) -> float:
    """A member's part of all proposals."""
    row = net.row(number)
    total = sum(each.share for each in net.nodes[0].validators.table.validators)
    return 0.0 if row is None else row.share / total


def votes_of(net: VotingNet, number: int, epoch: int) -> int:
    """Certificates of an epoch, as its blocks name them, in which a member's vote stands."""
    validators = net.nodes[0].ledger.validators_of(Epoch(epoch))
    assert validators is not None
    index = validators.index_by_id[net.homes[number].id]
    blocks = [committed.block for committed in net.homes[0].stored]
    leaves = [block.body.parent for block in blocks if block.header.epoch == epoch]
    return sum(leaf is not None and index in bitmap_indices(leaf.bitmap) for leaf in leaves)


def assert_goes_on(net: VotingNet, blocks: int = 6) -> None:
    """The running nodes make further blocks, of one chain, and blame nobody."""
    goal = max(net.heights()) + blocks
    assert net.run(120, until=lambda: min(net.heights()) >= goal)
    net.assert_agreement()
    assert net.halts == []


class TestCrash:
    """L125–L129: who does not vote loses, and gets it back."""

    def test_share_falls_and_recovers(self) -> None:
        net = make_net(4, epoch_length=24)
        net.pass_epochs(1)
        before, power = share(net, 3), net.row(3)
        net.crash(3)
        shares = []
        for _ in range(3):
            net.pass_epochs(1)
            shares.append(share(net, 3))
        fallen = net.row(3)
        assert shares == sorted(shares, reverse=True)
        assert shares[-1] < before / 2
        assert power is not None
        assert fallen is not None
        assert fallen.power >= 1000
        assert fallen.reputation < power.reputation

        net.start(3)
        net.pass_epochs(2)
        risen = []
        for _ in range(5):
            net.pass_epochs(1)
            risen.append(share(net, 3))

        assert risen == sorted(risen)
        assert risen[-1] > shares[-1]
        assert_goes_on(net)
        assert net.penalties == []


class TestEquivocation:
    """L124, L134, L135: proven in a block, and jailed from the next epoch on."""

    def test_jailed_among_five(self) -> None:
        net = make_net(5)
        net.equivocate(4)
        assert net.run(30, until=lambda: evidence_against(net, 4))
        assert net.row(4) is not None
        net.pass_epochs(1)

        assert net.row(4) is None
        assert_goes_on(net)

        for _ in range(8):
            net.pass_epochs(1)
        net.carry(Reinstate(institution=net.homes[4].id), [0, 1, 2])
        assert net.row(4) is None
        said = net.ready(4)
        net.pass_epochs(1)

        row = net.row(4, said + 1)
        assert row is not None
        assert (row.power, row.reputation) == (1000, 0)
        assert_goes_on(net)

    def test_jailed_among_four_stays_without_proposing(self) -> None:
        net = make_net(4)
        net.equivocate(3)
        assert net.run(30, until=lambda: evidence_against(net, 3))
        net.pass_epochs(1)

        row = net.row(3)

        assert row is not None
        assert (row.power, row.share, row.reputation, row.debt) == (1000, 0, 0, 1_000_000)
        first = len(net.homes[0].stored)
        assert_goes_on(net, blocks=12)
        proposers = {each.block.header.proposer for each in net.homes[0].stored[first:]}
        assert net.homes[3].id not in proposers

        net.crash(3)
        assert_goes_on(net)


class TestAdmission:
    """L100, L101, L109: a fifth member comes by vote, and votes from the epoch after it said that it is ready."""

    def test_fifth_member(self) -> None:
        net = make_net(4)
        newcomer = make_institution(4)
        keys = [seed_of("account", 4), seed_of("consensus", 4)]
        net.send(0, OrgRegister(institution=newcomer), cosigners=keys)
        net.carry(Admit(institution=newcomer.id), [0, 1, 2])
        net.pass_epochs(1)
        assert net.row(4) is None

        assert net.join() == 4
        assert net.run(60, until=lambda: net.nodes[4].chain.height >= min(net.heights()))
        said = net.ready(4)
        net.pass_epochs(2)

        assert net.row(4, said) is None
        row = net.row(4, said + 1)
        assert row is not None
        assert row.power == 1000
        assert votes_of(net, 4, said + 1) > 0
        assert_goes_on(net)
        assert net.penalties == []

    def test_the_new_member_is_needed_and_there(self) -> None:
        """With one of the old ones gone, the chain goes on with the new one's votes."""
        net = make_net(4)
        newcomer = make_institution(4)
        net.send(
            0,
            OrgRegister(institution=newcomer),
            cosigners=[seed_of("account", 4), seed_of("consensus", 4)],
        )
        net.carry(Admit(institution=newcomer.id), [0, 1, 2])
        net.join()
        net.ready(4)
        net.pass_epochs(1)
        assert net.row(4) is not None

        net.crash(3)

        assert_goes_on(net)


class TestIdleNewcomers:
    """L109, L131: members who are admitted and then do nothing do not stop the chain."""

    def test_who_never_is_ready_never_counts(self) -> None:
        net = make_net(4)
        for number in (4, 5, 6):
            admit_absent(net, number)
        for _ in range(3):
            net.pass_epochs(1)
            assert len(net.nodes[0].validators) == 4

        net.crash(3)

        assert_goes_on(net)

    def test_of_many_that_were_ready_and_stay_away_one_counts(self) -> None:
        """A sixth of four members' power is less than one member's, so one may enter, the one that waited longest."""
        net = make_net(4, epoch_length=60)
        for number in (6, 4, 5):
            admit_absent(net, number)
        net.pass_epochs(1)
        assert len({net.ready(number) for number in (4, 5, 6)}) == 1
        net.pass_epochs(1)

        assert [net.row(number) is not None for number in (4, 5, 6)] == [False, False, True]
        assert_goes_on(net)
        net.pass_epochs(2)
        assert len(net.nodes[0].validators) == 5, "who did not enter at once must say again that it is ready"


class TestRemoval:
    """L107: who is removed leaves the next table; the others go on, down to three."""

    def test_one_of_five(self) -> None:
        net = make_net(5)
        net.carry(Remove(institution=net.homes[4].id), [0, 1, 2, 3])
        net.pass_epochs(1)

        assert net.row(4) is None
        assert len(net.nodes[0].validators) == 4
        assert_goes_on(net)

    def test_shrinking_to_three(self) -> None:
        """Three members are equal, and a quorum is all of them."""
        net = make_net(4)
        net.carry(Remove(institution=net.homes[3].id), [0, 1, 2])
        net.pass_epochs(1)
        validators = net.nodes[0].validators

        assert len(validators) == 3
        assert set(validators.powers) == {1000}
        assert validators.quorum == 2001
        net.crash(3)
        assert_goes_on(net)


class TestRotation:
    """L104, K6: a consensus key is replaced; the old one counts up to the epoch's end, the new one after it."""

    def rotate(self, net: VotingNet, number: int) -> bytes:
        """Put a new key on the ledger, which counts from the next epoch on; its seed."""
        new = seed_of("next", number, net.epoch)
        net.send(number, OrgKeyRotate(use=KeyUse.CONSENSUS, key=bytes(public_key_of(new))), cosigners=[new])
        return new

    def test_the_node_goes_over_to_the_new_key(self) -> None:
        """At the epoch that names it; nobody has anything to blame it for."""
        net = make_net(4)
        new = self.rotate(net, 3)
        net.homes[3].next_keys.append(new)
        rotated = net.epoch
        row = net.row(3)
        assert row is not None
        assert row.public_key == public_key_of(seed_of("consensus", 3))
        net.pass_epochs(2)
        row = net.row(3)
        assert row is not None
        assert row.public_key == public_key_of(new)

        assert all(votes_of(net, 3, epoch) > 0 for epoch in (rotated, rotated + 1))
        assert_goes_on(net)
        assert net.penalties == []

    def test_a_restart_finds_the_key_of_its_epoch(self) -> None:
        """Before the switch the old one, after it the new one; the log has votes of both."""
        net = make_net(4, epoch_length=12)
        net.homes[3].next_keys.append(self.rotate(net, 3))
        rotated = net.epoch
        for _ in range(2):
            net.crash(3)
            net.start(3)
            assert_goes_on(net, blocks=3)
            net.pass_epochs(1)

        net.pass_epochs(1)
        assert votes_of(net, 3, rotated) > 0
        assert votes_of(net, 3, rotated + 1) > 0
        assert_goes_on(net)
        assert net.penalties == []

    def test_without_the_new_key_it_follows_in_silence(self) -> None:
        net = make_net(4)
        new = self.rotate(net, 3)
        rotated = net.epoch
        net.pass_epochs(1)
        assert_goes_on(net)
        assert net.penalties == []
        assert votes_of(net, 3, rotated + 1) == 0

        net.crash(3)
        net.homes[3].next_keys.append(new)
        net.start(3)
        net.pass_epochs(3)

        assert votes_of(net, 3, net.epoch - 1) > 0
        assert_goes_on(net)
        assert net.penalties == []


def admit_absent(net: VotingNet, number: int) -> None:
    """Admit a member whose node never starts."""
    newcomer = make_institution(number)
    keys = [seed_of("account", number), seed_of("consensus", number)]
    net.send(0, OrgRegister(institution=newcomer), cosigners=keys)
    net.carry(Admit(institution=newcomer.id), [0, 1, 2])
    while len(net.homes) <= number:
        net.add_home()


def evidence_against(net: VotingNet, number: int) -> bool:
    """Whether a final block carries evidence against a member, and only against it."""
    found = [
        evidence
        for committed in net.homes[0].stored
        for evidence in committed.block.body.evidence
        if isinstance(evidence, ConflictingVotes)
    ]
    return bool(found) and {each.culprit for each in found} == {net.homes[number].id}
