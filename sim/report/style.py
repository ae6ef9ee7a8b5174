"""How pictures look, and how they are written."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

WIDTH_IN, HEIGHT_IN = 6.4, 3.8
DPI = 160

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito: told apart by everybody, and in grey."""

MARKERS = "os^Dv<>"

LEGEND_LETTERS = 130
"""So many small letters are as wide as a figure."""

HANDLE_LETTERS = 12
"""As wide as the line before a label, and the space after it."""

_RC: Any = {
    "font.size": 9,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.hashsalt": "noded-sim",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with the numbers in it."""

    name: str
    caption: str
    figure: Figure
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def write(self, folder: Path) -> None:
        """PDF and PNG of the figure, CSV of its numbers."""
        folder.mkdir(parents=True, exist_ok=True)
        self.figure.savefig(folder / f"{self.name}.pdf", metadata={"CreationDate": None})
        self.figure.savefig(folder / f"{self.name}.png", dpi=DPI)
        with (folder / f"{self.name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(self.columns)
            writer.writerows(self.rows)


@dataclass(frozen=True, slots=True)
class Absent:
    """A picture that these runs call for, and have no figures for."""

    name: str
    why: str
    """A sentence."""


def make_figure(rows: int = 1, *, height: float = HEIGHT_IN) -> tuple[Figure, list[Axes]]:
    """A figure with so many axes below each other, which share their x axis."""
    mpl.rcParams.update(_RC)
    figure = Figure(figsize=(WIDTH_IN, height), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)
    return figure, [row[0] for row in axes]


def legend_above(figure: Figure, axes: Axes, *, columns: int = 4) -> None:
    """The legend of one of the axes, above the figure, where it covers nothing; in fewer columns if labels are long."""
    handles, labels = axes.get_legend_handles_labels()
    while columns > 1 and _legend_letters(labels, columns) > LEGEND_LETTERS:
        columns -= 1
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, fontsize=8)


def _legend_letters(labels: Sequence[str], columns: int) -> int:
    """How wide a legend is in letters; the first columns take one more label where they do not come out even."""
    parts = np.array_split(np.array([len(label) for label in labels]), columns)
    return sum(int(part.max()) + HANDLE_LETTERS for part in parts if len(part))


def count_axis(axes: Axes, counts: Sequence[float]) -> None:
    """A logarithmic x axis with its ticks at these whole numbers."""
    axes.set_xscale("log")
    axes.set_xticks(list(counts), [f"{count:g}" for count in counts])
    axes.xaxis.set_minor_locator(NullLocator())


def colour(index: int) -> str:
    """The colour of a series."""
    return COLOURS[index % len(COLOURS)]


def marker(index: int) -> str:
    """The marker of a series."""
    return MARKERS[index % len(MARKERS)]


def plot_estimates(
    axes: Axes,
    xs: Sequence[float],
    estimates: Sequence[tuple[float, float, float]],
    index: int,
    label: str,
    *,
    is_joined: bool = True,
) -> None:
    """A series of means with their intervals; joined by a line if there is something between them."""
    means = [each[0] for each in estimates]
    below = [each[0] - each[1] for each in estimates]
    above = [each[2] - each[0] for each in estimates]
    axes.errorbar(
        xs,
        means,
        yerr=[below, above],
        color=colour(index),
        marker=marker(index),
        markersize=4,
        capsize=2,
        linestyle="-" if is_joined else "none",
        label=label,
    )
