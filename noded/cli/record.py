"""`noded record`."""

import sys
from pathlib import Path

import click

from noded.cli.exits import Refused
from noded.cli.options import FILE, desk_at, node_at, node_options, pages_of, signer, wallet_options
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, table
from noded.cli.parsing import enum_members, hexadecimal


@click.group("record")
def command() -> None:
    """Get, list, amend and withdraw records."""


@declare(command, name="get")
@node_options
@click.argument("record")
@click.option(
    "--version", type=click.IntRange(min=1), help="Which version; by default the request's, or the last."
)
@click.option("--request", help="The released request by which another institution's record is read.")
@click.option("--out", required=True, type=FILE, help="File to write.")
@wallet_options
def get(
    output: Output,
    home: Path,
    record: str,
    version: int | None,
    request: str | None,
    out: Path,
    wallet: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    Write the very bytes of a record to a file: one of the institution's own, or of another under a request.

    A record of another institution is checked against its commitment on the ledger, and leaves a receipt there; by the
    request for a whole compartment only the first does. By a request with --own the patient's key signs the receipt.
    """
    from noded.keys.files import write_private
    from noded.ops.compartments import read_in_compartment
    from noded.ops.reading import read_own, read_released
    from noded.types.medical import PatientId, RecordId, RequestId, Version

    name = RecordId(hexadecimal(record, "a record's id"))
    if out.exists():
        raise Refused(f"{out}: there is a file already; choose another name")
    with desk_at(home) as desk:
        target: Json = {}
        key = None
        if request is not None:
            wanted = RequestId(hexadecimal(request, "a request's id"))
            access = desk.entry("requests", wanted)
            target = access["target"]
            if access["institution"] is None:
                about = PatientId(bytes.fromhex(access["patient"]))
                key = signer(desk, about, wallet, passphrase_file, passphrase_fd)
        if version is None:
            version = int(target.get("version") or desk.entry("records", name)["version"])
        if request is None:
            content = read_own(desk, name, Version(version))
        else:
            if "compartment" in target:
                content = read_in_compartment(desk, wanted, name, Version(version), signer=key)
            elif (target["record"], target["version"]) == (record, version):
                content = read_released(desk, wanted, key=key)
            else:
                raise click.UsageError(f"request {request} is not for version {version} of record {record}")
    write_private(out, content)
    output.show(
        {"record": record, "version": version, "bytes": len(content), "file": str(out), "height": desk.height}
    )


@declare(command, name="amend")
@node_options
@click.argument("record")
@click.argument("file", type=FILE)
@click.option("--reason", required=True, help="Why: correction, addendum, completion or rekey.")
def amend_one(output: Output, home: Path, record: str, file: Path, reason: str) -> None:
    """
    Replace the current version of a RECORD of this institution's by the resource in FILE; earlier ones stay readable.

    Its bytes are those in the file, as with `noded fhir import`.
    """
    from noded.ops.amending import amend
    from noded.types.medical import RecordId
    from noded.types.operations.records import AmendReason

    (why,) = enum_members(AmendReason, [reason], "reason")
    with desk_at(home) as desk:
        version = amend(desk, RecordId(hexadecimal(record, "a record's id")), file, why)
    output.show({"record": record, "version": version, "reason": reason.lower(), "height": desk.height})


@declare(command, name="withdraw")
@node_options
@click.argument("record")
@click.option("--reason", required=True, help="Why, such as entered_in_error or wrong_patient.")
def withdraw(output: Output, home: Path, record: str, reason: str) -> None:
    """Mark a record of this institution's as not to be relied on; it stays visible, and may still be read."""
    from noded.types.medical import RecordId, Version
    from noded.types.operations.records import RecordWithdraw, WithdrawReason

    (why,) = enum_members(WithdrawReason, [reason], "reason")
    name = RecordId(hexadecimal(record, "a record's id"))
    with desk_at(home) as desk:
        version = Version(desk.entry("records", name)["version"])
        posted = desk.send(RecordWithdraw(record=name, version=version, reason=why))
    output.show({"record": record, "version": version, "reason": reason.lower(), "height": posted.height})


@declare(command, name="list")
@node_options
@click.option("--patient", help="Of this patient; by default the institution's own, which belong to none.")
def list_all(output: Output, home: Path, patient: str | None) -> None:
    """List what the ledger knows of records."""
    with node_at(home) as node:
        output.show({"records": pages_of(node, patient, "records")}, _show)


def _show(data: Json) -> str:
    rows = []
    for item in data["records"]:
        value = item["value"]
        size = value["content"]["ciphertext_bytes"]
        rows.append((item["id"], value["version"], value["kind"], value["status"], value["since"], size))
    if not rows:
        print("there are none", file=sys.stderr)
    return table(("record", "version", "kind", "status", "height", "bytes"), rows)
