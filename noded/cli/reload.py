"""`noded reload`."""

from pathlib import Path

from noded.cli.options import command as declare
from noded.cli.options import home_option
from noded.cli.output import Json, Output


@declare(name="reload")
@home_option
def command(output: Output, home: Path) -> None:
    """
    Have the running node read its settings again, and wait for the result.

    Where they are bad the node goes on with the old ones, and this fails with the reason.
    """
    from noded.client.http import NodeClient

    with NodeClient.in_home(home) as node:
        output.show(node.post("/v1/admin/reload"), _show)


def _show(data: Json) -> str:
    waiting = data["needs_restart"]
    if not waiting:
        return "the settings are in force"
    return f"the settings are in force, but these need a restart: {', '.join(waiting)}"
