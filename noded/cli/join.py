"""`noded join`."""

import os
from pathlib import Path

import click

from noded.cli.exits import Refused
from noded.cli.options import FILE, home_option
from noded.cli.options import command as declare
from noded.cli.output import Json, Output


@declare(name="join")
@home_option
@click.argument("file", metavar="INVITATION", type=FILE)
@click.option("--out", required=True, type=FILE, help="File to write, for the member that invites.")
def command(output: Output, home: Path, file: Path, out: Path) -> None:
    """
    Accept a member's INVITATION to its chain: sign the registration, and set this home up for that chain.

    Compare the chain's id with a second member before the node starts: it is all that the home trusts.
    """
    from noded.config import CONFIG_NAME, load
    from noded.ops.admitting import accept, read_invitation, write_invitation
    from noded.ops.founding import read_genesis, write_genesis
    from noded.ops.home import FOUNDER_NAME, open_keys, read_institution, with_settings

    if out.exists():
        raise Refused(f"{out}: there is a file already; choose another name")
    config = load(home, os.environ)
    invitation = read_invitation(file)
    own = read_institution(home / FOUNDER_NAME)
    genesis = config.path(config.node.genesis)
    if genesis.exists() and read_genesis(genesis).chain_id != invitation.genesis.chain_id:
        raise Refused(f"{genesis}: this home is of another chain; make another home with `noded init`")
    accepted = accept(invitation, own, open_keys(config), file)
    settings = home / CONFIG_NAME
    text = settings.read_text("utf-8")
    if "\ninstitution = " not in text:
        raise Refused(
            f'{settings}: its section [node] lacks the line institution = ""; add it, and try again'
        )
    named = with_settings(text, {"node": {"institution": own.id.hex()}})
    write_genesis(genesis, invitation.genesis)
    settings.write_text(named, "utf-8")
    write_invitation(out, accepted)
    output.show(
        {
            "file": str(out),
            "chain": invitation.genesis.name,
            "chain_id": invitation.genesis.chain_id.hex(),
            "institution": own.id.hex(),
        },
        _show,
    )


def _show(data: Json) -> str:
    return (
        f"this home joins {data['chain']}, whose id is\n  {data['chain_id']}\n"
        "compare that with a second member\n"
        f"next: send {data['file']} back to the member that invites; once admitted, start the node and run `noded ready`"
    )
