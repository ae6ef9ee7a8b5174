"""The members of the consortium, as the state has them."""

from enum import IntEnum
from typing import Annotated

from noded.codec.schema import Limit
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.genesis import Institution
from noded.types.ids import VALIDATORS_MAX, Height, InstitutionId

MEMBERS_KEY = b"org/"


class MemberStatus(IntEnum):
    """Where an institution stands in its membership."""

    APPLICANT = 1
    MEMBER = 2
    SUSPENDED = 3
    """Signs no transactions, votes on."""
    REMOVED = 4


@frozen(kw_only=True)
class Member:
    """An institution on the ledger."""

    institution: Institution
    status: MemberStatus
    since: Height
    """Height at which it came to this status."""


@frozen(kw_only=True)
class Members:
    """All institutions that are or were members, in order of id: the state itself cannot be listed."""

    ids: Annotated[tuple[InstitutionId, ...], Limit(1, 4 * VALIDATORS_MAX)]


def member_key(institution: InstitutionId) -> bytes:
    """Where an institution is kept."""
    return b"org/" + institution


def get_member(state: Overlay, institution: InstitutionId) -> Member | None:
    """An institution on the ledger, whatever its status."""
    return state.read(member_key(institution), Member)


def get_members(state: Overlay) -> tuple[InstitutionId, ...]:
    """The ids of all institutions that are or were members, ascending."""
    members = state.read(MEMBERS_KEY, Members)
    return () if members is None else members.ids
