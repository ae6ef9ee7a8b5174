"""`noded delegate`."""

import time
from pathlib import Path

import click

from noded.cli.options import (
    FILE,
    desk_at,
    node_at,
    node_options,
    pages_of,
    read_wallet,
    signer,
    wallet_options,
)
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, table
from noded.cli.parsing import hexadecimal, seconds


@click.group("delegate")
def command() -> None:
    """Let others act for a patient for a time, and end it."""


@declare(command, name="set")
@node_options
@click.argument("patient")
@click.option("--delegate", required=True, type=FILE, help="The wallet of whoever will act for the patient.")
@click.option(
    "--delegate-passphrase-file", required=True, type=FILE, help="File with the passphrase of that wallet."
)
@click.option(
    "--for", "lasting", default="52w", show_default=True, help="How long from now on: 12h, 30d, 52w."
)
@wallet_options
def set_one(
    output: Output,
    home: Path,
    patient: str,
    delegate: Path,
    delegate_passphrase_file: Path,
    lasting: str,
    wallet: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    Let whoever has another wallet act for a PATIENT, under the patient's key; said again, it moves the end.

    The delegate gives its own wallet wherever a command takes the patient's with --wallet. It acts by a key that nobody
    can connect with its other ones; it can neither rotate the patient's key nor make delegates.
    """
    from noded.ops.delegates import set_delegate
    from noded.types.ids import TimestampMs
    from noded.types.medical import PatientId

    name = PatientId(hexadecimal(patient, "a patient's id"))
    until_ms = TimestampMs(time.time_ns() // 1_000_000 + 1000 * seconds(lasting))
    with desk_at(home) as desk:
        theirs = read_wallet(delegate, delegate_passphrase_file, None)
        assert theirs is not None, "a file was given"
        key = signer(desk, name, wallet, passphrase_file, passphrase_fd)
        acting = set_delegate(desk, name, theirs[0], until_ms, key=key)
    output.show({"patient": patient, "key": acting.hex(), "until_ms": until_ms, "height": desk.height})


@declare(command, name="clear")
@node_options
@click.argument("key")
@wallet_options
def clear(
    output: Output,
    home: Path,
    key: str,
    wallet: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """End a delegate's power, named by its KEY, under the patient's key or the delegate's own; what it did stands."""
    from noded.ops.delegates import clear_delegate, patient_of
    from noded.types.ids import PublicKey

    ended = PublicKey(hexadecimal(key, "a delegate's key", size=32))
    with desk_at(home) as desk:
        patient = patient_of(desk, ended)
        signing = signer(desk, patient, wallet, passphrase_file, passphrase_fd)
        posted = clear_delegate(desk, patient, ended, key=signing)
    output.show({"patient": patient.hex(), "key": key, "height": posted.height})


@declare(command, name="list")
@node_options
@click.argument("patient")
def list_all(output: Output, home: Path, patient: str) -> None:
    """List the keys that act for a PATIENT now."""
    with node_at(home) as node:
        output.show({"delegates": pages_of(node, patient, "delegates")}, _show)


def _show(data: Json) -> str:
    rows = [
        (item["id"], time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(item["value"]["until_ms"] / 1000)))
        for item in data["delegates"]
    ]
    return table(("key", "until"), rows)
