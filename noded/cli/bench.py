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
def command(
    output: Output, nodes: int, seconds: float, rate: float | None, saturate: bool, operations: int
) -> None:
    """
    Measure a fresh network of real nodes on this machine.

    Transactions register records. The load is open: each has an intended time, from which its finality is counted.
    """
    from noded.bench.run import Plan, measure

    if saturate and rate is not None:
        raise click.UsageError("--rate and --saturate exclude each other")
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
