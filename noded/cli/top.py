"""`noded top`."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from noded.cli.options import command as declare
from noded.cli.options import home_option
from noded.cli.output import Json, Output, members, table

if TYPE_CHECKING:
    from noded.client.http import NodeClient

INTERVAL_S = 1.0
CLEAR = "\x1b[H\x1b[2J"


@declare(name="top")
@home_option
@click.option(
    "--interval", type=click.FloatRange(0.1, 3600), default=INTERVAL_S, show_default=True, help="Seconds."
)
@click.option(
    "--count", type=click.IntRange(min=1), help="Looks before it ends; until interrupted by default."
)
def command(output: Output, home: Path, interval: float, count: int | None) -> None:
    """Watch how node, chain and members stand; with --output json the last look is printed."""
    from noded.client.http import NodeClient

    looks = 0
    before: Json | None = None
    with NodeClient.in_home(home) as node:
        while True:
            now = _look(node)
            now["blocks_per_s"] = _pace(before, now)
            looks += 1
            if looks == count:
                output.show(now, _show)
                return
            if not output.is_json:
                click.echo(CLEAR + _show(now))
            before = now
            time.sleep(interval)


def _look(node: "NodeClient") -> Json:
    named, peers = node.get("/v1/status"), node.get("/v1/peers")
    return {
        "at_s": time.monotonic(),
        "legal_name": named["legal_name"],
        "status": named["status"],
        "peers": peers,
    }


def _pace(before: Json | None, now: Json) -> float | None:
    if before is None or now["at_s"] <= before["at_s"]:
        return None
    grown = now["status"]["height"] - before["status"]["height"]
    return float(grown / (now["at_s"] - before["at_s"]))


def _show(data: Json) -> str:
    status, peers = data["status"], {each["institution"]: each for each in data["peers"]}
    top = {
        "institution": data["legal_name"],
        "height": status["height"],
        "blocks a second": data["blocks_per_s"],
        "epoch and view": f"{status['epoch']}, {status['view']}",
        "last block": f"{status['block_age_ms'] / 1000:.1f} s ago",
        "power connected": f"{status['power_connected']} of {status['power_total']}; {status['quorum']} is needed",
        "waiting": f"{status['unordered_bytes'] / 1000:.1f} kB",
        "trouble": status["halted"] or status["standing"] or status["clock"],
    }
    rows = []
    for each in status["validators"]:
        peer = peers.get(each["id"], {})
        rtt = peer.get("rtt_ms")
        rows.append(
            (
                each["id"],
                each["power"],
                f"{each['reputation'] / 1_000_000:.3f}",
                each["connected"],
                each["voted"],
                None if rtt is None else f"{rtt:.1f}",
            )
        )
    heads = ("validator", "power", "reputation", "connected", "voted", "rtt ms")
    return f"{members(top)}\n\n{table(heads, rows)}"
