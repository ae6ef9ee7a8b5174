"""L101, L105–L108, L110, L111: what the members decide by vote."""

from dataclasses import replace

import pytest

from noded.ledger.conduct import get_conduct
from noded.ledger.members import MemberStatus, get_member, get_members
from noded.ledger.modules.governance import (
    OPEN_PROPOSALS_MAX,
    GovernanceProposal,
    ProposalStatus,
    get_proposal,
)
from noded.types.block import BlockKind
from noded.types.ids import Epoch
from noded.types.operations.membership import (
    Action,
    Admit,
    CloseEpoch,
    GovPropose,
    GovVote,
    OrgRegister,
    OrgSuspend,
    OrgUpdate,
    Reinstate,
    Remove,
    SetParameters,
    ValidatorReady,
)
from tests.helpers.ledger import TestChain, account, key_of, make_genesis, make_institution, member_id
from tests.helpers.voting import decide, proposal_id

APPLICANT = make_institution(9)
UPDATE = OrgUpdate(legal_name="x", endpoints=())


def register(chain: TestChain) -> None:
    keys = [APPLICANT.account_key, APPLICANT.consensus_key]
    assert chain.send(OrgRegister(institution=APPLICANT), cosigners=keys).error is None


def propose(chain: TestChain, action: Action, sender: int = 1) -> bytes:
    id = proposal_id()
    receipt = chain.send(GovPropose(proposal=id, action=action), sender=account(sender))
    assert receipt.error is None
    return id


def vote(chain: TestChain, id: bytes, voter: int, *, approve: bool = True) -> str | None:
    return chain.send(GovVote(proposal=id, approve=approve), sender=account(voter)).error


def proposal(chain: TestChain, id: bytes) -> GovernanceProposal:
    found = get_proposal(chain.state, id)
    assert found is not None
    return found


def status(chain: TestChain, number: int) -> MemberStatus:
    member = get_member(chain.state, member_id(number))
    assert member is not None
    return member.status


class TestVoting:
    """L106: a quorum of the epoch's power decides, at once and for good."""

    def test_quorum_of_power_carries_it_out(self) -> None:
        chain = TestChain(make_genesis(5, powers=[2000, 1000, 1000, 1000, 1000]))
        id = propose(chain, Remove(institution=member_id(5)))
        held = chain.validators
        needed = 0
        for voter in (1, 2, 3, 4):
            assert proposal(chain, id).status is ProposalStatus.OPEN
            vote(chain, id, voter)
            needed += held.power(member_id(voter))
            if held.is_quorum(needed):
                break

        assert proposal(chain, id).status is ProposalStatus.PASSED
        assert status(chain, 5) is MemberStatus.REMOVED

    def test_blocking_power_refuses_it(self) -> None:
        chain = TestChain()
        id = propose(chain, Remove(institution=member_id(4)))
        vote(chain, id, 1, approve=False)
        assert proposal(chain, id).status is ProposalStatus.OPEN
        vote(chain, id, 2, approve=False)

        assert proposal(chain, id).status is ProposalStatus.REFUSED
        assert vote(chain, id, 3) == "ProposalClosed"

    def test_vote_is_final(self) -> None:
        chain = TestChain()
        id = propose(chain, Remove(institution=member_id(4)))
        vote(chain, id, 1)

        assert vote(chain, id, 1) == "AlreadyVoted"
        assert vote(chain, id, 1, approve=False) == "AlreadyVoted"

    def test_only_voters_of_the_epoch_vote(self) -> None:
        chain = TestChain(make_genesis(5, validators=4))
        id = propose(chain, Remove(institution=member_id(4)), sender=5)

        assert vote(chain, id, 5) == "NotAVoter"
        assert vote(chain, bytes(16), 1) == "UnknownProposal"

    def test_votes_weigh_what_they_weigh_when_counted(self) -> None:
        """Approvals of members that have left the table since count nothing."""
        chain = TestChain(make_genesis(6, epoch_length=30))
        id = propose(chain, Remove(institution=member_id(1)))
        for voter in (5, 6, 4):
            vote(chain, id, voter)
        for number in (5, 6):
            assert decide(chain, Remove(institution=member_id(number)), voters=(1, 2, 3, 4, 5, 6)) is None
        chain.finish_epoch()
        assert len(chain.validators) == 4

        vote(chain, id, 3)
        assert proposal(chain, id).status is ProposalStatus.OPEN
        vote(chain, id, 2)
        assert proposal(chain, id).status is ProposalStatus.PASSED

    def test_undoable_by_then_is_void(self) -> None:
        chain = TestChain()
        first = propose(chain, Remove(institution=member_id(4)))
        second = propose(chain, Remove(institution=member_id(4)))
        for voter in (1, 2, 3):
            vote(chain, first, voter)
            vote(chain, second, voter)

        assert proposal(chain, first).status is ProposalStatus.PASSED
        assert proposal(chain, second).status is ProposalStatus.VOID


class TestProposals:
    """L105: proposals are bounded in number and in time, and possible when made."""

    def test_few_are_open_at_once(self) -> None:
        chain = TestChain()
        ids = [propose(chain, Remove(institution=member_id(4))) for _ in range(OPEN_PROPOSALS_MAX)]
        action = GovPropose(proposal=proposal_id(), action=Remove(institution=member_id(4)))
        assert chain.send(action).error == "TooManyProposals"
        assert chain.send(action, sender=account(2)).error is None
        vote(chain, ids[0], 1, approve=False)
        vote(chain, ids[0], 2, approve=False)

        again = GovPropose(proposal=proposal_id(), action=Remove(institution=member_id(4)))
        assert chain.send(again).error is None

    def test_unanswered_proposal_lapses(self) -> None:
        chain = TestChain(make_genesis(proposal_ms=10_000))
        id = propose(chain, Remove(institution=member_id(4)))
        chain.run(after_ms=9_000)
        assert proposal(chain, id).status is ProposalStatus.OPEN
        chain.run(after_ms=3_000)

        assert proposal(chain, id).status is ProposalStatus.LAPSED
        assert [placed.event.name for placed in chain.committed[-1].events] == ["proposal.lapsed"]
        assert vote(chain, id, 1) == "ProposalClosed"

    def test_id_is_used_once(self) -> None:
        chain = TestChain()
        operation = GovPropose(proposal=bytes(16), action=Remove(institution=member_id(4)))
        assert chain.send(operation).error is None

        assert chain.send(operation).error == "ProposalExists"

    @pytest.mark.parametrize(
        ("action", "error"),
        [
            (Admit(institution=member_id(9)), "UnknownInstitution"),
            (Admit(institution=member_id(2)), "WrongStatus"),
            (Remove(institution=member_id(9)), "UnknownInstitution"),
            (Reinstate(institution=member_id(2)), "WrongStatus"),
            (CloseEpoch(epoch=Epoch(2)), "WrongEpoch"),
            (SetParameters(parameters=make_genesis(k_min=2).parameters), "InvalidParameters"),
        ],
    )
    def test_impossible_action_is_refused(self, action: Action, error: str) -> None:
        assert TestChain().send(GovPropose(proposal=bytes(16), action=action)).error == error


class TestAdmission:
    """L101: an applicant becomes a member by vote, and a voter once it is ready."""

    def test_from_applicant_to_voter(self) -> None:
        chain = TestChain(make_genesis(epoch_length=16))
        register(chain)
        assert decide(chain, Admit(institution=APPLICANT.id)) is None
        assert APPLICANT.id in get_members(chain.state)
        assert chain.send(UPDATE, sender=APPLICANT.account_key).error is None

        key = APPLICANT.consensus_key
        operation = ValidatorReady(epoch=Epoch(1), key=key)
        assert chain.send(operation, sender=APPLICANT.account_key, cosigners=[key]).error is None
        chain.finish_epoch()

        assert APPLICANT.id in chain.validators
        assert decide(chain, Remove(institution=APPLICANT.id)) is None


class TestRemoval:
    """L107: a removed member signs nothing and leaves the next table; its history stays."""

    def test_member_leaves(self) -> None:
        chain = TestChain(make_genesis(5, epoch_length=10))
        assert decide(chain, Remove(institution=member_id(5))) is None
        assert chain.send(UPDATE, sender=account(5)).error == "SenderInactive"
        assert member_id(5) in chain.validators

        chain.finish_epoch()

        assert member_id(5) not in chain.validators
        assert member_id(5) in get_members(chain.state)

    def test_return_washes_nothing(self) -> None:
        chain = TestChain(make_genesis(5, epoch_length=20))
        for _ in range(3):
            chain.finish_epoch(voters=[0, 1, 2, 3])
        decide(chain, Remove(institution=member_id(5)))
        chain.finish_epoch(voters=[0, 1, 2, 3])
        worn = get_conduct(chain.state, member_id(5)).reputation
        assert worn is not None
        assert worn < chain.validators.table.validators[3].reputation
        assert decide(chain, Admit(institution=member_id(5))) is None
        key = key_of(5, "consensus")
        epoch = chain.ledger.epoch_after(chain.tip)
        ready = ValidatorReady(epoch=epoch, key=key)
        assert chain.send(ready, sender=account(5), cosigners=[key]).error is None
        chain.finish_epoch()

        back = chain.validators.table.validators[4]
        assert back.id == member_id(5)
        assert back.reputation == worn

    def test_chain_shrinks_to_one_and_no_further(self) -> None:
        chain = TestChain(make_genesis(4, epoch_length=12))
        for number in (4, 3, 2):
            voters = tuple(range(1, number + 1))
            assert decide(chain, Remove(institution=member_id(number)), voters=voters) is None
            chain.finish_epoch()
            assert len(chain.validators) == number - 1

        assert decide(chain, Remove(institution=member_id(1)), voters=(1,)) == "LastMember"


class TestReinstatement:
    """L108: a vote ends a suspension."""

    def test_suspended_member_signs_again(self) -> None:
        chain = TestChain()
        chain.send(OrgSuspend(institution=member_id(2), reason="x"), sender=account(2))
        assert chain.send(UPDATE, sender=account(2)).error == "SenderInactive"

        assert decide(chain, Reinstate(institution=member_id(2)), voters=(1, 3, 4)) is None
        assert status(chain, 2) is MemberStatus.MEMBER
        assert chain.send(UPDATE, sender=account(2)).error is None


class TestParameters:
    """L110: voted parameters hold from the next epoch on."""

    def test_take_effect_with_the_epoch(self) -> None:
        chain = TestChain(make_genesis(epoch_length=12))
        voted = replace(chain.parameters, epoch_length=5, valid_until_max=7)
        assert decide(chain, SetParameters(parameters=voted)) is None
        assert chain.ledger.parameters_after(chain.tip) == chain.parameters

        chain.finish_epoch()

        assert chain.ledger.parameters_after(chain.tip) == voted
        start = chain.ledger.final_height
        chain.finish_epoch()
        assert chain.ledger.final_height == start + 5


class TestCloseEpoch:
    """L111: a vote makes the next height the epoch's last."""

    def test_next_height_is_terminal(self) -> None:
        chain = TestChain(make_genesis(epoch_length=100))
        assert chain.ledger.kind_after(chain.tip) is BlockKind.NORMAL
        assert decide(chain, CloseEpoch(epoch=Epoch(1))) is None

        assert chain.ledger.kind_after(chain.tip) is BlockKind.TERMINAL
        header = chain.run().block.header
        assert header.kind is BlockKind.TERMINAL
        assert chain.ledger.epoch_after(chain.tip) == 2
        chain.run()
        assert chain.ledger.head(chain.tip).last_height == header.height + 100

    def test_vote_that_is_counted_in_the_terminal_block_changes_nothing(self) -> None:
        chain = TestChain(make_genesis(epoch_length=5))
        id = propose(chain, CloseEpoch(epoch=Epoch(1)))
        for voter in (1, 2):
            vote(chain, id, voter)
        chain.run()
        vote(chain, id, 3)

        assert chain.committed[-1].block.header.kind is BlockKind.TERMINAL
        assert proposal(chain, id).status is ProposalStatus.PASSED
        assert chain.ledger.epoch_after(chain.tip) == 2
        chain.run()
        assert chain.ledger.head(chain.tip).last_height == 10
