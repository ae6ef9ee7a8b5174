"""`noded-sim calibrate`: what computing costs on this machine."""

from dataclasses import asdict
from pathlib import Path

import click

from sim.cli.options import output_option, show_json


@click.command(name="calibrate")
@click.option("--to", type=click.Path(path_type=Path), default=Path("costs.toml"), help="File for the costs.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=6.0,
    show_default=True,
    help="Of each load on real nodes, each of its turns.",
)
@click.option("--core-only", is_flag=True, help="Run no real nodes; what surrounds the core stays unpriced.")
@click.option(
    "--parts",
    type=click.Path(path_type=Path),
    help="Folder that keeps figures of real nodes; those in it are not measured again.",
)
@output_option
def command(to: Path, seconds: float, core_only: bool, parts: Path | None, output: str) -> None:
    """
    Measure the costs of a node's operations here, and write them for `cpu.costs`, `run` and `validate`.

    Steps of the core are timed in this process. What surrounds it is measured on four real nodes, saturated and at light
    loads, which take turns so that each meets all speeds of a machine that drifts.
    The machine should have nothing else to do meanwhile.
    """
    from rich.console import Console

    from sim.calibrate import measure_core
    from sim.costs_file import dump_costs
    from sim.daemons import CALIBRATION_RATES, CLOSED, ROUNDS, Shell, machine_of, measure_shell, run_real

    console = Console(stderr=True, quiet=output == "json")
    real = None
    if not core_only:
        loads = (CLOSED, *CALIBRATION_RATES)
        real = run_real(loads, seconds=seconds, rounds=ROUNDS, parts=parts, progress=console.print)
    console.print("steps of the core")
    core, machine = measure_core(), machine_of(real)
    shell = Shell() if real is None else measure_shell(core, machine, real, console.print)
    notes = {} if core_only else asdict(shell)
    to.write_text(dump_costs(shell.on(core), machine, notes))
    if output == "json":
        show_json(
            {"file": str(to), "cost": asdict(shell.on(core)), "machine": asdict(machine), "shell": notes}
        )
    else:
        click.echo(to.read_text(), nl=False)
        click.echo(f"noded-sim run SCENARIO --set cpu.costs={to}")
