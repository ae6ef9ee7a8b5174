"""Options that say what a consent permits, of `noded consent grant` and `amend`."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeVar

import click

from noded.cli.parsing import enum_members, hexadecimal, seconds

if TYPE_CHECKING:
    from noded.ops.desk import Desk
    from noded.types.conditions import Condition
    from noded.types.operations.consent import Grantee

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option("--to", "member", help="Id of the member that is permitted."),
    click.option("--to-role", "role", help="Every member with this role instead, such as hospital."),
    click.option(
        "--to-group", "group", help="Those who are in this group now instead, as long as they stay."
    ),
    click.option("--purpose", "purposes", multiple=True, help="What for; granted without it: treat."),
    click.option("--kind", "kinds", multiple=True, help="Of these kinds only, such as lab; else of all."),
    click.option("--record", "records", multiple=True, help="These records only; else all."),
    click.option(
        "--compartment",
        "compartments",
        multiple=True,
        type=click.IntRange(0, 15),
        help="Of these compartments only; granted without it: 0.",
    ),
    click.option("--for", "lasting", help="How long from now on: 12h, 30d, 52w; granted without it: 30d."),
    click.option(
        "--standing",
        is_flag=True,
        help="For a treating team: a compartment's key once, instead of each record's.",
    ),
    click.option("--condition", type=click.File("rb"), help="What else must hold, as JSON."),
)


def terms_options(function: F) -> F:
    """Options whose values `read_terms` takes."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def read_terms(
    *,
    member: str | None,
    role: str | None,
    group: str | None,
    purposes: tuple[str, ...],
    kinds: tuple[str, ...],
    records: tuple[str, ...],
    compartments: tuple[int, ...],
    lasting: str | None,
    standing: bool,
    condition: BinaryIO | None,
) -> dict[str, Any]:
    """Those of a consent's terms that the options name, as `ConsentTerms` calls them."""
    from noded.types.ids import TimestampMs
    from noded.types.medical import Compartment, KindClass, RecordId
    from noded.types.operations.consent import Mode
    from noded.types.roles import Purpose

    named: dict[str, Any] = {}
    if [member, role, group].count(None) < 2:
        raise click.UsageError("give one of --to, --to-role and --to-group")
    if [member, role, group].count(None) == 2:
        named["grantee"] = _grantee(member, role, group)
    if purposes:
        named["purposes"] = enum_members(Purpose, purposes, "purpose")
    if kinds:
        named["kinds"] = enum_members(KindClass, kinds, "kind")
    if records:
        named["records"] = tuple(RecordId(hexadecimal(each, "a record's id")) for each in records)
    if compartments:
        named["compartments"] = tuple(map(Compartment, sorted(set(compartments))))
    if lasting is not None:
        named["until_ms"] = TimestampMs(time.time_ns() // 1_000_000 + 1000 * seconds(lasting))
    if standing:
        named["mode"] = Mode.STANDING
    if condition is not None:
        named["condition"] = _condition(condition)
    return named


def at_present(desk: "Desk", named: dict[str, Any]) -> dict[str, Any]:
    """The same terms, where a group is permitted as it is now."""
    from noded.types.medical import Version
    from noded.types.operations.consent import ToGroup

    grantee = named.get("grantee")
    if not isinstance(grantee, ToGroup):
        return named
    version = Version(desk.entry("groups", grantee.group)["version"])
    return {**named, "grantee": replace(grantee, version=version)}


def _grantee(member: str | None, role: str | None, group: str | None) -> "Grantee":
    from noded.types.ids import InstitutionId
    from noded.types.medical import GroupId, Version
    from noded.types.operations.consent import ToGroup, ToOrganization, ToRole
    from noded.types.roles import Role

    if member is not None:
        return ToOrganization(institution=InstitutionId(hexadecimal(member, "a member's id")))
    if group is not None:
        return ToGroup(group=GroupId(hexadecimal(group, "a group's id")), version=Version(1))
    (chosen,) = enum_members(Role, [role or ""], "role")
    return ToRole(role=chosen)


def _condition(file: BinaryIO) -> "Condition":
    import json

    from noded.codec.errors import Malformed
    from noded.codec.json_form import choice_from_json
    from noded.types.conditions import CONDITIONS

    try:
        return choice_from_json(CONDITIONS, json.loads(file.read(64 * 1024)), "condition")
    except (ValueError, RecursionError, Malformed) as error:
        raise click.UsageError(f"{file.name}: {error}") from error
