"""`noded-sim report`: one page about runs."""

from pathlib import Path

import click


@click.command(name="report")
@click.argument(
    "folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option(
    "--to", type=click.Path(path_type=Path), help="Folder for the report; default: report/ in the first."
)
def command(folders: tuple[Path, ...], to: Path | None) -> None:
    """Write one HTML page with figures and pictures about the runs in FOLDERS."""
    from sim.report.page import write_report

    click.echo(write_report(folders, to or folders[0] / "report"))
