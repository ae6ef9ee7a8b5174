"""One HTML page with pictures and figures about runs, and each picture as PDF, PNG and CSV beside it."""

from base64 import b64encode
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment

from sim.report import reputation_plots, run_plots, sweep_plots
from sim.report.conduct import conduct_rows
from sim.report.frames import NODES, RATE, estimate, figure_of, group, load_all, name_of, shown, varied_keys
from sim.report.style import Absent, Picture
from sim.results import Saved

PAGE = "report.html"

COLUMNS = (
    ("blocks / s", "blocks_per_s", 2),
    ("finality p50 (ms)", "finality_ms.p50", 0),
    ("p95 (ms)", "finality_ms.p95", 0),
    ("p99 (ms)", "finality_ms.p99", 0),
    ("transactions / s", "tx_per_s", 1),
    ("tx finality p50 (ms)", "tx_finality_ms.p50", 0),
    ("p99 (ms)", "tx_finality_ms.p99", 0),
    ("of all tx unfinished", "tx_unfinished", 3),
    ("messages / block", "messages_per_block", 0),
    ("bytes / block", "bytes_per_block", 0),
)


def draw_all(runs: Sequence[Saved]) -> tuple[list[Picture], list[Absent]]:
    """The pictures that these runs call for, and those for which they have no figures."""
    keys = varied_keys(runs)
    pictures: list[Picture | Absent | None] = []
    is_loaded = any(run.scenario.workload.model != "none" for run in runs)
    if is_loaded and RATE in keys:
        pictures.append(sweep_plots.throughput_latency(runs))
    if NODES in keys:
        pictures += [
            sweep_plots.finality_over_nodes(runs),
            sweep_plots.throughput_over_nodes(runs) if is_loaded else None,
            sweep_plots.traffic_over_nodes(runs),
        ]
    others = [key for key in keys if key not in (NODES, RATE)]
    pictures += [sweep_plots.over_key(runs, key) for key in others]
    last = list(group(runs, keys).values())[-1][0]
    points = _points(runs, keys)
    pictures += [
        reputation_plots.against_round_robin(runs),
        reputation_plots.pace([(name, same[0]) for name, same in points]),
        *(reputation_plots.standing(name, same[0], number) for number, (name, same) in enumerate(points, 1)),
        run_plots.finality_cdf(points),
        run_plots.finality_by_region(last),
        run_plots.phases(last),
        run_plots.timeline(last),
        run_plots.recovery(last),
        run_plots.cpu(last),
    ]
    drawn = [each for each in pictures if isinstance(each, Picture)]
    return drawn, [each for each in pictures if isinstance(each, Absent)]


def write_report(folders: Sequence[Path], to: Path) -> Path:
    """
    Write the page and all pictures.

    Raises:
        ConfigError: There are no complete runs in these folders.
    """
    runs = load_all(folders)
    pictures, absent = draw_all(runs)
    for picture in pictures:
        picture.write(to)
    keys = varied_keys(runs)
    template = Environment(autoescape=True).from_string(
        files("sim.report").joinpath("template.html").read_text()
    )
    html = template.render(
        title=" · ".join(dict.fromkeys(run.scenario.name for run in runs)),
        about=next((run.scenario.about for run in runs if run.scenario.about), ""),
        heads=[name for name, _, _ in COLUMNS],
        keys=keys,
        rows=_rows(runs),
        conduct=[
            row
            for values, same in group(runs, keys).items()
            for row in conduct_rows(same[0], name_of(same[0], keys, values))
        ],
        failures=[_failure(run) for run in runs if run.summary["verdict"] != "pass"],
        pictures=[(picture, _embedded(to / f"{picture.name}.png")) for picture in pictures],
        absent=absent,
        versions=runs[0].manifest["versions"],
        count=len(runs),
        events=sum(run.manifest["events"] for run in runs),
        wall_s=sum(figure_of(run, "wall_s") or 0.0 for run in runs),
        replays=[str(run.folder) for run in runs[:1]],
    )
    path = to / PAGE
    path.write_text(html)
    return path


def _rows(runs: Sequence[Saved]) -> list[tuple[list[str], int, list[str]]]:
    """For each point its values, its number of runs, and its figures; with the number of runs that have one, if not all."""
    rows = []
    keys = varied_keys(runs)
    for values, same in group(runs, keys).items():
        cells = []
        for _, name, digits in COLUMNS:
            found = estimate(same, name)
            having = sum(figure_of(run, name) is not None for run in same)
            of_some = f" ({having} of {len(same)})" if having < len(same) else ""
            cells.append("–" if found is None else _interval(found, digits) + of_some)
        rows.append(([shown(value) for value in values], len(same), cells))
    return rows


def _interval(found: tuple[float, float, float], digits: int) -> str:
    middle, low, high = found
    if low == high:
        return f"{middle:,.{digits}f}"
    return f"{middle:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]"


def _failure(run: Saved) -> dict[str, Any]:
    violations = run.summary["violations"]
    return {
        "folder": str(run.folder),
        "verdict": run.summary["verdict"],
        "detail": violations[0]["detail"] if violations else "",
    }


def _points(runs: Sequence[Saved], keys: Sequence[str]) -> list[tuple[str, list[Saved]]]:
    """
    What is told apart in one picture of single values: a name for each point, and its runs of all seeds.

    Of a grid of sizes and loads these are the sizes, at the load in the middle.
    """
    points = group(runs, keys)
    if RATE in keys and NODES in keys:
        place = keys.index(RATE)
        rates = sorted({values[place] for values in points})
        middle = rates[len(rates) // 2]
        points = {values: same for values, same in points.items() if values[place] == middle}
    named = [(name_of(same[0], keys, values), same) for values, same in points.items()]
    most = run_plots.PER_RUN_MAX
    if len(named) > most:
        named = [named[round(index * (len(named) - 1) / (most - 1))] for index in range(most)]
    return named


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + b64encode(path.read_bytes()).decode()
