"""`noded debug`."""

import os
import time
from pathlib import Path

import click

from noded.cli.exits import Refused
from noded.cli.options import FILE, home_option
from noded.cli.options import command as declare
from noded.cli.output import Output


@click.group("debug")
def command() -> None:
    """Gather what someone who helps needs to see."""


@declare(command, name="bundle")
@home_option
@click.argument("file", type=FILE)
@click.option("--log", type=FILE, help="The node's log as JSON lines, say of `journalctl -u noded -o cat`.")
def bundle(output: Output, home: Path, file: Path, log: Path | None) -> None:
    """Write status, figures, settings, findings and the log's known fields to a FILE; no keys, tokens or records."""
    from noded.ops.bundle import make_bundle

    if file.exists():
        raise Refused(f"{file}: there is a file already; choose another name")
    parts = make_bundle(home, file, dict(os.environ), now_s=int(time.time()), log=log)
    output.show({"file": str(file), "parts": parts})
