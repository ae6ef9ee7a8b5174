"""`noded db`."""

import os
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.exits import CommandFailed
from noded.cli.options import command as declare
from noded.cli.options import home_option
from noded.cli.output import Json, Output, members, table

if TYPE_CHECKING:
    from noded.types.genesis import Genesis


@click.group("db")
def command() -> None:
    """Look into the store of a home and mend it."""


@declare(command, name="check")
@home_option
def check(output: Output, home: Path) -> None:
    """Check every value, header, body, batch and vote, and compare the state's root with the next header."""
    from noded.ops.checking import check_database

    checked = check_database(home, _genesis(home))
    data = {
        "ok": not checked.findings,
        "height": checked.height,
        "state_root": None if checked.state_root is None else checked.state_root.hex(),
        "certified": checked.is_certified,
        "keys": checked.rows,
        "findings": list(checked.findings),
    }
    output.show(data, _show_check)
    if checked.state_root is None:
        raise CommandFailed(
            "the store cannot be read; put a snapshot in its place (`noded snapshot restore FILE --replace`), or move it"
            " away and start the node, which fetches the chain anew"
        )
    if checked.findings:
        raise CommandFailed(
            f"{len(checked.findings)} things are wrong; `noded db rollback` makes the state anew from the blocks, or"
            " restore a snapshot"
        )


@declare(command, name="stat")
@home_option
def stat(output: Output, home: Path) -> None:
    """Show what the store holds and what takes the space."""
    from noded.ops.database import figures

    output.show(asdict(figures(home)), _show_stat)


@declare(command, name="prune")
@home_option
@click.option(
    "--keep", type=click.IntRange(min=1), required=True, help="Newest blocks to keep whole, at least."
)
def prune(output: Output, home: Path, keep: int) -> None:
    """Forget the transactions of old blocks of a stopped node; whatever could be proven still can be."""
    from noded.ops.home import STORE_NAME
    from noded.ops.pruning import prune as prune_store
    from noded.ops.pruning import prune_floor
    from noded.storage.errors import StoreMissing
    from noded.storage.lock import HomeLock
    from noded.storage.sqlite import SqliteStore

    path = home / STORE_NAME
    if not path.exists():
        raise StoreMissing(path)
    with HomeLock(home):
        before = path.stat().st_size
        with closing(SqliteStore(path)) as store:
            floor = prune_floor(store, keep)
            pruned = prune_store(store, floor)
        output.show(
            {
                "pruned_blocks": pruned,
                "freed_bytes": max(0, before - path.stat().st_size),
                "kept_from": floor.height,
                "because": floor.why,
            }
        )


@declare(command, name="rollback")
@home_option
@click.argument("height", type=click.IntRange(min=0))
def rollback(output: Output, home: Path, height: int) -> None:
    """
    Take the store of a stopped node back to a HEIGHT, or make it anew at its own.

    Blocks are executed again from the nearest snapshot, or from the founding document; the old store is set aside.
    """
    from noded.ops.rollback import roll_back

    done = roll_back(
        home, _genesis(home), height, progress=lambda reached: output.progress(f"block {reached}")
    )
    output.show(
        {
            "height": done.height,
            "state_root": done.state_root.hex(),
            "certified": done.is_certified,
            "executed_from": done.start + 1,
            "old_store": str(done.set_aside),
        }
    )


@declare(command, name="migrate")
@home_option
def migrate(output: Output, home: Path) -> None:
    """Lead the store of a stopped node to this program's schema, after a snapshot of it."""
    from noded.ops.database import migrate as migrate_home

    snapshot = migrate_home(home)
    output.show({"migrated": snapshot is not None, "snapshot": None if snapshot is None else str(snapshot)})


def _genesis(home: Path) -> "Genesis":
    from noded.config import load
    from noded.ops.founding import read_genesis

    config = load(home, os.environ)
    return read_genesis(config.path(config.node.genesis))


def _show_check(data: Json) -> str:
    top = {name: value for name, value in data.items() if name != "findings"}
    return "\n".join((members(top), *data["findings"]))


def _show_stat(data: Json) -> str:
    top = {name: value for name, value in data.items() if name != "tables"}
    rows = [(each["name"], each["rows"], each["bytes"] / 1e6) for each in data["tables"]]
    return f"{members(top)}\n\n{table(('table', 'rows', 'MB'), rows)}"
