"""`noded access`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.exits import CommandFailed
from noded.cli.options import command as declare
from noded.cli.options import desk_at, node_at, node_options, pages_of, signer, wallet_options
from noded.cli.output import Json, Output, moment, table
from noded.cli.parsing import enum_members, hexadecimal

if TYPE_CHECKING:
    from noded.client.http import NodeClient
    from noded.ops.desk import Desk
    from noded.types.medical import PatientId


@click.group("access")
def command() -> None:
    """Ask for records of other institutions, answer requests, see who asked."""


@declare(command, name="request")
@node_options
@click.argument("record", required=False)
@click.option("--patient", help="Ask for the key of a compartment of this patient's, instead of a record's.")
@click.option("--compartment", type=click.IntRange(0, 15), default=0, show_default=True, help="Which one.")
@click.option("--version", type=click.IntRange(min=1), help="Which version; by default the last.")
@click.option("--consent", help="The consent under which it is asked.")
@click.option("--opening", help="The emergency opening under which it is asked.")
@click.option(
    "--own", is_flag=True, help="Asked by the patient, or a delegate, whom the record is about: by their key."
)
@click.option("--purpose", help="What for; by default treat, and patrqt with --own.")
@click.option("--use", "uses", multiple=True, help="What is declared about research, such as not_for_profit.")
@click.option("--tag", "tags", multiple=True, help="The project or disease that the research is about.")
@click.option("--actor", help="Who in this institution will read; others see a pseudonym.")
@wallet_options
def request(
    output: Output,
    home: Path,
    record: str | None,
    patient: str | None,
    compartment: int,
    version: int | None,
    consent: str | None,
    opening: str | None,
    own: bool,
    purpose: str | None,
    uses: tuple[str, ...],
    tags: tuple[str, ...],
    actor: str | None,
    wallet: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    Ask for a record; every validator decides, and exit code 1 with the failed condition says that it is denied.

    Under a standing consent, or with --own, one request with --patient brings the key of a whole compartment: after its
    release every record in it can be got by that request, as long as the consent stands or the patient's key acts.

    With --own it is the patient who asks, at the member that keeps the records; whoever the wallet belongs to gets it
    there by `record get --request`, which needs the same wallet for the receipt.
    """
    from noded.ops.reading import request_access
    from noded.types.medical import (
        TAGS_MAX,
        Compartment,
        ConsentId,
        OpeningId,
        PatientId,
        RecordId,
        Tag,
        Use,
        Version,
    )
    from noded.types.operations.consent import (
        Basis,
        InEmergency,
        OneRecord,
        OwnRecord,
        Target,
        UnderConsent,
        WholeCompartment,
    )
    from noded.types.roles import Purpose

    if (record is None) == (patient is None):
        raise click.UsageError("give either a RECORD or --patient")
    if [consent is not None, opening is not None, own].count(True) != 1:
        raise click.UsageError("give either --consent, --opening or --own")
    if own and (uses or tags):
        raise click.UsageError("--own goes without --use and --tag")
    if own == (actor is not None):
        raise click.UsageError("an institution names who reads with --actor; with --own there is none")
    if wallet is not None and not own:
        raise click.UsageError("--wallet goes with --own")
    basis: Basis
    if own:
        basis = OwnRecord()
    elif consent is not None:
        basis = UnderConsent(consent=ConsentId(hexadecimal(consent, "a consent's id")))
    else:
        basis = InEmergency(opening=OpeningId(hexadecimal(opening or "", "an opening's id")))
    (stated,) = enum_members(Purpose, [purpose or ("patrqt" if own else "treat")], "purpose")
    declared = enum_members(Use, uses, "use")
    about = tuple(Tag(hexadecimal(each, "a tag")) for each in dict.fromkeys(tags))
    if len(about) > TAGS_MAX:
        raise click.UsageError(f"{len(about)} times --tag; a request has at most {TAGS_MAX}")
    whose = None if patient is None else PatientId(hexadecimal(patient, "a patient's id"))
    name = None if record is None else RecordId(hexadecimal(record, "a record's id"))
    key = None
    with desk_at(home) as desk:
        target: Target
        if whose is not None:
            target = WholeCompartment(patient=whose, compartment=Compartment(compartment))
            entry = {**desk.entry("patients", whose), "patient": whose.hex()} if own else {}
            asked_for = f"patient {whose.hex()}"
        else:
            assert name is not None, "one of the two was given"
            entry = desk.entry("records", name)
            target = OneRecord(record=name, version=Version(version or entry["version"]))
            asked_for = f"record {name.hex()}"
        if own:
            about_whom = _patient_here(desk, asked_for, entry)
            key = signer(desk, about_whom, wallet, passphrase_file, passphrase_fd)
        asked, access = request_access(
            desk, target, basis, purpose=stated, actor=actor, uses=declared, tags=about, key=key
        )
    output.show(
        {
            "request": asked.hex(),
            "status": access["status"],
            "decided_by": access["path"],
            "due_ms": access["due_ms"],
            "height": desk.height,
        }
    )
    if access["status"] == "denied":
        raise CommandFailed(f"request {asked.hex()} is denied by {access['path']}")


@declare(command, name="release")
@node_options
@click.argument("request")
def release_one(output: Output, home: Path, request: str) -> None:
    """Answer a permitted request for what this institution keeps: with the key, for the reader alone."""
    from noded.ops.reading import release
    from noded.types.medical import RequestId

    with desk_at(home) as desk:
        wrap_hash = release(desk, RequestId(hexadecimal(request, "a request's id")))
    output.show({"request": request, "wrap_hash": wrap_hash.hex(), "height": desk.height})


@declare(command, name="pending")
@node_options
def pending(output: Output, home: Path) -> None:
    """List permitted requests that wait for this institution's release; those not released in time lapse."""
    with node_at(home) as node:
        output.show({"requests": pages_of(node, None, "releases")}, partial(_show, node))


@declare(command, name="log")
@node_options
@click.option("--patient", help="Requests for this patient's data.")
@click.option("--record", help="Requests for this record.")
@click.option("--disclosed", is_flag=True, help="Of a patient's, only those after which a key was out.")
def log(output: Output, home: Path, patient: str | None, record: str | None, disclosed: bool) -> None:
    """List who asked when for what, and what was decided; by default all that concerns this institution."""
    if patient is not None and record is not None:
        raise click.UsageError("--patient and --record exclude each other")
    if disclosed and patient is None:
        raise click.UsageError("--disclosed goes with --patient")
    with node_at(home) as node:
        if record is None:
            rows = pages_of(node, patient, "disclosures" if disclosed else "access")
        else:
            hexadecimal(record, "a record's id")
            node.get(f"/v1/records/{record}")  # An empty list would say that nobody asked.
            rows = list(node.pages(f"/v1/records/{record}/access"))
        output.show({"requests": rows}, partial(_show, node))


def _patient_here(desk: "Desk", asked_for: str, entry: Json) -> "PatientId":
    """Whom records are about that this institution keeps: nobody else's node serves them to the patient."""
    from noded.types.medical import PatientId

    if entry["patient"] is None:
        raise CommandFailed(f"{asked_for} is an institution's own; it is about no patient")
    if entry["custodian"] != desk.me.hex():
        raise CommandFailed(f"{asked_for} is kept by member {entry['custodian']}; ask there")
    return PatientId(bytes.fromhex(entry["patient"]))


def _show(node: "NodeClient", data: Json) -> str:
    from noded.client.members import member_names

    names = member_names(node)
    rows = []
    for item in data["requests"]:
        value = item["value"]
        asker = (
            names[value["institution"]]
            if value["institution"]
            else _patient_or_delegate(node, value["signer"])
        )
        when, what = moment(value["asked_ms"]), _said(value["target"])
        rows.append((item["id"], when, asker, what, value["purpose"], value["status"], value["path"]))
    return table(("request", "when", "asked by", "for what", "purpose", "status", "decided by"), rows)


def _said(target: Json) -> str:
    if "record" in target:
        return f"record {target['record']}, version {target['version']}"
    return f"compartment {target['compartment']}"


def _patient_or_delegate(node: "NodeClient", key: str) -> str:
    """Whose key asked; others than members act for a patient."""
    kind: str = node.get(f"/v1/accounts/{key}")["value"]["entry"]["kind"]
    return f"the {kind}"
