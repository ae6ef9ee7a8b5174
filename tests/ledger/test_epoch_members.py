"""L130–L135: who enters the table of an epoch, and who sits out."""

from dataclasses import replace

from noded.ledger.conduct import (
    UNBLEMISHED,
    S,
    get_conduct,
)
from noded.ledger.members import Member, MemberStatus
from noded.ledger.modules.membership import Ready, ready_key
from noded.ledger.reputation import POWER_FLOOR
from noded.ledger.table import JAIL_EPOCHS, Row, choose
from noded.types.ids import VALIDATORS_MAX, Epoch, Height
from noded.types.operations.membership import Reinstate
from noded.types.validator_set import Validator
from tests.helpers.ledger import TestChain, key_of, make_genesis, make_institution, member_id
from tests.helpers.tables import powers, ready, rows
from tests.helpers.voting import decide
from tests.ledger.test_participation import make_equivocation


def make_row(number: int, old: Validator | None, *, since: int = 0) -> Row:
    member = Member(institution=make_institution(number), status=MemberStatus.MEMBER, since=Height(since))
    return Row(member=member, conduct=UNBLEMISHED, old=old, facts=None, reputation=0, debt=0, jailed=False)


class TestNewcomers:
    """L130, L131: a member enters the table once its node has shown that it runs, and never too many at once."""

    def make_chain(self, waiting: int = 1) -> TestChain:
        return TestChain(make_genesis(4 + waiting, validators=4, epoch_length=8))

    def test_idle_member_does_not_enter(self) -> None:
        chain = self.make_chain()
        chain.finish_epoch()

        assert sorted(powers(chain)) == [1, 2, 3, 4]

    def test_ready_member_enters_at_the_floor(self) -> None:
        chain = self.make_chain()
        assert ready(chain, 5) is None
        chain.finish_epoch()

        assert powers(chain)[5] == POWER_FLOOR
        assert rows(chain)[5].reputation == S // 4
        assert rows(chain)[5].public_key == key_of(5, "consensus")

    def test_readiness_of_an_earlier_epoch_does_not_count(self) -> None:
        chain = self.make_chain(waiting=2)
        assert ready(chain, 5) is None
        assert ready(chain, 6) is None
        chain.finish_epoch()
        chain.finish_epoch()

        assert sorted(powers(chain)) == [1, 2, 3, 4, 5]

    def test_newcomers_of_one_epoch_add_at_most_a_sixth(self) -> None:
        institutions = 12 + 6
        chain = TestChain(make_genesis(institutions, validators=12, epoch_length=12))
        for number in range(13, 19):
            assert ready(chain, number) is None
        before = sum(powers(chain).values())
        chain.finish_epoch()
        entered = [number for number in powers(chain) if number > 12]

        assert entered == [13, 14]
        assert 6 * sum(powers(chain)[number] for number in entered) <= before

    def test_full_table_takes_nobody_until_a_place_is_free(self) -> None:
        """The table of one more could not be encoded, and the epoch's last block not be executed by anybody."""
        chain = TestChain()
        present = chain.validators.table.validators[0]
        table = replace(
            chain.validators.table,
            validators=tuple(replace(present, id=member_id(number)) for number in range(VALIDATORS_MAX)),
        )
        rows = [make_row(number, old) for number, old in enumerate(table.validators)]
        waiting = [make_row(VALIDATORS_MAX + extra, None, since=9 - extra) for extra in range(3)]
        state = chain.state
        for row in waiting:
            state.write(ready_key(row.id), Ready(epoch=Epoch(1), key=row.member.institution.consensus_key))

        assert choose(state, rows + waiting, table, Epoch(1)) == rows
        rows[7].member = replace(rows[7].member, status=MemberStatus.REMOVED)
        entered = choose(state, rows + waiting, table, Epoch(1))
        assert entered == [*rows[:7], *rows[8:], waiting[-1]]
        assert len(entered) == VALIDATORS_MAX


class TestJail:
    """L134, L135: equivocation costs the vote until a reinstatement, unless too few voters would be left."""

    def jailed(self, members: int = 5, count: int = 1) -> TestChain:
        chain = TestChain(make_genesis(members, epoch_length=8))
        chain.run(evidence=[make_equivocation(2, view=view) for view in range(1, count + 1)])
        chain.finish_epoch()
        return chain

    def test_equivocator_leaves_the_table(self) -> None:
        chain = self.jailed()

        assert sorted(powers(chain)) == [1, 3, 4, 5]
        conduct = get_conduct(chain.state, member_id(2))
        assert (conduct.reputation, conduct.debt, conduct.equivocations) == (0, S, 0)
        assert conduct.jailed_until == 2 + JAIL_EPOCHS

    def test_several_equivocations_lengthen_the_jail(self) -> None:
        chain = self.jailed(count=3)

        assert get_conduct(chain.state, member_id(2)).jailed_until == 2 + 3 * JAIL_EPOCHS

    def test_readiness_does_not_end_the_jail(self) -> None:
        chain = self.jailed()
        assert ready(chain, 2) is None
        chain.finish_epoch()

        assert 2 not in powers(chain)

    def test_vote_ends_the_jail_once_it_has_lasted(self) -> None:
        chain = self.jailed()
        assert decide(chain, Reinstate(institution=member_id(2)), voters=(1, 3, 4, 5)) == "StillJailed"
        while chain.ledger.epoch_after(chain.tip) < 2 + JAIL_EPOCHS:
            chain.finish_epoch()
        assert decide(chain, Reinstate(institution=member_id(2)), voters=(1, 3, 4, 5)) is None
        chain.finish_epoch()
        assert 2 not in powers(chain)

        assert ready(chain, 2) is None
        chain.finish_epoch()
        assert powers(chain)[2] == POWER_FLOOR
        assert rows(chain)[2].reputation == 0
        assert rows(chain)[2].debt == S

    def test_one_of_four_stays_without_proposing(self) -> None:
        chain = self.jailed(members=4)

        assert powers(chain)[2] == POWER_FLOOR
        assert rows(chain)[2].share == 0
        chain.finish_epoch()
        assert powers(chain)[2] == POWER_FLOOR
        assert rows(chain)[2].share == 0

    def test_jailed_voter_leaves_when_a_newcomer_takes_its_place(self) -> None:
        chain = TestChain(make_genesis(5, validators=4, epoch_length=8))
        chain.run(evidence=[make_equivocation(2)])
        chain.finish_epoch()
        assert sorted(powers(chain)) == [1, 2, 3, 4]
        ready(chain, 5)
        chain.finish_epoch()

        assert sorted(powers(chain)) == [1, 3, 4, 5]

    def test_somebody_can_propose_even_if_all_equivocate(self) -> None:
        chain = TestChain(make_genesis(4, epoch_length=8))
        chain.run(evidence=[make_equivocation(number) for number in range(1, 5)])
        chain.finish_epoch()

        assert sorted(powers(chain)) == [1, 2, 3, 4]
        assert sum(row.share for row in rows(chain).values()) > 0


class TestAlarms:
    """L133: a quarter of the power falling silent is an incident of the network."""

    def test_silent_power_raises_an_alarm(self) -> None:
        chain = TestChain(make_genesis(7, epoch_length=30))
        chain.finish_epoch(voters=[0, 1, 2, 3, 4])
        events = [placed.event for placed in chain.committed[-1].events]

        assert [event.detail for event in events if event.name == "epoch.alarm"] == [b"silent-power"]

    def test_calm_epoch_raises_none(self) -> None:
        chain = TestChain(make_genesis(7, epoch_length=30))
        chain.finish_epoch()

        names = [placed.event.name for placed in chain.committed[-1].events]
        assert names == ["epoch.closed"]
