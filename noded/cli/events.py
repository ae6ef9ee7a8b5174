"""`noded events`."""

import json
from base64 import b64decode
from itertools import islice
from pathlib import Path

import click

from noded.cli.options import node_at, node_options
from noded.cli.output import Json, cell


@click.group("events")
def command() -> None:
    """Follow what happens on the ledger."""


@command.command("tail")
@node_options
@click.option(
    "--from", "start", type=click.IntRange(min=0), help="First height; by default the next block's."
)
@click.option("--name", default="", help="Only events whose name begins so, such as consent.")
@click.option("--about", default="", help="Only events about this id or key, in hexadecimal.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many blocks.")
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    help="With json, one object a line for each block, as they come.",
)
def tail(home: Path, start: int | None, name: str, about: str, count: int | None, output: str) -> None:
    """Print events block by block until interrupted; where the node goes away, this fails with code 4."""
    with node_at(home) as node:
        followed = node.events(start=start, name=name or None, about=about or None)
        for event in islice(followed, count):
            if output == "json":
                click.echo(json.dumps(event.data, ensure_ascii=False, separators=(",", ":")))
            elif event.name == "pruned":
                click.echo(f"blocks {event.data['first']} to {event.data['last']} are forgotten here")
            else:
                for line in _lines(event.data):
                    click.echo(line)


def _lines(block: Json) -> list[str]:
    lines = []
    for placed in block["events"]:
        event = placed["event"]
        # An alarm's detail is the word for what is the matter; others' are ids and codes.
        told = (
            b64decode(event["detail"]).decode() if event["name"] == "epoch.alarm" else cell(event["parties"])
        )
        lines.append(f"{block['height']}  {event['name']}  {event['subject']}  {told}")
    return lines or [f"{block['height']}  -"]
