"""`noded reputation`."""

from collections.abc import Sequence
from pathlib import Path

import click

from noded.cli.options import command as declare
from noded.cli.options import node_at, node_options
from noded.cli.output import Json, Output, table

CHART_EPOCHS = 32
"""Epochs in a member's chart: as wide as a column of a table may be."""

EXPLAINED_EPOCHS = 8
"""Unless more are asked for: what fits a few screens."""

BARS = "▁▂▃▄▅▆▇█"

ONE = 1_000_000
"""One, in reputation's integer arithmetic."""


@click.group("reputation")
def command() -> None:
    """Show reputations, and explain where they come from."""


@declare(command, name="show")
@node_options
def show(output: Output, home: Path) -> None:
    """Show every member's reputation, power and share of the proposals, and how the reputation moved."""
    with node_at(home) as node:
        epoch = node.get("/v1/epoch")["epoch"]
        after = behind(epoch - 1 - CHART_EPOCHS)
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
@node_options
@click.argument("member")
@click.option(
    "--since", type=click.IntRange(min=1), help=f"First epoch; by default {EXPLAINED_EPOCHS} are explained."
)
def explain(output: Output, home: Path, member: str, since: int | None) -> None:
    """Show the arithmetic of each epoch of MEMBER (id or name), each point traced to blocks and transactions."""
    from noded.client.answers import Refused
    from noded.client.members import find_member

    epochs: list[Json] = []
    with node_at(home) as node:
        id, name = find_member(node, member)
        present = node.get("/v1/epoch")["epoch"]
        first = max(1, present - EXPLAINED_EPOCHS + 1) if since is None else since
        after = behind(first - 1)
        reports: dict[int, Json] = {}
        while after:
            page = node.get(f"/v1/institutions/{id}/reports", after=after)
            reports |= {item["value"]["epoch"]: item["value"] for item in page["items"]}
            after = page["next"]
        for epoch in range(first, present + 1):
            try:
                epochs.append(node.get(f"/v1/institutions/{id}/epochs/{epoch}"))
            except Refused as error:
                if epoch in reports:
                    epochs.append({"epoch": epoch, "report": reports[epoch], "why_untraced": str(error)})
        output.show({"member": id, "name": name, "epochs": epochs}, _show_epochs)


def behind(epoch: int) -> str:
    """The cursor of a list of epochs that goes on behind this one."""
    return max(0, epoch).to_bytes(4).hex()


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
    powers = sum(row["power"] for row in data["members"]) or 1
    heads = [
        "name",
        "member",
        "reputation",
        "debt",
        "power",
        "% of power",
        "% of proposals",
        "reputation by epoch",
    ]
    jailed = any(row["jailed_until"] for row in data["members"])
    rows: list[list[object]] = [
        [
            row["name"],
            row["id"],
            row["reputation"],
            row["debt"],
            row["power"],
            100 * row["power"] / powers,
            100 * row["share"] / shares,
            chart([each["reputation"] for each in row["history"]]),
        ]
        for row in data["members"]
    ]
    if jailed:
        heads.append("jailed")
        for row, line in zip(data["members"], rows, strict=True):
            line.append(f"until epoch {row['jailed_until']}" if row["jailed_until"] else "no")
    return f"epoch {data['epoch']}; reputation and debt out of {ONE}\n\n{table(heads, rows)}"


def _show_epochs(data: Json) -> str:
    parts = [_epoch(each) for each in data["epochs"]] or ["this member was in no table of these epochs"]
    return "\n\n".join([f"{data['name']} ({data['member']}); S = {ONE}", *parts])


def _epoch(data: Json) -> str:
    head = f"epoch {data['epoch']}"
    facts: list[Line] = []
    if "signals" in data:
        head += f", heights {data['first_height']} to {data['last_height']}"
        facts = _facts(data)
    else:
        head += f"; not traced: {data['why_untraced']}"
    if data["report"] is None:
        head += ", still going on"
    lines = facts if data["report"] is None else _arithmetic(facts, data.get("before"), data["report"])
    width = max((len(label) for label, _ in lines), default=0)
    return "\n".join([head, *(f"  {label:<{width}}  {text}" for label, text in lines)])


Line = tuple[str, str]
"""What is said about, and what is said."""


def _facts(data: Json) -> list[Line]:
    """Votes, proposals, evidence and duties, and where on the chain each of them stands."""
    signals = data["signals"]
    voted = [each["height"] for each in signals if each["voted"]]
    missed = [each["height"] for each in signals if each["counted"] and not each["voted"]]
    proposed = [each["height"] for each in signals if each["proposed"]]
    late = [
        f"{vote['points']} in block {each['height']} ({vote['kind']} of view {vote['view']})"
        for each in signals
        for vote in each["late"]
    ]
    failed = [f"view {view} (block {each['height']})" for each in signals for view in each["skipped"]]
    evidence = [f"{kind} (block {data['first_height'] - 1})" for kind in data["evidence"]]
    evidence += [f"{kind} (block {each['height']})" for each in signals for kind in each["evidence"]]
    duties = [f"{each['name']} of {each['subject']} (block {each['height']})" for each in data["duties"]]
    return [
        ("votes", f"2 points each, in the certificates in blocks {ranges(voted)}" if voted else "none"),
        ("  late", "; ".join(late) or "none"),
        ("  missing", f"in blocks {ranges(missed)}" if missed else "none"),
        ("proposals", f"blocks {ranges(proposed)}" if proposed else "none"),
        ("  failed", ", ".join(failed) or "none"),
        ("evidence", ", ".join(evidence) or "none"),
        ("duties missed", ", ".join(duties) or "none"),
    ]


def _arithmetic(facts: list[Line], before: Json | None, report: Json) -> list[Line]:
    """Each factor behind the facts that it comes from, then what they come to."""
    r = report
    lines = [
        *facts[:3],
        ("P", f"S·({r['points']}+8)//(2·{r['opportunities']}+8) = {r['participation']}"),
        *facts[3:5],
        ("L", f"S·({r['proposed']}+2)//({r['proposed']}+2+{r['failed']}) = {r['leading']}"),
        *facts[5:],
        ("A", f"S·({r['accepted']}+8)//({r['accepted']}+10·{r['lost']}+8) = {r['attesting']}"),
        ("score", f"P·L//S·A//S = {r['score']}"),
    ]
    if before is not None:
        lines += [_reputation(before, r), _debt(before, r)]
    lines.append(
        ("E", f"max(0, min(R, S − D)) = max(0, min({r['reputation']}, {ONE - r['debt']})) = {r['effective']}")
    )
    if not r["power"]:
        return [*lines, ("power", "0: not in the next table")]
    rho = r["rho_milli"]
    lines.append(("target", f"1000 + ({rho} − 1000)·{r['effective']}//S = {r['target']}"))
    if before is not None:
        lines.append(_raw_power(before["raw_power"], r))
    lines.append(
        ("power", f"{r['power']}" + ("" if r["power"] == r["raw_power"] else ": the cap below a third"))
    )
    if r["share"]:
        root = r["effective"] // 1000
        share = f"max({r['power']}·{root}·{root}//S·64, {r['power']}) = {r['share']}"
    else:
        share = "0: jailed, kept as a voter only"
    return [*lines, ("share", share)]


def _raw_power(old: int, report: Json) -> Line:
    target, new = report["target"], report["raw_power"]
    move = max(-(old // 8), min(max(1, old // 32), target - old))
    text = f"{old} + max(−{old // 8}, min({max(1, old // 32)}, {target} − {old})) = {old + move}"
    if new != old + move:
        text += f", of which all moves together leave {new} (W/12)"
    return "raw power", text


def _reputation(before: Json, report: Json) -> Line:
    old, score = before["reputation"], report["score"]
    if score >= old:
        text, moved = f"{old} + ({score} − {old})//32", old + (score - old) // 32
    else:
        text, moved = f"{old} − ceil(({old} − {score})/4)", old - -(-(old - score) // 4)
    if report["reputation"] != moved:
        return "R", f"{report['reputation']}: equivocation was proven"
    return "R", f"{text} = {moved}"


def _debt(before: Json, report: Json) -> Line:
    old = before["debt"]
    decayed = min(ONE, old - -(-old // 64) + report["incurred"])
    if report["debt"] != decayed:
        return "D", f"{report['debt']}: equivocation was proven"
    return "D", f"min(S, {old} − ceil({old}/64) + {report['incurred']}) = {decayed}"
