"""`noded ready`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.exits import CommandFailed
from noded.cli.options import command as declare
from noded.cli.options import home_option
from noded.cli.output import Json, Output

if TYPE_CHECKING:
    from noded.ops.desk import Desk

LOOK_S = 0.5
"""Between looks at which epoch it is."""


@declare(name="ready")
@home_option
@click.option("--no-wait", is_flag=True, help="Say it once, for this epoch, and return.")
def command(output: Output, home: Path, no_wait: bool) -> None:
    """
    Declare that this member's node runs, so that it may vote: after admission, or when it comes back from jail.

    It counts for one epoch, and only some newcomers enter at a time: so this waits, and says it again in each epoch,
    until the member is among the voters.
    """
    from noded.ops.desk import Desk

    with Desk(home) as desk:
        _check(desk)
        said: int | None = None
        while True:
            epoch = desk.node.get("/v1/epoch")
            row = _row(desk)
            if row is not None:
                output.show({"epoch": epoch["epoch"], "votes": True, "power": row["power"]}, _show)
                return
            if said != epoch["epoch"]:
                said = _say(desk, epoch["epoch"]) or said
                output.progress(
                    f"said in epoch {epoch['epoch']}, which ends at height {epoch['last_height']}; waiting for the next"
                )
                if no_wait:
                    output.show({"epoch": epoch["epoch"], "votes": False, "power": 0}, _show)
                    return
            time.sleep(LOOK_S)


def _check(desk: "Desk") -> None:
    from noded.client.answers import Refused

    try:
        member = desk.entry("institutions", desk.me)
    except Refused as error:
        if error.status != 404:
            raise
        raise CommandFailed(
            "the ledger, as far as this node has it, does not know this institution; wait until the node is in sync"
            " (`noded status`), and see whether it was registered (`noded member register`)"
        ) from error
    if member["status"] != "member":
        raise CommandFailed(
            f"this institution is no member but {member['status']}; see `noded vote list` on a member's node"
        )


def _row(desk: "Desk") -> Json | None:
    rows: list[Json] = desk.node.get("/v1/validators")["validators"]
    return next((each for each in rows if each["id"] == desk.me.hex()), None)


def _say(desk: "Desk", epoch: int) -> int | None:
    """The epoch in which it was said; None if the epoch ended meanwhile."""
    from noded.client.transactions import key_pair
    from noded.keys.names import CONSENSUS
    from noded.keys.rotation import find_seed
    from noded.ops.desk import Rejected
    from noded.types.ids import Epoch, PublicKey
    from noded.types.operations.membership import ValidatorReady

    named = PublicKey(bytes.fromhex(desk.entry("institutions", desk.me)["institution"]["consensus_key"]))
    seed = find_seed(desk.keystore, CONSENSUS, named)
    if seed is None:
        raise CommandFailed(
            f"the ledger has consensus key {named.hex()} for this institution, which is not in this home;"
            " import it, or rotate to one that is (`noded keys rotate`)"
        )
    try:
        desk.send(ValidatorReady(epoch=Epoch(epoch), key=named), cosigners=[key_pair(seed)])
    except Rejected as error:
        if error.reason != "WrongEpoch":
            raise
        return None
    return epoch


def _show(data: Json) -> str:
    if data["votes"]:
        return f"this member votes in epoch {data['epoch']}, with power {data['power']}"
    return (
        f"said in epoch {data['epoch']}; `noded validators` shows in the next one whether this member votes"
    )
