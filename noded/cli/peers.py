"""`noded peers`."""

from pathlib import Path

from noded.cli.options import command as declare
from noded.cli.options import home_option
from noded.cli.output import Json, Output, table


@declare(name="peers")
@home_option
def command(output: Output, home: Path) -> None:
    """List the other members with their connections, and why the last one ended."""
    from noded.client.http import NodeClient

    with NodeClient.in_home(home) as node:
        output.show({"peers": node.get("/v1/peers")}, _show)


def _show(data: Json) -> str:
    rows = [
        (
            each["institution"],
            each["connected"],
            each["address"],
            None if each["rtt_ms"] is None else f"{each['rtt_ms']:.1f}",
            each["consensus"]["bytes_in"] + each["bulk"]["bytes_in"],
            each["consensus"]["bytes_out"] + each["bulk"]["bytes_out"],
            each["last_fault"],
        )
        for each in data["peers"]
    ]
    return table(("member", "connected", "address", "rtt ms", "bytes in", "bytes out", "last fault"), rows)
