"""Groups of institutions, to whom a consent can be given (L25)."""

from dataclasses import replace
from itertools import pairwise
from typing import Annotated

from noded.codec.schema import Limit
from noded.ledger.context import Context
from noded.ledger.dispatch import Handlers
from noded.ledger.events import Event
from noded.ledger.modules.errors import IdTaken, NotCurrent, NotTheOwner, UnknownGroup, Unordered
from noded.ledger.modules.listings import GROUPS, listing_key
from noded.ledger.state import Overlay
from noded.types.frozen import frozen
from noded.types.ids import InstitutionId
from noded.types.medical import GroupId, Version
from noded.types.operations.identity import GROUP_MEMBERS_MAX, GroupCreate, GroupUpdate


@frozen(kw_only=True)
class GroupMember:
    """An institution in a group."""

    institution: InstitutionId
    since: Version
    """The group's version in which it came, or came back."""


@frozen(kw_only=True)
class Group:
    """Institutions under one name; only ever changed by the one that created it."""

    owner: InstitutionId
    version: Version
    members: Annotated[tuple[GroupMember, ...], Limit(1, GROUP_MEMBERS_MAX)]


def group_key(group: GroupId) -> bytes:
    """Where a group is kept."""
    return b"grp/" + group


def is_group_member(state: Overlay, group: GroupId, version: Version, institution: InstitutionId) -> bool:
    """Whether an institution is in a group and was already in that version of it (L25)."""
    found = state.read(group_key(group), Group)
    return found is not None and any(
        member.institution == institution and member.since <= version for member in found.members
    )


def process_group_create(state: Overlay, op: GroupCreate, context: Context) -> None:
    """
    Name a group of institutions (L25).

    Raises:
        IdTaken: There is a group with this id.
        Unordered: The members are not ascending.
    """
    owner = context.institution
    assert owner is not None, "the role table lets members only"
    if state.has(group_key(op.group)):
        raise IdTaken(thing="group", id=op.group)
    _check_order(op.members)

    members = tuple(GroupMember(institution=member, since=Version(1)) for member in op.members)
    state.write(group_key(op.group), Group(owner=owner, version=Version(1), members=members))
    state.index_put(listing_key(GROUPS, owner, context.height, op.group), b"")
    state.emit(Event("group.created", op.group, (owner,)))


def process_group_update(state: Overlay, op: GroupUpdate, context: Context) -> None:
    """
    Change a group's members; whoever comes, or comes back, is new (L25).

    Raises:
        UnknownGroup: No group has this id.
        NotTheOwner: Another institution created it.
        NotCurrent: It was changed in the meantime.
        Unordered: The members are not ascending.
    """
    group = state.read(group_key(op.group), Group)
    if group is None:
        raise UnknownGroup(id=op.group)
    if context.institution != group.owner:
        raise NotTheOwner(signer=context.signer, subject=op.group)
    if op.replaces != group.version:
        raise NotCurrent(given=op.replaces, current=group.version)
    _check_order(op.members)

    version = Version(group.version + 1)
    since = {member.institution: member.since for member in group.members}
    members = tuple(
        GroupMember(institution=member, since=since.get(member, version)) for member in op.members
    )
    state.write(group_key(op.group), replace(group, version=version, members=members))
    state.emit(Event("group.updated", op.group, (group.owner,)))


def _check_order(members: tuple[InstitutionId, ...]) -> None:
    if any(first >= second for first, second in pairwise(members)):
        raise Unordered("members must be ascending, each once")


HANDLERS: Handlers = {GroupCreate: process_group_create, GroupUpdate: process_group_update}
