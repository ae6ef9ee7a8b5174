"""`noded vote`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.options import command as declare
from noded.cli.options import home_option
from noded.cli.output import Json, Output, moment, table
from noded.cli.parsing import hexadecimal

if TYPE_CHECKING:
    from noded.client.http import NodeClient
    from noded.types.operations.membership import Action

MEMBERS_ACTIONS = ("admit", "remove", "reinstate")


@click.group("vote")
def command() -> None:
    """Put something to the vote of the members, and vote."""


@declare(command, name="propose")
@home_option
@click.argument("action", type=click.Choice([*MEMBERS_ACTIONS, "close-epoch"]))
@click.argument("member", required=False)
def propose(output: Output, home: Path, action: str, member: str | None) -> None:
    """
    Put it to the vote to admit, remove or reinstate a MEMBER, or to end the epoch; and vote for it.

    A MEMBER, present or past, is named by its id, its name, or the beginning of either; an applicant by its id.

    New network parameters, and the dispute of a release that could not be read, are proposed with `noded tx send`:
    gov.propose, whose action is set_parameters or uphold.
    """
    from noded.ops.desk import Desk
    from noded.types.ids import Epoch, InstitutionId
    from noded.types.operations.membership import (
        Admit,
        CloseEpoch,
        GovPropose,
        GovVote,
        Reinstate,
        Remove,
    )
    from noded.types.operations.registry import Operation

    if (member is None) == (action in MEMBERS_ACTIONS):
        raise click.UsageError(f"{action} {'takes no member' if member else 'needs a member'}")
    with Desk(home) as desk:
        wanted: Action
        if member is None:
            wanted = CloseEpoch(epoch=Epoch(desk.node.get("/v1/epoch")["epoch"]))
        else:
            about = InstitutionId(bytes.fromhex(_id_of(desk.node, member)))
            match action:
                case "admit":
                    wanted = Admit(institution=about)
                case "remove":
                    wanted = Remove(institution=about)
                case _:
                    wanted = Reinstate(institution=about)
        proposal = desk.new_id()
        operations: list[Operation] = [GovPropose(proposal=proposal, action=wanted)]
        if desk.me.hex() in _powers(desk.node):
            operations.append(GovVote(proposal=proposal, approve=True))
        desk.send(*operations)
        output.show(_found(desk.node, proposal), _show_one)


@declare(command, name="yes")
@home_option
@click.argument("proposal")
def approve(output: Output, home: Path, proposal: str) -> None:
    """Vote for a PROPOSAL (an id). A vote is final; the one that completes a quorum has it done at once."""
    _cast(output, home, proposal, approve=True)


@declare(command, name="no")
@home_option
@click.argument("proposal")
def reject(output: Output, home: Path, proposal: str) -> None:
    """Vote against a PROPOSAL (an id). A vote is final."""
    _cast(output, home, proposal, approve=False)


@declare(command, name="list")
@home_option
@click.option("--all", "everything", is_flag=True, help="Those that are decided or lapsed too.")
def list_all(output: Output, home: Path, everything: bool) -> None:
    """List what is put to the vote, and how the votes stand."""
    from noded.client.http import NodeClient

    with NodeClient.in_home(home) as node:
        powers = _powers(node)
        rows = [
            _row(node, item["id"], item["value"], powers)
            for item in node.pages("/v1/proposals")
            if everything or item["value"]["status"] == "open"
        ]
        output.show({"quorum": node.get("/v1/epoch")["quorum"], "proposals": rows}, _show)


def _cast(output: Output, home: Path, proposal: str, *, approve: bool) -> None:
    from noded.ops.desk import Desk
    from noded.types.operations.membership import GovVote

    name = hexadecimal(proposal, "a proposal's id")
    with Desk(home) as desk:
        desk.send(GovVote(proposal=name, approve=approve))
        output.show(_found(desk.node, name), _show_one)


def _id_of(node: "NodeClient", text: str) -> str:
    """Of a member, or of an applicant, whom only its whole id names."""
    from noded.client.members import find_member

    return text if re.fullmatch("[0-9a-f]{32}", text) else find_member(node, text)[0]


def _powers(node: "NodeClient") -> dict[str, int]:
    return {each["id"]: each["power"] for each in node.get("/v1/validators")["validators"]}


def _found(node: "NodeClient", proposal: bytes) -> Json:
    value = node.get(f"/v1/proposals/{proposal.hex()}")["value"]
    row = _row(node, proposal.hex(), value, _powers(node))
    return {**row, "quorum": node.get("/v1/epoch")["quorum"]}


def _row(node: "NodeClient", id: str, value: Json, powers: dict[str, int]) -> Json:
    def weight(approve: bool) -> int:
        return sum(powers.get(each["voter"], 0) for each in value["ballots"] if each["approve"] is approve)

    action = dict(value["action"])
    about = action.get("institution")
    name = None
    if about is not None:
        name = node.get(f"/v1/institutions/{about}")["value"]["institution"]["legal_name"]
    return {
        "id": id,
        "action": action,
        "name": name,
        "proposer": value["proposer"],
        "status": value["status"],
        "power_for": weight(True),
        "power_against": weight(False),
        "ballots": value["ballots"],
        "until_ms": value["until_ms"],
    }


def _said(row: Json) -> str:
    """What a proposal would have done, as people say it."""
    action = row["action"]
    match action["type"]:
        case "close_epoch":
            return f"end epoch {action['epoch']}"
        case "set_parameters":
            return "new network parameters"
        case "uphold":
            return f"uphold the dispute of release {action['request']}"
        case kind:
            return f"{kind.lower()} {row['name']}"


def _show(data: Json) -> str:
    if not data["proposals"]:
        return "nothing is put to the vote"
    rows = [
        (
            row["id"],
            _said(row),
            row["status"],
            row["power_for"],
            row["power_against"],
            moment(row["until_ms"]),
        )
        for row in data["proposals"]
    ]
    heads = ("proposal", "what", "status", "for", "against", "lapses")
    return f"power {data['quorum']} decides\n\n{table(heads, rows)}"


def _show_one(data: Json) -> str:
    text = f"proposal {data['id']}: {_said(data)}: {data['status']}"
    if data["status"] != "open":
        return text
    votes = f"power {data['power_for']} for, {data['power_against']} against, {data['quorum']} decides"
    return f"{text}; {votes}\nnext: the others vote with `noded vote yes {data['id']}`"
