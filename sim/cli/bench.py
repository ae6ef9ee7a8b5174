"""`noded-sim bench`: what this machine can do."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from sim.cli.options import output_option, show_json

if TYPE_CHECKING:
    from sim.bench import Profile

ENGINE = "engine"
START = "start"
SCENARIOS = ("wan-200", "lan-1000-linear")


@click.command(name="bench")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([ENGINE, START, *SCENARIOS]),
    help="Measure this only.",
)
@click.option(
    "--nodes", type=click.IntRange(min=2), default=300, show_default=True, help="Nodes that do nothing."
)
@click.option(
    "--rounds", type=click.IntRange(min=1), default=10, show_default=True, help="Broadcasts of each."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="Virtual time of each scenario.",
)
@click.option("--profile", is_flag=True, help="Show where the scenarios' time goes; they run slower then.")
@output_option
def command(
    only: tuple[str, ...], nodes: int, rounds: int, seconds: float, output: str, *, profile: bool
) -> None:
    """
    Measure this machine in processor time, on one core.

    How many messages the engine delivers to nodes that do nothing, how much virtual time of large scenarios passes in a
    second, and how long a start takes.
    """
    from sim.bench import machine, measure_engine, measure_scenario, measure_start

    found: dict[str, Any] = {"machine": machine()}
    if output != "json":
        click.echo(", ".join(f"{name} {value}" for name, value in found["machine"].items()))
    for name in only or (START, ENGINE, *SCENARIOS):
        if name == START:
            found[START] = {"cpu_s": measure_start()}
            line = f"{found[START]['cpu_s']:.2f} s from nothing to the command's help"
        elif name == ENGINE:
            delivered = measure_engine(nodes, rounds)
            found[ENGINE] = {**asdict(delivered), "messages_per_s": delivered.messages_per_s}
            line = f"{delivered.messages_per_s:,.0f} messages a second to {nodes} nodes that do nothing"
        else:
            ran = _apart(measure_scenario, name, seconds, is_profiled=profile)
            found[name] = {**asdict(ran), "speed": ran.speed}
            line = (
                f"{ran.simulated_s:g} s in {ran.cpu_s:.1f} s of processor, {ran.speed:.2f} times real time, "
                f"{ran.peak_mb:.0f} MB, {ran.tx_per_s:.0f} transactions a second"
            )
            if ran.profile is not None:
                line += _table(ran.profile)
        if output != "json":
            click.echo(f"{name}: {line}")
    if output == "json":
        show_json(found)


def _apart(function: Any, *arguments: Any, **named: Any) -> Any:
    """The result of a function that is called in a new process."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(function, *arguments, **named).result()


def _table(profile: "Profile") -> str:
    lines = [f"\n  {share:5.1f} %  {place}" for place, share in profile.places.items() if share >= 1]
    lines.append("\n  most in these functions:")
    lines += [f"\n  {share:5.1f} %  {name}, {calls:,} calls" for name, share, calls in profile.functions]
    return "".join(lines)
