"""`noded testnet`."""

from pathlib import Path

import click

from noded.cli.options import FOLDER
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, table


@click.group("testnet")
def command() -> None:
    """Make the homes of a whole network on this machine."""


@declare(command, name="create")
@click.argument("folder", type=FOLDER)
@click.option("-n", "--nodes", "count", type=int, default=4, show_default=True, help="Nodes to make.")
@click.option("--name", default="testnet", show_default=True, help="Name of the chain.")
@click.option("--unencrypted", is_flag=True, help="Do not seal the keys under a passphrase: starts faster.")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="NAME=VALUE",
    help="A network parameter; see `noded genesis show`.",
)
def create(
    output: Output, folder: Path, count: int, name: str, unencrypted: bool, changes: tuple[str, ...]
) -> None:
    """
    Make the homes FOLDER/node1, FOLDER/node2 and so on, with one genesis document.

    Start each with `noded start --home FOLDER/node1`.
    """
    from noded.cli.parsing import assignments
    from noded.ops.founding import with_parameters
    from noded.testnet.creating import create_testnet, homes
    from noded.types.genesis import DEFAULT_PARAMETERS, Institution

    parameters = with_parameters(DEFAULT_PARAMETERS, assignments(changes))
    output.progress(f"making {count} homes in {folder}")
    genesis = create_testnet(folder, count, name=name, parameters=parameters, encrypted=not unencrypted)
    by_address: dict[str, Institution] = {each.endpoints[0]: each for each in genesis.institutions}
    from noded.config import load

    nodes = []
    for home in homes(folder):
        institution = by_address[load(home, {}).network.listen]
        nodes.append(
            {
                "home": str(home),
                "id": institution.id.hex(),
                "legal_name": institution.legal_name,
                "role": institution.role.name.lower(),
                "address": institution.endpoints[0],
            }
        )
    output.show({"chain_id": genesis.chain_id.hex(), "name": name, "nodes": nodes}, _show)


def _show(data: Json) -> str:
    rows = [(node["home"], node["legal_name"], node["role"], node["address"]) for node in data["nodes"]]
    return f"chain {data['chain_id']}\n\n{table(('home', 'institution', 'role', 'address'), rows)}"
