"""Pictures of reputation: who holds what, epoch by epoch, and what that does to the pace of the chain."""

from collections.abc import Sequence
from math import nan
from typing import Any

from sim.report.conduct import held_by_kind, kinds_of, pace_of
from sim.report.frames import NODES, estimate, group, name_of, shown, varied_keys
from sim.report.style import Absent, Picture, colour, legend_above, make_figure, plot_estimates
from sim.results import Saved

SCORED = "protocol.reputation"

EPOCHS_MIN = 3
"""With fewer there is no course of anything."""

RUNS_MAX = 6


def standing(name: str, run: Saved, number: int) -> Picture | None:
    """Power, proposer share and reputation of every member over the epochs, in the run of this name and number."""
    rows = run.table("standings").to_dicts()
    if len({row["epoch"] for row in rows}) < EPOCHS_MIN:
        return None
    kinds = kinds_of(run)
    names = list(dict.fromkeys(kinds))
    totals: dict[int, tuple[int, int]] = {}
    for row in rows:
        power, share = totals.get(row["epoch"], (0, 0))
        totals[row["epoch"]] = power + row["power"], share + row["share"]
    figure, (powers, shares, reputations) = make_figure(3, height=6.5)
    xs = [epoch + 1 for epoch in totals]
    for node, kind in enumerate(kinds):
        mine = {row["epoch"]: row for row in rows if row["node"] == node}
        style: Any = {
            "color": colour(names.index(kind)),
            "linewidth": 0.8,
            "alpha": 0.6,
            "marker": ".",
            "markersize": 2,
        }
        parts = [
            (
                100 * mine[epoch]["power"] / (power or 1),
                100 * mine[epoch]["share"] / (share or 1),
                mine[epoch]["reputation"] / 1e6,
            )
            if epoch in mine
            else (nan, nan, nan)
            for epoch, (power, share) in totals.items()
        ]
        for axes, ys in zip((powers, shares, reputations), zip(*parts, strict=True), strict=True):
            axes.plot(xs, ys, **style)
    for index, name in enumerate(names):
        reputations.plot([], [], color=colour(index), label=name)
    powers.set_ylabel("voting power (%)")
    shares.set_ylabel("proposer share (%)")
    reputations.set_ylabel("reputation")
    reputations.set_ylim(0, 1)
    for axes in (powers, shares):
        axes.set_ylim(bottom=0)
    reputations.set_xlabel("epoch")
    legend_above(figure, reputations, columns=len(names))
    caption = (
        f"{name}: each member's part of the voting power and of the proposer shares, and its reputation, at the "
        "beginning of each epoch."
    )
    columns = (
        "kind", "epoch", "nodes", "power_percent", "share_percent", "reputation", "participation", "leading", "attesting",
        "proposed", "failed",
    )  # fmt: skip
    table = [
        (
            held.kind, held.epoch, held.nodes, held.power, held.share, held.reputation, held.participation, held.leading,
            held.attesting, held.proposed, held.failed,
        )
        for held in held_by_kind(run)
    ]  # fmt: skip
    return Picture(f"standing-{number}", caption, figure, columns, table)


def pace(runs: Sequence[tuple[str, Saved]]) -> Picture | None:
    """Blocks a second, lost views and finality of named runs, epoch by epoch."""
    series = [(name, paces) for name, run in runs[:RUNS_MAX] if len(paces := pace_of(run)) >= EPOCHS_MIN]
    if not series:
        return None
    figure, (blocks, lost, finality) = make_figure(3, height=6.5)
    rows: list[tuple[object, ...]] = []
    for index, (name, paces) in enumerate(series):
        xs = [each.epoch for each in paces]
        style: Any = {"color": colour(index), "marker": ".", "markersize": 3, "linewidth": 1.0}
        blocks.plot(xs, [each.blocks_per_s for each in paces], label=name, **style)
        lost.plot(xs, [each.nullified for each in paces], **style)
        finality.plot(xs, [each.p95_ms for each in paces], **style)
        rows += [
            (name, each.epoch, each.seconds, each.blocks_per_s, each.nullified, each.p95_ms) for each in paces
        ]
    blocks.set_ylabel("blocks / s")
    lost.set_ylabel("lost views a block")
    finality.set_ylabel("finality, p95 (ms)")
    finality.set_xlabel("epoch")
    for axes in (blocks, lost, finality):
        axes.set_ylim(bottom=0)
    legend_above(figure, blocks)
    caption = "Every epoch: blocks a second, views that were given up for each block, and finality."
    columns = ("run", "epoch", "seconds", "blocks_per_s", "nullified", "p95_ms")
    return Picture("epochs", caption, figure, columns, rows)


def against_round_robin(runs: Sequence[Saved]) -> Picture | Absent | None:
    """Blocks a second and finality over the number of nodes, with and without reputation."""
    if len(group(runs, [NODES])) < 2 or len(group(runs, [SCORED])) < 2:
        return None
    figure, (blocks, finality) = make_figure(2, height=5.0)
    rows: list[tuple[object, ...]] = []
    others = [key for key in varied_keys(runs) if key not in (NODES, SCORED)]
    for index, ((scored, *rest), part) in enumerate(group(runs, [SCORED, *others]).items()):
        xs, made, waits = [], [], []
        for (nodes,), same in group(part, [NODES]).items():
            height, wait = estimate(same, "blocks_per_s"), estimate(same, "finality_ms.p95")
            if height is not None and wait is not None:
                xs.append(float(nodes))
                made.append(height)
                waits.append(wait)
                rows.append((nodes, scored, *height, *wait, *map(shown, rest)))
        label = "reputation" if scored else "round robin"
        if others:
            label += f", {name_of(part[0], others, rest)}"
        plot_estimates(blocks, xs, made, index, label)
        plot_estimates(finality, xs, waits, index, label)
    if not rows:
        return Absent("reputation-nodes", "At no point did anything become final after the warm-up.")
    blocks.set_ylabel("blocks / s")
    finality.set_ylabel("finality, p95 (ms)")
    finality.set_xlabel("nodes")
    finality.set_xscale("log")
    for axes in (blocks, finality):
        axes.set_ylim(bottom=0)
    legend_above(figure, blocks)
    caption = "Reputation against round robin over the number of nodes; bars are 95 % bootstrap intervals over seeds."
    columns = ("nodes", "reputation", "blocks_per_s", "low", "high", "p95_ms", "p95_low", "p95_high", *others)
    return Picture("reputation-nodes", caption, figure, columns, rows)
