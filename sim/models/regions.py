"""Regions: delays between them, and which node is where."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import StringIO
from pathlib import Path

from noded.errors import ConfigError

COLUMNS = ("src", "dst", "p50_oneway_ms", "p90_oneway_ms")

REST = "*"


@dataclass(frozen=True, slots=True)
class RegionTable:
    """One-way delays between regions; the first row and column belong to the first name."""

    names: tuple[str, ...]
    median_ns: tuple[tuple[int, ...], ...]
    p90_ns: tuple[tuple[int, ...], ...]

    def index(self, name: str) -> int:
        """The number of a region."""
        return self.names.index(name)


@cache
def load_regions(source: str) -> RegionTable:
    """
    Read a table of regions.

    Args:
        source: "aws" for the built-in one, or a CSV file with the columns src, dst, p50_oneway_ms, p90_oneway_ms. A
            pair given in one direction holds for both; rows with src = dst are delays inside a region.

    Raises:
        ConfigError: The file cannot be read, a number is no delay, or a pair is missing.
    """
    return parse_regions(read_regions(source), source)


def read_regions(source: str) -> str:
    """
    The text of a table of regions.

    Raises:
        ConfigError: The file cannot be read.
    """
    if source == "aws":
        return files("sim.models").joinpath("aws.csv").read_text()
    try:
        return Path(source).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"latency table {source}: {error}") from error


def parse_regions(text: str, source: str) -> RegionTable:
    """Read the CSV text of a table; see `load_regions`."""
    reader = csv.DictReader(StringIO(text))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise ConfigError(f"latency table {source}: no column {missing[0]!r}; wanted {', '.join(COLUMNS)}")
    delays: dict[tuple[str, str], tuple[int, int]] = {}
    names: dict[str, None] = {}
    for number, row in enumerate(reader, start=2):
        try:
            median, p90 = (round(float(row[name]) * 1_000_000) for name in COLUMNS[2:])
        except (TypeError, ValueError):
            raise ConfigError(
                f"latency table {source}, line {number}: not a number of milliseconds"
            ) from None
        if not 0 <= median <= p90:
            raise ConfigError(f"latency table {source}, line {number}: wanted 0 <= p50 <= p90")
        source_name, target_name = row["src"].strip(), row["dst"].strip()
        names.setdefault(source_name)
        names.setdefault(target_name)
        delays[source_name, target_name] = median, p90
    if not names:
        raise ConfigError(f"latency table {source}: no rows")

    def find(a: str, b: str) -> tuple[int, int]:
        found = delays.get((a, b)) or delays.get((b, a))
        if found is None:
            raise ConfigError(f"latency table {source}: no row for {a}, {b}")
        return found

    rows = [[find(a, b) for b in names] for a in names]
    return RegionTable(
        names=tuple(names),
        median_ns=tuple(tuple(median for median, _ in row) for row in rows),
        p90_ns=tuple(tuple(p90 for _, p90 in row) for row in rows),
    )


def place_nodes(table: RegionTable, wanted: dict[str, int], count: int) -> list[int]:
    """
    The region of each node: those named in order, then the rest evenly over the regions not named.

    Raises:
        ConfigError: A region is unknown, or the numbers do not add up to `count`.
    """
    places: list[int] = []
    for name, number in wanted.items():
        if name == REST:
            continue
        if name not in table.names:
            raise ConfigError(f"nodes.regions: unknown region {name!r}; known: {', '.join(table.names)}")
        places += [table.index(name)] * number
    rest = count - len(places)
    if rest < 0 or (rest > 0 and REST not in wanted):
        raise ConfigError(f"nodes.regions place {len(places)} nodes, nodes.count is {count}")
    others = [index for index, name in enumerate(table.names) if name not in wanted]
    if rest and not others:
        raise ConfigError("nodes.regions: all regions are named, so '*' has none left")
    return places + sorted(others[index % len(others)] for index in range(rest))
