"""`noded tokens`."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

import click

from noded.cli.options import command as declare
from noded.cli.options import home_option
from noded.cli.output import Json, Output, table

SCOPES: Final = ("read", "submit", "custody", "metrics")
"""As `noded.api.tokens.Scope` has them, which takes longer to load than a command may."""

PATH: Final = "/v1/admin/tokens"


@click.group("tokens")
def command() -> None:
    """Make, list and revoke what clients of the HTTP API show; the node must run."""


@declare(command, name="create")
@home_option
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="What it allows; give it once for each.",
)
@click.option(
    "--days", type=click.IntRange(1, 3660), default=90, show_default=True, help="Until it is refused."
)
def create(output: Output, home: Path, name: str, scopes: tuple[str, ...], days: int) -> None:
    """
    Make a token for whoever NAME says, and show it this once.

    The node keeps only its hash: who loses it gets another.
    """
    from noded.client.http import NodeClient

    wanted = {"name": name, "scopes": list(dict.fromkeys(scopes)), "valid_s": days * 86_400}
    with NodeClient.in_home(home) as node:
        output.show(node.post(PATH, wanted), lambda made: str(made["token"]))


@declare(command, name="list")
@home_option
def list_all(output: Output, home: Path) -> None:
    """List the tokens, without their secrets."""
    from noded.client.http import NodeClient

    with NodeClient.in_home(home) as node:
        output.show({"tokens": node.get(PATH)}, _show)


@declare(command, name="revoke")
@home_option
@click.argument("id")
def revoke(output: Output, home: Path, id: str) -> None:
    """Refuse a token from now on, by the ID that `list` shows."""
    from noded.client.http import NodeClient

    if not re.fullmatch("[0-9a-f]{16}", id):
        raise click.UsageError(
            f"a token's id has 16 hexadecimal digits, not {id!r}; `noded tokens list` shows it"
        )
    with NodeClient.in_home(home) as node:
        node.delete(f"{PATH}/{quote(id, safe='')}")
    output.show({"revoked": id}, lambda _: f"token {id} is refused from now on")


def _show(data: Json) -> str:
    rows = [
        (
            each["id"],
            each["name"],
            ", ".join(each["scopes"]),
            _day(each["created_ms"]),
            _day(each["expires_ms"]),
        )
        for each in data["tokens"]
    ]
    return table(("token", "name", "scopes", "made", "refused from"), rows)


def _day(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
