"""
What dashboards are made of: panels in rows, and the forms of expression that they use.

All expressions select by the variables `job` and `instance`. Where every node says the same of the one ledger, the
greatest says it: the nodes differ only by how far they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

ALL = 'job=~"$job", instance=~"$instance"'
"""Selects what the variables at the top of the dashboard say."""

SCRAPE_INTERVAL = "15s"
"""As in configs/prometheus."""


@dataclass(frozen=True, slots=True)
class Query:
    """One expression and how its series are called."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One picture."""

    title: str
    description: str
    unit: str
    """As Grafana names it: short, s, bytes, Bps (bytes a second), ops (a second), cpm (a minute), percentunit."""
    queries: Sequence[Query]
    kind: str = "timeseries"
    limits: Sequence[tuple[float, str]] = field(default=())
    """From which value on a `stat` has which colour; it is green below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """One page."""

    uid: str
    title: str
    rows: Sequence[Sequence[Panel]]
    chosen_by: str = "noded_height"
    """The metric whose jobs and instances can be chosen at the top."""
    interval: str = SCRAPE_INTERVAL
    """Between two samples; `$__rate_interval` is at least four of them."""


def by(name: str, **labels: str) -> str:
    """A metric of the selected nodes; further labels are equal to a value, or match one that begins with ~."""
    matchers = [
        f'{label}=~"{value[1:]}"' if value.startswith("~") else f'{label}="{value}"'
        for label, value in labels.items()
    ]
    return f"{name}{{{', '.join((ALL, *matchers))}}}"


def rate(name: str, **labels: str) -> str:
    """Its rate over the dashboard's interval."""
    return f"rate({by(name, **labels)}[$__rate_interval])"


def quantile(share: float, name: str, label: str = "instance") -> str:
    """A quantile of a histogram, by node or by another label."""
    return f"histogram_quantile({share}, sum by ({label}, le) ({rate(name + '_bucket')}))"


def quantiles(name: str) -> list[Query]:
    """Median and tail of a histogram, by node."""
    return [
        Query(quantile(0.5, name), "{{instance}} p50"),
        Query(quantile(0.99, name), "{{instance}} p99"),
    ]


def one(title: str, description: str, unit: str, expr: str, legend: str = "{{instance}}") -> Panel:
    """A panel with one expression."""
    return Panel(title=title, description=description, unit=unit, queries=[Query(expr, legend)])


def stat(
    title: str, description: str, unit: str, expr: str, limits: Sequence[tuple[float, str]] = ()
) -> Panel:
    """One number."""
    return Panel(
        title=title,
        description=description,
        unit=unit,
        queries=[Query(expr, title)],
        kind="stat",
        limits=limits,
    )
