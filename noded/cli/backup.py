"""`noded backup`."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.options import FOLDER, home_option
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, members

if TYPE_CHECKING:
    from noded.ops.backup_manifest import Backup


@click.group("backup")
def command() -> None:
    """Back up a whole home, and bring it back."""


@declare(command, name="create")
@home_option
@click.argument("folder", type=FOLDER)
def create(output: Output, home: Path, folder: Path) -> None:
    """
    Back up the home to a FOLDER, also while the node runs; again to the same one, it copies new records only.

    The passphrase is left out: keep it elsewhere. A backup has the keys of records erased later; destroy it in time.
    """
    from noded.config import load
    from noded.ops.backup import create_backup

    made = create_backup(load(home, os.environ), folder, now_ms=time.time_ns() // 1_000_000)
    output.show(_describe(folder, made))


@declare(command, name="verify")
@click.argument("folder", type=FOLDER)
def verify(output: Output, folder: Path) -> None:
    """Read a whole backup: every file, every record, and the ledger's state up to the signatures."""
    from noded.ops.backup import verify_backup

    output.show(_describe(folder, verify_backup(folder)))


@declare(command, name="restore")
@home_option
@click.argument("folder", type=FOLDER)
def restore(output: Output, home: Path, folder: Path) -> None:
    """
    Make a home, which must be missing or empty, from a backup.

    Its node votes again from the next epoch on. The old one must never start again: it has the same key.
    """
    from noded.ops.backup import restore_backup
    from noded.ops.backup_manifest import read_backup

    restored = restore_backup(folder, home)
    data = {
        "home": str(home),
        "height": restored.judged.height,
        "state_root": restored.judged.state_root.hex(),
        "certified": restored.judged.is_certified,
        "missing": list(read_backup(folder).left_out),
    }
    output.show(data, _show_restored)


def _describe(folder: Path, backup: "Backup") -> Json:
    return {
        "backup": str(folder),
        "height": backup.height,
        "certified": backup.is_certified,
        "files": len(backup.files),
        "records": backup.records,
        "left_out": list(backup.left_out),
    }


def _show_restored(data: Json) -> str:
    return f"{members(data)}\nnext: put what is missing in place; never start the node that the backup is of again"
