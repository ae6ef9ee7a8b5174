"""What is wrong with a dashboard, by rules that Grafana itself would not tell."""

import re
from collections.abc import Iterator
from typing import Any

import promql_parser

UNITS = ("short", "s", "bytes", "Bps", "ops", "cpm", "percentunit")

COUNTER = re.compile(r"\bnoded_\w+(?:_total|_bucket|_sum|_count)\b")
RATED = re.compile(r"\b(?:rate|increase|irate)\(")


def expression(expr: str, *, job: str = ".*", instance: str = ".*", interval: str = "1m") -> str:
    """A panel's expression as Grafana sends it, its variables filled in."""
    return expr.replace("$__rate_interval", interval).replace("$job", job).replace("$instance", instance)


def queries(dashboard: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Title and expression of each query of all panels."""
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def findings(dashboard: dict[str, Any]) -> list[str]:
    """All breaches of the rules; none for a good dashboard."""
    return [*_of_page(dashboard), *_of_layout(dashboard), *_of_panels(dashboard), *_of_queries(dashboard)]


def _of_page(dashboard: dict[str, Any]) -> Iterator[str]:
    for key in ("uid", "title", "schemaVersion", "tags", "refresh"):
        if not dashboard.get(key):
            yield f"the page has no {key}"
    variables = {each["name"]: each for each in dashboard["templating"]["list"]}
    if list(variables) != ["datasource", "job", "instance"]:
        yield f"the variables are {list(variables)}"
        return
    if variables["datasource"]["type"] != "datasource":
        yield "datasource is no choice of a data source"
    for name in ("job", "instance"):
        if not variables[name]["multi"] or not variables[name]["includeAll"]:
            yield f"{name} does not allow several and all"
        if variables[name]["datasource"]["uid"] != "${datasource}":
            yield f"{name} is not filled from the chosen data source"
    if "$job" not in variables["instance"]["query"]["query"]:
        yield "the instances are not those of the chosen jobs"


def _of_layout(dashboard: dict[str, Any]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            yield f"{panel['title']}: is wider than the page"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken:
                    yield f"{panel['title']}: lies on {taken[x, y]}"
                    return
                taken[x, y] = panel["title"]


def _of_panels(dashboard: dict[str, Any]) -> Iterator[str]:
    titles = [panel["title"] for panel in dashboard["panels"]]
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(set(titles)) < len(titles) or len(set(ids)) < len(ids):
        yield "two panels have the same title or id"
    for panel in dashboard["panels"]:
        name = panel["title"] or f"panel {panel['id']}"
        if not panel["title"] or not panel["description"]:
            yield f"{name}: lacks title or description"
        if not panel["description"].endswith("."):
            yield f"{name}: its description is no sentence"
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            yield f"{name}: lacks a known unit"
        if not panel["targets"]:
            yield f"{name}: shows nothing"
        for each in (panel, *panel["targets"]):
            if each["datasource"] != {"type": "prometheus", "uid": "${datasource}"}:
                yield f"{name}: is not of the chosen data source"


def _of_queries(dashboard: dict[str, Any]) -> Iterator[str]:
    for panel in dashboard["panels"]:
        name, unit = panel["title"], panel["fieldConfig"]["defaults"].get("unit")
        for target in panel["targets"]:
            expr = target["expr"]
            try:
                promql_parser.parse(expression(expr))
            except ValueError as error:
                yield f"{name}: {error}"
            selectors = re.findall(r"[a-z_]+\{([^}]*)\}", expr)
            if not selectors or not all(
                'job=~"$job"' in each and 'instance=~"$instance"' in each for each in selectors
            ):
                yield f"{name}: does not select by job and instance"
            if re.findall(r"\[([^\]]*)\]", expr) != ["$__rate_interval"] * expr.count("["):
                yield f"{name}: has an interval of its own"
            if COUNTER.search(expr) and not RATED.search(expr) and unit != "short":
                yield f"{name}: shows a counter without a rate"
            if "histogram_quantile" in expr and not re.search(r"by \([^)]*\ble\b[^)]*\)", expr):
                yield f"{name}: a quantile over summed buckets without le"
            if not target["legendFormat"]:
                yield f"{name}: its series have no names"
