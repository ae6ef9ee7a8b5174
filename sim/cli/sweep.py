"""`noded-sim sweep`: a scenario for every value of its grid."""

from pathlib import Path

import click

from sim.cli.options import RUNS, F, output_option, read_scenario, scenario_options, show_json
from sim.scenario.model import Scenario


def sweep_options(function: F) -> F:
    """Where and on what the runs are done."""
    for decorate in (
        click.option("--jobs", type=click.IntRange(min=1), help="Processes; default: one a core."),
        click.option("--shard", default="1/1", metavar="I/N", help="Do the i-th of N parts only."),
        click.option("--dask", metavar="ADDRESS", help="Do the runs on this Dask scheduler's cluster."),
        click.option("--report/--no-report", default=True, help="Write the report at the end."),
    ):
        function = decorate(function)
    return function


@click.command(name="sweep")
@scenario_options
@output_option
@click.option("--runs", type=click.Path(path_type=Path), help="Folder for results; default: runs/NAME.")
@sweep_options
def command(
    scenario: Path,
    latency_csv: Path | None,
    overrides: tuple[str, ...],
    seed: int | None,
    output: str,
    runs: Path | None,
    jobs: int | None,
    shard: str,
    dask: str | None,
    report: bool,
) -> int:
    """Run a scenario for every value of its grid; what is done already is not done again."""
    from sim.sweep import begin

    spec = read_scenario(scenario, seed, overrides, latency_csv)
    folder = runs or RUNS / spec.name
    begin(spec, folder)
    return go_on(spec, folder, output=output, jobs=jobs, shard=shard, dask=dask, report=report)


def go_on(
    spec: Scenario,
    folder: Path,
    *,
    output: str,
    jobs: int | None,
    shard: str,
    dask: str | None,
    report: bool,
) -> int:
    """Do what is left of a sweep; exit status 1 if a run could not be done."""
    from rich.console import Console
    from rich.progress import track

    from sim.cli.root import FAILED
    from sim.pool import cores
    from sim.sweep import jobs_of, parse_shard, run_here, run_on_dask

    todo, total = jobs_of(spec, folder, parse_shard(shard))
    console = Console(stderr=True, quiet=output == "json")
    console.print(f"{spec.name}: {total} runs, {total - len(todo)} done before")
    done = run_on_dask(todo, dask) if dask else run_here(todo, jobs or cores())
    verdicts: dict[str, int] = {}
    for job, verdict in track(done, "sweep", total=len(todo), console=console, transient=True):
        verdicts[verdict] = verdicts.get(verdict, 0) + 1
        if verdict != "pass":
            console.print(f"{verdict}: {job.folder}")
    page = None
    if report and not verdicts.get("failed"):
        from sim.report.page import write_report

        page = str(write_report([folder], folder / "report"))
    if output == "json":
        show_json(
            {"runs": total, "new": len(todo), "verdicts": verdicts, "folder": str(folder), "report": page}
        )
    else:
        click.echo(f"{total} runs in {folder}")
        if page is not None:
            click.echo(f"report      {page}")
    return FAILED if verdicts.get("failed") else 0
