"""`noded bench`."""

import click

from noded.cli.options import command as declare
from noded.cli.output import Json, Output, cell, members


@declare(name="bench")
@click.option(
    "--nodes", type=click.IntRange(1, 64), default=4, show_default=True, help="Nodes, as processes."
)
@click.option(
    "--seconds", type=click.FloatRange(1, 3600), default=30.0, show_default=True, help="Of load, each time."
)
@click.option("--rate", type=click.FloatRange(1, 100_000), help="Transactions a second of open load.")
@click.option(
    "--saturate",
    is_flag=True,
    help="Find what is sustained, then measure finality at 70 % of it (the default).",
)
@click.option(
    "--ops-per-tx",
    "operations",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Operations of each transaction.",
)
@click.option(
    "--loads",
    metavar="LOADS",
    help="Several loads in turn, --rounds times: such as closed,50%,60 for saturated, at half of that, and at 60 a second.",
)
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True, help="Of these loads.")
def command(
    output: Output,
    nodes: int,
    seconds: float,
    rate: float | None,
    saturate: bool,
    operations: int,
    loads: str | None,
    rounds: int,
) -> None:
    """
    Measure a fresh network of real nodes on this machine.

    Transactions register records. The load is open: each has an intended time, from which its finality is counted.
    """
    from noded.bench.run import Plan, measure
    from noded.bench.series import Series, measure_series, parse_loads

    if (loads is not None) + saturate + (rate is not None) > 1:
        raise click.UsageError("--rate, --saturate and --loads exclude each other")
    if loads is not None:
        series = Series(nodes=nodes, seconds=seconds, loads=parse_loads(loads), rounds=rounds)
        output.show(measure_series(series, output.progress), _show_series)
        return
    plan = Plan(nodes=nodes, seconds=seconds, rate=rate, operations=operations)
    output.show(measure(plan, output.progress), _show)


def _show(data: Json) -> str:
    finality = " ".join(f"{name} {cell(value)}" for name, value in data["finality_ms"].items())
    machine = data["machine"]
    return members(
        {
            "transactions a second": data["tx_per_s"],
            "operations a second": data["ops_per_s"],
            f"finality in ms at {data['finality_at_tx_per_s']:.0f} tx/s": finality,
            "CPU seconds for 1000 transactions": data["cpu_s_per_1000_tx"],
            f"most memory of a node in MB, after {data['operations']} operations": data["rss_mb_max"],
            "idle CPU of a node in %": data["idle_cpu_percent"],
            "one write of the log in ms": data["log_sync_ms"],
            "reads a second, of one node": data["reads_per_s"],
            "reads in a second of its processor time": data["reads_per_cpu_s"],
            "CPU of the load in %": data["load_cpu_percent"],
            f"seconds until all {data['nodes']} were ready": data["all_ready_s"],
            "seconds to stop and to start one": f"{data['stop_s']} and {data['start_to_ready_s']}",
            "catching up, times real time": cell(data["catch_up"] and data["catch_up"]["times_real_time"]),
            "machine": f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB",
        }
    )


def _show_series(data: Json) -> str:
    lines = [f"{'load':>10}{'tx/s':>10}{'finality p50':>14}{'p95 ms':>10}{'CPU s / 1000':>14}"]
    for figures in (figures for each in data["rounds"] for figures in each):
        finality = figures["finality_ms"]
        lines.append(
            f"{figures['load']:>10}{figures['tx_per_s']:>10.1f}{cell(finality['p50']):>14}{cell(finality['p95']):>10}"
            f"{figures['cpu_s_per_1000_tx']:>14.3f}"
        )
    return "\n".join(lines)
