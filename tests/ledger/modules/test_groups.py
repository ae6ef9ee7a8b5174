"""L25: groups of institutions; whoever comes later is not reached by earlier consents."""

from noded.ledger.modules.errors import IdTaken, NotCurrent, NotTheOwner, UnknownGroup, Unordered
from noded.ledger.modules.groups import is_group_member
from noded.ledger.modules.queries import groups_of
from noded.types.ids import InstitutionId
from noded.types.medical import GroupId, Version
from noded.types.operations.identity import GroupCreate, GroupUpdate
from tests.helpers.medical import CLINIC, HOSPITAL, LAB, Party, World, id16, refused

GROUP = GroupId(id16("group"))


def members(*parties: Party) -> tuple[InstitutionId, ...]:
    return tuple(sorted(each.institution for each in parties))


def update(replaces: int, *parties: Party) -> GroupUpdate:
    return GroupUpdate(group=GROUP, replaces=Version(replaces), members=members(*parties))


def has(world: World, version: int, party: Party) -> bool:
    return is_group_member(world.state, GROUP, Version(version), party.institution)


def make_world() -> World:
    world = World()
    world.apply(HOSPITAL, GroupCreate(group=GROUP, members=members(CLINIC, LAB)))
    return world


def test_listed_for_the_owner() -> None:
    world = make_world()
    world.apply(HOSPITAL, update(1, CLINIC))

    ((id, group),) = groups_of(world.state, world, HOSPITAL.institution).items
    assert (id, group.version) == (GROUP, 2)
    assert groups_of(world.state, world, CLINIC.institution).items == ()


def test_members() -> None:
    world = make_world()

    assert has(world, 1, CLINIC)
    assert has(world, 1, LAB)
    assert not has(world, 1, HOSPITAL)
    assert not is_group_member(world.state, GroupId(id16("none")), Version(1), CLINIC.institution)


def test_newcomers_are_not_in_earlier_versions() -> None:
    world = make_world()
    world.apply(HOSPITAL, update(1, CLINIC, HOSPITAL))

    assert not has(world, 1, HOSPITAL)
    assert has(world, 2, HOSPITAL)
    assert has(world, 1, CLINIC)


def test_who_leaves_is_in_no_version_and_who_comes_back_is_new() -> None:
    world = make_world()
    world.apply(HOSPITAL, update(1, CLINIC))
    assert not has(world, 1, LAB)
    world.apply(HOSPITAL, update(2, CLINIC, LAB))

    assert not has(world, 1, LAB)
    assert not has(world, 2, LAB)
    assert has(world, 3, LAB)


def test_refused() -> None:
    world = make_world()
    unordered = tuple(reversed(members(CLINIC, LAB)))

    refused(world, IdTaken, CLINIC, GroupCreate(group=GROUP, members=members(CLINIC)))
    refused(world, Unordered, HOSPITAL, GroupCreate(group=GroupId(id16("g2")), members=unordered))
    twice = (CLINIC.institution, CLINIC.institution)
    refused(world, Unordered, HOSPITAL, GroupUpdate(group=GROUP, replaces=Version(1), members=twice))
    refused(world, NotTheOwner, CLINIC, update(1, CLINIC))
    error = refused(world, NotCurrent, HOSPITAL, update(2, CLINIC))
    assert (error.given, error.current) == (2, 1)
    unknown = GroupUpdate(group=GroupId(id16("none")), replaces=Version(1), members=members(LAB))
    refused(world, UnknownGroup, HOSPITAL, unknown)
