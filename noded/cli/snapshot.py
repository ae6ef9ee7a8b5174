"""`noded snapshot`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.options import FILE, FOLDER, home_option
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, table

if TYPE_CHECKING:
    from noded.config import NodeConfig
    from noded.ops.checkpoint import Checkpoint
    from noded.ops.judging import Judged
    from noded.ops.snapshots import Listed
    from noded.types.genesis import Genesis

CHECKPOINT_HELP = "A block that must be on the chain, as HEIGHT:HASH; by default that of the settings."


@click.group("snapshot")
def command() -> None:
    """Make, list, verify and restore snapshots of the ledger."""


@declare(command, name="create")
@home_option
@click.option("--to", "folder", type=FOLDER, help="Folder for it; by default the home's own.")
def create(output: Output, home: Path, folder: Path | None) -> None:
    """
    Make a snapshot, also while the node runs.

    Then it waits for the next block, which certifies the state, so that the snapshot proves itself to others.
    """
    from noded.ops.snapshots import take_snapshot

    _, genesis = _read(home)
    output.show(_describe(take_snapshot(home, genesis, folder)))


@declare(command, name="list")
@home_option
@click.option("--in", "folder", type=FOLDER, help="Folder to look in; by default the home's own.")
def list_all(output: Output, home: Path, folder: Path | None) -> None:
    """List snapshots, lowest height first, without verifying them."""
    from noded.ops.home import SNAPSHOTS_NAME
    from noded.ops.snapshots import list_certified

    listed = list_certified(folder or home / SNAPSHOTS_NAME)
    output.show({"snapshots": [_describe(each) for each in listed]}, _show_list)


@declare(command, name="verify")
@home_option
@click.argument("file", type=FILE)
@click.option("--checkpoint", help=CHECKPOINT_HELP)
def verify(output: Output, home: Path, file: Path, checkpoint: str | None) -> None:
    """Recompute a snapshot's state from its values, and prove it from the home's founding document on."""
    from noded.ops.snapshots import check_snapshot

    config, genesis = _read(home)
    output.show(_judged(check_snapshot(file, genesis, _checkpoint(config, checkpoint))))


@declare(command, name="restore")
@home_option
@click.argument("file", type=FILE)
@click.option("--checkpoint", help=CHECKPOINT_HELP)
@click.option("--replace", is_flag=True, help="Set a store that is there aside.")
@click.option("--uncertified", is_flag=True, help="Take one whose state no later block certifies.")
def restore(
    output: Output, home: Path, file: Path, checkpoint: str | None, replace: bool, uncertified: bool
) -> None:
    """Make a snapshot the store of a stopped node, once it is proven; the node then syncs what is missing."""
    from noded.ops.snapshots import install_snapshot

    config, genesis = _read(home)
    restored = install_snapshot(
        file,
        home,
        genesis,
        checkpoint=_checkpoint(config, checkpoint),
        allow_uncertified=uncertified,
        replace=replace,
    )
    aside = None if restored.set_aside is None else str(restored.set_aside)
    output.show({**_judged(restored.judged), "old_store": aside})


def _read(home: Path) -> "tuple[NodeConfig, Genesis]":
    from noded.config import load
    from noded.ops.founding import read_genesis

    config = load(home, os.environ)
    return config, read_genesis(config.path(config.node.genesis))


def _checkpoint(config: "NodeConfig", given: str | None) -> "Checkpoint | None":
    from noded.ops.checkpoint import parse_checkpoint

    try:
        return parse_checkpoint(config.node.checkpoint if given is None else given)
    except ValueError as error:
        raise click.UsageError(f"--checkpoint: {error}") from error


def _describe(listed: "Listed") -> Json:
    manifest = listed.manifest
    return {
        "file": str(listed.path),
        "height": manifest.height,
        "block": manifest.block_hash,
        "bytes": manifest.bytes,
        "certified": listed.is_certified,
    }


def _judged(judged: "Judged") -> Json:
    return {
        "height": judged.height,
        "block": judged.block.hex(),
        "epoch": judged.epoch,
        "state_root": judged.state_root.hex(),
        "keys": judged.rows,
        "certified": judged.is_certified,
    }


def _show_list(data: Json) -> str:
    rows = [
        (each["height"], each["bytes"] / 1e6, each["certified"], each["file"]) for each in data["snapshots"]
    ]
    return table(("height", "MB", "certified", "file"), rows)
