"""`noded-sim resume`: go on with a sweep."""

from pathlib import Path

import click

from sim.cli.options import output_option
from sim.cli.sweep import go_on, sweep_options


@click.command(name="resume")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@output_option
@sweep_options
def command(folder: Path, output: str, jobs: int | None, shard: str, dask: str | None, report: bool) -> int:
    """Do what an interrupted sweep has not done yet; FOLDER is where its results are."""
    from sim.sweep import reopen

    return go_on(reopen(folder), folder, output=output, jobs=jobs, shard=shard, dask=dask, report=report)
