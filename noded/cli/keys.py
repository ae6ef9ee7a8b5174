"""`noded keys`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.exits import Refused
from noded.cli.options import FILE, home_option, passphrase_options, read_passphrase
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, table

if TYPE_CHECKING:
    from noded.config import NodeConfig
    from noded.keys.key_file import KeyInfo
    from noded.keys.keystore import Keystore


@click.group("keys")
def command() -> None:
    """Make, list, rotate, export and import a node's keys."""


@declare(command, name="list")
@home_option
def list_all(output: Output, home: Path) -> None:
    """List the public keys; needs no passphrase."""
    from noded.keys.errors import KeystoreMissing
    from noded.keys.keystore import list_keys

    folder = _folder(home)
    if not folder.is_dir():
        raise KeystoreMissing(folder)
    keys = [_describe(info) for info in list_keys(folder)]
    output.show({"keys": keys}, _show)


@declare(command, name="show")
@home_option
@click.argument("name")
def show(output: Output, home: Path, name: str) -> None:
    """Print one public key."""
    from noded.keys.errors import KeyMissing
    from noded.keys.keystore import list_keys

    for info in list_keys(_folder(home)):
        if info.name == name:
            output.show(_describe(info), lambda data: str(data["public_key"]))
            return
    raise KeyMissing(_folder(home), name)


@declare(command, name="generate")
@home_option
@click.argument("name")
@click.option(
    "--algorithm",
    type=click.Choice(["ed25519", "x25519", "x25519-mlkem768"]),
    default="ed25519",
    show_default=True,
    help="What the key is for: signing, or opening wrapped keys (the last one for decades).",
)
@passphrase_options
def generate(
    output: Output,
    home: Path,
    name: str,
    algorithm: str,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Make a key of this name."""
    from noded.keys.key_file import KeyAlgorithm

    keystore = _open(home, passphrase_file, passphrase_fd)
    output.show(_describe(keystore.generate(name, KeyAlgorithm(algorithm))))


@declare(command, name="rotate")
@home_option
@click.argument("use", type=click.Choice(["consensus", "account"]), default="consensus")
@passphrase_options
def rotate(
    output: Output, home: Path, use: str, passphrase_file: Path | None, passphrase_fd: int | None
) -> None:
    """
    Replace the key that votes, or the one of the institution's ACCOUNT: make a new one, and have the ledger name it.

    A key that votes counts from the next epoch on: the running node goes over to it by itself when that begins, and
    signs with the old one until then. The account's counts at once, and the old one never again.
    """
    from noded.client.transactions import key_pair
    from noded.keys.names import NODE_KEYS
    from noded.keys.rotation import next_name
    from noded.ops.desk import Desk
    from noded.types.operations.membership import KeyUse, OrgKeyRotate

    keystore = _open(home, passphrase_file, passphrase_fd)
    with Desk(home, keystore=keystore) as desk:
        info = keystore.generate(next_name(keystore.folder, use), NODE_KEYS[use])
        new = key_pair(keystore.secret(info.name))
        posted = desk.send(OrgKeyRotate(use=KeyUse[use.upper()], key=info.public_key), cosigners=[new])
        header = desk.node.get(f"/v1/blocks/{posted.height}")["header"]
    shown = {**_describe(info), "height": posted.height}
    if use == "account":
        output.show(shown, _show_new_account)
        return
    # What a terminal block itself does counts one epoch later (L141).
    counts_from = header["epoch"] + (2 if header["kind"] == "terminal" else 1)
    output.show({**shown, "counts_from_epoch": counts_from}, _show_rotated)


@declare(command, name="export")
@home_option
@click.argument("name")
@click.option("--out", required=True, type=FILE, help="File to write; sealed under the export's passphrase.")
@click.option("--export-passphrase-file", type=FILE, help="File with the passphrase of the export.")
@click.option("--export-passphrase-fd", type=click.IntRange(min=0), help="Descriptor that gives it.")
@passphrase_options
def export(
    output: Output,
    home: Path,
    name: str,
    out: Path,
    export_passphrase_file: Path | None,
    export_passphrase_fd: int | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    Export a key under a passphrase of its own, with the places up to which it may have signed.

    Stop the node first: what it signs after the export, the copy does not know.
    """
    from noded.daemon.boot import signed_until
    from noded.keys.files import write_private
    from noded.keys.key_file import decode_key_file
    from noded.storage.lock import HomeLock

    chosen = read_passphrase(export_passphrase_file, export_passphrase_fd)
    if chosen is None:
        raise Refused("an export needs a passphrase: give --export-passphrase-file or --export-passphrase-fd")
    if out.exists():
        raise Refused(f"{out}: there is a file already; choose another name")
    config = _config(home)
    with HomeLock(home):
        keystore = _open(home, passphrase_file, passphrase_fd)
        exported = keystore.export(name, chosen, signed_until(config, keystore, name))
    write_private(out, exported)
    output.show({**_describe(decode_key_file(out, exported).info), "file": str(out)})


@declare(command, name="import")
@home_option
@click.argument("file", type=FILE)
@click.option("--name", default=None, help="Keep it under another name.")
@click.option("--export-passphrase-file", type=FILE, help="File with the passphrase of the export.")
@click.option("--export-passphrase-fd", type=click.IntRange(min=0), help="Descriptor that gives it.")
@passphrase_options
def import_key(
    output: Output,
    home: Path,
    file: Path,
    name: str | None,
    export_passphrase_file: Path | None,
    export_passphrase_fd: int | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """
    Take over a key that another keystore exported, with the places up to which it may have signed.

    Stop the node first: while it runs it would not hear of these.
    """
    from noded.keys.files import SECRET_FILE_BYTES_MAX
    from noded.storage.lock import HomeLock

    chosen = read_passphrase(export_passphrase_file, export_passphrase_fd)
    if chosen is None:
        raise click.UsageError(
            "give the export's passphrase: --export-passphrase-file or --export-passphrase-fd"
        )
    with file.open("rb") as opened:
        exported = opened.read(SECRET_FILE_BYTES_MAX)
    with HomeLock(home):
        keystore = _open(home, passphrase_file, passphrase_fd)
        info = keystore.import_key(file, exported, chosen, name=name)
    output.show(_describe(info))


@declare(command, name="passphrase")
@home_option
@click.option("--new-passphrase-file", type=FILE, help="File with the new passphrase.")
@click.option("--new-passphrase-fd", type=click.IntRange(min=0), help="Descriptor that gives it.")
@passphrase_options
def passphrase(
    output: Output,
    home: Path,
    new_passphrase_file: Path | None,
    new_passphrase_fd: int | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> None:
    """Seal the keystore under another passphrase, from the node's next start on; old copies keep the old one."""
    chosen = read_passphrase(new_passphrase_file, new_passphrase_fd)
    if chosen is None:
        raise click.UsageError("give the new passphrase: --new-passphrase-file or --new-passphrase-fd")
    keystore = _open(home, passphrase_file, passphrase_fd)
    keystore.change_passphrase(chosen)
    output.show({"keys": str(keystore.folder)})


def _config(home: Path) -> "NodeConfig":
    import os

    from noded.config import load

    return load(home, os.environ)


def _folder(home: Path) -> Path:
    config = _config(home)
    return config.path(config.node.keys)


def _open(home: Path, file: Path | None, descriptor: int | None) -> "Keystore":
    """The keystore, with the passphrase from the options or, failing these, from where the settings say."""
    from noded.keys.keystore import open_keystore
    from noded.ops.home import open_keys

    passphrase = read_passphrase(file, descriptor)
    return open_keys(_config(home)) if passphrase is None else open_keystore(_folder(home), passphrase)


def _describe(info: "KeyInfo") -> Json:
    return {
        "name": info.name,
        "algorithm": info.algorithm.value,
        "public_key": info.public_key.hex(),
        "watermarks": {
            chain.hex(): {"epoch": mark.epoch, "view": mark.view} for chain, mark in info.watermarks.items()
        },
    }


def _show_rotated(data: Json) -> str:
    return (
        f"key {data['name']} ({data['public_key']}) votes from epoch {data['counts_from_epoch']} on\n"
        "the running node goes over to it by itself; back up the keystore now, and keep the old key until then"
    )


def _show_new_account(data: Json) -> str:
    return (
        f"key {data['name']} ({data['public_key']}) signs the institution's transactions after height {data['height']}\n"
        "back up the keystore now; the old key signs nothing any more"
    )


def _show(data: Json) -> str:
    rows = [(key["name"], key["algorithm"], key["public_key"]) for key in data["keys"]]
    return table(("name", "algorithm", "public key"), rows)
