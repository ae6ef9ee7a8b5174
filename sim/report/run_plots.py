"""Pictures of single runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from sim.report.frames import cdf
from sim.report.style import HEIGHT_IN, Absent, Picture, colour, legend_above, make_figure
from sim.results import Saved
from sim.scenario.faults import Churn, Crash, Skew
from sim.statistics import median

if TYPE_CHECKING:
    import polars

LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)))
"""So that series are told apart without colours too."""

WIDE = 20
"""From this ratio of the longest to the shortest on, an axis is logarithmic."""

NAMED_MAX = 8
"""Faults whose names find room above a picture."""

CDF_ROWS = 2_000
"""About so many rows of a series stand in the CSV; the picture has all."""

PER_RUN_MAX = 6
"""Runs drawn side by side; more than that nobody can tell apart."""


NO_BLOCK = "No block became final while figures counted."

NO_TRANSACTION = "No transaction was submitted and became final while figures counted."


def finality_cdf(points: Sequence[tuple[str, Sequence[Saved]]]) -> Picture | Absent:
    """
    How long blocks and transactions take to be final.

    Args:
        points: What is compared: for each a name, and its runs, whose samples are taken together.
    """
    samples = {
        what: [
            (name, values)
            for name, runs in points[:PER_RUN_MAX]
            if (values := [wait for run in runs for wait in waits(run)])
        ]
        for what, waits in (("block", _block_waits), ("transaction", _transaction_waits))
    }
    if not samples["block"]:
        return Absent("finality-cdf", NO_BLOCK)
    drawn = {what: series for what, series in samples.items() if series}
    figure, all_axes = make_figure(len(drawn), height=5.0 if len(drawn) > 1 else HEIGHT_IN)
    names = [name for name, _ in points[:PER_RUN_MAX]]
    rows: list[tuple[object, ...]] = []
    for axes, (what, series) in zip(all_axes, drawn.items(), strict=True):
        for name, values in series:
            index = names.index(name)
            xs, ys = cdf(values)
            axes.step(
                xs, ys, linestyle=LINES[index % len(LINES)], where="post", color=colour(index), label=name
            )
            kept = max(1, len(xs) // CDF_ROWS)
            rows += [(name, what, x, y) for x, y in zip(xs[::-kept][::-1], ys[::-kept][::-1], strict=True)]
        axes.set_ylabel(f"share of {what}s")
        axes.set_ylim(0, 1)
    all_axes[-1].set_xlim(left=0)
    all_axes[-1].set_xlabel("finality (ms)")
    legend_above(figure, all_axes[0], columns=3)
    of_blocks = "blocks, from first proposal to finalization, median over correct nodes."
    if "transaction" in drawn:
        caption = (
            f"Finality. Above: {of_blocks} "
            "Below: transactions, from intended submission until stored at the gateway. All seeds together."
        )
    else:
        caption = f"Finality of {of_blocks} All seeds together. {NO_TRANSACTION}"
    lacking = [name for name in names if name not in dict(samples["block"])]
    if lacking:
        caption += f" Without a final block, so not drawn: {'; '.join(lacking)}."
    return Picture("finality-cdf", caption, figure, ("run", "what", "ms", "share"), rows)


def _block_waits(run: Saved) -> list[float]:
    blocks = _counted_blocks(run)
    return ((blocks["final_ns"] - blocks["proposed_ns"]) / 1e6).to_list()


def _transaction_waits(run: Saved) -> list[float]:
    rows = run.table("transactions")
    rows = rows.filter(rows["intended_ns"] >= run.scenario.time.warmup)
    return ((rows["final_ns"] - rows["intended_ns"]) / 1e6).to_list()


def _counted_blocks(run: Saved) -> "polars.DataFrame":
    """The blocks of a run's figures: final, at the median of correct nodes, after the warm-up and before the end."""
    blocks, time = run.table("blocks"), run.scenario.time
    return blocks.filter(blocks["final_ns"].is_between(time.warmup, time.duration))


def finality_by_region(run: Saved) -> Picture | Absent | None:
    """How long after its proposal a block is final in each region."""
    blocks, commits, nodes = _counted_blocks(run), run.table("commits"), run.table("nodes")
    if nodes["region"].n_unique() < 2:
        return None
    joined = commits.join(blocks.select("height", "proposed_ns"), on="height").join(
        nodes.select("node", "region"), on="node"
    )
    if not len(joined):
        return Absent("finality-by-region", NO_BLOCK)
    figure, (axes,) = make_figure()
    names = sorted(joined["region"].unique().to_list())
    waits = []
    for name in names:
        part = joined.filter(joined["region"] == name)
        waits.append(((part["final_ns"] - part["proposed_ns"]) / 1e6).to_list())
    axes.boxplot(
        waits, orientation="horizontal", showfliers=False, tick_labels=names, medianprops={"color": colour(1)}
    )
    axes.set_xlabel("finality (ms)")
    axes.set_xlim(left=0)
    rows = [(name, median(values)) for name, values in zip(names, waits, strict=True)]
    caption = f"{_label(run)}: finality by region; boxes are quartiles over blocks and nodes."
    return Picture("finality-by-region", caption, figure, ("region", "median_ms"), rows)


def timeline(run: Saved) -> Picture:
    """What each second was like, with the faults of the time."""
    seconds, blocks = run.table("seconds"), run.table("blocks")
    figure, (throughput, finality, backlog) = make_figure(3, height=6.0)
    xs = seconds["second"].to_list()
    transactions = seconds["transactions"].diff().fill_null(0).to_list()
    heights = seconds["height"].diff().fill_null(0).to_list()
    throughput.plot(xs, transactions, color=colour(0), label="transactions a second")
    twin = throughput.twinx()
    twin.plot(xs, heights, color=colour(1), label="blocks a second")
    twin.grid(visible=False)
    throughput.set_ylabel("transactions / s", color=colour(0))
    twin.set_ylabel("blocks / s", color=colour(1))
    times = (blocks["final_ns"] / 1e9).to_list()
    waits = ((blocks["final_ns"] - blocks["proposed_ns"]) / 1e6).to_list()
    finality.plot(times, waits, ".", markersize=3, color=colour(2))
    finality.set_ylabel("block finality (ms)")
    if not waits:
        finality.text(
            0.5, 0.5, "no block became final", transform=finality.transAxes, ha="center", va="center"
        )
    if waits and max(waits) > WIDE * max(1.0, min(waits)):
        finality.set_yscale("log")
    else:
        finality.set_ylim(bottom=0)
    backlog.plot(xs, seconds["waiting"].to_list(), color=colour(3), label="transactions waiting")
    backlog.plot(
        xs, (seconds["height"] - seconds["lowest"]).to_list(), color=colour(4), label="blocks behind"
    )
    backlog.set_yscale("symlog")
    backlog.set_ylim(bottom=0)
    backlog.set_ylabel("number")
    backlog.set_xlabel("time (s)")
    backlog.legend(loc="upper right", bbox_to_anchor=(1, 1.22), ncols=2, fontsize=8)
    for axes in (throughput, twin):
        axes.set_ylim(bottom=0)
    for axes in (throughput, finality, backlog):
        _shade_faults(axes, run)
    _name_faults(throughput, run)
    rows = list(
        zip(xs, transactions, heights, seconds["waiting"].to_list(), seconds["up"].to_list(), strict=True)
    )
    caption = f"{_label(run)}: every second, with the times of faults in grey."
    columns = ("second", "transactions", "blocks", "waiting", "up")
    return Picture("timeline", caption, figure, columns, rows)


def recovery(run: Saved) -> Picture | Absent | None:
    """How long after each fault's end the next block became final."""
    finals = sorted(run.table("blocks")["first_ns"].to_list())
    rows = []
    for start, end, kind in _windows(run):
        following = next((time for time in finals if time > end), None)
        before = [time for time in finals if start <= time <= end]
        gap = None if following is None else (following - (before[-1] if before else start)) / 1e6
        if following is not None:
            rows.append((kind, start / 1e9, end / 1e9, (following - end) / 1e6, gap))
    if not rows:
        why = "No block became final after a fault's end."
        return Absent("recovery", why) if _windows(run) else None
    figure, (axes,) = make_figure(height=1.2 + 0.3 * min(len(rows), 20))
    labels = [f"{kind} at {start:.1f} s" for kind, start, *_ in rows]
    axes.barh(range(len(rows)), [row[3] for row in rows], height=0.6, color=colour(0))
    axes.set_yticks(range(len(rows)), labels, fontsize=8 if len(rows) <= 20 else 5)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("from the fault's end to the next final block (ms)")
    caption = f"{_label(run)}: recovery after faults."
    columns = ("fault", "start_s", "end_s", "recovery_ms", "longest_gap_ms")
    return Picture("recovery", caption, figure, columns, rows)


def cpu(run: Saved) -> Picture:
    """How busy the nodes are."""
    nodes = run.table("nodes").sort("cpu", descending=True)
    figure, (axes,) = make_figure()
    shares = (100 * nodes["cpu"]).to_list()
    axes.bar(range(len(shares)), shares, width=1.0, color=colour(0))
    axes.set_xlabel("node, busiest first")
    axes.set_ylabel("core that runs the node (%)")
    rows = list(zip(nodes["node"].to_list(), shares, nodes["sent_bytes"].to_list(), strict=True))
    caption = f"{_label(run)}: load of each node's main core, by the CPU model."
    return Picture("cpu", caption, figure, ("node", "cpu_percent", "sent_bytes"), rows)


def phases(run: Saved) -> Picture | Absent:
    """Where the time to finality goes."""
    blocks = _counted_blocks(run).drop_nulls()
    if not len(blocks):
        return Absent("phases", "No block of which votes were seen became final while figures counted.")
    steps = (
        ("proposal to N vote", "proposed_ns", "notarized_ns"),
        ("N vote to F vote", "notarized_ns", "voted_ns"),
        ("F vote to final", "voted_ns", "final_ns"),
    )
    figure, (axes,) = make_figure(height=1.8)
    left = 0.0
    rows = []
    for index, (name, start, end) in enumerate(steps):
        span = (median((blocks[end] - blocks[start]).to_list()) or 0.0) / 1e6
        axes.barh([""], [span], left=left, color=colour(index), label=f"{name}: {span:.0f} ms")
        left += span
        rows.append((name, span))
    axes.set_xlabel("time since the proposal (ms), medians")
    figure.legend(loc="outside upper center", ncols=3, fontsize=8)
    caption = f"{_label(run)}: where the time from proposal to finality goes."
    return Picture("phases", caption, figure, ("phase", "ms"), rows)


def _label(run: Saved) -> str:
    return f"{run.scenario.name}, n = {run.scenario.nodes.count}, seed {run.scenario.seed}"


def _windows(run: Saved) -> list[tuple[int, int, str]]:
    """Start, end and kind of each fault that ends."""
    windows: list[tuple[int, int, str]] = []
    for fault in run.scenario.fault:
        if isinstance(fault, Crash):
            if fault.restart_after is not None:
                windows.append((fault.at, fault.at + fault.restart_after, fault.kind))
        elif not isinstance(fault, (Skew, Churn)):
            windows.append((fault.at, fault.at + fault.span, fault.kind))
    return windows


def _shade_faults(axes: Axes, run: Saved) -> None:
    for start, end, _ in _windows(run):
        axes.axvspan(start / 1e9, end / 1e9, color="0.5", alpha=0.15, linewidth=0)


def _name_faults(axes: Axes, run: Saved) -> None:
    """The kinds of faults above their times, while there is room."""
    windows = _windows(run)
    for start, end, kind in windows if len(windows) <= NAMED_MAX else ():
        middle = (start + end) / 2e9
        axes.annotate(
            kind, (middle, 1.02), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=8
        )
