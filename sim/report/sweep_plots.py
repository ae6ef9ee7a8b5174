"""Pictures of many runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sim.report.frames import (
    NODES,
    RATE,
    estimate,
    finality_delays,
    group,
    is_linear,
    is_measure,
    median_delay_ms,
    messages_by_theory,
    name_of,
    shown,
    value_of,
    varied_keys,
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


@dataclass(frozen=True, slots=True)
class Series:
    """Runs that differ in nothing but the seed and the picture's x axis."""

    label: str
    values: tuple[Any, ...]
    """Of the keys by which series are told apart."""
    runs: Sequence[Saved]


TICK_LETTERS = 60
"""Letters below an axis that find room side by side."""

UNFINISHED_MAX = 0.05
"""Share of transactions without an end above which the median of those with one says too little."""

NOTHING_FINAL = "At no point did anything become final after the warm-up."


def throughput_latency(runs: Sequence[Saved]) -> Picture | Absent:
    """What a higher load does to latency."""
    figure, (axes,) = make_figure()
    rows = []
    overloaded: list[tuple[float, float, int]] = []
    others, series = _series(runs, RATE, NODES)
    for index, each in enumerate(series):
        nodes, *rest = each.values
        points = []
        for (rate,), same in group(each.runs, [RATE]).items():
            lost = estimate(same, "tx_unfinished")
            done, wait = estimate(same, "tx_per_s"), estimate(same, "tx_finality_ms.p50")
            late = estimate(same, "tx_finality_ms.p99")
            if done is not None and wait is not None and late is not None:
                points.append((done, wait))
                rows.append((nodes, rate, *done, *wait, *late, lost and lost[0], *map(shown, rest)))
                if lost is not None and lost[0] > UNFINISHED_MAX:
                    overloaded.append((done[0], wait[0], index))
        axes.errorbar(
            [done[0] for done, _ in points],
            [wait[0] for _, wait in points],
            xerr=_bars([done for done, _ in points]),
            yerr=_bars([wait for _, wait in points]),
            color=colour(index),
            marker=marker(index),
            markersize=4,
            capsize=2,
            label=each.label,
        )
    if not rows:
        return Absent("throughput-latency", NOTHING_FINAL)
    for x, y, index in overloaded:
        axes.plot(
            [x], [y], marker(index), color=colour(index), markersize=4, markerfacecolor="white", zorder=3
        )
    axes.set_xlabel("throughput (transactions / s)")
    axes.set_ylabel("transaction finality, median (ms)")
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    legend_above(figure, axes, columns=5)
    columns = ["nodes", "rate"]
    for name in ("tx_per_s", "p50_ms", "p99_ms"):
        columns += [name, f"{name}_low", f"{name}_high"]
    columns += ["unfinished", *others]
    caption = "Throughput against latency: each point is an offered load. Bars are 95 % bootstrap intervals over seeds."
    if overloaded:
        caption += (
            f" Hollow: more than {UNFINISHED_MAX:.0%} of the transactions were not final at the end of the run; "
            "the figure is of the others, and too small."
        )
    return Picture("throughput-latency", caption, figure, columns, rows)


def finality_over_nodes(runs: Sequence[Saved]) -> Picture | Absent:
    """Finality as the network grows, with what theory says."""
    figure, (axes,) = make_figure()
    rows: list[tuple[object, ...]] = []
    others, series = _series(runs, NODES, RATE)
    for index, each in enumerate(series):
        rate, *rest = each.values
        xs, medians = [], []
        for (nodes,), same in group(each.runs, [NODES]).items():
            found, late = estimate(same, "finality_ms.p50"), estimate(same, "finality_ms.p99")
            if found is not None and late is not None:
                xs.append(float(nodes))
                medians.append(found)
                rows.append((rate, nodes, *found, *late, *map(shown, rest)))
        plot_estimates(axes, xs, medians, index, each.label)
    if not rows:
        return Absent("finality-nodes", NOTHING_FINAL)
    theory = dict.fromkeys(
        tuple(
            (nodes, finality_delays(same[0].scenario) * median_delay_ms(same[0].scenario))
            for (nodes,), same in group(each.runs, [NODES]).items()
        )
        for each in series
    )
    for number, points in enumerate(theory):
        label = None if number else "theory: 3 δ (all), 5 δ (linear)"
        axes.plot(*zip(*points, strict=True), "k:", label=label)
    count_axis(axes, _counts(runs))
    axes.set_xlabel("nodes")
    axes.set_ylabel("block finality, median (ms)")
    axes.set_ylim(bottom=0)
    legend_above(figure, axes)
    columns = ("rate", "nodes", "p50_ms", "p50_low", "p50_high", "p99_ms", "p99_low", "p99_high", *others)
    caption = (
        "Finality against the number of nodes; bars are 95 % bootstrap intervals over seeds. "
        "δ is the median one-way delay between two nodes."
    )
    return Picture("finality-nodes", caption, figure, columns, rows)


def throughput_over_nodes(runs: Sequence[Saved]) -> Picture:
    """Throughput as the network grows."""
    figure, (transactions, blocks) = make_figure(2, height=5.0)
    rows: list[tuple[object, ...]] = []
    others, series = _series(runs, NODES, RATE)
    for index, each in enumerate(series):
        rate, *rest = each.values
        xs, done, made = [], [], []
        for (nodes,), same in group(each.runs, [NODES]).items():
            per_s, height = estimate(same, "tx_per_s"), estimate(same, "blocks_per_s")
            if per_s is not None and height is not None:
                xs.append(float(nodes))
                done.append(per_s)
                made.append(height)
                rows.append((rate, nodes, *per_s, *height, *map(shown, rest)))
        plot_estimates(transactions, xs, done, index, f"offered: {each.label}")
        plot_estimates(blocks, xs, made, index, f"offered: {each.label}")
    transactions.set_ylabel("transactions / s")
    blocks.set_ylabel("blocks / s")
    blocks.set_xlabel("nodes")
    for axes in (transactions, blocks):
        count_axis(axes, _counts(runs))
        axes.set_ylim(bottom=0)
    legend_above(figure, transactions)
    columns = (
        "rate",
        "nodes",
        "tx_per_s",
        "tx_low",
        "tx_high",
        "blocks_per_s",
        "blocks_low",
        "blocks_high",
        *others,
    )
    caption = "Throughput against the number of nodes; bars are 95 % bootstrap intervals over seeds."
    return Picture("throughput-nodes", caption, figure, columns, rows)


def traffic_over_nodes(runs: Sequence[Saved]) -> Picture | Absent:
    """Messages and bytes a block, with what theory says."""
    figure, (messages, size) = make_figure(2, height=5.0)
    rows: list[tuple[object, ...]] = []
    others, series = _series(runs, NODES, RATE)
    for index, each in enumerate(series):
        rate, *rest = each.values
        xs, counts, sizes = [], [], []
        for (nodes,), same in group(each.runs, [NODES]).items():
            count, volume = estimate(same, "messages_per_block"), estimate(same, "bytes_per_block")
            if count is not None and volume is not None:
                xs.append(float(nodes))
                counts.append(count)
                sizes.append(volume)
                is_by_collectors = is_linear(same[0].scenario)
                routing = "linear" if is_by_collectors else "all"
                theory = messages_by_theory(nodes, is_linear=is_by_collectors)
                rows.append((rate, nodes, routing, *count, theory, *volume, *map(shown, rest)))
        plot_estimates(messages, xs, counts, index, each.label)
        plot_estimates(size, xs, sizes, index, each.label)
    if not rows:
        return Absent("traffic-nodes", NOTHING_FINAL)
    for linear, label in ((False, None), (True, "theory: 2n² (all), 3.1n (linear)")):
        sizes_of_kind = sorted(
            {run.scenario.nodes.count for run in runs if is_linear(run.scenario) is linear}
        )
        by_theory = [messages_by_theory(nodes, is_linear=linear) for nodes in sizes_of_kind]
        messages.plot(sizes_of_kind, by_theory, "k:", label=label)
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
        *others,
    )
    caption = (
        "Messages and bytes a block against the number of nodes, all nodes and kinds of messages together."
    )
    return Picture("traffic-nodes", caption, figure, columns, rows)


def over_key(runs: Sequence[Saved], key: str) -> Picture | Absent:
    """Finality and blocks a second over any one key that was varied."""
    figure, (finality, blocks) = make_figure(2, height=5.0)
    rows: list[tuple[object, ...]] = []
    others, series = _series(runs, key)
    is_joined = all(is_measure(value_of(run, key)) for run in runs)
    places = {value: place for place, (value,) in enumerate(group(runs, [key]))}
    for index, each in enumerate(series):
        xs, waits, made = [], [], []
        for (value,), same in group(each.runs, [key]).items():
            wait, height = estimate(same, "finality_ms.p50"), estimate(same, "blocks_per_s")
            if wait is not None and height is not None:
                xs.append(float(places[value]))
                waits.append(wait)
                made.append(height)
                rows.append((shown(value), *wait, *height, *map(shown, each.values)))
        for axes, ys in ((finality, waits), (blocks, made)):
            plot_estimates(axes, xs, ys, index, each.label, is_joined=is_joined)
    name = f"over-{key.replace('.', '-').replace('*', 'rest')}"
    if not rows:
        return Absent(name, NOTHING_FINAL)
    finality.set_ylabel("block finality, median (ms)")
    blocks.set_ylabel("blocks / s")
    ticks = [shown(value) for value in places]
    is_crowded = sum(map(len, ticks)) > TICK_LETTERS
    blocks.set_xticks(
        list(places.values()), ticks, rotation=30 if is_crowded else 0, ha="right" if is_crowded else "center"
    )
    blocks.set_xlabel(key)
    for axes in (finality, blocks):
        axes.set_ylim(bottom=0)
    if others:
        legend_above(figure, finality)
    columns = (key, "p50_ms", "p50_low", "p50_high", "blocks_per_s", "blocks_low", "blocks_high", *others)
    caption = f"Finality and blocks a second over {key}; bars are 95 % bootstrap intervals over seeds."
    return Picture(name, caption, figure, columns, rows)


def _series(runs: Sequence[Saved], x: str, named: str | None = None) -> tuple[list[str], list[Series]]:
    """
    What is drawn apart, so that a mean is one over seeds and over nothing else.

    Args:
        runs: All runs of the picture.
        x: The key on its x axis.
        named: A key whose value stands in every label, whether it varies or not; values begin with it.

    Returns:
        The further keys by which series are told apart, and the series.
    """
    others = [key for key in varied_keys(runs) if key not in (x, named)]
    keys = others if named is None else [named, *others]
    return others, [
        Series(_label(same, keys, values), values, same) for values, same in group(runs, keys).items()
    ]


def _label(runs: Sequence[Saved], keys: Sequence[str], values: Sequence[Any]) -> str:
    if RATE not in keys:
        return name_of(runs[0], keys, values)
    place = keys.index(RATE)
    rest = name_of(runs[0], [*keys[:place], *keys[place + 1 :]], [*values[:place], *values[place + 1 :]])
    return _load(runs, values[place]) + ("" if len(keys) == 1 else f", {rest}")


def _load(runs: Sequence[Saved], rate: float) -> str:
    """What is offered in these runs."""
    return "nothing" if runs[0].scenario.workload.model == "none" else f"{rate:g} tx / s"


def _counts(runs: Sequence[Saved]) -> list[float]:
    return [float(nodes) for (nodes,) in group(runs, [NODES])]


def _bars(estimates: Sequence[tuple[float, float, float]]) -> tuple[list[float], list[float]]:
    """How far intervals reach below and above their means."""
    return [mean - low for mean, low, _ in estimates], [high - mean for mean, _, high in estimates]
