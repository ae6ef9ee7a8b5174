"""`noded-sim shrink`: a failing run, made small."""

import sys
from pathlib import Path

import click


@click.command(name="shrink")
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--to", type=click.Path(path_type=Path), help="File for the small scenario; default: beside RUN."
)
def command(run: Path, to: Path | None) -> None:
    """
    Find a small scenario that fails as RUN does, and write it down.

    RUN is a saved run's folder or a scenario file.
    """
    from sim.results import load
    from sim.scenario.dump import dump_scenario
    from sim.scenario.load import load_scenario
    from sim.scenario.model import Scenario
    from sim.shrink import Shrinker

    scenario = load(run).scenario if run.is_dir() else load_scenario(run)

    def report(smaller: Scenario, runs: int) -> None:
        faults = len(smaller.fault) + len(smaller.byzantine)
        print(
            f"{runs} runs: {smaller.nodes.count} nodes, {faults} faults, {smaller.time.duration / 1e9:.1f} s",
            file=sys.stderr,
        )

    small = Shrinker(report=report).shrink(scenario)
    path = to or (run / "shrunk.toml" if run.is_dir() else run.with_suffix(".shrunk.toml"))
    path.write_text(dump_scenario(small))
    click.echo(f"noded-sim run {path}")
