"""`noded proof`."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.exits import CommandFailed, Refused
from noded.cli.options import FILE, home_option
from noded.cli.options import command as declare
from noded.cli.output import Json, Output, members
from noded.cli.parsing import hexadecimal

if TYPE_CHECKING:
    from noded.lightclient import ProvenValue
    from noded.types.ids import ChainId

FILE_BYTES_MAX = 256 * 1024 * 1024 + 1024


@click.group("proof")
def command() -> None:
    """Prove ledger entries, and verify proofs without a node."""


@declare(command, name="export")
@home_option
@click.argument("kind", type=click.Choice(["record", "consent", "request", "opening", "patient"]))
@click.argument("id")
@click.option("--out", required=True, type=FILE, help="File to write.")
def export(output: Output, home: Path, kind: str, id: str, out: Path) -> None:
    """
    Write a file that proves what the ledger has of one thing, or that it has nothing.

    Where the last block changed it, this waits for the next one, which certifies it.
    """
    from noded.client.http import NodeClient

    hexadecimal(id, "an id")
    if out.exists():
        raise Refused(f"{out}: there is a file already; choose another name")
    with NodeClient.in_home(home, timeout_s=60.0) as node:
        data = node.get_bytes(f"/v1/{kind}s/{id}/proof")
    out.write_bytes(data)
    output.show({"file": str(out), "bytes": len(data)})


@declare(command, name="verify")
@home_option
@click.argument("file", type=FILE)
@click.option("--chain-id", help="The chain's id, known from a source that you trust.")
@click.option(
    "--genesis", type=FILE, help="A founding document that you trust, instead; by default the home's."
)
def verify_one(output: Output, home: Path, file: Path, chain_id: str | None, genesis: Path | None) -> None:
    """Verify a proof; needs no node and no network, and trusts nothing but the chain's id."""
    from noded.lightclient import decode_proof, verify

    if chain_id is not None and genesis is not None:
        raise click.UsageError("--chain-id and --genesis exclude each other")
    trusted = _trusted(home, chain_id, genesis)
    with file.open("rb") as opened:
        data = opened.read(FILE_BYTES_MAX)
    shown = verify(decode_proof(data), trusted)
    output.show(
        {
            "ok": True,
            "chain_id": trusted.hex(),
            "height": shown.height,
            "time_ms": shown.time_ms,
            "block": shown.block.hex(),
            **_claim(shown),
        },
        _show,
    )


def _trusted(home: Path, chain_id: str | None, genesis: Path | None) -> "ChainId":
    from noded.types.ids import ChainId

    if chain_id is not None:
        return ChainId(hexadecimal(chain_id, "a chain's id", size=32))
    from noded.ops.founding import read_genesis

    if genesis is None:
        from noded.config import load

        config = load(home, os.environ)
        genesis = config.path(config.node.genesis)
        if not genesis.exists():
            raise CommandFailed(
                f"{genesis}: no founding document; give --chain-id or --genesis from a source that you trust"
            )
    return read_genesis(genesis).chain_id


def _claim(shown: "ProvenValue") -> Json:
    """What the proven key and value say, in the words of the ledger."""
    from noded.codec.json_form import to_json
    from noded.codec.schema import decode_value
    from noded.ledger.modules.access import Access
    from noded.ledger.modules.breakglass import Opening
    from noded.ledger.modules.consent import Consent
    from noded.ledger.modules.identity import Patient
    from noded.ledger.modules.records import Record
    from noded.ledger.state import VALUE_BYTES_MAX

    kinds: dict[bytes, tuple[str, type]] = {
        b"rec/": ("record", Record),
        b"con/": ("consent", Consent),
        b"req/": ("request", Access),
        b"bg/": ("opening", Opening),
        b"pp/": ("patient", Patient),
    }
    prefix = next((each for each in kinds if shown.key.startswith(each)), None)
    if prefix is None:
        return {"kind": "entry", "id": shown.key.hex(), "exists": shown.value is not None}
    kind, cls = kinds[prefix]
    claim: Json = {"kind": kind, "id": shown.key[len(prefix) :].hex(), "exists": shown.value is not None}
    if shown.value is None:
        return claim
    value: object = decode_value(cls, shown.value, max_bytes=VALUE_BYTES_MAX)
    if isinstance(value, Consent):
        claim["active"] = value.holds_at(shown.time_ms)
    if isinstance(value, Record):
        claim["anchored_at"] = value.since
    return {**claim, "value": to_json(value)}


def _show(data: Json) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(data["time_ms"] / 1000))
    thing = f"{data['kind']} {data['id']}"
    if not data["exists"]:
        said = f"there was no {thing}"
    elif "active" in data:
        said = f"{thing} {'was active' if data['active'] else 'was not active'}"
    elif "anchored_at" in data:
        said = f"{thing} is anchored since height {data['anchored_at']}"
    else:
        said = f"{thing} is on the ledger"
    head = f"proven: after block {data['height']} ({when}), {said}"
    return head if "value" not in data else f"{head}\n\n{members(data['value'])}"
