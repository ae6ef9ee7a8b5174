"""`noded-sim trace`: a window of a run for Perfetto."""

import json
from pathlib import Path

import click

from noded.errors import ConfigError
from sim.cli.options import read_scenario, scenario_options


@click.command(name="trace")
@scenario_options
@click.option("--at", "start", default="0s", help="Where the window begins, in virtual time.")
@click.option("--for", "span", default="2s", help="How long it is.")
@click.option("--to", type=click.Path(path_type=Path), default=Path("trace.json"), help="File for the trace.")
def command(
    scenario: Path,
    latency_csv: Path | None,
    overrides: tuple[str, ...],
    seed: int | None,
    start: str,
    span: str,
    to: Path,
) -> None:
    """Run a scenario up to the end of a window, and write the window as a trace for ui.perfetto.dev."""
    from sim.cluster import Cluster
    from sim.run import Options, simulate
    from sim.trace import Tracer
    from sim.units import format_duration, parse_duration

    try:
        start_ns, span_ns = parse_duration(start), parse_duration(span)
    except ValueError as error:
        raise ConfigError(f"--at and --for: {error}") from error
    if start_ns < 0 or span_ns <= 0:
        raise ConfigError(
            f"--at {start} --for {span}: a window begins at 0s or later, and lasts longer than 0s"
        )
    window = (f"time.duration={format_duration(start_ns + span_ns)}", "time.warmup=0s", "time.heal=0s")
    values = (*overrides, *window)
    spec = read_scenario(scenario, seed, values, latency_csv)
    tracers: list[Tracer] = []

    def make(cluster: Cluster) -> Tracer:
        tracers.append(Tracer(cluster, start_ns, start_ns + span_ns))
        return tracers[-1]

    simulate(spec, Options(observers=[make], keep_going=True))
    to.write_text(json.dumps(tracers[0].json(), separators=(",", ":")))
    click.echo(f"{to}: {len(tracers[0].events)} events; open it at https://ui.perfetto.dev")
