"""What the members decide by vote (L101, L105–L108, L110–L112)."""

from dataclasses import replace
from enum import IntEnum
from typing import Annotated, assert_never

from noded.codec.schema import Limit
from noded.errors import InvalidTransaction
from noded.ledger.conduct import conduct_key, get_conduct
from noded.ledger.context import BlockContext, Context
from noded.ledger.deadlines import schedule
from noded.ledger.dispatch import Deadlines, Handlers
from noded.ledger.events import Event
from noded.ledger.head import HEAD_KEY, NEXT_PARAMETERS_KEY, Head, NextParameters
from noded.ledger.keys import end_key, reopen_key
from noded.ledger.members import (
    MEMBERS_KEY,
    Member,
    Members,
    MemberStatus,
    get_member,
    get_members,
    member_key,
)
from noded.ledger.modules.access import check_dispute, uphold_dispute
from noded.ledger.modules.membership import existing_member
from noded.ledger.modules.membership_errors import (
    AlreadyVoted,
    InvalidParameters,
    LastMember,
    NotAVoter,
    ProposalClosed,
    ProposalExists,
    StillJailed,
    TooManyProposals,
    UnknownProposal,
    WrongEpoch,
    WrongStatus,
)
from noded.ledger.parameters import why_contradictory
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import VALIDATORS_MAX, Height, InstitutionId, TimestampMs
from noded.types.operations.membership import (
    ACTIONS,
    Action,
    Admit,
    CloseEpoch,
    GovPropose,
    GovVote,
    Reinstate,
    Remove,
    SetParameters,
    Uphold,
)

PROPOSAL_ENDS = 5
"""Kind of the deadline after which a proposal lapses: the tag of `gov.propose`."""

OPEN_PROPOSALS_MAX = 4
"""Proposals that one member may have open: 1000 members fill 4 MB at worst."""

PROPOSALS = b"proposals/"
"""Listing of proposals by height, then id."""


class ProposalStatus(IntEnum):
    """What became of a proposal."""

    OPEN = 1
    PASSED = 2
    REFUSED = 3
    """So much power voted against it that no quorum is left for it."""
    LAPSED = 4
    VOID = 5
    """A quorum voted for it, but by then it could not be done any more."""


@frozen(kw_only=True)
class Ballot:
    """One member's vote."""

    voter: InstitutionId
    approve: bool


@frozen(kw_only=True)
class GovernanceProposal:
    """An action put to the vote."""

    action: Annotated[Action, ACTIONS]
    proposer: InstitutionId
    since: Height
    until_ms: TimestampMs
    """When it lapses."""
    status: ProposalStatus
    ballots: Annotated[tuple[Ballot, ...], Limit(0, VALIDATORS_MAX)]
    """In the order in which they were cast."""


@frozen(kw_only=True)
class OpenProposals:
    """How many proposals of a member are open."""

    count: int


def proposal_key(proposal: bytes) -> bytes:
    """Where a proposal is kept."""
    return b"gov/" + proposal


def get_proposal(state: Overlay, proposal: bytes) -> GovernanceProposal | None:
    """A proposal, whatever its status."""
    return state.read(proposal_key(proposal), GovernanceProposal)


def process_gov_propose(state: Overlay, op: GovPropose, context: Context) -> None:
    """
    Put an action to the vote; proposing is not yet voting (L105).

    Raises:
        ProposalExists: The id is, or was, a proposal's.
        TooManyProposals: The sender has too many open.
        InvalidTransaction: The action could not be done now (L101, L107, L108, L110–L112).
    """
    proposer = context.institution
    assert proposer is not None, "the role table lets members only"
    if get_proposal(state, op.proposal) is not None:
        raise ProposalExists(f"proposal {op.proposal.hex()} exists")
    open_count = _open_count(state, proposer)
    if open_count >= OPEN_PROPOSALS_MAX:
        raise TooManyProposals(open_count=open_count)
    check_action(state, op.action, proposer, context.block)

    until_ms = TimestampMs(context.time_ms + context.params.proposal_ms)
    proposal = GovernanceProposal(
        action=op.action,
        proposer=proposer,
        since=context.height,
        until_ms=until_ms,
        status=ProposalStatus.OPEN,
        ballots=(),
    )
    state.write(proposal_key(op.proposal), proposal)
    state.write(_open_key(proposer), OpenProposals(count=open_count + 1))
    schedule(state, until_ms, PROPOSAL_ENDS, op.proposal)
    state.index_put(PROPOSALS + context.height.to_bytes(8) + op.proposal, b"")
    state.emit(Event("proposal.opened", op.proposal, (proposer,)))


def process_gov_vote(state: Overlay, op: GovVote, context: Context) -> None:
    """
    Vote; the vote that completes a quorum of the epoch's power has the action done at once (L106).

    Powers are those of the epoch in which the votes are counted, that is of every vote's block; a voter that has
    left the table since counts nothing.

    Raises:
        UnknownProposal: There is no such proposal.
        ProposalClosed: It is not open any more.
        NotAVoter: The sender is not in the epoch's table.
        AlreadyVoted: The sender has voted on it.
    """
    voter = context.institution
    assert voter is not None, "the role table lets members only"
    proposal = get_proposal(state, op.proposal)
    if proposal is None:
        raise UnknownProposal(f"no proposal {op.proposal.hex()}")
    if proposal.status is not ProposalStatus.OPEN:
        raise ProposalClosed(status=proposal.status.name.lower())
    validators = context.block.validators
    if voter not in validators:
        raise NotAVoter(institution=voter)
    if any(ballot.voter == voter for ballot in proposal.ballots):
        raise AlreadyVoted(f"{voter.hex()} has voted on {op.proposal.hex()}")

    ballots = (*proposal.ballots, Ballot(voter=voter, approve=op.approve))
    approving = sum(validators.power(ballot.voter) for ballot in ballots if ballot.approve)
    against = sum(validators.power(ballot.voter) for ballot in ballots if not ballot.approve)
    proposal = replace(proposal, ballots=ballots)
    if validators.is_quorum(approving):
        _carry_out(state, op.proposal, proposal, context.block)
    elif not validators.is_quorum(validators.total - against):
        _close(state, op.proposal, replace(proposal, status=ProposalStatus.REFUSED))
    else:
        state.write(proposal_key(op.proposal), proposal)


def lapse_proposal(state: Overlay, subject: bytes, block: BlockContext) -> None:
    """Close a proposal that found no quorum in time (L105)."""
    proposal = get_proposal(state, subject)
    assert proposal is not None, "proposals are never removed"
    if proposal.status is ProposalStatus.OPEN:
        _close(state, subject, replace(proposal, status=ProposalStatus.LAPSED))


def check_action(state: Overlay, action: Action, proposer: InstitutionId, block: BlockContext) -> None:
    """
    Check that an action that a member proposes could be done in this block.

    Raises:
        InvalidTransaction: It could not; the class says why.
    """
    match action:
        case Admit(institution=institution):
            _check_status(existing_member(state, institution), MemberStatus.APPLICANT, MemberStatus.REMOVED)
        case Remove(institution=institution):
            _check_status(existing_member(state, institution), MemberStatus.MEMBER, MemberStatus.SUSPENDED)
            if not any(each != institution and _is_member(state, each) for each in get_members(state)):
                raise LastMember("the last member cannot be removed")
        case Reinstate(institution=institution):
            member = existing_member(state, institution)
            until = get_conduct(state, institution).jailed_until
            if until is None:
                _check_status(member, MemberStatus.SUSPENDED)
            elif until > block.epoch:
                raise StillJailed(institution=institution, until=until)
            else:
                _check_status(member, MemberStatus.MEMBER, MemberStatus.SUSPENDED)
        case SetParameters(parameters=parameters):
            why = why_contradictory(parameters, len(block.validators))
            if why is not None:
                raise InvalidParameters(why)
        case CloseEpoch(epoch=epoch):
            if epoch != block.epoch:
                raise WrongEpoch(named=epoch, present=block.epoch)
        case Uphold(request=request):
            check_dispute(state, request, reader=proposer)
        case _:
            assert_never(action)


def _carry_out(state: Overlay, id: bytes, proposal: GovernanceProposal, block: BlockContext) -> None:
    try:
        check_action(state, proposal.action, proposal.proposer, block)
    except InvalidTransaction:
        _close(state, id, replace(proposal, status=ProposalStatus.VOID))
        return
    match proposal.action:
        case Admit(institution=institution):
            _admit(state, institution, block)
        case Remove(institution=institution):
            member = existing_member(state, institution)
            end_key(state, member.institution.account_key, block.height)
            _set_status(state, member, MemberStatus.REMOVED, block, "org.removed")
        case Reinstate(institution=institution):
            conduct = get_conduct(state, institution)
            if conduct.jailed_until is not None:
                state.write(conduct_key(institution), replace(conduct, jailed_until=None))
            member = existing_member(state, institution)
            if member.status is MemberStatus.SUSPENDED:
                _set_status(state, member, MemberStatus.MEMBER, block, "org.reinstated")
        case SetParameters(parameters=parameters):
            state.write(NEXT_PARAMETERS_KEY, NextParameters(parameters=parameters))
        case CloseEpoch():
            head = state.read(HEAD_KEY, Head)
            assert head is not None
            last = Height(min(head.last_height, block.height + 1))
            state.write(HEAD_KEY, replace(head, last_height=max(head.height, last)))
        case Uphold(request=request):
            uphold_dispute(state, request)
        case _:
            assert_never(proposal.action)
    _close(state, id, replace(proposal, status=ProposalStatus.PASSED))


def _admit(state: Overlay, institution: InstitutionId, block: BlockContext) -> None:
    member = existing_member(state, institution)
    if member.status is MemberStatus.REMOVED:
        reopen_key(state, member.institution.account_key, block.height)
    members = get_members(state)
    if institution not in members:
        state.write(MEMBERS_KEY, Members(ids=tuple(sorted((*members, institution)))))
    _set_status(state, member, MemberStatus.MEMBER, block, "org.admitted")


def _set_status(
    state: Overlay, member: Member, status: MemberStatus, block: BlockContext, event: str
) -> None:
    state.write(member_key(member.institution.id), replace(member, status=status, since=block.height))
    state.emit(Event(event, member.institution.id))


def _close(state: Overlay, id: bytes, proposal: GovernanceProposal) -> None:
    state.write(proposal_key(id), proposal)
    count = _open_count(state, proposal.proposer)
    state.write(_open_key(proposal.proposer), OpenProposals(count=count - 1))
    state.emit(Event(f"proposal.{proposal.status.name.lower()}", id, (proposal.proposer,)))


def _check_status(member: Member, *allowed: MemberStatus) -> None:
    if member.status not in allowed:
        raise WrongStatus(institution=member.institution.id, status=member.status.name.lower())


def _is_member(state: Overlay, institution: InstitutionId) -> bool:
    member = get_member(state, institution)
    return member is not None and member.status in (MemberStatus.MEMBER, MemberStatus.SUSPENDED)


def _open_count(state: Overlay, proposer: InstitutionId) -> int:
    entry = state.read(_open_key(proposer), OpenProposals)
    return 0 if entry is None else entry.count


def _open_key(proposer: InstitutionId) -> bytes:
    return b"gov/open/" + proposer


HANDLERS: Handlers = {GovPropose: process_gov_propose, GovVote: process_gov_vote}
DEADLINES: Deadlines = {PROPOSAL_ENDS: lapse_proposal}
