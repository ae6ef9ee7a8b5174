"""`noded-sim compare`: two sets of runs."""

from dataclasses import asdict
from pathlib import Path

import click

from noded.errors import ConfigError
from sim.cli.options import number, output_option, show_json

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command(name="compare")
@click.argument("first", type=FOLDER)
@click.argument("second", type=FOLDER)
@output_option
def command(first: Path, second: Path, output: str) -> None:
    """Compare the runs in FIRST with those in SECOND, pair by pair of equal seeds."""
    from sim.compare import PAIRS_MIN, compare
    from sim.report.frames import load_all

    differences = compare(load_all([first]), load_all([second]))
    if not differences:
        raise ConfigError("the two have no seeds and values in common, so there are no pairs to compare")
    if output == "json":
        show_json({"differences": [{**asdict(each), "is_clear": each.is_clear} for each in differences]})
        return
    click.echo(f"{'figure':<22}{'first':>14}{'second':>14}{'ratio':>8}  95 % interval")
    for each in differences:
        interval = f"[{number(each.ratio_low, '', 3)}, {number(each.ratio_high, '', 3)}]"
        sign = "" if each.is_clear else "  no clear difference"
        if each.left_out:
            sign += f"  ({each.left_out} pairs without it left out)"
        ratio = number(each.ratio, "", 3)
        click.echo(
            f"{each.figure:<22}{number(each.first, '', 2):>14}{number(each.second, '', 2):>14}{ratio:>8}  {interval}{sign}"
        )
    pairs = max(each.pairs + each.left_out for each in differences)
    few = f"; fewer than {PAIRS_MIN} make nothing clear" if pairs < PAIRS_MIN else ""
    click.echo(f"{pairs} pairs{few}")
