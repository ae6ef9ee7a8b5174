"""`noded fhir`."""

from pathlib import Path

import click

from noded.cli.exits import CommandFailed
from noded.cli.options import command as declare
from noded.cli.options import desk_at, node_options
from noded.cli.output import Json, Output, members
from noded.cli.parsing import hexadecimal

SHOWN_MAX = 20
"""Warnings and problems printed; the JSON form has all."""


@click.group("fhir")
def command() -> None:
    """Import FHIR documents as records."""


@declare(command, name="import")
@node_options
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--compartment",
    type=click.IntRange(0, 15),
    default=0,
    show_default=True,
    help="Of the patients' records.",
)
@click.option("--patient", help="Id of the patient whom the documents name, one who came with a wallet.")
def import_files(
    output: Output, home: Path, paths: tuple[Path, ...], compartment: int, patient: str | None
) -> None:
    """
    Import R4 bundles and single resources; of a folder, its *.json.

    Every entry of a bundle becomes one record: the very bytes that stand in the file. What the validator finds is a
    warning and never costs a record. An entry without a resource, such as a deletion, has nothing to import; exit code
    1 says that a file or an entry is broken. Patients are registered when documents first name them; --patient is for
    the first documents of a patient who came with a wallet; whom they name is known after that.
    """
    from noded.ops.importing import import_documents
    from noded.types.medical import Compartment, PatientId

    whose = None if patient is None else PatientId(hexadecimal(patient, "a patient's id"))
    with desk_at(home) as desk:
        done = import_documents(
            desk, paths, compartment=Compartment(compartment), progress=output.progress, whose=whose
        )
    records = [
        {
            "record": each.registration.record.hex(),
            "patient": None if each.registration.patient is None else each.registration.patient.hex(),
            "kind": each.registration.kind.name.lower(),
            "source": each.source,
            "path": each.path,
            "bytes": each.size,
        }
        for each in done.records
    ]
    output.show(
        {
            "records": records,
            "new_patients": done.new_patients,
            "transactions": done.transactions,
            "height": desk.height,
            "warnings": list(done.warnings),
            "without_resource": list(done.without_resource),
            "problems": list(done.problems),
        },
        _show,
    )
    if done.problems:
        raise CommandFailed(f"{len(done.problems)} places are broken; all others are imported")


def _show(data: Json) -> str:
    lines = [
        members(
            {
                "records": len(data["records"]),
                "new patients": data["new_patients"],
                "transactions": data["transactions"],
                "height": data["height"],
                "warnings": len(data["warnings"]),
                "entries without a resource": len(data["without_resource"]),
                "problems": len(data["problems"]),
            }
        )
    ]
    for name in ("problems", "warnings"):
        lines += [f"{name}: {each}" for each in data[name][:SHOWN_MAX]]
        if len(data[name]) > SHOWN_MAX:
            lines.append(f"{name}: {len(data[name]) - SHOWN_MAX} more; --output json has all")
    return "\n".join(lines)
