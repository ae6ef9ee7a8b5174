"""`noded erasure`."""

from pathlib import Path

import click

from noded.cli.options import command as declare
from noded.cli.options import desk_at, node_at, node_options, pages_of, signer, wallet_options
from noded.cli.output import Json, Output, cell, table
from noded.cli.parsing import hexadecimal


@click.group("erasure")
def command() -> None:
    """Demand that a record be erased, carry it out, and see who has not."""


@declare(command, name="demand")
@node_options
@click.argument("record")
@wallet_options
def demand(
    output: Output,
    home: Path,
    record: str,
    wallet: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    Demand erasure of a RECORD, under the patient's key.

    From that block on no key of it goes out. Its custodian, and everybody who was given a key, owe an attestation within
    30 days. What a reader has decrypted is not undone.
    """
    from noded.types.medical import PatientId, RecordId
    from noded.types.operations.audit import ErasureRequest

    name = RecordId(hexadecimal(record, "a record's id"))
    with desk_at(home) as desk:
        whose = desk.entry("records", name)["patient"]
        if whose is None:
            raise click.UsageError(
                f"record {record} is an institution's own; no patient can demand its erasure"
            )
        key = signer(desk, PatientId(bytes.fromhex(whose)), wallet, passphrase_file, passphrase_fd)
        desk.send(ErasureRequest(record=name), key=key)
        found = desk.entry("erasures", name)
    output.show({"record": record, "owing": found["owing"], "due_ms": found["due_ms"], "height": desk.height})


@declare(command, name="carry-out")
@node_options
@click.argument("record")
def carry_out_one(output: Output, home: Path, record: str) -> None:
    """
    Destroy what this institution has of a RECORD whose erasure was demanded, and attest it.

    Ciphertext goes, and the keys of all versions; the commitment on the ledger is noise from then on. Not undone is what
    was decrypted and saved elsewhere, what backups hold, and a compartment's key, which opens other records too.
    """
    from noded.ops.erasing import carry_out
    from noded.types.medical import RecordId

    with desk_at(home) as desk:
        versions = carry_out(desk, RecordId(hexadecimal(record, "a record's id")))
    output.show({"record": record, "versions": versions, "height": desk.height}, _show_done)


@declare(command, name="list")
@node_options
@click.option("--patient", help="Demanded by this patient; by default those that concern this institution.")
def list_all(output: Output, home: Path, patient: str | None) -> None:
    """List erasures that were demanded, and who has not attested."""
    with node_at(home) as node:
        output.show({"erasures": pages_of(node, patient, "erasures")}, _show)


def _show_done(data: Json) -> str:
    return (
        f"record {data['record']}: {data['versions']} versions are destroyed, attested at height {data['height']}\n"
        "not undone: what was decrypted and saved elsewhere, and backups; make a new backup, destroy the old ones"
    )


def _show(data: Json) -> str:
    rows = []
    for item in data["erasures"]:
        value = item["value"]
        rows.append(
            (item["id"], cell(value["owing"]), cell(value["attested"]), value["overdue"], value["since"])
        )
    return table(("record", "owing", "attested", "overdue", "height"), rows)
