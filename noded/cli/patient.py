"""`noded patient`."""

from pathlib import Path

import click

from noded.cli.exits import Refused
from noded.cli.options import (
    FILE,
    desk_at,
    node_options,
    passphrase_options,
    read_passphrase,
    read_wallet,
    wallet_options,
)
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, table
from noded.cli.parsing import hexadecimal


@click.group("patient")
def command() -> None:
    """Register patients, and make and rotate their pairwise keys."""


@declare(command, name="register")
@node_options
@click.option("--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many.")
@click.option(
    "--wallet",
    type=FILE,
    help="The wallet of a patient who has one, of another custodian's or from `new-wallet`.",
)
@passphrase_options
def register(
    output: Output,
    home: Path,
    count: int,
    wallet: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    Make new patients known to the ledger; their wallets are kept in the home until `patient forget`.

    With --wallet the patient who has it is made known here, too, under another id and another key: nothing of the wallet
    is kept in the home. `fhir import --patient` says then whose documents are.
    """
    from noded.ops.importing import register_patients
    from noded.ops.wallets import register_wallet

    with desk_at(home) as desk:
        given = read_wallet(wallet, passphrase_file, passphrase_fd)
        if wallet is not None and given is not None:
            if count != 1:
                raise click.UsageError("--count and --wallet exclude each other")
            name = register_wallet(desk, given[0], wallet, given[1])
            output.show({"patients": [name.hex()], "height": desk.height}, _show_ids)
            return
        added = desk.patients.add([""] * count)
        register_patients(desk, added)
        ids = [each.patient.hex() for each in added]
        output.show({"patients": ids, "height": desk.height}, _show_ids)


@declare(command, name="list")
@node_options
@click.option("--names", is_flag=True, help="Show what documents call them: personal data.")
def list_all(output: Output, home: Path, names: bool) -> None:
    """List the patients whose wallets were made here; those without a key had theirs forgotten."""

    with desk_at(home) as desk:
        rows = []
        for each in desk.patients:
            key = None if each.wallet is None else each.wallet.key(desk.me).public.hex()
            row = {"id": each.patient.hex(), "key": key}
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
    """Seal a patient's wallet into a file of its own, to take along; the home keeps it, too, until `patient forget`."""
    from noded.keys.files import write_private
    from noded.ops.wallets import seal_wallet
    from noded.types.medical import PatientId

    passphrase = read_passphrase(passphrase_file, passphrase_fd)
    if passphrase is None:
        raise Refused("a wallet needs a passphrase: give --passphrase-file or --passphrase-fd")
    if out.exists():
        raise Refused(f"{out}: there is a file already; choose another name")
    with desk_at(home) as desk:
        wallet = desk.patients.wallet_of(PatientId(hexadecimal(patient, "a patient's id")))
    write_private(out, seal_wallet(wallet, passphrase))
    output.show({"patient": patient, "file": str(out)})


@declare(command, name="forget")
@node_options
@click.argument("patient")
@click.option("--wallet", required=True, type=FILE, help="The patient's copy, from `patient export`.")
@passphrase_options
def forget(
    output: Output,
    home: Path,
    patient: str,
    wallet: Path,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    Destroy the home's copy of a wallet that the patient took along; what is asked for is proof that it opens.

    From then on nothing is signed for the patient here without --wallet. Documents are still known as the patient's. Not
    undone: copies in backups, and whatever else was copied while the wallet was here.
    """
    from noded.ops.wallets import in_step
    from noded.types.medical import PatientId

    name = PatientId(hexadecimal(patient, "a patient's id"))
    with desk_at(home) as desk:
        desk.patients.wallet_of(name)
        given = read_wallet(wallet, passphrase_file, passphrase_fd)
        assert given is not None, "a file was given"
        in_step(desk, given[0], name)
        desk.patients.keep(name, None)
    output.show({"patient": patient, "forgotten": True}, _show_forgotten)


@declare(command, name="new-wallet")
@click.option("--out", required=True, type=FILE, help="File to write; sealed under the passphrase.")
@passphrase_options
def new_wallet(output: Output, out: Path, passphrase_file: Path | None, passphrase_fd: int | None) -> None:
    """Make a wallet on a machine of the patient's own; no custodian ever has its seed unless it is opened there."""
    import os

    from noded.client.wallet import Wallet
    from noded.keys.files import write_private
    from noded.ops.wallets import seal_wallet

    passphrase = read_passphrase(passphrase_file, passphrase_fd)
    if passphrase is None:
        raise Refused("a wallet needs a passphrase: give --passphrase-file or --passphrase-fd")
    if out.exists():
        raise Refused(f"{out}: there is a file already; choose another name")
    write_private(out, seal_wallet(Wallet(seed=os.urandom(32), relations=()), passphrase))
    output.show({"file": str(out)})


@declare(command, name="rotate")
@node_options
@click.argument("patient")
@wallet_options
def rotate(
    output: Output,
    home: Path,
    patient: str,
    wallet: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    Replace a patient's key by the next one of the wallet; the old one signs nothing from that block on.

    Other copies of the wallet stay good: every key comes from its seed. Who has the seed has the new key, too. Delegates
    act on: see `noded delegate list`.
    """
    from noded.keys.files import write_private
    from noded.ops.wallets import rotate_key, seal_wallet
    from noded.types.medical import PatientId

    name = PatientId(hexadecimal(patient, "a patient's id"))
    with desk_at(home) as desk:
        given = read_wallet(wallet, passphrase_file, passphrase_fd)
        kept = desk.patients.wallet_of(name) if given is None else given[0]
        rotated, key = rotate_key(desk, kept, name)
        if wallet is not None and given is not None:
            write_private(wallet, seal_wallet(rotated, given[1]))
        else:
            desk.patients.keep(name, rotated)
    output.show({"patient": patient, "key": key.hex(), "height": desk.height})


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


def _show_forgotten(data: Json) -> str:
    return (
        f"the wallet of patient {data['patient']} is not in the home any more\n"
        "not undone: backups; make a new backup, destroy the old ones"
    )


def _show_list(data: Json) -> str:
    heads = ("id", "key", "name") if any("name" in row for row in data["patients"]) else ("id", "key")
    return table(heads, [[row[head] for head in heads] for row in data["patients"]])
