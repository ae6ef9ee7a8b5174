"""
Shrinking: from a scenario that fails to one that fails in the same way and has as little in it as possible.

The draws of a seed are spelled out first, so that taking one fault away leaves the others as they are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from noded.errors import ConfigError
from sim.run import Options, simulate
from sim.scenario.explicit import make_explicit
from sim.scenario.load import make_scenario
from sim.scenario.model import Scenario
from sim.units import format_duration, parse_duration

RUNS_MAX = 400
"""Runs that shrinking may take."""

NODES_MIN = 4

SECTIONS = ("fault", "byzantine", "act")
"""Lists of a scenario whose rows may be left out."""

Plain = dict[str, Any]

Fails = Callable[[Scenario], str | None]
"""Runs a scenario; the name of the first checker whose claim does not hold, or None."""


def first_failure(scenario: Scenario) -> str | None:
    """Run a scenario until its first violation."""
    result = simulate(scenario, Options())
    return result.violations[0].checker if result.violations else None


@dataclass(slots=True)
class Shrinker:
    """
    Makes one scenario smaller.

    Args:
        fails: How a scenario is tried.
        report: Told of each scenario that still fails, with the number of runs so far.
    """

    fails: Fails = first_failure
    report: Callable[[Scenario, int], None] = lambda scenario, runs: None
    runs: int = field(default=0, init=False)
    _wanted: str = field(default="", init=False)

    def shrink(self, scenario: Scenario) -> Scenario:
        """
        The smallest scenario found that fails as this one does.

        Raises:
            ConfigError: This one does not fail.
        """
        plain = _changed(make_explicit(scenario).plain(), "time", warmup="0s")
        wanted = self.fails(make_scenario(plain))
        self.runs = 1
        if wanted is None:
            raise ConfigError(f"scenario {scenario.name!r} does not fail, so there is nothing to shrink")
        self._wanted = wanted
        before: Plain | None = None
        while before != plain and self.runs < RUNS_MAX:
            before = plain
            plain = self._drop_items(plain)
            for change in (_simplify, _shorten, _narrow, _fewer_nodes):
                plain = self._take_all(plain, change)
        return make_scenario(plain)

    def _drop_items(self, plain: Plain) -> Plain:
        """Delta debugging (Zeller, Hildebrandt): leave out faults, byzantine nodes and acts, many at a time first."""
        items = [(section, row) for section in SECTIONS for row in plain[section]]
        size = max(1, len(items) // 2)
        while items:
            for start in range(0, len(items), size):
                fewer = items[:start] + items[start + size :]
                candidate = _with_items(plain, fewer)
                if self._still_fails(candidate):
                    plain, items = candidate, fewer
                    break
            else:
                if size == 1:
                    break
                size = max(1, size // 2)
        return plain

    def _take_all(self, plain: Plain, changes: Callable[[Plain], Iterator[Plain]]) -> Plain:
        """Apply each change that leaves the failure; begin again after one, as it may allow more."""
        found = True
        while found and self.runs < RUNS_MAX:
            found = False
            for candidate in changes(plain):
                if candidate != plain and self._still_fails(candidate):
                    plain, found = candidate, True
                    break
        return plain

    def _still_fails(self, plain: Plain) -> bool:
        if self.runs >= RUNS_MAX:
            return False
        try:
            scenario = make_scenario(plain)
            self.runs += 1
            failed = self.fails(scenario)
        except ConfigError:
            return False
        if failed == self._wanted:
            self.report(scenario, self.runs)
        return failed == self._wanted


def _with_items(plain: Plain, items: list[tuple[str, Plain]]) -> Plain:
    rows = {section: [row for name, row in items if name == section] for section in SECTIONS}
    return {**plain, **rows}


def _changed(plain: Plain, section: str, **values: Any) -> Plain:
    return {**plain, section: {**plain[section], **values}}


def _simplify(plain: Plain) -> Iterator[Plain]:
    """Everything that may be needless, at its plainest."""
    yield _changed(plain, "workload", model="none")
    yield _changed(plain, "workload", model="constant", rate=2, gateways=1)
    yield _changed(plain, "network", latency={"model": "constant", "delay": "10ms"})
    yield _changed(plain, "network", up="unlimited", down="unlimited")
    yield _changed(plain, "network", loss=0.0)
    yield _changed(plain, "nodes", slow={})
    yield _changed(plain, "cpu", model="none")
    yield _changed(plain, "disk", fsync="0s")
    yield _changed(plain, "clock", offset="0s", drift_ppm=0)
    yield _changed(plain, "time", ties="order")
    yield _changed(plain, "protocol", epoch_length=1_000)
    yield _changed(plain, "protocol", routing="all")
    yield _changed(plain, "protocol", reputation=False)
    yield _changed(plain, "time", heal="0s")


def _shorten(plain: Plain) -> Iterator[Plain]:
    """Shorter runs, and shorter faults."""
    duration = parse_duration(plain["time"]["duration"])
    if duration > 2_000_000_000:
        yield _changed(plain, "time", duration=format_duration(duration // 2))
        yield _changed(plain, "time", duration=format_duration(duration * 9 // 10))
    for number, row in enumerate(plain["fault"]):
        span = parse_duration(row["for"]) if "for" in row else 0
        if span > 100_000_000:
            yield _with_row(plain, number, {**row, "for": format_duration(span // 2)})


def _narrow(plain: Plain) -> Iterator[Plain]:
    """Faults that hit fewer nodes."""
    for number, row in enumerate(plain["fault"]):
        nodes = row.get("nodes", [])
        if isinstance(nodes, list) and len(nodes) > 1:
            for node in nodes:
                yield _with_row(plain, number, {**row, "nodes": [each for each in nodes if each != node]})


def _fewer_nodes(plain: Plain) -> Iterator[Plain]:
    """Fewer nodes, as long as all that the faults name remain."""
    count = plain["nodes"]["count"]
    named = [node for row in plain["fault"] for node in _named(row)]
    named += [node for row in plain["byzantine"] for node in (*row["nodes"], *row.get("victims", []))]
    least = max(NODES_MIN, max(named, default=0) + 1)
    for fewer in dict.fromkeys((least, (least + count) // 2, count - 1)):
        if least <= fewer < count:
            yield _changed(plain, "nodes", count=fewer)


def _named(row: Plain) -> list[int]:
    if "groups" in row:
        return [node for group in row["groups"] for node in group]
    return [node for node in row["nodes"] if isinstance(node, int)]


def _with_row(plain: Plain, number: int, row: Plain) -> Plain:
    rows = list(plain["fault"])
    rows[number] = row
    return {**plain, "fault": rows}
