"""`noded condition`."""

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from noded.cli.options import command as declare
from noded.cli.output import Json, Output
from noded.cli.parsing import assignments, hexadecimal

if TYPE_CHECKING:
    from noded.ledger.conditions.duo import DuoTerm
    from noded.types.conditions import Condition

DOCUMENT_BYTES_MAX = 1024 * 1024


@click.group("condition")
def command() -> None:
    """Write conditions of consents: `noded condition … > FILE`, then `noded consent grant --condition FILE`."""


@declare(command, name="fhir")
@click.argument("consent", type=click.File("rb"))
@click.option(
    "--organization",
    "organizations",
    multiple=True,
    help="REFERENCE=ID: which member a reference such as Organization/f001 stands for.",
)
@click.option(
    "--label", "labels", multiple=True, help="CODE=NUMBER: which compartment a security label stands for."
)
@click.option(
    "--root",
    type=click.Choice(["permit", "deny"]),
    help="What the root provision does, where the document leaves it open.",
)
def from_fhir(
    output: Output,
    consent: BinaryIO,
    organizations: tuple[str, ...],
    labels: tuple[str, ...],
    root: Any,
) -> None:
    """
    Write what a FHIR R4 Consent permits as a condition, never wider than the document.

    What the ledger cannot tell apart is read against the reader, and a note on stderr says where: show the notes to the
    patient before the grant.
    """
    from noded.ledger.conditions.fhir import Names, compile_consent
    from noded.types.ids import InstitutionId
    from noded.types.medical import COMPARTMENTS_MAX, Compartment

    compartments = {}
    for code, number in assignments(labels).items():
        if not number.isdecimal() or int(number) >= COMPARTMENTS_MAX:
            raise click.UsageError(f"--label {code}={number}: compartments are 0 to {COMPARTMENTS_MAX - 1}")
        compartments[code] = Compartment(int(number))
    names = Names(
        organizations={
            reference: InstitutionId(hexadecimal(member, "a member's id"))
            for reference, member in assignments(organizations).items()
        },
        labels=compartments,
    )
    data = consent.read(DOCUMENT_BYTES_MAX + 1)
    if len(data) > DOCUMENT_BYTES_MAX:
        raise click.UsageError(f"{consent.name}: larger than {DOCUMENT_BYTES_MAX} bytes")
    try:
        resource = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{consent.name} is no JSON: {error}") from error
    if not isinstance(resource, dict):
        raise click.UsageError(f"{consent.name} is no FHIR resource")
    compiled = compile_consent(resource, names, root=root)
    _show(output, compiled.condition, compiled.notes)


@declare(command, name="duo")
@click.argument("terms", nargs=-1, required=True)
def from_duo(output: Output, terms: tuple[str, ...]) -> None:
    """
    Write terms of the Data Use Ontology as a condition.

    A term is a code such as GRU or DUO:0000042. Some need arguments: DS, RS and PS tags, IS members' ids, US public
    keys, GS jurisdictions, TS a day, as in `GS=DE,FR` and `TS=2027-12-31`.
    """
    from noded.ledger.conditions.duo import compile_duo

    _show(output, compile_duo([_term(text) for text in terms]), ())


def _term(text: str) -> "DuoTerm":
    from noded.ledger.conditions.duo import CODES, DuoTerm
    from noded.types.ids import InstitutionId, PublicKey, TimestampMs
    from noded.types.medical import Tag

    name, _, argument = text.partition("=")
    code = next((code for code, row in CODES.items() if name.upper() in (code, row.shorthand)), name)
    shorthand = CODES[code].shorthand if code in CODES else ""
    values = [each for each in argument.split(",") if each]
    match shorthand:
        case "DS" | "RS" | "PS":
            return DuoTerm(code=code, tags=tuple(Tag(hexadecimal(each, "a tag")) for each in values))
        case "IS":
            members = tuple(InstitutionId(hexadecimal(each, "a member's id")) for each in values)
            return DuoTerm(code=code, institutions=members)
        case "US":
            keys = tuple(PublicKey(hexadecimal(each, "a public key", size=32)) for each in values)
            return DuoTerm(code=code, keys=keys)
        case "GS":
            return DuoTerm(code=code, jurisdictions=tuple(values))
        case "TS" if values:
            try:
                day = datetime.strptime(argument, "%Y-%m-%d").replace(tzinfo=UTC)
            except ValueError:
                raise click.UsageError(f"{text!r}: a day is written as 2027-12-31") from None
            return DuoTerm(code=code, until_ms=TimestampMs(int(day.timestamp()) * 1000))
    if argument:
        raise click.UsageError(f"{text!r}: this term takes no argument")
    return DuoTerm(code=code)


def _show(output: Output, condition: "Condition", notes: tuple[str, ...]) -> None:
    from noded.codec.json_form import choice_to_json
    from noded.types.conditions import CONDITIONS

    written = choice_to_json(CONDITIONS, condition)
    output.show({"condition": written, "notes": list(notes)}, _pretty)


def _pretty(data: Json) -> str:
    for note in data["notes"]:
        print(f"note: {note}", file=sys.stderr)
    return json.dumps(data["condition"], indent=2)
