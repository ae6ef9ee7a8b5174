"""`noded validators`."""

from pathlib import Path

from noded.cli.options import command as declare
from noded.cli.options import node_at, node_options
from noded.cli.output import Json, Output, members, table


@declare(name="validators")
@node_options
def command(output: Output, home: Path) -> None:
    """Show who may vote in this epoch, with which power and which share of the proposals."""
    with node_at(home) as node:
        seen = {each["id"]: each for each in node.get("/v1/status")["status"]["validators"]}
        rows = [
            {
                "id": item["id"],
                "name": item["value"]["member"]["institution"]["legal_name"],
                **{name: item["value"][name] for name in ("power", "share", "reputation", "debt")},
                "jailed_until": item["value"]["jailed_until"],
                "connected": seen.get(item["id"], {}).get("connected"),
                **{name: item["value"][name] for name in ("points", "opportunities")},
            }
            for item in node.pages("/v1/reputation")
            if item["value"]["power"]
        ]
        output.show({"epoch": node.get("/v1/epoch"), "validators": rows}, _show)


def _show(data: Json) -> str:
    epoch, rows = data["epoch"], data["validators"]
    shares = sum(row["share"] for row in rows) or 1
    top = {
        "epoch": f"{epoch['epoch']}, heights {epoch['first_height']} to {epoch['last_height']}",
        "power": f"{epoch['total_power']}; {epoch['quorum']} make a quorum",
        "may be byzantine": f"{epoch['tolerated']} of {len(rows)} validators, whichever they are",
    }
    heads = ("name", "validator", "power", "% of power", "% of proposals", "connected", "% of votes")
    body = [
        (
            row["name"],
            row["id"],
            row["power"],
            100 * row["power"] / epoch["total_power"],
            100 * row["share"] / shares,
            row["connected"],
            50 * row["points"] / row["opportunities"] if row["opportunities"] else None,
        )
        for row in rows
    ]
    return f"{members(top)}\n\n{table(heads, body)}\n\n% of votes: of this epoch's blocks so far"
