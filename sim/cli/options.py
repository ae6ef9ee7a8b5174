"""Options that commands have in common, and how results are shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from sim.scenario.load import load_scenario, parse_override
from sim.scenario.model import Scenario

F = TypeVar("F", bound=Callable[..., Any])

RUNS: Final = Path("runs")
"""Where results go unless told otherwise."""


def scenario_options(function: F) -> F:
    """A scenario's file and what replaces parts of it."""
    for decorate in (
        click.option("--seed", type=int, help="Seed, instead of the scenario's."),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Override a key, as nodes.count=50.",
        ),
        click.option(
            "--latency-csv",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="Table of regions instead of the built-in one: src,dst,p50_oneway_ms,p90_oneway_ms.",
        ),
        click.argument("scenario", type=click.Path(path_type=Path, exists=True, dir_okay=False)),
    ):
        function = decorate(function)
    return function


def output_option(function: F) -> F:
    """Whether stdout gets text or exactly one JSON object."""
    return click.option(
        "--output", type=click.Choice(("text", "json")), default="text", help="Form of the result on stdout."
    )(function)


def read_scenario(
    path: Path, seed: int | None, overrides: tuple[str, ...], latency_csv: Path | None
) -> Scenario:
    """
    The scenario that the options say.

    Raises:
        ConfigError: It is wrong.
    """
    values = dict(map(parse_override, overrides))
    if seed is not None:
        values["seed"] = seed
    if latency_csv is not None:
        values["network.latency"] = {"model": "regions", "table": str(latency_csv)}
    return load_scenario(path, values)


def show_json(data: object) -> None:
    """Print exactly one JSON object."""
    click.echo(json.dumps(data, ensure_ascii=False))


def number(value: float | None, unit: str = "", digits: int = 1) -> str:
    """A figure for people; a dash where there is none."""
    return "-" if value is None else f"{value:,.{digits}f}{unit}"
