"""A member's conduct, as ledger rules and evidence establish it; what becomes of it is in `epoch`."""

from dataclasses import replace
from enum import IntEnum
from typing import Annotated

from noded.codec.schema import Limit
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import VALIDATORS_MAX, Epoch, InstitutionId

S = 1_000_000
"""One, in reputation's integer arithmetic."""

HISTORY_EPOCHS = 64
"""Epochs for which attestations count."""

FAULTS_MAX = 1_000_000


class Fault(IntEnum):
    """A failure of duty that ledger rules establish."""

    LOST_ATTESTATION = 1
    """A statement of the member was disputed and the dispute upheld."""
    OVERDUE = 2
    """A review, attestation or anchor was not delivered by its deadline."""
    GRAVE = 3
    """A grave failure of duty: debt of a sixteenth."""


@frozen(kw_only=True)
class Attested:
    """Statements of a member in one epoch."""

    epoch: Epoch
    accepted: Annotated[int, Limit(0, VALIDATORS_MAX)]
    """By how many counterparties."""
    lost: Annotated[int, Limit(0, FAULTS_MAX)]


@frozen(kw_only=True)
class Conduct:
    """What counts for or against a member, besides votes and proposals."""

    reputation: Annotated[int, Limit(0, S)] | None
    """When the member last left a table; None before. The table itself has it for those who vote."""
    debt: Annotated[int, Limit(0, S)]
    """Likewise."""
    jailed_until: Epoch | None
    """First epoch in which a vote may reinstate it; None when it is not jailed (L134)."""
    equivocations: Annotated[int, Limit(0, FAULTS_MAX)]
    """Proven in this epoch, so far."""
    invalid_proposals: Annotated[int, Limit(0, FAULTS_MAX)]
    """Proven in this epoch, so far."""
    grave: Annotated[int, Limit(0, FAULTS_MAX)]
    """Grave failures of duty in this epoch, so far."""
    lost: Annotated[int, Limit(0, FAULTS_MAX)]
    """Disputes lost and duties overdue in this epoch, so far."""
    accepted_by: Annotated[tuple[InstitutionId, ...], Limit(0, VALIDATORS_MAX)]
    """Counterparties that accepted a statement in this epoch, ascending."""
    history: Annotated[tuple[Attested, ...], Limit(0, HISTORY_EPOCHS)]
    """Of earlier epochs, ascending; those without any are left out."""


UNBLEMISHED = Conduct(
    reputation=None,
    debt=0,
    jailed_until=None,
    equivocations=0,
    invalid_proposals=0,
    grave=0,
    lost=0,
    accepted_by=(),
    history=(),
)


@frozen(kw_only=True)
class Credits:
    """Service credits of a member: earned, spent on quotas, never transferred."""

    amount: int


def conduct_key(member: InstitutionId) -> bytes:
    """Where a member's conduct is kept."""
    return b"rep/" + member


def credits_key(member: InstitutionId) -> bytes:
    """Where a member's service credits are kept."""
    return b"svc/" + member


def get_conduct(state: Overlay, member: InstitutionId) -> Conduct:
    """A member's conduct; unblemished where nothing is known."""
    return state.read(conduct_key(member), Conduct) or UNBLEMISHED


def get_credits(state: Overlay, member: InstitutionId) -> int:
    """A member's service credits."""
    credits = state.read(credits_key(member), Credits)
    return 0 if credits is None else credits.amount


def record_fault(state: Overlay, member: InstitutionId, fault: Fault) -> None:
    """Charge a member with a failure of duty; counts when the epoch closes (L124)."""
    conduct = get_conduct(state, member)
    if fault is Fault.GRAVE:
        conduct = replace(conduct, grave=min(conduct.grave + 1, FAULTS_MAX))
    else:
        conduct = replace(conduct, lost=min(conduct.lost + 1, FAULTS_MAX))
    state.write(conduct_key(member), conduct)


def record_attestation(state: Overlay, member: InstitutionId, counterparty: InstitutionId) -> None:
    """Note that a counterparty accepted a statement of the member; counts once a counterparty and epoch (L124)."""
    conduct = get_conduct(state, member)
    if counterparty == member or counterparty in conduct.accepted_by:
        return
    accepted_by = tuple(sorted((*conduct.accepted_by, counterparty)))
    state.write(conduct_key(member), replace(conduct, accepted_by=accepted_by))


def earn_credits(state: Overlay, member: InstitutionId, amount: int) -> None:
    """Add service credits to a member's account; they are never transferred."""
    assert amount >= 0
    state.write(credits_key(member), Credits(amount=get_credits(state, member) + amount))
