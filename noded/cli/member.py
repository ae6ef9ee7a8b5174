"""`noded member`."""

from pathlib import Path

import click

from noded.cli.exits import CommandFailed, Refused
from noded.cli.options import FILE, desk_at, home_option, node_options
from noded.cli.options import command as declare
from noded.cli.output import Json, Output


@click.group("member")
def command() -> None:
    """Invite and register an institution, change what is known of this one, suspend a member."""


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


@declare(command, name="update")
@node_options
@click.option("--name", "legal_name", help="The institution's new legal name.")
@click.option(
    "--address",
    "addresses",
    multiple=True,
    help="host:port at which peers reach the node from now on, in place of all earlier ones.",
)
def update(output: Output, home: Path, legal_name: str | None, addresses: tuple[str, ...]) -> None:
    """
    Change what the ledger says of this institution: its name, or where its node is reached.

    What is not named stays. Every member's node dials the new address from that block on, without a change of settings.
    """
    from dataclasses import replace

    from noded.codec.json_form import from_json
    from noded.ops.home import endpoint_of
    from noded.types.genesis import ENDPOINTS_MAX, LEGAL_NAME_MAX, Institution
    from noded.types.operations.membership import OrgUpdate

    if legal_name is None and not addresses:
        raise click.UsageError("give --name or --address")
    if legal_name is not None and not 1 <= len(legal_name.encode()) <= LEGAL_NAME_MAX:
        raise click.UsageError(f"--name has 1 to {LEGAL_NAME_MAX} bytes, not {len(legal_name.encode())}")
    if len(addresses) > ENDPOINTS_MAX:
        raise click.UsageError(f"{len(addresses)} times --address; a member has at most {ENDPOINTS_MAX}")
    try:
        endpoints = tuple(endpoint_of(each) for each in dict.fromkeys(addresses))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    with desk_at(home) as desk:
        entry = desk.entry("institutions", desk.me)["institution"]
        old = from_json(Institution, entry, "institution")
        new = replace(old, legal_name=legal_name or old.legal_name, endpoints=endpoints or old.endpoints)
        desk.send(OrgUpdate(legal_name=new.legal_name, endpoints=new.endpoints))
    output.show(
        {
            "institution": new.id.hex(),
            "name": new.legal_name,
            "addresses": list(new.endpoints),
            "height": desk.height,
        }
    )


@declare(command, name="suspend")
@node_options
@click.argument("member")
@click.option("--reason", required=True, help="Why; it stays on the ledger, so name no patient.")
def suspend(output: Output, home: Path, member: str, reason: str) -> None:
    """
    Suspend a MEMBER, by id or name: a regulator any, others only themselves, such as when a key was stolen.

    Nothing it signs is taken any more and no key is released to it; it still votes on blocks. The members end it with
    `noded vote propose reinstate`.
    """
    from noded.client.members import find_member
    from noded.types.ids import InstitutionId
    from noded.types.operations.membership import REASON_BYTES_MAX, OrgSuspend

    if not 1 <= len(reason.encode()) <= REASON_BYTES_MAX:
        raise click.UsageError(f"--reason has 1 to {REASON_BYTES_MAX} bytes, not {len(reason.encode())}")
    with desk_at(home) as desk:
        id, name = find_member(desk.node, member)
        desk.send(OrgSuspend(institution=InstitutionId(bytes.fromhex(id)), reason=reason))
    output.show({"institution": id, "name": name, "height": desk.height}, _show_suspended)


def _show_suspended(data: Json) -> str:
    return (
        f"{data['name']} ({data['institution']}) is suspended at height {data['height']}\n"
        f"next: a member in good standing ends it with `noded vote propose reinstate {data['institution']}`"
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
