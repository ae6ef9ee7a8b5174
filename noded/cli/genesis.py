"""`noded genesis`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.exits import CommandFailed, Refused
from noded.cli.options import FILE
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, members, table
from noded.cli.parsing import assignments, hexadecimal

if TYPE_CHECKING:
    from noded.types.genesis import Genesis


@click.group("genesis")
def command() -> None:
    """Make, show and check the founding document."""


@declare(command, name="create")
@click.argument("institutions", nargs=-1, type=FILE)
@click.option("--name", default=None, help="Name of the chain.")
@click.option("--out", required=True, type=FILE, help="File to write.")
@click.option("--from", "source", type=FILE, help="JSON form of a whole document, instead of institutions.")
@click.option(
    "--set", "changes", multiple=True, metavar="NAME=VALUE", help="A network parameter, such as delta_ms=200."
)
def create(
    output: Output,
    institutions: tuple[Path, ...],
    name: str | None,
    out: Path,
    source: Path | None,
    changes: tuple[str, ...],
) -> None:
    """
    Make the document from the founders' INSTITUTIONS files.

    All founders need the same file: its hash is the chain's id. Compare it with `noded genesis hash`.
    """
    from noded.ops.founding import make_genesis, read_genesis, with_parameters, write_genesis
    from noded.ops.home import read_institution
    from noded.types.genesis import DEFAULT_PARAMETERS
    from noded.types.ids import TimestampMs

    if out.exists():
        raise Refused(f"{out}: there is a file already; a chain's founding document must not be overwritten")
    if source is not None:
        if institutions or name or changes:
            raise click.UsageError("--from takes the whole document; give nothing else but --out")
        genesis = read_genesis(source)
    else:
        if not institutions or name is None:
            raise click.UsageError("give --name and the institution.json of every founder, or --from")
        parameters = with_parameters(DEFAULT_PARAMETERS, assignments(changes))
        now_ms = TimestampMs(time.time_ns() // 1_000_000)
        founders = [read_institution(path) for path in institutions]
        files: dict[bytes, Path] = {}
        for founder, path in zip(founders, institutions, strict=True):
            if founder.id in files:
                raise CommandFailed(
                    f"{path}: the institution of {files[founder.id]} again; give each founder's file once"
                )
            files[founder.id] = path
        genesis = make_genesis(name, founders, time_ms=now_ms, parameters=parameters)
    write_genesis(out, genesis)
    output.show(_summary(genesis, out), _show_summary)


@declare(command, name="show")
@click.argument("file", type=FILE)
def show(output: Output, file: Path) -> None:
    """Show a founding document; with `--output json`, in the form that `create --from` takes."""
    from noded.ops.founding import genesis_json, read_genesis

    output.show(genesis_json(read_genesis(file)), _show)


@declare(command, name="verify")
@click.argument("file", type=FILE)
@click.option("--hash", "expected", default=None, help="The chain's id that the other founders have.")
def verify(output: Output, file: Path, expected: str | None) -> None:
    """Check that a document is whole, does not contradict itself, and is the one that was agreed on."""
    from noded.ops.founding import read_genesis

    genesis = read_genesis(file)
    if expected is not None and hexadecimal(expected, "a chain's id", size=32) != genesis.chain_id:
        raise CommandFailed(
            f"{file}: founds chain {genesis.chain_id.hex()}, not {expected}; get the file that the others have"
        )
    output.show(_summary(genesis, file), _show_summary)


@declare(command, name="hash")
@click.argument("file", type=FILE)
def show_hash(output: Output, file: Path) -> None:
    """Print the hash of a document, which is the chain's id."""
    from noded.ops.founding import read_genesis

    chain_id = read_genesis(file).chain_id.hex()
    output.show({"chain_id": chain_id}, lambda data: str(data["chain_id"]))


def _summary(genesis: "Genesis", file: Path) -> Json:
    from noded.ops.founding import doubts

    return {
        "file": str(file),
        "chain_id": genesis.chain_id.hex(),
        "name": genesis.name,
        "institutions": len(genesis.institutions),
        "validators": len(genesis.validators),
        "doubts": doubts(genesis),
    }


def _show_summary(data: Json) -> str:
    facts = {name: value for name, value in data.items() if name != "doubts"}
    return "\n".join([members(facts), *(f"beware: {doubt}" for doubt in data["doubts"])])


def _show(data: Json) -> str:
    powers = {each["id"]: each["power"] for each in data["validators"]}
    rows = [
        (
            each["id"],
            each["legal_name"],
            each["role"],
            each["jurisdiction"],
            powers.get(each["id"], 0),
            each["endpoints"],
        )
        for each in data["institutions"]
    ]
    heads = ("id", "institution", "role", "in", "power", "address")
    top = {name: data[name] for name in ("name", "chain_id", "time_ms")}
    return f"{members(top)}\n\n{table(heads, rows)}\n\n{members(data['parameters'])}"
