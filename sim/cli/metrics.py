"""`noded-sim metrics`: the course of runs for Prometheus."""

from pathlib import Path

import click


@click.command(name="metrics")
@click.argument(
    "folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option(
    "--to", type=click.Path(path_type=Path), help="The file; default: metrics.txt in the first folder."
)
@click.option(
    "--start", type=int, metavar="SECONDS", help="Since 1970; default: so that the longest run ends now."
)
def command(folders: tuple[Path, ...], to: Path | None, start: int | None) -> None:
    """
    Write the course of the runs in FOLDERS as OpenMetrics text, one virtual second a second.

    `promtool tsdb create-blocks-from openmetrics FILE DATA` puts it into Prometheus' folder of data, where the dashboard
    "noded: simulation" finds it.
    """
    import time

    from sim.openmetrics import longest_s, render
    from sim.report.frames import load_all

    runs = load_all(folders)
    start_s = int(time.time()) - longest_s(runs) if start is None else start
    path = to or folders[0] / "metrics.txt"
    path.write_bytes(render(runs, start_s))
    click.echo(path)
