"""`noded policy`."""

import click

from noded.cli.options import command as declare
from noded.cli.output import Json, Output, table


@click.group("policy")
def command() -> None:
    """Show who may send what."""


@declare(command, name="show")
@click.argument("operation", required=False)
def show(output: Output, operation: str | None) -> None:
    """Show the role table that every validator checks; of one OPERATION if it is named."""
    from noded.ledger.roles import ALL_PURPOSES, ALL_ROLES, ROLE_TABLE

    if operation is not None and operation not in ROLE_TABLE:
        raise click.UsageError(f"there is no operation {operation!r}; known are {', '.join(ROLE_TABLE)}")
    rows = []
    for name, row in ROLE_TABLE.items():
        if operation in (None, name):
            rows.append(
                {
                    "operation": name,
                    "roles": [role.name.lower() for role in row.roles],
                    "every_role": row.roles == ALL_ROLES,
                    "keys": [kind.name.lower() for kind in row.keys],
                    "purposes": None if row.purposes is None else [purpose.name for purpose in row.purposes],
                    "every_purpose": row.purposes == ALL_PURPOSES,
                }
            )
    output.show({"operations": rows}, _show)


def _show(data: Json) -> str:
    rows = []
    for row in data["operations"]:
        senders = (["every member"] if row["every_role"] else row["roles"]) + row["keys"]
        purposes = "any" if row["every_purpose"] else row["purposes"]
        rows.append((row["operation"], senders, purposes))
    return table(("operation", "sent by", "for"), rows)
