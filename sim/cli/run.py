"""`noded-sim run`: one scenario."""

from pathlib import Path
from typing import Any

import click

from sim.cli.options import RUNS, number, output_option, read_scenario, scenario_options, show_json


@click.command(name="run")
@scenario_options
@output_option
@click.option("--runs", type=click.Path(path_type=Path), default=RUNS, help="Folder for results.")
@click.option("--save/--no-save", default=True, help="Keep manifest and tables.")
@click.option("--keep-going", is_flag=True, help="Go on after a violation.")
@click.option("--wire", is_flag=True, help="Encode and decode every message on every hop.")
@click.option("--no-memo", is_flag=True, help="Let every node do all its work by itself.")
def command(
    scenario: Path,
    latency_csv: Path | None,
    overrides: tuple[str, ...],
    seed: int | None,
    output: str,
    runs: Path,
    save: bool,
    keep_going: bool,
    wire: bool,
    no_memo: bool,
) -> int:
    """Run one scenario; the exit status says the verdict."""
    from sim.cli.progress import shown
    from sim.cli.root import VERDICT_CODES
    from sim.results import make_place, run_id, summary
    from sim.results import save as save_run
    from sim.run import Options, simulate

    spec = read_scenario(scenario, seed, overrides, latency_csv)
    options = Options(memo=not no_memo, wire=wire, keep_going=keep_going)
    if save:
        make_place(runs)
    with shown(spec.name, quiet=output == "json") as report:
        result = simulate(spec, options, report)
    folder = save_run(result, runs / run_id(spec)) if save else None
    figures = summary(result)
    if output == "json":
        show_json(figures)
    else:
        click.echo(describe(spec.name, spec.seed, figures))
        if folder is not None:
            click.echo(f"saved       {folder}")
    return VERDICT_CODES[result.verdict]


def describe(name: str, seed: int, figures: dict[str, Any]) -> str:
    """The figures of a run, for people."""
    finality, transactions = figures["finality_ms"], figures["tx_finality_ms"]
    lines = [
        f"scenario    {name}, seed {seed}",
        f"verdict     {figures['verdict']}",
        f"event hash  {figures['event_hash']}",
        f"blocks      {number(figures['blocks_per_s'], ' a second', 2)}",
        f"finality    {_quantiles(finality)}",
        f"throughput  {number(figures['tx_per_s'], ' transactions a second')}",
        f"tx finality {_quantiles(transactions)}{_unfinished(figures['tx_unfinished'])}",
        f"messages    {number(figures['messages_per_block'], ' a block')}, "
        f"{number(figures['bytes_per_block'], ' bytes a block', 0)}",
        f"simulated   {number(figures['simulated_s'], ' s')} in {number(figures['wall_s'], ' s')}",
    ]
    for violation in figures["violations"]:
        nodes = ", ".join(map(str, violation["nodes"]))
        lines.append(
            f"violation   {violation['checker']} at {violation['at_ns'] / 1e9:.3f} s, nodes [{nodes}]: "
            f"{violation['detail']}"
        )
    return "\n".join(lines)


def _quantiles(figures: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {number(value, ' ms', 0)}" for name, value in figures.items())


def _unfinished(share: float | None) -> str:
    """What quantiles of those that became final leave out."""
    return f"; {100 * share:.1f} % not final at the end" if share else ""
