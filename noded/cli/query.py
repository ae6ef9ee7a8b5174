"""`noded query`."""

import json
from pathlib import Path

import click

from noded.cli.options import command as declare
from noded.cli.options import node_at, node_options
from noded.cli.output import Json, Output, members, table
from noded.cli.parsing import hexadecimal

KINDS = (
    "institutions",
    "patients",
    "records",
    "consents",
    "requests",
    "openings",
    "erasures",
    "groups",
    "proposals",
)
"""Things on the ledger that have an id; names as in the API."""


@click.group("query")
def command() -> None:
    """Read blocks, transactions, members and single entries."""


@declare(command, name="block")
@node_options
@click.argument("height", type=click.IntRange(min=0), required=False)
def block(output: Output, home: Path, height: int | None) -> None:
    """Show a block: the one at HEIGHT, or the last one."""
    with node_at(home) as node:
        output.show(node.get(f"/v1/blocks/{'latest' if height is None else height}"), _document)


@declare(command, name="tx")
@node_options
@click.argument("name", metavar="HASH")
def transaction(output: Output, home: Path, name: str) -> None:
    """Show a final transaction and what became of it."""
    hexadecimal(name, "a transaction's hash", size=32)
    with node_at(home) as node:
        outcome = node.get(f"/v1/txs/{name}")
        output.show({**outcome, "content": node.get(f"/v1/txs/{name}/content")}, _document)


@declare(command, name="members")
@node_options
def list_members(output: Output, home: Path) -> None:
    """List the members of the consortium."""
    with node_at(home) as node:
        output.show({"members": list(node.pages("/v1/institutions"))}, _show_members)


@declare(command, name="validators")
@node_options
@click.option("--epoch", type=click.IntRange(min=1), help="By default the present one.")
def validators(output: Output, home: Path, epoch: int | None) -> None:
    """Show who votes with which power in an epoch."""
    with node_at(home) as node:
        output.show(node.get("/v1/validators", epoch=epoch), _show_validators)


@declare(command, name="parameters")
@node_options
def parameters(output: Output, home: Path) -> None:
    """Show the network parameters in force."""
    with node_at(home) as node:
        output.show(node.get("/v1/parameters"), lambda data: members(data["value"]))


@declare(command, name="entry")
@node_options
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("id")
def entry(output: Output, home: Path, kind: str, id: str) -> None:
    """Show what the ledger has of one thing: a KIND and its ID."""
    hexadecimal(id, "an id")
    with node_at(home) as node:
        output.show(node.get(f"/v1/{kind}/{id}"), lambda data: members(data["value"]))


def _document(data: Json) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)


def _show_members(data: Json) -> str:
    rows = []
    for item in data["members"]:
        value = item["value"]
        institution = value["institution"]
        rows.append((item["id"], institution["legal_name"], institution["role"], value["status"]))
    return table(("id", "institution", "role", "status"), rows)


def _show_validators(data: Json) -> str:
    rows = [(each["id"], each["power"], each["share"], each["reputation"]) for each in data["validators"]]
    return f"epoch {data['epoch']}\n\n{table(('id', 'power', 'share', 'reputation'), rows)}"
