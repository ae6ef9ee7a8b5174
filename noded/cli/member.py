"""`noded member`."""

from pathlib import Path

import click

from noded.cli.exits import CommandFailed, Refused
from noded.cli.options import FILE, home_option
from noded.cli.options import command as declare
from noded.cli.output import Json, Output


@click.group("member")
def command() -> None:
    """Invite an institution, and register it once it has accepted."""


@declare(command, name="invite")
@home_option
@click.argument("file", metavar="INSTITUTION", type=FILE)
@click.option("--out", required=True, type=FILE, help="File to write, for the applicant.")
def invite(output: Output, home: Path, file: Path, out: Path) -> None:
    """
    Draw up an invitation from an applicant's INSTITUTION file, which its `noded init` wrote.

    The applicant signs it with `noded join`; hand what that writes to `noded member register`.
    """
    import os

    from noded.config import load
    from noded.ops.admitting import invite as draw_up
    from noded.ops.admitting import write_invitation
    from noded.ops.desk import Desk
    from noded.ops.founding import read_genesis
    from noded.ops.home import read_institution

    if out.exists():
        raise Refused(f"{out}: there is a file already; choose another name")
    config = load(home, os.environ)
    genesis = read_genesis(config.path(config.node.genesis))
    applicant = read_institution(file)
    with Desk(home) as desk:
        write_invitation(out, draw_up(desk, applicant, genesis))
    output.show(
        {"file": str(out), "applicant": applicant.id.hex(), "name": applicant.legal_name}, _show_invited
    )


@declare(command, name="register")
@home_option
@click.argument("file", metavar="ACCEPTED", type=FILE)
def register(output: Output, home: Path, file: Path) -> None:
    """
    Register the applicant that signed an invitation of this member's, and put its admission to the vote.

    If this member votes in the present epoch, its vote is cast with it.
    """
    from noded.client.transactions import TransactionBuilder
    from noded.ops.admitting import read_invitation
    from noded.ops.desk import Desk
    from noded.types.ids import Height
    from noded.types.operations.membership import GovVote

    invitation = read_invitation(file)
    if not invitation.cosignatures:
        raise CommandFailed(f"{file}: the applicant has not signed it; it does so with `noded join`")
    with Desk(home) as desk:
        if invitation.body.sender != desk.account.public:
            raise CommandFailed(f"{file}: another member made this invitation, and must hand it in")
        builder = TransactionBuilder(
            chain_id=desk.chain_id, key=desk.account, next_sequence=int, valid_until=lambda: Height(0)
        )
        posted = desk.see_through(builder.finish(invitation.body, invitation.cosignatures))
        validators = desk.node.get("/v1/validators")["validators"]
        votes = desk.me.hex() in [each["id"] for each in validators]
        if votes:
            desk.send(GovVote(proposal=invitation.proposal, approve=True))
    output.show(
        {
            "applicant": invitation.applicant.id.hex(),
            "name": invitation.applicant.legal_name,
            "height": posted.height,
            "proposal": invitation.proposal.hex(),
            "voted": votes,
        },
        _show_registered,
    )


def _show_invited(data: Json) -> str:
    return (
        f"{data['file']} invites {data['name']} ({data['applicant']})\n"
        f"next: they sign it with `noded join {Path(data['file']).name} --out accepted`, and send that back for"
        " `noded member register`"
    )


def _show_registered(data: Json) -> str:
    voted = "this member's vote is cast" if data["voted"] else "this member has no vote in this epoch"
    return (
        f"{data['name']} ({data['applicant']}) is registered at height {data['height']}; {voted}\n"
        f"next: the others vote with `noded vote yes {data['proposal']}`"
    )
