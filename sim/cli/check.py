"""`noded-sim check`: a scenario, checked and spelled out."""

from pathlib import Path

import click

from sim.cli.options import output_option, read_scenario, scenario_options, show_json


@click.command(name="check")
@scenario_options
@output_option
@click.option(
    "--explicit", is_flag=True, help="Draw the nodes that selectors mean, and the crashes of churn."
)
def command(
    scenario: Path,
    latency_csv: Path | None,
    overrides: tuple[str, ...],
    seed: int | None,
    output: str,
    explicit: bool,
) -> None:
    """
    Check a scenario, and print it with all defaults filled in.

    Everything is made that a run begins with, of a sweep at each of its points: files are read, selectors find nodes.
    """
    from sim.run import begin
    from sim.scenario.dump import dump_toml
    from sim.scenario.explicit import make_explicit
    from sim.sweep import expand

    spec = read_scenario(scenario, seed, overrides, latency_csv)
    points = [spec] if spec.sweep is None else expand(spec)
    for point in points:
        if point.seed == spec.seed:
            begin(point)
    plain = (make_explicit(spec) if explicit else spec).plain()
    if output == "json":
        show_json(plain)
    else:
        click.echo(dump_toml(plain), nl=False)
