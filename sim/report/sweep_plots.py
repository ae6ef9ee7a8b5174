"""Pictures of many runs."""

from collections.abc import Sequence

from sim.report.frames import (
    estimate,
    finality_delays,
    group,
    is_linear,
    median_delay_ms,
    messages_by_theory,
    shown,
)
from sim.report.style import (
    Absent,
    Picture,
    colour,
    count_axis,
    legend_above,
    make_figure,
    marker,
    plot_estimates,
)
from sim.results import Saved

NODES = "nodes.count"
RATE = "workload.rate"


NOTHING_FINAL = "At no point did anything become final after the warm-up."


def throughput_latency(runs: Sequence[Saved]) -> Picture | Absent:
    """What a higher load does to latency."""
    figure, (axes,) = make_figure()
    rows = []
    for index, ((nodes,), part) in enumerate(group(runs, [NODES]).items()):
        points = []
        for (rate,), same in group(part, [RATE]).items():
            done, wait = estimate(same, "tx_per_s"), estimate(same, "tx_finality_ms.p50")
            late = estimate(same, "tx_finality_ms.p99")
            if done is not None and wait is not None and late is not None:
                points.append((done, wait))
                rows.append((nodes, rate, *done, *wait, *late))
        axes.errorbar(
            [done[0] for done, _ in points],
            [wait[0] for _, wait in points],
            xerr=_bars([done for done, _ in points]),
            yerr=_bars([wait for _, wait in points]),
            color=colour(index),
            marker=marker(index),
            markersize=4,
            capsize=2,
            label=f"n = {nodes}",
        )
    if not rows:
        return Absent("throughput-latency", NOTHING_FINAL)
    axes.set_xlabel("throughput (transactions / s)")
    axes.set_ylabel("transaction finality, median (ms)")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    legend_above(figure, axes, columns=5)
    columns = ["nodes", "rate"]
    for name in ("tx_per_s", "p50_ms", "p99_ms"):
        columns += [name, f"{name}_low", f"{name}_high"]
    caption = "Throughput against latency: each point is an offered load. Bars are 95 % bootstrap intervals over seeds."
    return Picture("throughput-latency", caption, figure, columns, rows)


def finality_over_nodes(runs: Sequence[Saved]) -> Picture | Absent:
    """Finality as the network grows, with what theory says."""
    figure, (axes,) = make_figure()
    rows: list[tuple[object, ...]] = []
    for index, ((rate,), part) in enumerate(group(runs, [RATE]).items()):
        xs, medians = [], []
        for (nodes,), same in group(part, [NODES]).items():
            found, late = estimate(same, "finality_ms.p50"), estimate(same, "finality_ms.p99")
            if found is not None and late is not None:
                xs.append(float(nodes))
                medians.append(found)
                rows.append((rate, nodes, *found, *late))
        plot_estimates(axes, xs, medians, index, _load(part, rate))
    if not rows:
        return Absent("finality-nodes", NOTHING_FINAL)
    theory = [
        (nodes, finality_delays(same[0].scenario) * median_delay_ms(same[0].scenario))
        for (nodes,), same in group(runs, [NODES]).items()
    ]
    axes.plot(*zip(*theory, strict=True), "k:", label="theory: 3 δ (all), 5 δ (linear)")
    count_axis(axes, [nodes for nodes, _ in theory])
    axes.set_xlabel("nodes")
    axes.set_ylabel("block finality, median (ms)")
    axes.set_ylim(bottom=0)
    legend_above(figure, axes)
    columns = ("rate", "nodes", "p50_ms", "p50_low", "p50_high", "p99_ms", "p99_low", "p99_high")
    caption = (
        "Finality against the number of nodes; bars are 95 % bootstrap intervals over seeds. "
        "δ is the median one-way delay between two nodes."
    )
    return Picture("finality-nodes", caption, figure, columns, rows)


def throughput_over_nodes(runs: Sequence[Saved]) -> Picture:
    """Throughput as the network grows."""
    figure, (transactions, blocks) = make_figure(2, height=5.0)
    rows: list[tuple[object, ...]] = []
    for index, ((rate,), part) in enumerate(group(runs, [RATE]).items()):
        xs, done, made = [], [], []
        for (nodes,), same in group(part, [NODES]).items():
            per_s, height = estimate(same, "tx_per_s"), estimate(same, "blocks_per_s")
            if per_s is not None and height is not None:
                xs.append(float(nodes))
                done.append(per_s)
                made.append(height)
                rows.append((rate, nodes, *per_s, *height))
        plot_estimates(transactions, xs, done, index, f"{_load(part, rate)} offered")
        plot_estimates(blocks, xs, made, index, f"{_load(part, rate)} offered")
    transactions.set_ylabel("transactions / s")
    blocks.set_ylabel("blocks / s")
    blocks.set_xlabel("nodes")
    for axes in (transactions, blocks):
        count_axis(axes, _counts(runs))
        axes.set_ylim(bottom=0)
    legend_above(figure, transactions)
    columns = ("rate", "nodes", "tx_per_s", "tx_low", "tx_high", "blocks_per_s", "blocks_low", "blocks_high")
    caption = "Throughput against the number of nodes; bars are 95 % bootstrap intervals over seeds."
    return Picture("throughput-nodes", caption, figure, columns, rows)


def traffic_over_nodes(runs: Sequence[Saved]) -> Picture | Absent:
    """Messages and bytes a block, with what theory says."""
    figure, (messages, size) = make_figure(2, height=5.0)
    rows: list[tuple[object, ...]] = []
    for index, ((rate,), part) in enumerate(group(runs, [RATE]).items()):
        xs, counts, sizes = [], [], []
        for (nodes,), same in group(part, [NODES]).items():
            count, volume = estimate(same, "messages_per_block"), estimate(same, "bytes_per_block")
            if count is not None and volume is not None:
                xs.append(float(nodes))
                counts.append(count)
                sizes.append(volume)
                routing = "linear" if is_linear(same[0].scenario) else "all"
                rows.append((rate, nodes, routing, *count, messages_by_theory(same[0].scenario), *volume))
        plot_estimates(messages, xs, counts, index, _load(part, rate))
        plot_estimates(size, xs, sizes, index, _load(part, rate))
    if not rows:
        return Absent("traffic-nodes", NOTHING_FINAL)
    for linear, label in ((False, None), (True, "theory: 2n² (all), 3.1n (linear)")):
        theory = [
            (nodes, messages_by_theory(same[0].scenario))
            for (nodes,), same in group(runs, [NODES]).items()
            if is_linear(same[0].scenario) is linear
        ]
        messages.plot([n for n, _ in theory], [count for _, count in theory], "k:", label=label)
    messages.set_ylabel("messages a block")
    size.set_ylabel("bytes a block")
    size.set_xlabel("nodes")
    for axes in (messages, size):
        count_axis(axes, _counts(runs))
        axes.set_yscale("log")
    legend_above(figure, messages)
    columns = (
        "rate",
        "nodes",
        "routing",
        "messages",
        "low",
        "high",
        "theory",
        "bytes",
        "bytes_low",
        "bytes_high",
    )
    caption = (
        "Messages and bytes a block against the number of nodes, all nodes and kinds of messages together."
    )
    return Picture("traffic-nodes", caption, figure, columns, rows)


def over_key(runs: Sequence[Saved], key: str) -> Picture | Absent:
    """Finality and blocks a second over any one key that was varied."""
    figure, (finality, blocks) = make_figure(2, height=5.0)
    rows: list[tuple[object, ...]] = []
    labels, waits, made = [], [], []
    for (value,), same in group(runs, [key]).items():
        wait, height = estimate(same, "finality_ms.p50"), estimate(same, "blocks_per_s")
        if wait is not None and height is not None:
            labels.append(shown(value))
            waits.append(wait)
            made.append(height)
            rows.append((shown(value), *wait, *height))
    name = f"over-{key.replace('.', '-')}"
    if not rows:
        return Absent(name, NOTHING_FINAL)
    xs = list(map(float, range(len(labels))))
    plot_estimates(finality, xs, waits, 0, "finality")
    plot_estimates(blocks, xs, made, 1, "blocks")
    finality.set_ylabel("block finality, median (ms)")
    blocks.set_ylabel("blocks / s")
    blocks.set_xticks(xs, labels)
    blocks.set_xlabel(key)
    for axes in (finality, blocks):
        axes.set_ylim(bottom=0)
    columns = (key, "p50_ms", "p50_low", "p50_high", "blocks_per_s", "blocks_low", "blocks_high")
    return Picture(name, f"Finality and blocks a second over {key}.", figure, columns, rows)


def _load(runs: Sequence[Saved], rate: float) -> str:
    """What is offered in these runs."""
    return "nothing" if runs[0].scenario.workload.model == "none" else f"{rate:g} tx / s"


def _counts(runs: Sequence[Saved]) -> list[float]:
    return [float(nodes) for (nodes,) in group(runs, [NODES])]


def _bars(estimates: Sequence[tuple[float, float, float]]) -> tuple[list[float], list[float]]:
    """How far intervals reach below and above their means."""
    return [mean - low for mean, low, _ in estimates], [high - mean for mean, _, high in estimates]
