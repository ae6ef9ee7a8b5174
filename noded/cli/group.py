"""`noded group`."""

from pathlib import Path

import click

from noded.cli.options import command as declare
from noded.cli.options import desk_at, node_at, node_options, pages_of
from noded.cli.output import Json, Output, table
from noded.cli.parsing import hexadecimal


@click.group("group")
def command() -> None:
    """Name groups of members, to whom patients can give one consent."""


@declare(command, name="create")
@node_options
@click.argument("members", nargs=-1, required=True)
def create(output: Output, home: Path, members: tuple[str, ...]) -> None:
    """Make a group of MEMBERS, by id or name; only this institution changes it."""
    from noded.client.members import find_member
    from noded.types.ids import InstitutionId
    from noded.types.medical import GroupId
    from noded.types.operations.identity import GroupCreate

    with desk_at(home) as desk:
        found = {find_member(desk.node, each)[0] for each in members}
        name = GroupId(desk.new_id())
        ids = tuple(InstitutionId(bytes.fromhex(each)) for each in sorted(found))
        desk.send(GroupCreate(group=name, members=ids))
    output.show({"group": name.hex(), "version": 1, "members": sorted(found), "height": desk.height})


@declare(command, name="update")
@node_options
@click.argument("group")
@click.option("--add", "added", multiple=True, help="Member that joins; earlier consents do not reach it.")
@click.option("--remove", "removed", multiple=True, help="Member that leaves; it is out at once.")
def update(output: Output, home: Path, group: str, added: tuple[str, ...], removed: tuple[str, ...]) -> None:
    """Change who is in a GROUP of this institution's."""
    from noded.client.members import find_member
    from noded.types.ids import InstitutionId
    from noded.types.medical import GroupId, Version
    from noded.types.operations.identity import GroupUpdate

    if not added and not removed:
        raise click.UsageError("give --add or --remove")
    name = GroupId(hexadecimal(group, "a group's id"))
    with desk_at(home) as desk:
        present = desk.entry("groups", name)
        ids = {each["institution"] for each in present["members"]}
        leaving = {find_member(desk.node, each)[0] for each in removed}
        if leaving - ids:
            raise click.UsageError(f"{', '.join(sorted(leaving - ids))} is not in group {group}")
        ids = (ids | {find_member(desk.node, each)[0] for each in added}) - leaving
        if not ids:
            raise click.UsageError(f"nobody would be left in group {group}; a group has a member at least")
        replaces = Version(present["version"])
        members = tuple(InstitutionId(bytes.fromhex(each)) for each in sorted(ids))
        desk.send(GroupUpdate(group=name, replaces=replaces, members=members))
    output.show({"group": group, "version": replaces + 1, "members": sorted(ids), "height": desk.height})


@declare(command, name="list")
@node_options
def list_all(output: Output, home: Path) -> None:
    """List the groups that this institution made."""
    with node_at(home) as node:
        output.show({"groups": pages_of(node, None, "groups")}, _show)


def _show(data: Json) -> str:
    rows = [
        (item["id"], item["value"]["version"], [each["institution"] for each in item["value"]["members"]])
        for item in data["groups"]
    ]
    return table(("group", "version", "members"), rows)
