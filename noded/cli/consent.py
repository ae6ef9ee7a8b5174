"""`noded consent`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from noded.cli.options import command as declare
from noded.cli.options import desk_at, node_at, node_options, pages_of, signer, wallet_options
from noded.cli.output import Json, Output, cell, moment, table
from noded.cli.parsing import hexadecimal
from noded.cli.terms import at_present, read_terms, terms_options

if TYPE_CHECKING:
    from noded.client.http import NodeClient


@click.group("consent")
def command() -> None:
    """Grant, amend, revoke and list a patient's consents."""


@declare(command, name="grant")
@node_options
@click.option("--patient", required=True, help="Id of the patient who permits.")
@terms_options
@wallet_options
def grant(
    output: Output,
    home: Path,
    patient: str,
    wallet: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    **terms_named: Any,
) -> None:
    """
    Permit a member to read, under the patient's key.

    Everything named must hold for each access. A later `revoke` ends it from its block on; nothing un-reads what was
    read before.
    """
    from noded.types.ids import TimestampMs
    from noded.types.medical import Compartment, ConsentId, KindClass, PatientId
    from noded.types.operations.consent import ConsentGrant, ConsentTerms, Mode
    from noded.types.roles import Purpose

    named = read_terms(**{**terms_named, "lasting": terms_named["lasting"] or "30d"})
    if "grantee" not in named:
        raise click.UsageError("give one of --to, --to-role and --to-group")
    unnamed = {
        "purposes": (Purpose.TREAT,),
        "kinds": tuple(KindClass),
        "compartments": (Compartment(0),),
        "records": None,
        "days": None,
        "from_ms": TimestampMs(0),
        "mode": Mode.RECEIPT,
        "condition": None,
    }
    name = PatientId(hexadecimal(patient, "a patient's id"))
    with desk_at(home) as desk:
        key = signer(desk, name, wallet, passphrase_file, passphrase_fd)
        terms = ConsentTerms(**{**unnamed, **at_present(desk, named)})
        consent = ConsentId(desk.new_id())
        posted = desk.send(ConsentGrant(consent=consent, patient=name, terms=terms), key=key)
    output.show({"consent": consent.hex(), "height": posted.height, "until_ms": terms.until_ms})


@declare(command, name="amend")
@node_options
@click.argument("consent")
@terms_options
@wallet_options
def amend(
    output: Output,
    home: Path,
    consent: str,
    wallet: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    **terms_named: Any,
) -> None:
    """
    Replace those terms of a CONSENT that options name, under the patient's key; all others stay, and so do its reads.

    What was permitted under the terms before is not served any more: it is asked for again. To lift a limit to records, a
    condition or --standing altogether, revoke it and grant another.
    """
    from dataclasses import replace

    from noded.codec.json_form import from_json
    from noded.types.medical import ConsentId, PatientId, Version
    from noded.types.operations.consent import ConsentAmend, ConsentTerms

    named = read_terms(**terms_named)
    if not named:
        raise click.UsageError("name what changes, such as --for 30d")
    name = ConsentId(hexadecimal(consent, "a consent's id"))
    with desk_at(home) as desk:
        found = desk.entry("consents", name)
        key = signer(desk, PatientId(bytes.fromhex(found["patient"])), wallet, passphrase_file, passphrase_fd)
        terms = replace(from_json(ConsentTerms, found["terms"], "terms"), **at_present(desk, named))
        replaces = Version(found["version"])
        posted = desk.send(ConsentAmend(consent=name, replaces=replaces, terms=terms), key=key)
    output.show(
        {
            "consent": consent,
            "version": replaces + 1,
            "height": posted.height,
            "until_ms": terms.until_ms,
        }
    )


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
    with node_at(home) as node:
        output.show({"consents": pages_of(node, patient, "consents")}, partial(_show, node))


def _show_revoked(data: Json) -> str:
    text = f"consent {data['consent']} ended at height {data['height']}; what was read before stays read"
    if data["keys_still_out"]:
        text += f"\nkeys of compartments {cell(data['keys_still_out'])} are out: begin new ones with `noded patient new-key`"
    return text


def _show(node: "NodeClient", data: Json) -> str:
    from noded.client.members import member_names
    from noded.types.medical import KindClass

    names = member_names(node)
    rows = []
    for item in data["consents"]:
        terms = item["value"]["terms"]
        kinds = terms["kinds"] if len(terms["kinds"]) < len(KindClass) else "all"
        until = moment(terms["until_ms"])
        rows.append(
            (item["id"], item["value"]["status"], _grantee(terms["grantee"], names), terms["purposes"], kinds,
             until, _limits(terms))
        )  # fmt: skip
    return table(("consent", "status", "to", "for", "kinds", "until", "besides"), rows)


def _grantee(grantee: Json, names: dict[str, str]) -> str:
    if "institution" in grantee:
        id: str = grantee["institution"]
        return names.get(id, id)  # An applicant is no member yet.
    return f"group {grantee['group']}" if "group" in grantee else f"every {grantee['role']}"


def _limits(terms: Json) -> list[str]:
    """What else a consent says, that no other column has."""
    said = ["standing"] if terms["mode"] == "standing" else []
    said += [f"compartment {each}" for each in terms["compartments"] if terms["compartments"] != [0]]
    said += ["single records"] if terms["records"] else []
    return [*said, *(name for name in ("days", "condition") if terms[name])]
