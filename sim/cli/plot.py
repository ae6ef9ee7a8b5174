"""`noded-sim plot`: the pictures alone."""

from pathlib import Path

import click

from noded.errors import ConfigError


@click.command(name="plot")
@click.argument(
    "folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option("--only", multiple=True, metavar="NAME", help="Draw this picture only, as traffic-nodes.")
@click.option("--to", type=click.Path(path_type=Path), default=Path("plots"), help="Folder for the pictures.")
def command(folders: tuple[Path, ...], only: tuple[str, ...], to: Path) -> None:
    """Draw the pictures of the runs in FOLDERS as PDF and PNG, with their data as CSV."""
    from sim.report.frames import load_all
    from sim.report.page import draw_all

    drawn, absent = draw_all(load_all(folders))
    pictures = {picture.name: picture for picture in drawn}
    reasons = {each.name: each.why for each in absent}
    for name in only:
        if name in reasons:
            raise ConfigError(f"--only {name}: {reasons[name]}")
        if name not in pictures:
            raise ConfigError(f"--only {name}: these runs have {', '.join(pictures)}")
    for name, picture in pictures.items():
        if not only or name in only:
            picture.write(to)
            click.echo(to / f"{name}.pdf")
    for name, why in reasons.items():
        click.echo(f"no {name}: {why}", err=True)
