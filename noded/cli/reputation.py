"""`noded reputation`."""

from collections.abc import Sequence
from pathlib import Path

import click

from noded.cli.options import command as declare
from noded.cli.options import home_option
from noded.cli.output import Json, Output, table
from noded.cli.parsing import hexadecimal

CHART_EPOCHS = 32
"""Epochs in a member's chart: as wide as a column of a table may be."""

BARS = "▁▂▃▄▅▆▇█"

ONE = 1_000_000
"""One, in reputation's integer arithmetic."""


@click.group("reputation")
def command() -> None:
    """Show reputations, and explain where they come from."""


@declare(command, name="show")
@home_option
def show(output: Output, home: Path) -> None:
    """Show every member's reputation, power and share of the proposals, and how the reputation moved."""
    from noded.client.http import NodeClient

    with NodeClient.in_home(home) as node:
        epoch = node.get("/v1/epoch")["epoch"]
        after = max(0, epoch - 1 - CHART_EPOCHS).to_bytes(8).hex()
        rows = []
        for item in node.pages("/v1/reputation"):
            path = f"/v1/institutions/{item['id']}/reports"
            standing = item["value"]
            reports = [each["value"] for each in node.get(path, after=after, limit=CHART_EPOCHS)["items"]]
            rows.append(
                {
                    "id": item["id"],
                    "name": standing["member"]["institution"]["legal_name"],
                    **{
                        name: standing[name] for name in ("reputation", "debt", "effective", "power", "share")
                    },
                    "jailed_until": standing["jailed_until"],
                    "credits": standing["credits"],
                    "history": [
                        {name: report[name] for name in ("epoch", "score", "reputation", "power", "share")}
                        for report in reports
                    ],
                }
            )
        output.show({"epoch": epoch, "members": rows}, _show_members)


@declare(command, name="explain")
@home_option
@click.argument("member")
@click.option("--since", type=click.IntRange(min=1), default=1, show_default=True, help="First epoch.")
def explain(output: Output, home: Path, member: str, since: int) -> None:
    """Show the arithmetic of each epoch of MEMBER (an id), each point traced to blocks and transactions."""
    from noded.client.answers import Refused
    from noded.client.http import NodeClient

    hexadecimal(member, "a member's id")
    epochs: list[Json] = []
    with NodeClient.in_home(home) as node:
        present = node.get("/v1/epoch")["epoch"]
        reports = {
            item["value"]["epoch"]: item["value"] for item in node.pages(f"/v1/institutions/{member}/reports")
        }
        for epoch in range(since, present + 1):
            try:
                epochs.append(node.get(f"/v1/institutions/{member}/epochs/{epoch}"))
            except Refused as error:
                if epoch in reports:
                    epochs.append({"epoch": epoch, "report": reports[epoch], "why_untraced": str(error)})
        output.show({"member": member, "epochs": epochs}, _show_epochs)


def chart(values: Sequence[int], full: int = ONE) -> str:
    """A line of bars, one a value; the highest bar is `full`."""
    return "".join(BARS[min(len(BARS) - 1, value * len(BARS) // full)] for value in values)


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers as people write them: ``3–5, 9``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][-1] == number - 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("–".join(map(str, part)) for part in parts) or "none"


def _show_members(data: Json) -> str:
    shares = sum(row["share"] for row in data["members"]) or 1
    heads = (
        "member",
        "name",
        "reputation",
        "debt",
        "power",
        "% of proposals",
        "jailed until",
        "epochs before",
    )
    rows = [
        (
            row["id"],
            row["name"],
            row["reputation"],
            row["debt"],
            row["power"],
            100 * row["share"] / shares,
            row["jailed_until"],
            chart([each["reputation"] for each in row["history"]]),
        )
        for row in data["members"]
    ]
    return f"epoch {data['epoch']}; reputation and debt out of {ONE}\n\n{table(heads, rows)}"


def _show_epochs(data: Json) -> str:
    return "\n\n".join(_epoch(each) for each in data["epochs"]) or "this member was in no table yet"


def _epoch(data: Json) -> str:
    lines = [f"epoch {data['epoch']}"]
    if "signals" in data:
        lines[0] += f", heights {data['first_height']} to {data['last_height']}"
        lines += _facts(data)
    else:
        lines.append(f"not traced: {data['why_untraced']}")
    lines += ["still going on"] if data["report"] is None else _arithmetic(data.get("before"), data["report"])
    return "\n  ".join(lines)


def _facts(data: Json) -> list[str]:
    signals = data["signals"]
    voted = [each["height"] for each in signals if each["voted"]]
    missed = [each["height"] for each in signals if each["counted"] and not each["voted"]]
    late = [
        f"{vote['points']} in block {each['height']} for view {vote['view']} ({vote['kind']})"
        for each in signals
        for vote in each["late"]
    ]
    points = 2 * len(voted) + sum(vote["points"] for each in signals for vote in each["late"])
    lines = [
        f"points {points}: 2 for each vote in the certificates of blocks {ranges(voted)}",
        f"  not in those of blocks {ranges(missed)}",
        f"  late votes credited: {'; '.join(late) or 'none'}",
        f"opportunities {len(voted) + len(missed)}",
        f"proposed: blocks {ranges([each['height'] for each in signals if each['proposed']])}",
    ]
    failed = [f"view {view} (block {each['height']})" for each in signals for view in each["skipped"]]
    lines.append(f"failed: {', '.join(failed) or 'none'}")
    evidence = [f"{kind} (block {data['first_height'] - 1})" for kind in data["evidence"]]
    evidence += [f"{kind} (block {each['height']})" for each in signals for kind in each["evidence"]]
    lines.append(f"evidence: {', '.join(evidence) or 'none'}")
    duties = [f"{each['name']} (block {each['height']})" for each in data["duties"]]
    lines.append(f"duties overdue: {', '.join(duties) or 'none'}")
    return lines


def _arithmetic(before: Json | None, report: Json) -> list[str]:
    r = report
    lines = [
        f"P = {ONE}·({r['points']}+8)//(2·{r['opportunities']}+8) = {r['participation']}",
        f"L = {ONE}·({r['proposed']}+2)//({r['proposed']}+2+{r['failed']}) = {r['leading']}",
        f"A = {ONE}·({r['accepted']}+8)//({r['accepted']}+10·{r['lost']}+8) = {r['attesting']}",
        f"score = P·L//{ONE}·A//{ONE} = {r['score']}",
    ]
    if before is not None:
        lines += [_reputation(before, r), _debt(before, r)]
    lines += [
        f"E = max(0, min({r['reputation']}, {ONE} − {r['debt']})) = {r['effective']}",
        f"target = 1000 + ({r['rho_milli']} − 1000)·{r['effective']}//{ONE} = "
        f"{1000 + (r['rho_milli'] - 1000) * r['effective'] // ONE}",
    ]
    if not r["power"]:
        return [*lines, "power 0: not in the next table"]
    moved = "" if before is None else f" from {before['raw_power']}, at most +1/32 or −1/8"
    return [*lines, f"raw power {r['raw_power']}{moved}; capped {r['power']}; share {r['share']}"]


def _reputation(before: Json, report: Json) -> str:
    old, score = before["reputation"], report["score"]
    if score >= old:
        sum_, moved = f"{old} + ({score} − {old})//32", old + (score - old) // 32
    else:
        sum_, moved = f"{old} − ceil(({old} − {score})/4)", old - -(-(old - score) // 4)
    if report["reputation"] != moved:
        return f"R = {report['reputation']}: equivocation was proven"
    return f"R = {sum_} = {moved}"


def _debt(before: Json, report: Json) -> str:
    old = before["debt"]
    sum_ = f"min({ONE}, {old} − ceil({old}/64) + {report['incurred']})"
    decayed = min(ONE, old - -(-old // 64) + report["incurred"])
    if report["debt"] != decayed:
        return f"D = {report['debt']}: equivocation was proven"
    return f"D = {sum_} = {decayed}"
