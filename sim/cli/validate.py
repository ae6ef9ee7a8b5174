"""`noded-sim validate`: the simulator against what others measured."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.cli.options import output_option, show_json

if TYPE_CHECKING:
    from sim.validate import Row


@click.command(name="validate")
@click.option("--costs", default="default", help="Table of costs; default: the built-in one. See calibrate.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes; default: one a core.")
@click.option(
    "--daemons", is_flag=True, help="Compare with real daemons on this machine instead; needs --costs."
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=8.0,
    show_default=True,
    help="Of each load on real daemons, each of its turns.",
)
@click.option(
    "--parts",
    type=click.Path(path_type=Path),
    help="Folder that keeps figures of real daemons; those in it are not measured again.",
)
@output_option
def command(
    costs: str, jobs: int | None, daemons: bool, seconds: float, parts: Path | None, output: str
) -> int:
    """
    Compare with measurements of others; the exit status is 1 if a comparable figure is too far off.

    With --daemons four real nodes are run as processes, and the same is simulated with the costs of this machine.
    """
    from sim.cli.root import FAILED
    from sim.models.cpu import load_costs
    from sim.pool import cores
    from sim.validate import validate

    load_costs(costs)
    if daemons:
        return _compare_daemons(costs, seconds, parts, output)
    rows = validate(costs, jobs or cores())
    is_within = all(row.is_within is not False for row in rows)
    if output == "json":
        show_json({"is_within": is_within, "rows": [_plain(row) for row in rows]})
    else:
        click.echo(describe(rows))
    return 0 if is_within else FAILED


def _compare_daemons(costs: str, seconds: float, parts: Path | None, output: str) -> int:
    from rich.console import Console

    from sim.cli.root import FAILED
    from sim.costs_file import load_machine
    from sim.predict import compare_daemons

    machine = load_machine(Path(costs))
    console = Console(stderr=True, quiet=output == "json")
    rows = compare_daemons(costs, machine, seconds, parts, console.print)
    is_within = all(row.is_within is not False for row in rows)
    if output == "json":
        plain = [{**asdict(row), "error": row.error, "is_within": row.is_within} for row in rows]
        show_json({"is_within": is_within, "machine": asdict(machine), "rows": plain})
        return 0 if is_within else FAILED
    click.echo(f"{'':<42}{'real':>10}{'simulated':>12}{'error':>9}  allowed")
    for row in rows:
        allowed = "-" if row.tolerance is None else f"{row.tolerance:.0%} {'ok' if row.is_within else 'OFF'}"
        click.echo(
            f"{row.quantity:<42}{row.real:>10.1f}{row.simulated:>12.1f}{row.error:>+9.1%}  {allowed}  {row.unit}"
        )
    return 0 if is_within else FAILED


def describe(rows: "Sequence[Row]") -> str:
    """The rows as a table, with a note below each group of equal ones."""
    head = f"{'':<32}{'published':>12}{'latency only':>20}{'calibrated':>20}  allowed"
    lines = []
    target = note = ""
    for row in rows:
        if note and (row.target, row.note) != (target, note):
            lines.append(f"  ({note})")
        if row.target != target:
            lines += ["", row.target, head]
        target, note = row.target, row.note
        low, high = row.published_ms
        published = f"{low:.0f} ms" if low == high else f"{low:.0f}-{high:.0f} ms"
        allowed = "-" if row.tolerance is None else f"{row.tolerance:.0%}, {row.judged}"
        sign = {True: ": ok", False: ": OFF", None: ""}[row.is_within]
        lines.append(
            f"  {row.quantity:<30}{published:>12}"
            f"{_figure(row.latency_only_ms, row.latency_only_error, row):>20}"
            f"{_figure(row.calibrated_ms, row.calibrated_error, row):>20}  {allowed}{sign}"
        )
    return "\n".join([*lines, f"  ({note})"]).lstrip("\n")


def _figure(value: float, error: float, row: "Row") -> str:
    off = "" if row.tolerance is None else f" ({error:+.1%})"
    return f"{value:.1f} ms{off}"


def _plain(row: "Row") -> dict[str, Any]:
    return {
        **asdict(row),
        "latency_only_error": row.latency_only_error,
        "calibrated_error": row.calibrated_error,
        "is_within": row.is_within,
    }
