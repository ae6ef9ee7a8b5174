"""`noded breakglass`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.options import command as declare
from noded.cli.options import desk_at, node_at, node_options, pages_of
from noded.cli.output import Json, Output, moment, table
from noded.cli.parsing import enum_members, hexadecimal

if TYPE_CHECKING:
    from noded.client.http import NodeClient


@click.group("breakglass")
def command() -> None:
    """Emergency access without the patient, and its review."""


@declare(command, name="open")
@node_options
@click.option("--patient", required=True, help="Whose records.")
@click.option("--reason", required=True, help="Why the patient cannot be asked, such as unconscious.")
@click.option("--kind", "kinds", multiple=True, help="Of these kinds only; by default of all.")
@click.option("--purpose", default="etreat", show_default=True, help="treat or etreat.")
@click.option("--actor", required=True, help="Who opens; others see a pseudonym.")
def open_one(
    output: Output,
    home: Path,
    patient: str,
    reason: str,
    kinds: tuple[str, ...],
    purpose: str,
    actor: str,
) -> None:
    """Begin emergency access; patient and custodian are told at once, and somebody else must review it in time."""
    from noded.types.medical import KindClass, OpeningId, PatientId
    from noded.types.operations.breakglass import BreakglassOpen, EmergencyReason
    from noded.types.roles import Purpose

    (why,) = enum_members(EmergencyReason, [reason], "reason")
    (stated,) = enum_members(Purpose, [purpose], "purpose")
    chosen = enum_members(KindClass, kinds, "kind") if kinds else tuple(KindClass)
    name = PatientId(hexadecimal(patient, "a patient's id"))
    with desk_at(home) as desk:
        opening = OpeningId(desk.new_id())
        desk.send(
            BreakglassOpen(
                opening=opening,
                patient=name,
                reason=why,
                purpose=stated,
                actor=desk.actor(actor),
                kinds=chosen,
            )
        )
        entry = desk.entry("openings", opening)
    output.show(
        {
            "opening": opening.hex(),
            "closes_ms": entry["closes_ms"],
            "review_due_ms": entry["review_due_ms"],
            "height": desk.height,
        }
    )


@declare(command, name="close")
@node_options
@click.argument("opening")
def close(output: Output, home: Path, opening: str) -> None:
    """End an emergency access of this institution's before its time; it is still reviewed."""
    from noded.types.medical import OpeningId
    from noded.types.operations.breakglass import BreakglassClose

    name = OpeningId(hexadecimal(opening, "an opening's id"))
    with desk_at(home) as desk:
        posted = desk.send(BreakglassClose(opening=name))
    output.show({"opening": opening, "height": posted.height})


@declare(command, name="review")
@node_options
@click.argument("opening")
@click.option("--verdict", required=True, type=click.Choice(["justified", "unjustified"]), help="Found.")
@click.option("--actor", required=True, help="Who judged; others see a pseudonym.")
def review(output: Output, home: Path, opening: str, verdict: str, actor: str) -> None:
    """Judge an emergency access; not by the key or the person that opened."""
    from noded.types.medical import OpeningId
    from noded.types.operations.breakglass import BreakglassReview, Verdict

    name = OpeningId(hexadecimal(opening, "an opening's id"))
    with desk_at(home) as desk:
        operation = BreakglassReview(opening=name, verdict=Verdict[verdict.upper()], actor=desk.actor(actor))
        posted = desk.send(operation)
    output.show({"opening": opening, "verdict": verdict, "height": posted.height})


@declare(command, name="list")
@node_options
@click.option("--patient", help="Of this patient; by default all that concern this institution.")
def list_all(output: Output, home: Path, patient: str | None) -> None:
    """List emergency accesses and their reviews."""
    with node_at(home) as node:
        output.show({"openings": pages_of(node, patient, "openings")}, partial(_show, node))


def _show(node: "NodeClient", data: Json) -> str:
    from noded.client.members import member_names

    names = member_names(node)
    rows = []
    for item in data["openings"]:
        value = item["value"]
        verdict = value["review"]["verdict"] if value["review"] else "-"
        when, opener = moment(value["opened_ms"]), names[value["institution"]]
        rows.append((item["id"], when, opener, value["reason"], value["kinds"], verdict, value["overdue"]))
    return table(("opening", "when", "opened by", "reason", "kinds", "review", "overdue"), rows)
