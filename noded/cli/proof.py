"""`noded proof`."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.exits import FAILED, CommandFailed, Refused
from noded.cli.options import FILE, home_option, node_at, node_options
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
@node_options
@click.argument("kind", type=click.Choice(["record", "consent", "request", "opening", "patient", "erasure"]))
@click.argument("id")
@click.option("--out", required=True, type=FILE, help="File to write.")
@click.option("--skip", is_flag=True, help="Leave out the ends of epochs that a verifier can do without.")
@click.option(
    "--from",
    "source",
    type=FILE,
    help="What the verifier kept with `verify --save`; it needs no earlier epochs.",
)
def export(
    output: Output, home: Path, kind: str, id: str, out: Path, skip: bool, source: Path | None
) -> None:
    """
    Write a file that proves what the ledger has of one thing, or that it has nothing; an erasure has its record's ID.

    It has the end of every epoch since the first, so that it verifies at any time with nothing but the chain's id.
    With --skip it is far shorter, and verifies only while what the verifier starts from is younger than the chain's
    trusting period. Where the last block changed the thing, this waits for the next one, which certifies it.
    """
    hexadecimal(id, "an id")
    if out.exists():
        raise Refused(f"{out}: there is a file already; choose another name")
    with node_at(home, timeout_s=60.0) as node:
        data = node.get_bytes(f"/v1/{kind}s/{id}/proof")
    if skip or source is not None:
        data = _shortened(data, source, skip=skip)
    out.write_bytes(data)
    output.show({"file": str(out), "bytes": len(data)})


@declare(command, name="verify")
@home_option
@click.argument("file", type=FILE)
@click.option("--chain-id", help="The chain's id, known from a source that you trust.")
@click.option(
    "--genesis", type=FILE, help="A founding document that you trust, instead; by default the home's."
)
@click.option("--trusted", type=FILE, help="What an earlier `verify --save` kept, instead: start from there.")
@click.option("--save", type=FILE, help="Keep the voters that this proof shows, for later proofs.")
@click.option("--sequential", is_flag=True, help="Refuse proofs that leave out epochs.")
def verify_one(
    output: Output,
    home: Path,
    file: Path,
    chain_id: str | None,
    genesis: Path | None,
    trusted: Path | None,
    save: Path | None,
    sequential: bool,
) -> int | None:
    """
    Verify a proof; needs no node and no network, and trusts nothing but the chain's id.

    A proof that leaves out epochs takes this machine's clock besides: what it starts from must be younger than the
    chain's trusting period. What does not hold is named: TableForged, TrustExpired, TooLittleOverlap, InvalidProof.
    """
    from noded.lightclient import Clock, InvalidProof, decode_proof, verify
    from noded.ops.trust import read_trust, write_trust

    if sum(each is not None for each in (chain_id, genesis, trusted)) > 1:
        raise click.UsageError("--chain-id, --genesis and --trusted exclude each other")
    start = None if trusted is None else read_trust(trusted)
    known = _chain_id(home, chain_id, genesis) if start is None else start.chain_id
    with file.open("rb") as opened:
        data = opened.read(FILE_BYTES_MAX)
    try:
        proof = decode_proof(data)
        clock = None
        if not sequential:
            now_ms = time.time_ns() // 1_000_000
            clock = Clock(now_ms=now_ms, trusting_ms=proof.genesis.parameters.trusting_ms)
        shown = verify(proof, known, trusted=start, clock=clock)
    except InvalidProof as error:
        name = type(error).__name__
        output.failed({"name": name, "message": str(error)}, f"not proven: {name}: {error}")
        return FAILED
    if save is not None:
        write_trust(save, shown.trusted)
    first = 1 if start is None else start.table.epoch
    output.show(
        {
            "ok": True,
            "chain_id": known.hex(),
            "height": shown.height,
            "time_ms": shown.time_ms,
            "block": shown.block.hex(),
            "from_epoch": first,
            "epoch": shown.epoch,
            "skipped_to": [table.epoch for table in proof.tables if table.epoch > first],
            **_claim(shown),
        },
        _show,
    )
    return None


def _shortened(data: bytes, source: Path | None, *, skip: bool) -> bytes:
    """The proof for who trusts a table already, or for who skips from the founding document."""
    from noded.lightclient import decode_proof, encode_proof, founding_trust, shorten, since
    from noded.ops.trust import read_trust

    proof = decode_proof(data)
    genesis = proof.genesis
    known = founding_trust(genesis, genesis.chain_id) if source is None else read_trust(source)
    if known.chain_id != genesis.chain_id:
        raise CommandFailed(f"{source}: it is of chain {known.chain_id.hex()}, not of this node's")
    return encode_proof(shorten(proof, known) if skip else since(proof, known))


def _chain_id(home: Path, chain_id: str | None, genesis: Path | None) -> "ChainId":
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
                f"{genesis}: no founding document; give --chain-id, --genesis or --trusted from a source that you trust"
            )
    return read_genesis(genesis).chain_id


def _claim(shown: "ProvenValue") -> Json:
    """What the proven key and value say, in the words of the ledger."""
    from noded.codec.json_form import to_json
    from noded.codec.schema import decode_value
    from noded.ledger.modules.access import Access
    from noded.ledger.modules.breakglass import Opening
    from noded.ledger.modules.consent import Consent
    from noded.ledger.modules.erasure import Erasure
    from noded.ledger.modules.identity import Patient
    from noded.ledger.modules.records import Record
    from noded.ledger.state import VALUE_BYTES_MAX

    kinds: dict[bytes, tuple[str, type]] = {
        b"rec/": ("record", Record),
        b"con/": ("consent", Consent),
        b"req/": ("request", Access),
        b"bg/": ("opening", Opening),
        b"pp/": ("patient", Patient),
        b"ers/": ("erasure", Erasure),
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
        version, status = data["value"]["version"], data["value"]["status"]
        said = f"version {version} of {thing} was {status}, anchored at height {data['anchored_at']}"
    else:
        said = f"{thing} is on the ledger"
    head = f"proven: after block {data['height']} ({when}), {said}\nfinal by {_way(data)}"
    return head if "value" not in data else f"{head}\n\n{members(data['value'])}"


def _way(data: Json) -> str:
    """How the verifier came to know the voters who finalised the block."""
    first, last = data["from_epoch"], data["epoch"]
    said = f"the voters of epoch {last}"
    if first == last:
        return said
    if not data["skipped_to"]:
        return f"{said}, known from those of epoch {first} epoch by epoch"
    return (
        f"{said}, known from those of epoch {first} by skipping to {', '.join(map(str, data['skipped_to']))}"
    )
