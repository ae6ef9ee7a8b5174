"""Options that several commands have."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from noded.cli.output import Json, Output
from noded.cli.ownership import give_back
from noded.cli.parsing import hexadecimal

if TYPE_CHECKING:
    from noded.client.http import NodeClient
    from noded.client.transactions import KeyPair
    from noded.client.wallet import Wallet
    from noded.ops.desk import Desk
    from noded.types.medical import PatientId

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_HOME: Final = "~/.noded"

_AT_LEAST: Final = "noded.at_least"

FILE: Final = click.Path(dir_okay=False, path_type=Path)
FOLDER: Final = click.Path(file_okay=False, path_type=Path)


def command(
    group: click.Group | None = None, **settings: Any
) -> Callable[[Callable[..., Any]], click.Command]:
    """Declare a command that gets `output`, and that `--output` tells how to show its result."""

    def declare(function: Callable[..., Any]) -> click.Command:
        @wraps(function)
        def called(output: str, **arguments: Any) -> Any:
            shown = click.get_current_context().find_object(Output)
            assert shown is not None
            shown.is_json = output == "json"
            return function(shown, **arguments)

        option = click.option(
            "--output", type=click.Choice(["table", "json"]), default="table", help="Form of the result."
        )
        make = click.command if group is None else group.command
        made = make(**settings)(option(called))
        assert isinstance(made, click.Command)
        return made

    return declare


def _home(context: click.Context, _option: click.Parameter, value: Path) -> Path:
    home = value.expanduser()
    context.call_on_close(lambda: give_back(home))
    return home


def home_option(function: F) -> F:
    """`--home`: the node's folder."""
    return click.option(
        "--home",
        type=FOLDER,
        envvar="NODED_HOME",
        default=DEFAULT_HOME,
        show_default=True,
        show_envvar=True,
        callback=_home,
        help="The node's folder.",
    )(function)


def node_options(function: F) -> F:
    """`--home` and `--at-least` of commands that ask a node, which `node_at` and `desk_at` heed."""
    option = click.option(
        "--at-least",
        type=click.IntRange(min=0),
        metavar="HEIGHT",
        expose_value=False,
        callback=lambda ctx, _option, value: ctx.meta.update({_AT_LEAST: value}),
        help="Wait until the node has the block at HEIGHT, such as one that another node has just named.",
    )
    return option(home_option(function))


def node_at(home: Path, *, timeout_s: float | None = None) -> "NodeClient":
    """The node in a home, as the command's options say."""
    from noded.client.http import TIMEOUT_S, NodeClient

    return NodeClient.in_home(home, timeout_s=timeout_s or TIMEOUT_S, at_least=_at_least())


def desk_at(home: Path) -> "Desk":
    """The institution's desk in a home, as the command's options say."""
    from noded.ops.desk import Desk

    return Desk(home, at_least=_at_least())


def pages_of(node: "NodeClient", patient: str | None, what: str) -> list[Json]:
    """
    All items of a list that concerns a patient, or this institution where none is named.

    Raises:
        Refused: The ledger knows no such patient; an empty list would say that nothing happened.
    """
    if patient is None:
        return list(node.pages(f"/v1/institutions/{node.get('/v1/status')['institution']}/{what}"))
    hexadecimal(patient, "a patient's id")
    node.get(f"/v1/patients/{patient}")
    return list(node.pages(f"/v1/patients/{patient}/{what}"))


def _at_least() -> int | None:
    found: int | None = click.get_current_context().meta.get(_AT_LEAST)
    return found


def passphrase_options(function: F) -> F:
    """`--passphrase-file` and `--passphrase-fd`: never the passphrase itself, which all users of a machine could read."""
    function = click.option(
        "--passphrase-file",
        type=FILE,
        help="File whose first line is the passphrase; readable by its owner only.",
    )(function)
    return click.option(
        "--passphrase-fd", type=click.IntRange(min=0), help="Open descriptor that gives the passphrase."
    )(function)


def read_passphrase(file: Path | None, descriptor: int | None) -> bytes | None:
    """
    The passphrase from wherever the options say; None if they say nothing.

    Raises:
        UsageError: Both were given.
        PassphraseMissing, FileExposed: It cannot be had.
    """
    from noded.keys.passphrase import passphrase_from_descriptor, passphrase_from_file

    if file is not None and descriptor is not None:
        raise click.UsageError("--passphrase-file and --passphrase-fd exclude each other")
    if file is not None:
        return passphrase_from_file(file)
    return None if descriptor is None else passphrase_from_descriptor(descriptor)


def wallet_options(function: F) -> F:
    """`--wallet` with its passphrase: whose key signs, of which `signer` makes a key."""
    function = passphrase_options(function)
    return click.option(
        "--wallet",
        type=FILE,
        help="The patient's own wallet, or a delegate's, instead of one kept in the home.",
    )(function)


def signer(
    desk: "Desk",
    patient: "PatientId",
    file: Path | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
) -> "KeyPair":
    """The key that acts for a patient, from a wallet's file or, where none is given, from the home."""
    from noded.ops.delegates import acting_key

    given = read_wallet(file, passphrase_file, passphrase_fd)
    return acting_key(desk, desk.patients.wallet_of(patient) if given is None else given[0], patient)


def read_wallet(
    file: Path | None, passphrase_file: Path | None, passphrase_fd: int | None
) -> "tuple[Wallet, bytes] | None":
    """The wallet in a file, and the passphrase that it is sealed under; None where no file is given."""
    from noded.ops.wallets import open_wallet

    if file is None:
        return None
    passphrase = read_passphrase(passphrase_file, passphrase_fd)
    if passphrase is None:
        raise click.UsageError("--wallet needs --passphrase-file or --passphrase-fd")
    return open_wallet(file, passphrase), passphrase
