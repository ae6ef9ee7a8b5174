"""`noded status`."""

from pathlib import Path

from noded.cli.options import command as declare
from noded.cli.options import node_at, node_options
from noded.cli.output import Json, Output, members, table


@declare(name="status")
@node_options
def command(output: Output, home: Path) -> None:
    """Show how the node and the chain stand, who is missing, and why the chain stands if it does."""
    with node_at(home) as node:
        data = node.get("/v1/status")
        names = {
            item["id"]: item["value"]["institution"]["legal_name"] for item in node.pages("/v1/institutions")
        }
        for each in data["status"]["validators"]:
            each["name"] = names.get(each["id"])
        output.show(data, _show)


def _show(data: Json) -> str:
    status = data["status"]
    top = {
        "institution": f"{data['legal_name']} ({data['institution']})",
        "chain": f"{data['chain_name']} ({data['chain_id']})",
        "height": status["height"],
        "epoch and view": f"{status['epoch']}, {status['view']}",
        "last block": f"{status['block_age_ms'] / 1000:.1f} s ago",
        "power connected": f"{status['power_connected']} of {status['power_total']}; {status['quorum']} is needed",
        "may be byzantine": f"{status['tolerated']} of {len(status['validators'])} validators, whichever they are",
        "state": _state(status),
        "votes": "yes" if status["silence"] is None else f"no: {status['silence']}",
    }
    if status["clock"]:
        top["clock"] = status["clock"]
    heads = ["name", "validator", "power", "connected"]
    rows = [[each[name] for name in ("name", "id", "power", "connected")] for each in status["validators"]]
    if status["standing"]:  # While blocks come, nobody has voted yet in most moments.
        heads.append("voted in this view")
        for row, each in zip(rows, status["validators"], strict=True):
            row.append(each["voted"])
    return f"{members(top)}\n\n{table(heads, rows)}"


def _state(status: Json) -> str:
    if status["halted"]:
        return f"halted: {status['halted']}"
    if status["standing"]:
        return f"the chain stands: {status['standing']}"
    return "catching up" if status["syncing"] else "running"
