"""`noded tx`."""

import json
from pathlib import Path
from typing import BinaryIO

import click

from noded.cli.exits import CommandFailed
from noded.cli.options import command as declare
from noded.cli.options import desk_at, node_at, node_options
from noded.cli.output import Output
from noded.cli.parsing import hexadecimal

FILE_BYTES_MAX = 8 * 1024 * 1024
"""Operations as JSON: 256 of the largest, in hexadecimal."""


@click.group("tx")
def command() -> None:
    """Send transactions and wait until they are final."""


@declare(command, name="send")
@node_options
@click.argument("file", type=click.File("rb"))
@click.option("--no-wait", is_flag=True, help="Return when the node has taken it, before it is final.")
def send(output: Output, home: Path, file: BinaryIO, no_wait: bool) -> None:
    """
    Sign the operations in a JSON FILE (`-` for stdin) with the institution's key, and send them as one transaction.

    The file has an operation or a list of them: {"type": "audit.anchor", "sequence": 1, ...}, ids in hexadecimal.
    """
    from noded.codec.errors import Malformed
    from noded.codec.json_form import choice_from_json
    from noded.ops.desk import Rejected
    from noded.types.operations import OPERATIONS
    from noded.types.transaction import OPERATIONS_MAX

    try:
        document = json.loads(file.read(FILE_BYTES_MAX))
        listed = document if isinstance(document, list) else [document]
        operations = [
            choice_from_json(OPERATIONS, each, f"operation[{index}]") for index, each in enumerate(listed)
        ]
    except (ValueError, RecursionError, Malformed) as error:
        raise click.UsageError(f"{file.name}: {error}") from error
    if not 1 <= len(operations) <= OPERATIONS_MAX:
        raise click.UsageError(f"{file.name}: a transaction has 1 to {OPERATIONS_MAX} operations")
    with desk_at(home) as desk:
        if not no_wait:
            posted = desk.send(*operations)
        else:
            (posted,) = desk.node.post_transactions([desk.sign(*operations).encoding])
            if posted.refused is not None:
                raise Rejected(operation="transaction", reason=posted.refused, detail=posted.detail)
    output.show({"hash": posted.hash.hex(), "height": posted.height, "position": posted.position})


@declare(command, name="wait")
@node_options
@click.argument("name", metavar="HASH")
@click.option(
    "--timeout", type=click.FloatRange(0, 60), default=30.0, show_default=True, help="Seconds to wait."
)
def wait(output: Output, home: Path, name: str, timeout: float) -> None:
    """Wait until a transaction is final, and say what became of it; exit code 1 if it took no effect."""
    from noded.types.ids import TransactionHash

    wanted = TransactionHash(hexadecimal(name, "a transaction's hash", size=32))
    with node_at(home) as node:
        outcome = node.wait_transaction(wanted, timeout)
    if outcome is None:
        raise CommandFailed(f"transaction {name} is not final after {timeout:g} s; see `noded status`")
    output.show(outcome)
    if not outcome["applied"]:
        raise CommandFailed(f"transaction {name} took no effect: {outcome['error']}: {outcome['detail']}")
