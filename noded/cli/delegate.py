"""`noded delegate`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.exits import Refused
from noded.cli.options import (
    FILE,
    desk_at,
    node_at,
    node_options,
    pages_of,
    passphrase_options,
    read_wallet,
    signer,
    wallet_options,
)
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, moment, table
from noded.cli.parsing import hexadecimal, seconds

if TYPE_CHECKING:
    from noded.types.ids import TimestampMs


@click.group("delegate")
def command() -> None:
    """Let others act for a patient for a time, and end it."""


@declare(command, name="offer")
@node_options
@click.argument("patient")
@click.option("--out", required=True, type=FILE, help="File to write, for the patient.")
@click.option(
    "--for", "lasting", default="52w", show_default=True, help="How long from now on: 12h, 30d, 52w."
)
@click.option("--wallet", required=True, type=FILE, help="The wallet of whoever will act for the patient.")
@passphrase_options
def offer(
    output: Output,
    home: Path,
    patient: str,
    out: Path,
    lasting: str,
    wallet: Path,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    Offer to act for a PATIENT, by whoever will: the patient agrees with `noded delegate set --offer`.

    There is nothing secret in the file, and neither of the two shows a wallet to the other. The delegate acts by a key
    that nobody can connect with its other ones.
    """
    from noded.ops.delegates import offer as draw_up
    from noded.ops.delegates import write_offer
    from noded.types.medical import PatientId

    name = PatientId(hexadecimal(patient, "a patient's id"))
    until_ms = _until_ms(lasting)
    if out.exists():
        raise Refused(f"{out}: there is a file already; choose another name")
    with desk_at(home) as desk:
        theirs = read_wallet(wallet, passphrase_file, passphrase_fd)
        assert theirs is not None, "a file was given"
        made = draw_up(desk, name, theirs[0], until_ms)
    write_offer(out, made)
    output.show(
        {"file": str(out), "patient": patient, "key": made.cosignature.signer.hex(), "until_ms": until_ms}
    )


@declare(command, name="set")
@node_options
@click.argument("patient")
@click.option("--offer", type=FILE, help="From `delegate offer`, by whoever will act for the patient.")
@click.option("--key", help="Or the key of one who acts already, to move the end by --for.")
@click.option(
    "--for",
    "lasting",
    default="52w",
    show_default=True,
    help="How long from now on: 12h, 30d, 52w; of an offer, at most.",
)
@wallet_options
def set_one(
    output: Output,
    home: Path,
    patient: str,
    offer: Path | None,
    key: str | None,
    lasting: str,
    wallet: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    Let whoever made an offer act for a PATIENT, under the patient's key, or move the end of one who does.

    The delegate gives its own wallet wherever a command takes the patient's with --wallet. It can neither rotate the
    patient's key nor make delegates.
    """
    from noded.ops.delegates import move_end, patient_of, read_offer, take_offer
    from noded.types.ids import PublicKey
    from noded.types.medical import PatientId

    if (offer is None) == (key is None):
        raise click.UsageError("give either --offer or --key")
    name = PatientId(hexadecimal(patient, "a patient's id"))
    acting = None if key is None else PublicKey(hexadecimal(key, "a delegate's key", size=32))
    found = None if offer is None else read_offer(offer)
    until_ms = _until_ms(lasting)
    with desk_at(home) as desk:
        signing = signer(desk, name, wallet, passphrase_file, passphrase_fd)
        if found is not None:
            assert offer is not None
            signed = take_offer(desk, found, offer, name, until_ms, key=signing)
            acting, until_ms = signed.key, signed.until_ms
        else:
            assert acting is not None
            patient_of(desk, acting)
            move_end(desk, name, acting, until_ms, key=signing)
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


def _until_ms(lasting: str) -> "TimestampMs":
    from noded.types.ids import TimestampMs

    return TimestampMs(time.time_ns() // 1_000_000 + 1000 * seconds(lasting))


def _show(data: Json) -> str:
    rows = [(item["id"], moment(item["value"]["until_ms"])) for item in data["delegates"]]
    return table(("key", "until"), rows)
