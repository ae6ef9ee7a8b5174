"""`noded init`."""

import re
from pathlib import Path

import click

from noded.cli.exits import Refused
from noded.cli.options import command as declare
from noded.cli.options import home_option, passphrase_options, read_passphrase
from noded.cli.output import Json, Output

ROLES = (
    "hospital",
    "lab",
    "pharmacy",
    "insurer",
    "manufacturer",
    "distributor",
    "researcher",
    "regulator",
    "auditor",
)


@declare(name="init")
@home_option
@click.option("--name", "legal_name", required=True, help="The institution's legal name.")
@click.option("--role", required=True, type=click.Choice(ROLES), help="What it is admitted as.")
@click.option(
    "--jurisdiction", required=True, help="ISO 3166 code of its country or part of it, such as DE or CA-QC."
)
@click.option(
    "--owner", default="", help="Common owner of several members, who share one cap on voting power."
)
@click.option("--address", default=None, help="host:port at which peers reach the node.")
@click.option("--listen", default="0.0.0.0:9470", show_default=True, help="host:port where the node listens.")
@passphrase_options
@click.option("--unencrypted", is_flag=True, help="Do not seal the keys: for tests only.")
def command(
    output: Output,
    home: Path,
    legal_name: str,
    role: str,
    jurisdiction: str,
    owner: str,
    address: str | None,
    listen: str,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    unencrypted: bool,
) -> None:
    """
    Make a node's home: keys, settings, and the institution's particulars for the genesis document.

    The keys are sealed under the passphrase, which the node needs again at each start.
    """
    from noded.network.addresses import parse_address
    from noded.ops.home import FOUNDER_NAME, Particulars, create_home
    from noded.types.genesis import LEGAL_NAME_MAX
    from noded.types.roles import Role

    passphrase = read_passphrase(passphrase_file, passphrase_fd)
    if passphrase is None and not unencrypted:
        raise Refused(
            "the keys need a passphrase: give --passphrase-file or --passphrase-fd, or --unencrypted for a test"
        )
    if passphrase is not None and unencrypted:
        raise click.UsageError("--unencrypted and a passphrase exclude each other")
    if re.fullmatch(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", jurisdiction) is None:
        raise click.UsageError(f"--jurisdiction is a code such as DE or CA-QC, not {jurisdiction!r}")
    for option, text, least in (("--name", legal_name, 1), ("--owner", owner, 0)):
        if not least <= len(text.encode()) <= LEGAL_NAME_MAX:
            raise click.UsageError(
                f"{option} has {least} to {LEGAL_NAME_MAX} bytes, not {len(text.encode())}"
            )
    for given in (listen, address):
        if given is not None:
            try:
                parse_address(given)
            except ValueError as error:
                raise click.UsageError(str(error)) from error
    source = "none" if unencrypted else "credential"
    if passphrase_file is not None:
        source = f"file:{passphrase_file.resolve()}"
    institution = create_home(
        home,
        Particulars(
            legal_name=legal_name,
            role=Role[role.upper()],
            jurisdiction=jurisdiction,
            owner=owner,
            address=address,
        ),
        passphrase=passphrase,
        settings={"network": {"listen": listen}, "node": {"passphrase": source}},
    )
    data = {"home": str(home), "id": institution.id.hex(), "institution": str(home / FOUNDER_NAME)}
    output.show(data, _show)


def _show(data: Json) -> str:
    return (
        f"home {data['home']} is made; the institution's id is {data['id']}\n"
        f"next: hand {data['institution']} to whoever makes the genesis document, and put that into the home;\n"
        "or, to join a chain that exists, to one of its members, for `noded member invite`"
    )
