"""`noded patient`."""

from pathlib import Path

import click

from noded.cli.exits import Refused
from noded.cli.options import FILE, desk_at, node_options, passphrase_options, read_passphrase
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, table
from noded.cli.parsing import hexadecimal


@click.group("patient")
def command() -> None:
    """Register patients and see their pairwise keys."""


@declare(command, name="register")
@node_options
@click.option("--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many.")
def register(output: Output, home: Path, count: int) -> None:
    """Make new patients known to the ledger; their wallets are kept in the home until they take them along."""
    from noded.ops.importing import register_patients

    with desk_at(home) as desk:
        added = desk.patients.add([""] * count)
        register_patients(desk, added)
        ids = [each.patient.hex() for each in added]
        output.show({"patients": ids, "height": desk.height}, _show_ids)


@declare(command, name="list")
@node_options
@click.option("--names", is_flag=True, help="Show what documents call them: personal data.")
def list_all(output: Output, home: Path, names: bool) -> None:
    """List the patients whose wallets are kept in the home."""

    with desk_at(home) as desk:
        rows = []
        for each in desk.patients:
            row = {"id": each.patient.hex(), "key": each.wallet.key(desk.me).public.hex()}
            rows.append({**row, "name": each.name} if names else row)
    output.show({"patients": rows}, _show_list)


@declare(command, name="export")
@node_options
@click.argument("patient")
@click.option("--out", required=True, type=FILE, help="File to write; sealed under the passphrase.")
@passphrase_options
def export(
    output: Output,
    home: Path,
    patient: str,
    out: Path,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Seal a patient's wallet into a file of its own, for the patient to take along."""
    from noded.keys.files import write_private
    from noded.ops.wallets import seal_wallet
    from noded.types.medical import PatientId

    passphrase = read_passphrase(passphrase_file, passphrase_fd)
    if passphrase is None:
        raise Refused("a wallet needs a passphrase: give --passphrase-file or --passphrase-fd")
    if out.exists():
        raise Refused(f"{out}: there is a file already; choose another name")
    with desk_at(home) as desk:
        kept = desk.patients.get(PatientId(hexadecimal(patient, "a patient's id")))
    write_private(out, seal_wallet(kept.wallet, passphrase))
    output.show({"patient": patient, "file": str(out)})


@declare(command, name="new-key")
@node_options
@click.argument("patient")
@click.option("--compartment", type=click.IntRange(0, 15), default=0, show_default=True, help="Which one.")
def new_key(output: Output, home: Path, patient: str, compartment: int) -> None:
    """
    Begin a new key of a patient's compartment, by its custodian, such as after a standing consent was revoked.

    Whoever holds an earlier one cannot open what is registered from now on; what they could open before stays so.
    """
    from noded.types.medical import Compartment, KeyEpoch, PatientId
    from noded.types.operations.consent import KeyEpochBegin

    name = PatientId(hexadecimal(patient, "a patient's id"))
    with desk_at(home) as desk:
        epochs = desk.entry("patients", name)["epochs"]
        epoch = KeyEpoch((epochs[compartment] if compartment < len(epochs) else 0) + 1)
        desk.send(KeyEpochBegin(patient=name, compartment=Compartment(compartment), epoch=epoch))
    output.show({"patient": patient, "compartment": compartment, "epoch": epoch, "height": desk.height})


def _show_ids(data: Json) -> str:
    return "\n".join(data["patients"])


def _show_list(data: Json) -> str:
    heads = ("id", "key", "name") if any("name" in row for row in data["patients"]) else ("id", "key")
    return table(heads, [[row[head] for head in heads] for row in data["patients"]])
