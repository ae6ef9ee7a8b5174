"""`noded consent`."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from noded.cli.options import command as declare
from noded.cli.options import desk_at, node_at, node_options, signer, wallet_options
from noded.cli.output import Json, Output, cell, table
from noded.cli.parsing import enum_members, hexadecimal, seconds

if TYPE_CHECKING:
    from noded.types.conditions import Condition


@click.group("consent")
def command() -> None:
    """Grant, revoke and list a patient's consents."""


@declare(command, name="grant")
@node_options
@click.option("--patient", required=True, help="Id of the patient who permits.")
@click.option("--to", "member", help="Id of the member that is permitted.")
@click.option("--to-role", "role", help="Every member with this role instead, such as hospital.")
@click.option("--to-group", "group", help="Those who are in this group now instead, as long as they stay.")
@click.option("--purpose", "purposes", multiple=True, default=["treat"], show_default=True, help="What for.")
@click.option("--kind", "kinds", multiple=True, help="Of these kinds only, such as lab; by default of all.")
@click.option("--record", "records", multiple=True, help="These records only; by default all.")
@click.option("--compartment", "compartments", multiple=True, type=click.IntRange(0, 15), default=[0])
@click.option("--for", "lasting", default="30d", show_default=True, help="How long: 12h, 30d, 52w.")
@click.option(
    "--standing",
    is_flag=True,
    help="For a treating team: a compartment's key once, instead of each record's.",
)
@click.option("--condition", type=click.File("rb"), help="What else must hold, as JSON.")
@wallet_options
def grant(
    output: Output,
    home: Path,
    patient: str,
    member: str | None,
    role: str | None,
    group: str | None,
    purposes: tuple[str, ...],
    kinds: tuple[str, ...],
    records: tuple[str, ...],
    compartments: tuple[int, ...],
    lasting: str,
    standing: bool,
    condition: BinaryIO | None,
    wallet: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    Permit a member to read, under the patient's key.

    Everything named must hold for each access. A later `revoke` ends it from its block on; nothing un-reads what was
    read before.
    """
    from noded.types.ids import InstitutionId, TimestampMs
    from noded.types.medical import (
        Compartment,
        ConsentId,
        GroupId,
        KindClass,
        PatientId,
        RecordId,
        Version,
    )
    from noded.types.operations.consent import (
        ConsentGrant,
        ConsentTerms,
        Grantee,
        Mode,
        ToGroup,
        ToOrganization,
        ToRole,
    )
    from noded.types.roles import Purpose, Role

    if [member, role, group].count(None) != 2:
        raise click.UsageError("give either --to, --to-role or --to-group")
    grantee: Grantee
    if member is not None:
        grantee = ToOrganization(institution=InstitutionId(hexadecimal(member, "a member's id")))
    elif group is not None:
        grantee = ToGroup(group=GroupId(hexadecimal(group, "a group's id")), version=Version(1))
    else:
        (chosen,) = enum_members(Role, [role or ""], "role")
        grantee = ToRole(role=chosen)
    now_ms = time.time_ns() // 1_000_000
    terms = ConsentTerms(
        grantee=grantee,
        purposes=enum_members(Purpose, purposes, "purpose"),
        kinds=enum_members(KindClass, kinds, "kind") if kinds else tuple(KindClass),
        compartments=tuple(map(Compartment, sorted(set(compartments)))),
        records=tuple(RecordId(hexadecimal(each, "a record's id")) for each in records) or None,
        days=None,
        from_ms=TimestampMs(0),
        until_ms=TimestampMs(now_ms + 1000 * seconds(lasting)),
        mode=Mode.STANDING if standing else Mode.RECEIPT,
        condition=None if condition is None else _condition(condition),
    )
    name = PatientId(hexadecimal(patient, "a patient's id"))
    with desk_at(home) as desk:
        key = signer(desk, name, wallet, passphrase_file, passphrase_fd)
        if isinstance(grantee, ToGroup):
            version = Version(desk.entry("groups", grantee.group)["version"])
            terms = replace(terms, grantee=replace(grantee, version=version))
        consent = ConsentId(desk.new_id())
        posted = desk.send(ConsentGrant(consent=consent, patient=name, terms=terms), key=key)
    output.show({"consent": consent.hex(), "height": posted.height, "until_ms": terms.until_ms})


@declare(command, name="revoke")
@node_options
@click.argument("consent")
@wallet_options
def revoke(
    output: Output,
    home: Path,
    consent: str,
    wallet: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    End a consent from now on, under the patient's key.

    Nothing un-reads what was read: keys of whole compartments that went out under it are named in the result.
    """
    from noded.types.medical import ConsentId, PatientId
    from noded.types.operations.consent import ConsentRevoke

    name = ConsentId(hexadecimal(consent, "a consent's id"))
    with desk_at(home) as desk:
        found = desk.entry("consents", name)
        patient = PatientId(bytes.fromhex(found["patient"]))
        key = signer(desk, patient, wallet, passphrase_file, passphrase_fd)
        posted = desk.send(ConsentRevoke(consent=name), key=key)
        opened = [each["compartment"] for each in desk.entry("consents", name)["opened"]]
    output.show({"consent": consent, "height": posted.height, "keys_still_out": opened}, _show_revoked)


@declare(command, name="list")
@node_options
@click.option("--patient", required=True, help="Whose consents.")
def list_all(output: Output, home: Path, patient: str) -> None:
    """List a patient's consents, ended ones included."""
    hexadecimal(patient, "a patient's id")
    with node_at(home) as node:
        output.show({"consents": list(node.pages(f"/v1/patients/{patient}/consents"))}, _show)


def _condition(file: BinaryIO) -> "Condition":
    import json

    from noded.codec.errors import Malformed
    from noded.codec.json_form import choice_from_json
    from noded.types.conditions import CONDITIONS

    try:
        return choice_from_json(CONDITIONS, json.loads(file.read(64 * 1024)), "condition")
    except (ValueError, RecursionError, Malformed) as error:
        raise click.UsageError(f"{file.name}: {error}") from error


def _show_revoked(data: Json) -> str:
    text = f"consent {data['consent']} ended at height {data['height']}; what was read before stays read"
    if data["keys_still_out"]:
        text += f"\nkeys of compartments {cell(data['keys_still_out'])} are out: begin new ones with `noded patient new-key`"
    return text


def _show(data: Json) -> str:
    rows = []
    for item in data["consents"]:
        value = item["value"]
        terms = value["terms"]
        grantee = terms["grantee"]
        to = next((text for name, text in grantee.items() if name != "type"), "-")
        rows.append((item["id"], value["status"], to, terms["purposes"], terms["kinds"]))
    return table(("consent", "status", "to", "for", "kinds"), rows)
